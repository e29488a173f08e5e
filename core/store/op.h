/* SPDX-License-Identifier: MIT
 *
 * What the store and its engine share: an operation and a read on their way between the loop and
 * the threads, and the totals of the database.
 *
 *   loop: makes it (calls.c, batch.c) -> an engine: applies or answers it -> loop: tells the end
 *
 * Whoever holds an operation or a read may change it, and one thread at a time holds it.  The
 * fields of an answer are said to be that; an engine sets those and no others.  All that an
 * operation points to lies in its arena, and what an engine adds goes there, too.
 */
#ifndef STORE_OP_H
#define STORE_OP_H

#include "store/arena.h"
#include "store/store.h"

/* What the database knows in numbers, kept in it and changed with every commit. */
struct totals {
  int64_t gen; /* of the commit: grows by one each time */
  int64_t last_num, last_seq;
  int64_t purged_seq; /* greatest seq that was ever removed */
  int64_t bytes;      /* inputs and artifacts of all jobs */
  int64_t jobs[5];    /* by state */
  char id[33];        /* of this database and its copies; 32 hex digits */
};

/* ---- one operation ---- */

enum op_type {
  OP_SUBMIT,
  OP_START,
  OP_FINISH,
  OP_REQUEUE,
  OP_EVENT,
  OP_CHECKPOINT,
  OP_CANCEL,
  OP_DELETE,
  OP_PURGE,
  OP_UNUSED,
  OP_UNOWNED,
  OP_CACHED,
  OP_BATCH,
  OP_CHANGE,
  OP_UNDO,
  OP_KEEP,
  OP_TYPES,
};

struct op_event {
  enum event_type type;
  int64_t at_us, seq;
  const char *data;
  size_t len;
};

struct op {
  struct op *next;
  struct arena arena; /* holds the operation itself and all it points to */
  enum op_type type;
  int64_t num;
  const char *id;
  const struct record_job *job;
  const struct record_attempt *attempt;
  const struct store_idempotency *key;
  const char *ref;
  int64_t not_before_us;
  struct op_event events[2];
  int event_count;
  const struct store_retention *retention;
  const char *
      *names; /* digests or ids to look up; then those unused, or the ids of the jobs purged */
  size_t name_count;
  bool more;            /* of a purge */
  const char **folders; /* of results that no job needs any more */
  size_t folder_count;
  int64_t source_num; /* of a cached job */
  const struct record_batch *batch;
  const struct record_batch_item *item; /* of a job in a batch */
  struct op *jobs, *last_job;           /* of a batch: its submits, by `next` */
  struct record_audit line;             /* of a change; an undo finds most of it */
  const char *setting, *value_json;     /* likewise */
  const char *kept_name, *kept_value;

  /* The answer; also `num` and `id` (of a replayed submit: those of the job that has the key),
   * `seq` of the events, `names`, `folders` and `more`; `line`, `setting` and `value_json`. */
  int code;
  bool replayed;    /* the idempotency key was known, and nothing was written */
  const char *text; /* of a failure */
  int64_t spent;    /* as in the receipt */

  /* Whom it is told: the store's, not an engine's. */
  store_done *done;
  void (*purged)(void *arg, int code, const struct store_purged *p);
  void (*unused)(void *arg, int code, const char *const *unused, size_t n);
  store_change_done *changed;
  void *arg;
};

/* ---- one read ---- */

enum read_type {
  READ_GET,
  READ_LIST,
  READ_EVENTS,
  READ_CACHED,
  READ_BATCH,
  READ_BATCHES,
  READ_ITEMS,
  READ_KEY,
  READ_COSTS,
  READ_COSTS_LATEST,
  READ_AUDIT,
  READ_TYPES
};

struct read {
  struct read *next;
  struct arena arena; /* as above */
  enum read_type type;
  const char *id;    /* or an idempotency key, of `client` */
  const char **keys; /* of a cached result */
  size_t key_count;
  int64_t since_us;
  struct store_filter filter;
  struct store_event_query query;
  int64_t floor;    /* of a list: nothing lies below this num; of events: nothing above this seq */
  bool begun;       /* an earlier piece was read: `floor` is set */
  int64_t from, to; /* of batches and their jobs: numbers of jobs, from <= num < to */
  const char *client;
  bool artifacts; /* of the jobs of a batch: with their artifacts */
  struct store_costs_query costs;
  size_t edge; /* the next piece of it */
  struct store_audit_filter audit;

  /* The answer: `count` of the one array that belongs to the type. */
  int code;
  struct record_job *jobs;
  struct record_event *events;
  struct record_batch *batches;
  struct record_batch_job *items;
  struct record_cost_sum *sums;
  struct record_audit *lines;
  size_t count;
  bool more, gap;

  union { /* whom it is told: the store's, not an engine's */
    void (*get)(void *arg, int code, const struct record_job *job);
    void (*list)(void *arg, int code, const struct record_job *jobs, size_t count, bool more);
    void (*events)(void *arg, int code, const struct store_events *e);
    void (*batches)(void *arg, int code, const struct record_batch *batches, size_t count,
                    bool more);
    void (*items)(void *arg, int code, const struct record_batch_job *items, size_t count,
                  bool more);
    void (*costs)(void *arg, int code, const struct record_cost_sum *sums, size_t count, bool more);
    void (*audit)(void *arg, int code, const struct record_audit *lines, size_t count, bool more);
  } done;
  void *arg;
};

#endif
