/* SPDX-License-Identifier: MIT
 *
 * What the files of the SQLite engine share.  Who may touch what is said at each field: (writer)
 * the writer thread only, (lock) whoever holds `lock`.
 */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "store/engine.h"
#include "store/rules.h"
#include "store/sqlite/conn.h"

#include <pthread.h>
#include <stdatomic.h>

struct marker { /* what `<database>.id` says */
  int64_t gen;
  char id[33];       /* "": nothing */
  atomic_bool aside; /* orphans are moved, not removed */
};

struct engine {
  struct engine_options options;
  const char *path; /* the options' */
  int lock_fd;

  pthread_mutex_t lock;
  pthread_cond_t checkpoint_work;
  bool stop, checkpoint_wanted, checkpoint_done; /* (lock) */
  int checkpoint_rc;
  pthread_t checkpointer;
  bool checkpointer_runs; /* the thread was started */

  pthread_mutex_t reader_conn_lock, checkpoint_conn_lock;
  struct conn reader_conn, checkpoint_conn; /* under their lock */

  struct conn conn;           /* (writer) from here on */
  struct totals now;          /* with the operations applied so far */
  struct totals acknowledged; /* as of the last commit */
  struct totals marked;       /* as of the last mark */
  int64_t changes_at_begin;
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

/* copy.c: writes the database as it is now to a new file `to`, which appears whole or not at all.
 */
int copy_database(struct conn *c, const char *to, struct err *err);
/* Bytes of the file `path` with the suffix behind it; -1: it is not there. */
int64_t file_size(const char *path, const char *suffix);

/* schema.c.  Is it a database of lathe, of the present schema? */
int schema_is_ours(struct conn *c, struct err *err);
int schema_migrate(struct conn *c, struct err *err);
int totals_load(struct conn *c, struct totals *t, struct err *err);
int totals_save(struct conn *c, const struct totals *t, struct err *err);

/* marker.c: before SQLite opens the file, once it is open (writes a commit), after a commit, and at
 * the end.  The first two refuse with ERR_CONFLICT what is not the database that was here. */
int marker_before(struct engine *e, struct err *err);
int marker_after(struct engine *e, struct err *err);
/* Writes that of a copy at `path`. */
int marker_for_copy(const char *path, const char *id, int64_t gen, struct err *err);
void marker_note(struct engine *e);
void marker_close(struct engine *e);

/* lock.c: ERR_CONFLICT names the process that holds it.  *fd is to be closed with lock_release. */
int lock_take(const char *database, int *fd, struct err *err);
void lock_release(int fd);

/* transaction.c: the functions of engine.h. */
int transaction_ready(struct engine *e, struct err *err);
int transaction_begin(struct engine *e, struct err *err);
int64_t transaction_changes(const struct engine *e);
int transaction_mark(struct engine *e, struct err *err);
int transaction_undo(struct engine *e, struct err *err);
int transaction_release(struct engine *e, struct err *err);
int transaction_commit(struct engine *e, struct err *err);
void transaction_rollback(struct engine *e, int code);
void transaction_between(struct engine *e);

/* ops.c, purge.c, cache.c, batch.c, changes.c (writer): 0, or a negative code with err set.  One that is not
 * engine_broken is the operation's own failure; what it changed until then is rolled back by the
 * caller. */
int op_apply(struct engine *e, struct op *op, struct err *err);
int op_apply_delete(struct engine *e, struct op *op, struct err *err);
int op_apply_purge(struct engine *e, struct op *op, struct err *err);
int op_apply_unused(struct engine *e, struct op *op, struct err *err);
int op_apply_unowned(struct engine *e, struct op *op, struct err *err);
int op_apply_cached(struct engine *e, struct op *op, struct err *err);
int op_apply_batch(struct engine *e, struct op *op, struct err *err);
int op_apply_change(struct engine *e, struct op *op, struct err *err);
int op_apply_undo(struct engine *e, struct op *op, struct err *err);
int op_apply_keep(struct engine *e, struct op *op, struct err *err);

/* ops.c: for those in other files. */
int op_look_at_key(struct engine *e, struct op *op, struct err *err);
int op_put_key(struct engine *e, const struct op *op, struct err *err);
int op_put_inputs(struct engine *e, const struct record_job *job, struct err *err);
int op_put_artifacts(struct engine *e, const struct record_job *job, struct err *err);
int op_put_events(struct engine *e, struct op *op, struct err *err);
/* A job that is new to the store, in `state`: looks at its idempotency key, writes its row by
 * `put`, then its inputs, key and events, and counts it. */
typedef int op_put_row(struct engine *e, const struct op *op, int64_t input_bytes, struct err *err);
int op_put_new(struct engine *e, struct op *op, enum job_state state, op_put_row *put,
               struct err *err);

/* ledger.c (writer).  The row of the operation's attempt, where that has a cost. */
int ledger_put(struct engine *e, struct op *op, struct err *err);
/* Before the start of an attempt is written: 0, or ERR_LIMIT where there is no money for it. */
int ledger_may_start(struct engine *e, struct op *op, struct err *err);
int ledger_purge(struct engine *e, struct op *op, struct err *err);
/* ledger.c (reader) */
int read_costs(struct conn *c, struct read *r, struct err *err);
int read_costs_latest(struct conn *c, struct read *r, struct err *err);
/* Gives the attempts of a job their costs. */
int row_costs(struct conn *c, int64_t num, struct record_attempt *attempts, size_t count,
              struct arena *a, struct err *err);

/* cache.c (writer).  The result of op->job answers later ones. */
int cache_put(struct engine *e, const struct op *op, struct err *err);
int cache_purge(struct engine *e, struct op *op, struct err *err);
/* The row of the job is gone: does its folder of results go too?  Whoever shares the files counts
 * their bytes from here on. */
int cache_leave(struct engine *e, int64_t num, const char *id, const char *source,
                bool *folder_goes, struct err *err);

/* changes.c (writer; changes_settings as store_settings; read_audit reader) */
int changes_purge(struct engine *e, struct op *op, struct err *err);
int changes_settings(struct engine *e, store_setting_seen *seen, void *ctx, struct err *err);
int read_settings(struct conn *c, store_setting_seen *seen, void *ctx, struct err *err);
int read_audit(struct conn *c, struct read *r, struct err *err);

/* batch.c (writer).  The row of a job of this batch is gone: with the last one the batch goes. */
int batch_leave(struct engine *e, const char *batch, struct err *err);

/* reads.c (reader) */
int reads_answer(struct engine *e, struct read *r, struct err *err);
/* batch_read.c (reader) */
int read_batch(struct conn *c, struct read *r, struct err *err);
int read_batches(struct conn *c, struct read *r, struct err *err);
int read_items(struct conn *c, struct read *r, struct err *err);

/* rows.c: the present row of a SELECT JOB_COLUMNS, with what belongs to it. */
int row_job(struct conn *c, sqlite3_stmt *st, struct arena *a, struct record_job *job,
            struct err *err);
/* The present row of an event query. */
void row_event(sqlite3_stmt *st, struct arena *a, struct record_event *event);
const char *row_text(sqlite3_stmt *st, int col, struct arena *a);
int row_artifacts(struct conn *c, int64_t num, size_t max, struct arena *a, struct record_job *job,
                  struct err *err);
/* As store_recover. */
/* kept.c: as store_kept */
int kept_tell(struct engine *e, store_kept_seen *seen, void *ctx, struct err *err);

int recover_jobs(struct engine *e, int (*each)(void *ctx, const struct record_job *job), void *ctx,
                 struct err *err);

/* checkpoint.c */
int checkpoint_start(struct engine *e, struct err *err); /* starts the thread */
void checkpoint_stop(struct engine *e); /* ends it; also where it was not started */
/* (writer) after its connection was opened. */
void checkpoint_watch(struct engine *e);
/* (writer) between two groups. */
void checkpoint_between(struct engine *e);

/* files.c: the functions of engine.h. */
int files_copy(const char *from, const char *to, struct err *err);
int files_copy_forget(const char *copy, const char *live, struct err *err);
int files_tell(const char *path, store_file_seen *seen, void *ctx, struct err *err);
int files_settings(const char *path, store_setting_seen *seen, void *ctx, struct err *err);

#endif
