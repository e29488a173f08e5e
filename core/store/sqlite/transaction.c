/* SPDX-License-Identifier: MIT
 *
 * The writing connection and its transactions; on the writer thread.
 *
 * What a failing disk means here.  An operation is acknowledged after COMMIT
 * succeeded, and COMMIT succeeds after the fsync of the WAL did.
 * - A write or fsync of the WAL fails: SQLite does not publish the frames, the
 *   next commit writes over them at the same place.  So this connection goes on,
 *   and pages that the kernel dropped after the failed fsync are written anew.
 *   Only if the process dies before that next commit, and the frames did reach
 *   the disk, a restart finds a transaction that was answered with 503.  That is
 *   harmless: it is whole; a job that then runs was asked for; a repeat of it
 *   under its idempotency key finds it (the key is in the same transaction).
 * - A checkpoint's fsync of the database file fails: the kernel may have dropped
 *   pages that count as checkpointed.  The WAL still has them, and is not started
 *   over, as that takes a complete checkpoint.  So every connection is closed and
 *   opened again: that reads the WAL anew, and all of it is copied once more.
 * - After a renewal the generation in `meta` must be the acknowledged one.  If the
 *   file fell behind, the disk lost what it had confirmed: no more writes.
 */
#include "store/sqlite/private.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define FAILURES_MAX 3 /* in a row, then the connection is opened again */

/* ---- the connection ---- */

/* The writing connection alone.  The others keep the index of the WAL alive, so that the frames of
 * a failed commit stay unseen. */
static int reopen(struct engine *e, struct err *err) {
  struct totals found;
  conn_close(&e->conn);
  int code = conn_open(&e->conn, e->path, e->options.cache_bytes, false, err);
  if (code == 0)
    code = totals_load(&e->conn, &found, err);
  if (code == 0 && found.gen < e->acknowledged.gen)
    code = err_set(err, ERR_IO,
                   "%s lost commits that the disk had confirmed (generation %lld, expected %lld); "
                   "check the disk, restore a backup and start lathed again",
                   e->path, (long long)found.gen, (long long)e->acknowledged.gen);
  if (code < 0) {
    conn_close(&e->conn);
    return code;
  }
  checkpoint_watch(e);
  e->now = e->acknowledged = found;
  return 0;
}

/* Every connection: the WAL is read anew, and nothing of it counts as checkpointed. */
static int renew(struct engine *e, struct err *err) {
  struct err ignored;
  pthread_mutex_lock(&e->reader_conn_lock);
  pthread_mutex_lock(&e->checkpoint_conn_lock);
  struct conn *all[] = {&e->reader_conn, &e->checkpoint_conn, &e->conn};
  for (int i = 0; i < 3; i++) {
    if (all[i]->db != NULL)
      sqlite3_db_config(all[i]->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    conn_close(all[i]);
  }
  int code = reopen(e, err);
  conn_open(&e->checkpoint_conn, e->path, 0, false, &ignored); /* else it tries again itself */
  pthread_mutex_unlock(&e->checkpoint_conn_lock);
  pthread_mutex_unlock(&e->reader_conn_lock);
  if (code == 0)
    e->renew = false;
  return code;
}

/* A renewal waits for a commit that succeeds, as that writes over the frames of one that failed. */
static int ready_conn(struct engine *e, struct err *err) {
  if (e->renew && e->failures == 0)
    return renew(e, err);
  return e->conn.db == NULL ? reopen(e, err) : 0;
}

/* Is the file under its name the one that is open?  What is written to one that was removed or
 * replaced is gone with this process.
 *
 * The number of the inode alone is asked for: since Linux 6.13 (multigrain timestamps) a stat()
 * that asks for times, too, makes the next write change them on the disk, which costs a commit 70
 * us. */
static int in_place(const char *path, const char *suffix, uint64_t *inode, struct err *err) {
  char name[PATH_MAX];
  struct statx st;
  snprintf(name, sizeof name, "%s%s", path, suffix);
  bool there = statx(AT_FDCWD, name, 0, STATX_INO, &st) == 0;
  if (there && *inode == 0)
    *inode = st.stx_ino;
  if (there && st.stx_ino == *inode)
    return 0;
  return err_set(err, ERR_IO,
                 "%s was removed or replaced while lathed runs; put it back, or stop lathed and "
                 "restore a backup",
                 name);
}

/* Does another connection keep the index of the WAL?  Without it the next one to open would read
 * the frames of a failed commit as committed. */
static bool index_is_held(struct engine *e) {
  pthread_mutex_lock(&e->checkpoint_conn_lock);
  bool held = e->checkpoint_conn.db != NULL;
  pthread_mutex_unlock(&e->checkpoint_conn_lock);
  return held;
}

int transaction_ready(struct engine *e, struct err *err) {
  int code = in_place(e->path, "", &e->inode, err);
  if (code == 0)
    code = in_place(e->path, "-wal", &e->wal_inode, err);
  return code < 0 ? code : ready_conn(e, err);
}

/* ---- one transaction ---- */

int64_t transaction_changes(const struct engine *e) {
  return sqlite3_total_changes64(e->conn.db);
}

int transaction_begin(struct engine *e, struct err *err) {
  int code = conn_run(&e->conn, SQL_BEGIN, err);
  e->changes_at_begin = transaction_changes(e);
  return code;
}

int transaction_mark(struct engine *e, struct err *err) {
  e->marked = e->now;
  return conn_run(&e->conn, SQL_SAVEPOINT, err);
}

int transaction_undo(struct engine *e, struct err *err) {
  e->now = e->marked;
  return conn_run(&e->conn, SQL_ROLLBACK_TO, err);
}

int transaction_release(struct engine *e, struct err *err) {
  return conn_run(&e->conn, SQL_RELEASE, err);
}

int transaction_commit(struct engine *e, struct err *err) {
  int code = 0;
  e->now.gen++;
  if (transaction_changes(e) != e->changes_at_begin)
    code = totals_save(&e->conn, &e->now, err);
  else
    e->now = e->acknowledged; /* nothing was written: no new generation */
  if (code < 0 || (code = conn_run(&e->conn, SQL_COMMIT, err)) < 0)
    return code;
  if (e->now.gen != e->acknowledged.gen) /* else the frames of a failed commit are still there */
    e->failures = 0;
  e->acknowledged = e->now;
  return 0;
}

void transaction_rollback(struct engine *e, int code) {
  if (e->conn.db != NULL && !sqlite3_get_autocommit(e->conn.db))
    conn_run(&e->conn, SQL_ROLLBACK, NULL);
  e->now = e->acknowledged;
  if (code < 0 && ++e->failures % FAILURES_MAX == 0 && code != ERR_NO_SPACE && index_is_held(e))
    conn_close(&e->conn); /* it may be stuck */
}

void transaction_between(struct engine *e) {
  struct err err;
  marker_note(e);
  checkpoint_between(e);
  if (e->renew)
    ready_conn(e, &err); /* else with the next group */
}
