/* SPDX-License-Identifier: MIT
 *
 * What the files of the command line client share: the program's state, the
 * table of verbs, options, exit codes, and small helpers around JSON.
 *
 * Results go to stdout; progress, notes and errors to stderr.  With --json stdout
 * holds one JSON document (also for an error), or JSON lines for a stream.
 */
#ifndef CLI_H
#define CLI_H

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
  X(CLI_UNREACHABLE, 4, "the server cannot be reached, or failed (5xx)")                           \
  X(CLI_CANCELLED, 5, "the job was cancelled")                                                     \
  X(CLI_SERVER, 6, "the server has no backend for the kind; its admin has to act")                 \
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

struct cli;
struct cli_verb {
  const char *name;
  const char *operands;             /* for the help: "ID..." */
  const char *summary;              /* one line; NULL: hidden from the help */
  const char *detail;               /* more lines, or NULL */
  const struct cli_option *options; /* ends with a NULL name; may be NULL */
  int min, max;                     /* operands; max -1: any number */
  int (*run)(struct cli *c);        /* returns an enum cli_exit */
};

struct cli_setting { /* an option as it was given */
  const struct cli_option *option;
  const char *value;
};

struct cli {
  char *server; /* without a trailing '/' */
  char *token;  /* or NULL */
  bool json;
  void *curl; /* CURL *, reused so that connections are */
  const struct cli_verb *verb;
  const char **operands;
  size_t operand_count;
  struct cli_setting *settings;
  size_t setting_count;
};

/* main.c */
const struct cli_verb *cli_verbs(void); /* ends with a NULL name */
const struct cli_verb *cli_find_verb(const char *name);
const struct cli_option *cli_global_options(void);
bool cli_interrupted(void);
void cli_clear_interrupt(void);

/* options.c */
/* Returns CLI_OK or CLI_USAGE (said on stderr). */
int options_parse(struct cli *c, int argc, char **argv);
/* The last value given, or NULL; a flag gives "". */
const char *option_get(const struct cli *c, const char *name);
/* Walks the values of a repeated option: start with *pos = 0; NULL at the end. */
const char *option_each(const struct cli *c, const char *name, size_t *pos);
void options_help(const struct cli_option *options);

/* say.c */
void say_error(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* "lathe: ..." on stderr */
/* The problem object of a failed job or of the server, with what to do; `status` 0: of a job. */
void say_problem(const json_t *problem, int status, int retry_after_s);
void say_json(const json_t *value); /* one document on stdout */
void say_json_line(const json_t *value);
enum { SAY_SIZE = 32 };
char *say_bytes(int64_t bytes, char out[SAY_SIZE]);
char *say_seconds(double seconds, char out[SAY_SIZE]);

/* JSON with absent values taken as empty. */
const char *json_text(const json_t *object, const char *key); /* "" when absent or no string */
double json_real_of(const json_t *object, const char *key);   /* 0 when absent */
double job_elapsed(const json_t *job);                        /* seconds from start to end or now */
int job_exit(const json_t *job);                              /* of its final state */

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
int verb_top(struct cli *c);
int verb_version(struct cli *c);
int verb_help(struct cli *c);
int verb_plugin(struct cli *c);
int verb_complete(struct cli *c);

#endif
