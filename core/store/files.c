/* SPDX-License-Identifier: MIT */
#include "store/files.h"

#include "base/mem.h"
#include "store/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A database whose WAL was moved into it, and that no daemon has, is opened as one that nobody
 * writes: a medium that cannot be written to is fine.  Else SQLite needs to write beside it. */
static int open_to_read(struct conn *c, const char *path, bool in_use, struct err *err) {
  *c = (struct conn){0};
  bool alone = !in_use && file_size(path, "-wal") <= 0;
  char *uri = sqlite3_mprintf("file:%s%s", path, alone ? "?immutable=1" : "");
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI |
              (alone ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
  int rc = strpbrk(path, "?#%") ? SQLITE_CANTOPEN : sqlite3_open_v2(uri, &c->db, flags, NULL);
  sqlite3_free(uri);
  if (rc != SQLITE_OK) {
    int code = err_set(err, ERR_IO, "cannot open the database %s: %s", path, sqlite3_errstr(rc));
    conn_close(c);
    return code;
  }
  sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  sqlite3_busy_timeout(c->db, 10000);
  return schema_is_ours(c, err);
}

/* ---- the copy ---- */

static int mark_copy(const char *to, struct err *err) {
  struct conn c;
  struct totals t;
  int code = open_to_read(&c, to, false, err);
  if (code == 0)
    code = totals_load(&c, &t, err);
  if (code == 0)
    code = marker_for_copy(to, t.id, t.gen, err);
  conn_close(&c);
  return code;
}

int store_copy(const char *from, const char *to, struct err *err) {
  struct conn c = {0};
  int lock = -1;
  if (file_size(from, "") <= 0)
    return err_set(err, ERR_NOT_FOUND, "there is no database %s", from);
  /* No daemon starts meanwhile; one that has it may go on. */
  bool in_use = lock_take(from, &lock, NULL) == ERR_CONFLICT;
  int code = open_to_read(&c, from, in_use, err);
  if (code == 0)
    code = copy_database(&c, to, err);
  conn_close(&c);
  lock_release(lock);
  return code ? code : mark_copy(to, err);
}

/* ---- what it names ---- */

static int check_pages(struct conn *c, const char *path, struct err *err) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(c->db, "PRAGMA integrity_check(1)", -1, &st, NULL);
  int code = rc == SQLITE_OK ? conn_step(c, st, err) : conn_fail(c, rc, err);
  if (code > 0 && strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
    code = err_set(err, ERR_IO, "%s is damaged: %s", path, sqlite3_column_text(st, 0));
  sqlite3_finalize(st);
  return code < 0 ? code : 0;
}

static int tell(struct conn *c, const char *sql, store_file_seen *seen, void *ctx,
                struct err *err) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
  int code = rc == SQLITE_OK ? 0 : conn_fail(c, rc, err);
  while (code >= 0 && (code = conn_step(c, st, err)) > 0)
    seen(ctx, &(struct store_file){.job_id = (const char *)sqlite3_column_text(st, 0),
                                   .name = (const char *)sqlite3_column_text(st, 1),
                                   .sha256 = (const char *)sqlite3_column_text(st, 2),
                                   .bytes = sqlite3_column_int64(st, 3)});
  sqlite3_finalize(st);
  return code;
}

int store_files(const char *path, store_file_seen *seen, void *ctx, struct err *err) {
  struct conn c = {0};
  int lock = -1, code = 0;
  if (file_size(path, "") <= 0)
    return err_set(err, ERR_NOT_FOUND, "there is no database %s", path);
  if (file_size(path, ".lock") >= 0 && (code = lock_take(path, &lock, err)) < 0)
    return code;
  code = open_to_read(&c, path, false, err);
  if (code == 0)
    code = check_pages(&c, path, err);
  if (code == 0)
    code = tell(&c,
                "SELECT DISTINCT ifnull(j.source,j.id),a.name,a.sha256,a.bytes FROM artifacts a "
                "JOIN jobs j ON j.num=a.job",
                seen, ctx, err);
  if (code == 0)
    code = tell(&c, "SELECT DISTINCT NULL,sha256,sha256,bytes FROM inputs", seen, ctx, err);
  conn_close(&c);
  lock_release(lock);
  return code;
}
