/* SPDX-License-Identifier: MIT
 *
 * What the files of the command line client share: the program's state, the
 * table of verbs, options, exit codes, and small helpers around JSON.
 */
#ifndef CLI_H
#define CLI_H

#include "say.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, value, meaning): also the text of --help. */
#define CLI_EXIT_TABLE(X)                                                                          \
  X(CLI_OK, 0, "done")                                                                             \
  X(CLI_JOB_FAILED, 1, "the job failed")                                                           \
  X(CLI_USAGE, 2, "the command line is wrong, or a local file cannot be read or written")          \
  X(CLI_REFUSED, 3, "the server refused the request (4xx)")                                        \
  X(CLI_UNREACHABLE, 4, "the server cannot be reached, is busy (429) or failed (5xx); try again")  \
  X(CLI_CANCELLED, 5, "the job was cancelled")                                                     \
  X(CLI_SERVER, 6, "the server cannot do this as it is set up, or is not a lathe server")          \
  X(CLI_INTERRUPTED, 130, "interrupted (Ctrl-C); a submitted job goes on")

enum cli_exit {
#define X(name, value, meaning) name = (value),
  CLI_EXIT_TABLE(X)
#undef X
};

struct cli_option {
  const char *name;  /* without the dashes */
  char letter;       /* or 0 */
  const char *value; /* what the help calls the value; NULL: a flag */
  const char *help;
};

/* Which operands of a verb are ids, and of what. */
enum cli_ids { IDS_NONE, IDS_JOBS, IDS_FIRST_JOB, IDS_BATCH };

struct cli;
struct cli_verb {
  const char *name;
  const char *operands;             /* for the help: "ID..." */
  const char *summary;              /* one line; NULL: hidden from the help */
  const char *detail;               /* more lines, or NULL */
  const struct cli_option *options; /* ends with a NULL name; may be NULL */
  int min, max;                     /* operands; max -1: any number */
  int (*run)(struct cli *c);        /* returns an enum cli_exit */
  enum cli_ids ids;
};

struct cli_setting { /* an option as it was given */
  const struct cli_option *option;
  const char *value;
};

struct cli_gathered { /* of all answers that were kept in memory */
  size_t bytes, values;
};

struct cli {
  char *server;           /* without a trailing '/' */
  char *token;            /* or NULL */
  const char *cacert;     /* files, or NULL */
  const char *cert, *key; /* of the client, or NULL */
  bool json;              /* --json */
  void *curl;             /* CURL *, reused so that connections are */
  struct cli_gathered gathered;
  int64_t silence_ms, answer_ms; /* how long a server may be silent, and answer */
  int64_t give_up_ms; /* on the monotonic clock, when a transfer ends as if interrupted; 0: never */
  const struct cli_verb *verb;
  const char **operands;
  size_t operand_count;
  char **ids; /* operands that were looked up */
  size_t id_count;
  struct cli_setting *settings;
  size_t setting_count;
};

/* main.c */
bool cli_interrupted(void);
void cli_clear_interrupt(void);

/* verbs.c */
const struct cli_verb *cli_verbs(void); /* ends with a NULL name */
const struct cli_verb *cli_find_verb(const char *name);
/* The verb with the nearest name, or NULL. */
const char *cli_nearest_verb(const char *name);
const struct cli_option *cli_global_options(void);

/* server.c: where the server is and who we are, from options and environment.  CLI_OK or CLI_USAGE
 * (said). */
int server_configure(struct cli *c);

/* ids.c: ids of which only the beginning was given become whole.  CLI_OK, or what failed (said). */
int ids_complete(struct cli *c);

/* options.c */
/* Returns CLI_OK or CLI_USAGE (said on stderr). */
int options_parse(struct cli *c, int argc, char **argv);
/* The last value given, or NULL; a flag gives "". */
const char *option_get(const struct cli *c, const char *name);
/* Walks the values of a repeated option: start with *pos = 0; NULL at the end. */
const char *option_each(const struct cli *c, const char *name, size_t *pos);
/* A time of the option in milliseconds: units as in the INI, a plain number is seconds.  CLI_OK,
 * also where the option was not given (then *ms stays), or CLI_USAGE (said). */
int option_duration(const struct cli *c, const char *name, int64_t *ms);
/* A whole number in a range; as option_duration. */
int option_int(const struct cli *c, const char *name, int64_t min, int64_t max, int64_t *value);

/* JSON with absent values taken as empty. */
const char *json_text(const json_t *object, const char *key); /* "" when absent or no string */
double json_real_of(const json_t *object, const char *key);   /* 0 when absent */
double job_elapsed(const json_t *job);                        /* seconds from start to end or now */
/* The exit code of its final state; CLI_SERVER (said) where it has none. */
int job_exit(const json_t *job);

/* verbs */
int verb_submit(struct cli *c);
int verb_watch(struct cli *c);
int verb_list(struct cli *c);
int verb_show(struct cli *c);
int verb_log(struct cli *c);
int verb_cancel(struct cli *c);
int verb_retry(struct cli *c);
int verb_delete(struct cli *c);
int verb_get(struct cli *c);
int verb_batch(struct cli *c);
int verb_kinds(struct cli *c);
int verb_backends(struct cli *c);
int verb_rollback(struct cli *c);
int verb_bench(struct cli *c);
int verb_why(struct cli *c);
int verb_route(struct cli *c);
int verb_costs(struct cli *c);
int verb_audit(struct cli *c);
int verb_top(struct cli *c);
int verb_version(struct cli *c);
int verb_help(struct cli *c);
int verb_plugin(struct cli *c);
int verb_complete(struct cli *c);

#endif
