/* SPDX-License-Identifier: MIT
 *
 * Moves the WAL into the database file without holding up the commits.
 *
 *   writer:  commit commit commit .. commit | settle | commit (the WAL starts over)
 *   here:          PASSIVE + fsync of the database
 *
 * A passive checkpoint runs beside the commits, but never catches up with a
 * writer that does not pause.  So the bulk is moved and synced here, and what was
 * written meanwhile the writer moves itself between two commits (`settle`); that
 * is short, and makes the checkpoint complete, so that the WAL starts over.
 *
 * Measured with store_bench, 64 callers, 98k operations/s each way, microseconds
 * that a group of 64 takes (p50, p99, longest):
 *   SQLite's own checkpoint in the commit, every 1000 frames   480   4600   6300
 *   here, without the fsync, every 2000 frames                 480   2230   8200
 *   here, every 8000 frames                                    550    940   7800
 *   here, every 2000 frames                                    545   1540   8300
 *   here, every 500 frames                                     510   1010   1900
 */
#include "store/private.h"

#include "observe/log.h"

#define WAL_FRAMES_SOFT 500   /* about 2 MiB: a checkpoint is worth it */
#define WAL_FRAMES_HARD 20000 /* the writer does not wait for the thread any longer */

static int frames_of_commit(void *store, sqlite3 *db, const char *name, int frames) {
  struct store *s = store;
  (void)db;
  (void)name;
  s->wal_frames = frames;
  return SQLITE_OK;
}

void checkpoint_watch(struct store *s) {
  sqlite3_wal_hook(s->conn.db, frames_of_commit, s);
}

/* The pages that the passive pass wrote, while nobody waits.  A failure is not lost on SQLite: the
 * file was not synced by it yet, so its own sync reports it again on its own descriptor. */
static int sync_file(sqlite3 *db) {
  sqlite3_file *file = NULL;
  int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (rc != SQLITE_OK || file == NULL || file->pMethods == NULL)
    return rc;
  return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static int pass(struct store *s) {
  struct err err;
  int rc = SQLITE_OK;
  pthread_mutex_lock(&s->checkpoint_conn_lock);
  struct conn *c = &s->checkpoint_conn;
  if (c->db == NULL && conn_open(c, s->path, 0, false, &err) < 0)
    rc = SQLITE_CANTOPEN;
  if (rc == SQLITE_OK)
    rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  if (rc == SQLITE_OK)
    rc = sync_file(c->db);
  pthread_mutex_unlock(&s->checkpoint_conn_lock);
  return rc;
}

void *checkpoint_main(void *arg) {
  struct store *s = arg;
  pthread_mutex_lock(&s->lock);
  for (;;) {
    while (!s->checkpoint_wanted && !s->stop)
      pthread_cond_wait(&s->checkpoint_work, &s->lock);
    if (s->stop)
      break;
    pthread_mutex_unlock(&s->lock);
    int rc = pass(s);
    pthread_mutex_lock(&s->lock);
    s->checkpoint_wanted = false;
    s->checkpoint_done = true;
    s->checkpoint_rc = rc;
    if (checkpoint_failed(s))
      pthread_cond_signal(&s->work); /* the connections are renewed at once */
  }
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

static void settle(struct store *s, int rc) {
  if (rc == SQLITE_OK && s->conn.db != NULL)
    rc = sqlite3_wal_checkpoint_v2(s->conn.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  bool failing = rc != SQLITE_OK && rc != SQLITE_BUSY;
  if (failing && !s->checkpoint_failing)
    log_error("store.checkpoint",
              "%s: what was committed cannot be moved from the WAL (SQLite %d: %s); it is safe "
              "there, and this is tried again",
              s->path, rc, sqlite3_errstr(rc));
  s->checkpoint_failing = failing;
  s->marker_soon |= rc == SQLITE_OK;
  s->renew |= (rc & 0xff) == SQLITE_IOERR;
}

bool checkpoint_failed(const struct store *s) {
  return s->checkpoint_done && (s->checkpoint_rc & 0xff) == SQLITE_IOERR;
}

void checkpoint_between(struct store *s) {
  pthread_mutex_lock(&s->lock);
  bool done = s->checkpoint_done, under_way = s->checkpoint_wanted;
  int rc = s->checkpoint_rc;
  s->checkpoint_done = false;
  if (!done && !under_way && s->wal_frames >= WAL_FRAMES_SOFT) {
    s->checkpoint_wanted = true;
    pthread_cond_signal(&s->checkpoint_work);
  }
  pthread_mutex_unlock(&s->lock);
  if (done)
    settle(s, rc);
  else if (s->wal_frames > WAL_FRAMES_HARD)
    settle(s, SQLITE_OK);
}
