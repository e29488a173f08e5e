/* SPDX-License-Identifier: MIT
 *
 * The writer thread: takes what has gathered, applies it in one transaction,
 * commits, gives the results back.
 *
 *   sleep -> take up to GROUP_MAX -> BEGIN op op op COMMIT (fsync of the WAL) -> batch -> loop
 *                                      |  an operation is refused after it changed something
 *                                      |-> ROLLBACK, once more with a savepoint for each
 *                                      |  the disk fails
 *                                      '-> ROLLBACK, all of the group fail
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
#include "store/private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "observe/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define GROUP_MAX    512
#define FAILURES_MAX 3 /* in a row, then the connection is opened again */
#define WORK_POLL_US 100

/* ---- the connection ---- */

/* The writing connection alone.  The others keep the index of the WAL alive, so that the frames of
 * a failed commit stay unseen. */
static int reopen(struct store *s, struct err *err) {
  struct totals found;
  conn_close(&s->conn);
  int code = conn_open(&s->conn, s->path, s->options.cache_bytes, false, err);
  if (code == 0)
    code = totals_load(&s->conn, &found, err);
  if (code == 0 && found.gen < s->acknowledged.gen)
    code = err_set(err, ERR_IO,
                   "%s lost commits that the disk had confirmed (generation %lld, expected %lld); "
                   "check the disk, restore a backup and start lathed again",
                   s->path, (long long)found.gen, (long long)s->acknowledged.gen);
  if (code < 0) {
    conn_close(&s->conn);
    return code;
  }
  checkpoint_watch(s);
  s->now = s->acknowledged = found;
  return 0;
}

/* Every connection: the WAL is read anew, and nothing of it counts as checkpointed. */
static int renew(struct store *s, struct err *err) {
  struct err ignored;
  pthread_mutex_lock(&s->reader_conn_lock);
  pthread_mutex_lock(&s->checkpoint_conn_lock);
  struct conn *all[] = {&s->reader_conn, &s->checkpoint_conn, &s->conn};
  for (int i = 0; i < 3; i++) {
    if (all[i]->db != NULL)
      sqlite3_db_config(all[i]->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    conn_close(all[i]);
  }
  int code = reopen(s, err);
  conn_open(&s->checkpoint_conn, s->path, 0, false, &ignored); /* else it tries again itself */
  pthread_mutex_unlock(&s->checkpoint_conn_lock);
  pthread_mutex_unlock(&s->reader_conn_lock);
  if (code == 0)
    s->renew = false;
  return code;
}

/* A renewal waits for a commit that succeeds, as that writes over the frames of one that failed. */
static int ready_conn(struct store *s, struct err *err) {
  if (s->renew && s->failures == 0)
    return renew(s, err);
  return s->conn.db == NULL ? reopen(s, err) : 0;
}

static void roll_back(struct store *s) {
  if (s->conn.db != NULL && !sqlite3_get_autocommit(s->conn.db))
    conn_run(&s->conn, SQL_ROLLBACK, NULL);
  s->now = s->acknowledged;
}

/* ---- one group ---- */

static int finish_group(struct store *s, int64_t changes_before, struct err *err) {
  int code = 0;
  s->now.gen++;
  if (sqlite3_total_changes64(s->conn.db) != changes_before)
    code = totals_save(&s->conn, &s->now, err);
  else
    s->now = s->acknowledged; /* nothing was written: no new generation */
  return code < 0 ? code : conn_run(&s->conn, SQL_COMMIT, err);
}

/* An operation that changed something before it was refused makes the whole group go again. */
#define AGAIN 1

static int apply_group(struct store *s, struct op *ops, struct err *err) {
  int code = conn_run(&s->conn, SQL_BEGIN, err);
  if (code < 0)
    return code;
  int64_t begun = sqlite3_total_changes64(s->conn.db);
  for (struct op *op = ops; op != NULL; op = op->next) {
    int64_t before = sqlite3_total_changes64(s->conn.db);
    struct err why = {0};
    op->code = op_apply(s, op, &why);
    if (conn_broken(op->code)) {
      *err = why;
      return op->code;
    }
    if (op->code < 0 && sqlite3_total_changes64(s->conn.db) != before)
      return AGAIN;
    if (op->code < 0)
      op->text = arena_dup(&op->arena, why.text);
  }
  return finish_group(s, begun, err);
}

/* As apply_group, each operation in a savepoint of its own. */
static int apply_apart(struct store *s, struct op *ops, struct err *err) {
  int code = conn_run(&s->conn, SQL_BEGIN, err);
  if (code < 0)
    return code;
  int64_t begun = sqlite3_total_changes64(s->conn.db);
  for (struct op *op = ops; op != NULL; op = op->next) {
    struct totals before = s->now;
    struct err why = {0};
    if ((code = conn_run(&s->conn, SQL_SAVEPOINT, err)) < 0)
      return code;
    op->code = op_apply(s, op, &why);
    if (conn_broken(op->code)) {
      *err = why;
      return op->code;
    }
    if (op->code < 0) {
      op->text = arena_dup(&op->arena, why.text);
      s->now = before;
      if ((code = conn_run(&s->conn, SQL_ROLLBACK_TO, err)) < 0)
        return code;
    }
    if ((code = conn_run(&s->conn, SQL_RELEASE, err)) < 0)
      return code;
  }
  return finish_group(s, begun, err);
}

static void fail_group(struct op *ops, int code, const struct err *err) {
  for (struct op *op = ops; op != NULL; op = op->next) {
    op->code = code;
    op->replayed = false;
    op->text = arena_dup(&op->arena, err->text);
  }
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
static bool index_is_held(struct store *s) {
  pthread_mutex_lock(&s->checkpoint_conn_lock);
  bool held = s->checkpoint_conn.db != NULL;
  pthread_mutex_unlock(&s->checkpoint_conn_lock);
  return held;
}

static int run_group(struct store *s, struct op *ops, struct err *err) {
  int code = in_place(s->path, "", &s->inode, err);
  if (code == 0)
    code = in_place(s->path, "-wal", &s->wal_inode, err);
  if (code == 0)
    code = ready_conn(s, err);
  if (code < 0) {
    fail_group(ops, code, err);
    return code;
  }
  code = apply_group(s, ops, err);
  if (code == AGAIN) {
    roll_back(s);
    code = apply_apart(s, ops, err);
  }
  if (code == 0) {
    if (s->now.gen != s->acknowledged.gen) /* else the frames of a failed commit are still there */
      s->failures = 0;
    s->acknowledged = s->now;
    return 0;
  }
  roll_back(s);
  fail_group(ops, code, err);
  if (++s->failures % FAILURES_MAX == 0 && code != ERR_NO_SPACE && index_is_held(s))
    conn_close(&s->conn); /* it may be stuck */
  return code;
}

/* ---- the thread ---- */

/* A group that wrote nothing touched no disk, so its success does not tell that writes work again.
 */
static void note_health(struct store *s, struct batch *b, int code, bool wrote,
                        const struct err *err) {
  if ((code < 0) == (s->health.code < 0) || (code == 0 && !wrote))
    return;
  s->health = (struct err){0};
  if (code < 0) {
    s->health = *err;
    log_error("store.failing", "no job is accepted: %s", err->text);
  } else {
    log_info("store.recovered", "writes work again");
  }
  b->health_changed = true;
  b->health = s->health;
}

/* Waits a little for work, without the lock: see store.c. */
static void poll_for_work(struct store *s) {
  int64_t begun = clock_mono_us();
  while (!atomic_load(&s->queued) && clock_mono_us() - begun < s->work_poll.budget_us)
    poll_time_relax();
}

static void sleep_for_work(struct store *s) {
  while (s->queue == NULL && !s->stop && !checkpoint_failed(s)) {
    s->writer_sleeps = true;
    pthread_cond_wait(&s->work, &s->lock);
    s->writer_sleeps = false;
  }
}

/* With the lock held. */
static void wait_for_work(struct store *s) {
  if (s->queue != NULL)
    return;
  int64_t begun = clock_mono_us();
  atomic_store(&s->queued, false);
  if (s->work_poll.budget_us > 0) {
    pthread_mutex_unlock(&s->lock);
    poll_for_work(s);
    pthread_mutex_lock(&s->lock);
  }
  sleep_for_work(s);
  poll_time_learn(&s->work_poll, clock_mono_us() - begun);
}

/* Takes the oldest pending operations.  False: the store closes.  NULL: a checkpoint failed. */
static bool take_group(struct store *s, struct op **ops) {
  pthread_mutex_lock(&s->lock);
  wait_for_work(s);
  struct op *head = s->queue, *last = head;
  for (int n = 1; last != NULL && last->next != NULL && n < GROUP_MAX; n++)
    last = last->next;
  if (last != NULL) {
    s->queue = last->next;
    last->next = NULL;
    if (s->queue == NULL)
      s->queue_tail = &s->queue;
  }
  bool goes_on = head != NULL || !s->stop;
  pthread_mutex_unlock(&s->lock);
  *ops = head;
  return goes_on;
}

static void give_batch(struct store *s, struct batch *b) {
  pthread_mutex_lock(&s->lock);
  *s->batches_tail = b;
  s->batches_tail = &b->next;
  pthread_cond_signal(&s->idle);
  pthread_mutex_unlock(&s->lock);
  store_notify(s);
}

static void serve(struct store *s, struct op *ops) {
  struct batch *b = mem_alloc(sizeof *b);
  struct err err = {0};
  int64_t gen = s->acknowledged.gen;
  int code = run_group(s, ops, &err);
  note_health(s, b, code, s->acknowledged.gen != gen, &err);
  b->ops = ops;
  b->totals = s->acknowledged;
  give_batch(s, b);
}

void *writer_main(void *arg) {
  struct store *s = arg;
  struct op *ops;
  struct err err;
  s->work_poll = poll_time_new(WORK_POLL_US);
  while (take_group(s, &ops)) {
    if (ops != NULL)
      serve(s, ops);
    marker_note(s);
    checkpoint_between(s);
    if (s->renew)
      ready_conn(s, &err); /* else with the next group */
  }
  return NULL;
}
