/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef CONFIG_PRIVATE_H
#define CONFIG_PRIVATE_H

#include "base/nearest_word.h"
#include "config/config.h"

#include <limits.h>

enum config_type {
  CONFIG_INT,      /* int */
  CONFIG_SIZE,     /* int64_t, bytes */
  CONFIG_DURATION, /* int64_t, milliseconds */
  CONFIG_BOOL,     /* int */
  CONFIG_WORD,     /* int: the place of the word in `words` */
  CONFIG_TEXT,     /* char * */
  CONFIG_LIST,     /* struct config_list */
  CONFIG_MONEY,    /* int64_t, as in base/money.h; empty: MONEY_UNKNOWN */
};

struct config_key {
  const char *section, *key;
  size_t offset; /* in struct config; in struct config_backend, config_route for named sections */
  const char *fallback;
  int64_t min, max;  /* of numbers, sizes and times */
  const char *words; /* "text|json" */
  const char *older; /* words of earlier versions, with those that they mean now: "old=new|..." */
  const char *zero;  /* what 0 means, or NULL */
  const char *help;
  enum config_type type;
  bool restart;         /* a change takes effect at the next start */
  const char *required; /* NULL, or a line that gives this key as it must be given */
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

struct config_section_spec {
  const char *name, *argument; /* argument: what NAME is called; NULL: has no name */
  bool future;                 /* reserved: this version does not know it yet */
  const char *help;
};
extern const struct config_section_spec config_section_specs[];
extern const size_t config_section_spec_count;

/* Keys of a section lie side by side in the table. */
struct config_keys_range {
  const struct config_key *first;
  size_t count;
};
struct config_keys_range config_keys_of(const char *section);
const struct config_key *config_key_find(const char *section, const char *key);
const struct config_section_spec *config_section_spec_find(const char *name);

/* ---- texts and where they came from ---- */
enum { LINE_OF_ENVIRONMENT = INT_MAX };
struct config_value {
  char *text; /* NULL: not given, the default holds */
  char *where;
  int line;
};
struct config_section {
  const struct config_section_spec *spec;
  char *name;  /* NULL: has none */
  char *title; /* "backend local" */
  char *where;
  int line;                    /* 0: not in the file */
  struct config_value *values; /* one for each of config_keys_of() */
  struct config_raw_option {
    char *key;
    struct config_value value;
  } * options; /* of a backend's plugin */
  size_t option_count;
};

/* Everything of one load. */
struct config_load {
  struct config *config;
  struct config_problems *problems;
  const char *path; /* of the file that is read */
  int lines;        /* of all files read so far */
};
__attribute__((format(printf, 4, 5))) void config_error(struct config_load *l, const char *where,
                                                        int line, const char *fmt, ...);
__attribute__((format(printf, 4, 5))) void config_warning(struct config_load *l, const char *where,
                                                          int line, const char *fmt, ...);
void config_problems_sort(struct config_problems *p);

struct config_section *config_section_find(struct config *c, const char *type, const char *name);
/* Adds a section; it is known and, if it has a name, that is a good one. */
struct config_section *config_section_add(struct config *c, const struct config_section_spec *spec,
                                          const char *name);
/* Whether a backend's option looks like a credential, by its name: config_print() does not show it.
 * A plugin should be given the name of a credential, not the credential. */
bool config_option_is_secret(const char *key);
/* The section of a header (or variable), checked; NULL after saying what is wrong with it. */
const struct config_section_spec *config_section_check(struct config_load *l, const char *type,
                                                       const char *name, const char *where,
                                                       int line);
/* Sets a key of a section.  With `over` it replaces what is there, else that is a problem. */
void config_section_put(struct config_load *l, struct config_section *s, const char *key,
                        const char *text, const char *where, int line, bool over);

bool config_read_file(struct config_load *l); /* false: it cannot be read, and was complained of */
/* conf.d/NAME.ini beside the file, in the order of their names; none is fine. */
void config_read_fragments(struct config_load *l);
void config_read_environment(struct config_load *l);
/* COMPUTE_BACKEND and the others of the original services. */
void config_read_original(struct config_load *l);
void config_check(struct config_load *l);
/* The folder of a file as it was named (the file itself may be a link into another), made absolute;
 * NULL: the working directory.  The caller frees. */
char *config_folder(const char *file);

/* ---- typed values ---- */
/* Parses `text` into the field; keeps the field as it is on failure. */
int config_value_parse(const struct config_key *key, void *base, const char *text, struct err *err);
/* The word that an earlier version's word means now, within `key->older`; 0 bytes: it is none. */
size_t config_value_older(const struct config_key *key, const char *text, const char **now);
/* "1 to 100", "1K to 16T" */
void config_value_range(const struct config_key *key, char *out, size_t size);
bool config_value_equal(const struct config_key *key, const void *a, const void *b);
/* Replaces the field of `base` by a copy of that of `from`. */
void config_value_copy(const struct config_key *key, void *base, const void *from);
void config_value_free(const struct config_key *key, void *base);
/* The structure that a section's typed values lie in, NULL when it has none yet. */
void *config_section_base(const struct config *c, const struct config_section *s);
/* "127.0.0.1:8080", "[::1]:0", "localhost:80" -> numeric host (freed by the caller) and port. */
int config_parse_listen(const char *text, char **host, int *port, struct err *err);
bool config_is_loopback(const char *host);

/* ---- the machine ---- */
int machine_cpus(void);
int64_t machine_memory(void);

#endif
