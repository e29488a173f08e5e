/* SPDX-License-Identifier: MIT
 *
 * The SQLite engine's life, and its table of functions.
 *
 *   open: lock file -> marker -> database, schema -> marker, a commit -> checkpoint thread
 *   close: the thread ends -> connections close -> marker -> lock
 */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <stdlib.h>

static int open_database(struct engine *e, struct err *err) {
  int code = marker_before(e, err);
  if (code < 0 || (code = conn_open(&e->conn, e->path, e->options.cache_bytes, true, err)) < 0 ||
      (code = schema_migrate(&e->conn, err)) < 0 ||
      (code = totals_load(&e->conn, &e->now, err)) < 0 || (code = marker_after(e, err)) < 0 ||
      (code = conn_open(&e->checkpoint_conn, e->path, 0, false, err)) < 0)
    return code;
  checkpoint_watch(e);
  e->acknowledged = e->now;
  return 0;
}

static void tear_down(struct engine *e) {
  conn_close(&e->reader_conn);
  conn_close(&e->checkpoint_conn);
  conn_close(&e->conn);
  marker_close(e);
  lock_release(e->lock_fd);
  pthread_cond_destroy(&e->checkpoint_work);
  pthread_mutex_destroy(&e->checkpoint_conn_lock);
  pthread_mutex_destroy(&e->reader_conn_lock);
  pthread_mutex_destroy(&e->lock);
  free(e->marker_path);
  free(e);
}

/* SQLite's memory statistics take a lock at every allocation, and nobody reads them. */
static void configure_sqlite(void) {
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int open_engine(struct engine **out, const struct engine_options *options, struct err *err) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct engine *e = mem_alloc(sizeof *e);
  int code;
  pthread_once(&once, configure_sqlite);
  e->options = *options;
  e->path = options->path;
  e->lock_fd = e->marker_fd = -1;
  pthread_mutex_init(&e->lock, NULL);
  pthread_mutex_init(&e->reader_conn_lock, NULL);
  pthread_mutex_init(&e->checkpoint_conn_lock, NULL);
  pthread_cond_init(&e->checkpoint_work, NULL);
  if ((code = lock_take(e->path, &e->lock_fd, err)) < 0 || (code = open_database(e, err)) < 0 ||
      (code = checkpoint_start(e, err)) < 0) {
    tear_down(e);
    return code;
  }
  *out = e;
  return 0;
}

static void close_engine(struct engine *e) {
  checkpoint_stop(e);
  struct conn *const writers[] = {&e->conn, &e->checkpoint_conn};
  for (int i = 0; i < 2; i++)
    if (e->renew &&
        writers[i]->db != NULL) /* a checkpoint failed: leave the WAL to the next start */
      sqlite3_db_config(writers[i]->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  tear_down(e);
}

static const struct totals *totals(const struct engine *e) {
  return &e->acknowledged;
}

static bool sets_aside(const struct engine *e) {
  return atomic_load(&e->marker.aside);
}

static void set_aside_over(struct engine *e) {
  atomic_store(&e->marker.aside, false); /* on disk when the store closes; until then once more */
}

static void sizes(const struct engine *e, int64_t *file_bytes, int64_t *log_bytes) {
  int64_t wal = file_size(e->path, "-wal");
  *file_bytes = file_size(e->path, "");
  *log_bytes = wal > 0 ? wal : 0;
}

const struct engine_ops engine_sqlite = {
    .name = "sqlite",
    .open = open_engine,
    .recover = recover_jobs,
    .settings = changes_settings,
    .kept = kept_tell,
    .close = close_engine,
    .totals = totals,
    .ready = transaction_ready,
    .begin = transaction_begin,
    .apply = op_apply,
    .changes = transaction_changes,
    .mark = transaction_mark,
    .undo = transaction_undo,
    .release = transaction_release,
    .commit = transaction_commit,
    .rollback = transaction_rollback,
    .between = transaction_between,
    .read = reads_answer,
    .sets_aside = sets_aside,
    .set_aside_over = set_aside_over,
    .sizes = sizes,
    .copy = files_copy,
    .copy_forget = files_copy_forget,
    .files = files_tell,
    .settings_of = files_settings,
};
