/* SPDX-License-Identifier: MIT
 *
 * lathe-plugin-check: what its files share.
 *
 *   main      options -> struct tool --> for each check: a process of its own
 *                                          |  run(tool): fail(), skip(), note() into shared memory
 *                                          v
 *             the verdict is read when the process has ended, or its time is over
 *
 * The first process never loads the plugin.  What the checks learn of it (struct facts) lies in
 * memory that all processes share.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/buf.h"
#include "kinds/kinds.h"

#include <lathe/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KINDS_MAX = 64, NAME_SIZE = 128, TEXT_SIZE = 6000 };

enum verdict { NOT_RUN, PASSED, FAILED, SKIPPED };

struct finding { /* shared memory; written by the check's process and those below it */
  enum verdict verdict;
  atomic_int busy;       /* of text and notes */
  char text[TEXT_SIZE];  /* why it failed or was skipped; lines */
  char notes[TEXT_SIZE]; /* what an author may want to know besides */
  char where[NAME_SIZE]; /* what the plugin is asked to do now: for the sentence when it dies */
};

struct facts { /* shared memory; filled in by the checks `descriptor` and `create` */
  int32_t isolation;
  uint32_t flags, rights, max_concurrency, cancel_grace_ms;
  bool remote, poll_many;
  char name[NAME_SIZE];
  char kinds[KINDS_MAX][NAME_SIZE];
  int kind_count;
  bool kinds_known; /* from now on: what create() declares with other options is none of these */
  int64_t create_ms;
};

struct given { /* by the command line for one kind, or for all: kind NULL */
  const char *kind, *value;
};

struct setting {
  const char *key, *value;
};

struct tool {
  char *plugin; /* absolute path */
  char *worker_program;
  struct setting *settings;
  size_t setting_count;
  struct given *inputs, *params;
  size_t input_count, param_count;
  struct kinds *kinds;
  char *scratch; /* folder of this run, removed at its end */
  char *folder;  /* of this check, below it */
  unsigned long long seed;
  const char **worker_env; /* names, NULL at the end; NULL: the common ones alone */
  size_t worker_env_count;
  int64_t limit_ms, scan_ms;
  int64_t memory; /* that a job may hold; 0: no limit */
  struct finding *finding;
  struct facts *facts;
};

/* ---- what a check says ---- */
void fail(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void skip(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void note(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool has_failed(const struct tool *t);
/* Names the call that follows, for when the process dies in it. */
void entering(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the checks ---- */
enum {
  NEEDS_LOAD = 1,
  NEEDS_EXPORTS = 2,
  NEEDS_DESCRIPTOR = 4,
  NEEDS_OPTIONS = 8,
  NEEDS_CREATE = 16,
  NEEDS_JOB = 32
};
struct check {
  const char *name, *summary;
  void (*run)(struct tool *);
  int needs; /* checks without which this one would say the same again */
};
extern const struct check checks[];

void check_load(struct tool *t);
void check_exports(struct tool *t);
void check_descriptor(struct tool *t);
void check_options(struct tool *t);
void check_scan(struct tool *t);
void check_create(struct tool *t);
void check_config(struct tool *t);
void check_unknown_kind(struct tool *t);
void check_job(struct tool *t);
void check_progress(struct tool *t);
void check_cancel(struct tool *t);
void check_resume(struct tool *t);
void check_old_host(struct tool *t);
void check_new_host(struct tool *t);
void check_leaks(struct tool *t);
void check_two(struct tool *t);
/* Parts of checks: of `cancel` for remote steps; of `descriptor` and `create`, that each kind is
 * declared somewhere. */
void check_remote_cancel(struct tool *t);
void check_kind_declarations(struct tool *t);

/* ---- small things ---- */
/* The same numbers for the same seed and check. */
unsigned next_random(struct tool *t, unsigned below);
int64_t now_ms(void);
void nap_ms(int64_t ms);
/* Zeroed memory that children share; never given back. */
void *shared_memory(size_t size);

#endif
