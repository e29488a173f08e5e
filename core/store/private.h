/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.  Who may touch what is said at each field:
 * (loop) the loop thread only, (writer) the writer thread only, (lock) whoever
 * holds `lock`.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "store/arena.h"
#include "store/sqlite/conn.h"
#include "store/store.h"

#include "base/poll_time.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the file knows in numbers; its one row in `meta` changes with every commit. */
struct totals {
  int64_t gen; /* of the commit: grows by one each time */
  int64_t last_num, last_seq;
  int64_t purged_seq; /* greatest seq that was ever removed */
  int64_t bytes;      /* inputs and artifacts of all jobs */
  int64_t jobs[5];    /* by state */
  char id[33];        /* of this database and its copies; 32 hex digits */
};

struct marker { /* what `<database>.id` says */
  int64_t gen;
  char id[33];       /* "": nothing */
  atomic_bool aside; /* orphans are moved, not removed */
};

/* copy.c: writes the database as it is now to a new file `to`, which appears whole or not at all.
 */
int copy_database(struct conn *c, const char *to, struct err *err);
/* Bytes of the file `path` with the suffix behind it; -1: it is not there. */
int64_t file_size(const char *path, const char *suffix);
/* Is it a database of lathe, of the present schema? */
int schema_is_ours(struct conn *c, struct err *err);
int schema_migrate(struct conn *c, struct err *err);
int totals_load(struct conn *c, struct totals *t, struct err *err);
/* `bytes` may be negative.  The sum stays between 0 and INT64_MAX. */
void totals_add_bytes(struct totals *t, int64_t bytes);
int totals_save(struct conn *c, const struct totals *t, struct err *err);

/* ---- one operation: made on the loop, applied by the writer, ended on the loop ---- */

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

  int code; /* the result */
  bool replayed;
  const char *text; /* of a failure */
  store_done *done;
  void (*purged)(void *arg, int code, const struct store_purged *p);
  void (*unused)(void *arg, int code, const char *const *unused, size_t n);
  void *arg;
};

/* What the writer gives back after one commit. */
struct batch {
  struct batch *next;
  struct op *ops;
  struct totals totals;
  bool health_changed;
  struct err health;
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
  READ_TYPES
};

struct read {
  struct read *next;
  struct arena arena; /* as above */
  enum read_type type;
  const char *id;
  const char **keys; /* of a cached result */
  size_t key_count;
  int64_t since_us;
  struct store_filter filter;
  struct store_event_query query;
  int64_t floor; /* of a list: nothing lies below this num; of events: nothing above this seq */
  bool begun;

  struct record_batch *batches;
  struct record_batch_job *items;
  int64_t from, to; /* numbers of jobs */
  const char *client;
  bool artifacts;

  int code;
  struct record_job *jobs;
  struct record_event *events;
  size_t count;
  bool more, gap;
  union {
    void (*get)(void *arg, int code, const struct record_job *job);
    void (*list)(void *arg, int code, const struct record_job *jobs, size_t count, bool more);
    void (*events)(void *arg, int code, const struct store_events *e);
    void (*batches)(void *arg, int code, const struct record_batch *batches, size_t count,
                    bool more);
    void (*items)(void *arg, int code, const struct record_batch_job *items, size_t count,
                  bool more);
  } done;
  void *arg;
};

/* ---- the store ---- */

struct store {
  struct store_options options;
  char *path;
  int lock_fd;

  uv_loop_t *loop; /* (loop) from here on */
  uv_async_t async;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_timer_t patience;
  uv_idle_t polling;     /* active: the loop does not sleep */
  int64_t lone_since_us; /* an operation is under way that was alone; 0: none is */
  struct poll_time commit_poll;
  int handles; /* still open */
  bool hurry;  /* somebody waits for one of the gathered */
  struct op *gathered, **gathered_tail;
  size_t outstanding; /* operations and reads whose callback is due */
  int64_t next_num;
  struct totals totals; /* as of the last batch delivered */
  int64_t commits, operations;

  atomic_bool loop_polls; /* it looks at `news` and needs no call */
  atomic_bool news;       /* something is to be delivered */
  atomic_bool queued;     /* something is to be written */

  pthread_mutex_t lock;
  pthread_cond_t work, read_work, checkpoint_work, idle;
  struct op *queue, **queue_tail; /* (lock) from here on */
  struct read *reads, **reads_tail;
  struct batch *batches, **batches_tail;
  struct read *reads_done, **reads_done_tail;
  bool writer_sleeps, reader_sleeps, stop;
  bool checkpoint_wanted, checkpoint_done;
  int checkpoint_rc;

  pthread_t writer, reader, checkpointer;
  pthread_mutex_t reader_conn_lock, checkpoint_conn_lock;
  struct conn reader_conn, checkpoint_conn; /* under their lock */

  struct conn conn; /* (writer) from here on */
  struct poll_time work_poll;
  struct totals now; /* with the operations applied so far */
  struct totals acknowledged;
  struct err health;         /* code 0: well */
  int failures;              /* groups in a row that the disk refused */
  int64_t wal_frames;        /* after the last commit */
  uint64_t inode, wal_inode; /* of the files that are open; 0: not known yet */
  struct marker marker;
  char *marker_path;
  int64_t marker_ms;
  int marker_fd;    /* -1: not written yet */
  bool marker_soon; /* a checkpoint was completed since */
  bool checkpoint_failing;
  bool renew; /* close and open every connection before a group */
};

/* store.c */
void store_notify(struct store *s); /* any thread: something is to be delivered */
void store_expect(struct store *s); /* (loop) one more callback is due: keeps the loop alive */
void store_push(struct store *s, struct op *op); /* (loop) */

/* marker.c: before SQLite opens the file, once it is open (writes a commit), after a commit, and at
 * the end.  The first two refuse with ERR_CONFLICT what is not the database that was here. */
int marker_before(struct store *s, struct err *err);
int marker_after(struct store *s, struct err *err);
/* Writes that of a copy at `path`. */
int marker_for_copy(const char *path, const char *id, int64_t gen, struct err *err);
void marker_note(struct store *s);
void marker_close(struct store *s);

/* lock.c: ERR_CONFLICT names the process that holds it.  *fd is to be closed with lock_release. */
int lock_take(const char *database, int *fd, struct err *err);
void lock_release(int fd);

/* ops.c, purge.c (writer): 0, or a negative code with err set.  A code that is not conn_broken
 * is the operation's own failure; what it changed until then is rolled back by the caller. */
int op_apply(struct store *s, struct op *op, struct err *err);
int op_apply_delete(struct store *s, struct op *op, struct err *err);
int op_apply_purge(struct store *s, struct op *op, struct err *err);
int op_apply_unused(struct store *s, struct op *op, struct err *err);
int op_apply_unowned(struct store *s, struct op *op, struct err *err);
/* ops.c: for those in other files. */
int op_look_at_key(struct store *s, struct op *op, struct err *err);
int op_put_key(struct store *s, const struct op *op, struct err *err);
int op_put_inputs(struct store *s, const struct record_job *job, struct err *err);
int op_put_artifacts(struct store *s, const struct record_job *job, struct err *err);
int op_put_events(struct store *s, struct op *op, struct err *err);

/* cache.c (writer) */
/* A job that is new to the store, in `state`: looks at its idempotency key, writes its row by
 * `put`, then its inputs, key and events, and counts it. */
typedef int op_put_row(struct store *s, const struct op *op, int64_t input_bytes, struct err *err);
int op_put_new(struct store *s, struct op *op, enum job_state state, op_put_row *put,
               struct err *err);
int op_apply_cached(struct store *s, struct op *op, struct err *err);
/* The result of op->job answers later ones. */
int cache_put(struct store *s, const struct op *op, struct err *err);
int cache_purge(struct store *s, struct op *op, struct err *err);
/* The row of the job is gone: does its folder of results go too?  Whoever shares the files counts
 * their bytes from here on. */
int cache_leave(struct store *s, int64_t num, const char *id, const char *source, bool *folder_goes,
                struct err *err);
/* batch.c (writer) */
int op_apply_batch(struct store *s, struct op *op, struct err *err);
/* The row of a job of this batch is gone: with the last one the batch goes. */
int batch_leave(struct store *s, const char *batch, struct err *err);
/* batch_read.c (reader) */
int read_batch(struct store *s, struct conn *c, struct read *r, struct err *err);
int read_batches(struct store *s, struct conn *c, struct read *r, struct err *err);
int read_items(struct store *s, struct conn *c, struct read *r, struct err *err);
void deliver_batches(struct read *r);
void deliver_items(struct read *r);
/* reader.c */
struct read *read_new(enum read_type type, void *arg);
void read_push(struct store *s, struct read *r);
/* rows.c */
const char *row_text(sqlite3_stmt *st, int col, struct arena *a);
int row_artifacts(struct conn *c, int64_t num, size_t max, struct arena *a, struct record_job *job,
                  struct err *err);
/* calls.c */
struct op *op_of_job(enum op_type type, const struct record_job *job,
                     const struct store_event_in *queued, store_done *done, void *arg);
struct op *op_of_cached(const struct record_job *job, int64_t source_num,
                        const struct store_event_in *queued, const struct store_event_in *completed,
                        store_done *done, void *arg);
void op_copy_key(struct op *op, const struct store_idempotency *in);
struct op *op_new(enum op_type type, int64_t num, store_done *done, void *arg);

/* writer.c */
void *writer_main(void *arg); /* the store */

/* checkpoint.c */
void *checkpoint_main(void *arg); /* the store */
/* (writer) after its connection was opened. */
void checkpoint_watch(struct store *s);
/* (lock) the thread could not write or sync the database file, and the writer must know. */
bool checkpoint_failed(const struct store *s);
/* (writer) between two groups. */
void checkpoint_between(struct store *s);

/* reader.c */
void *reader_main(void *arg);      /* the store */
void read_deliver(struct read *r); /* (loop) calls back and frees */

/* rows.c: the present row of a SELECT JOB_COLUMNS, with what belongs to it. */
int row_job(struct conn *c, sqlite3_stmt *st, struct arena *a, struct record_job *job,
            struct err *err);
/* The present row of an event query. */
void row_event(sqlite3_stmt *st, struct arena *a, struct record_event *event);

#endif
