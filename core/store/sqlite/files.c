/* SPDX-License-Identifier: MIT */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A database whose WAL was moved into it, and that no daemon has, is opened as one that nobody
 * writes: a medium that cannot be written to is fine.  Else SQLite needs to write beside it. */
static char *uri_to_read(const char *path, bool in_use, bool *alone) {
  *alone = !in_use && file_size(path, "-wal") <= 0;
  return sqlite3_mprintf("file:%s%s", path, *alone ? "?immutable=1" : "");
}

static int open_to_read(struct conn *c, const char *path, bool in_use, struct err *err) {
  *c = (struct conn){0};
  bool alone;
  char *uri = uri_to_read(path, in_use, &alone);
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

int files_copy(const char *from, const char *to, struct err *err) {
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

/* ---- what the copy has and the database no longer ---- */

/* In one transaction, so that all of it sees the same moment of `live`.  The one that bears the
 * bytes of shared results may be gone: who bears them now is known there.  Keys of jobs that are
 * gone stay, as they do when a job is deleted. */
static const char forget_gone[] =
    "BEGIN;"
    "CREATE TEMP TABLE gone AS SELECT num FROM main.jobs WHERE id NOT IN"
    " (SELECT id FROM live.jobs);"
    "UPDATE main.meta SET purged_seq=max(purged_seq,ifnull((SELECT max(seq) FROM main.events"
    " WHERE job IN gone),0));"
    "DELETE FROM main.events WHERE job IN gone;"
    "DELETE FROM main.attempts WHERE job IN gone;"
    "DELETE FROM main.inputs WHERE job IN gone;"
    "DELETE FROM main.artifacts WHERE job IN gone;"
    "DELETE FROM main.cache WHERE job IN gone;"
    "DELETE FROM main.jobs WHERE num IN gone;"
    "CREATE TEMP TABLE left_batches AS SELECT num,num+count AS top FROM main.batches b WHERE NOT"
    " EXISTS(SELECT 1 FROM main.jobs j WHERE j.num>=b.num AND j.num<b.num+b.count);"
    "DELETE FROM main.batch_jobs WHERE EXISTS(SELECT 1 FROM left_batches l WHERE job>=l.num"
    " AND job<l.top);"
    "DELETE FROM main.batches WHERE num IN (SELECT num FROM left_batches);"
    "UPDATE main.jobs SET bytes=(SELECT l.bytes FROM live.jobs l WHERE l.num=main.jobs.num)"
    " WHERE source IS NOT NULL;"
    "UPDATE main.meta SET bytes=(SELECT CAST(total(bytes) AS INTEGER) FROM main.jobs),"
    " queued=(SELECT count(*) FROM main.jobs WHERE state=0),"
    " running=(SELECT count(*) FROM main.jobs WHERE state=1),"
    " completed=(SELECT count(*) FROM main.jobs WHERE state=2),"
    " failed=(SELECT count(*) FROM main.jobs WHERE state=3),"
    " cancelled=(SELECT count(*) FROM main.jobs WHERE state=4);"
    "COMMIT;";

static int attach_live(struct conn *c, const char *live, bool in_use, struct err *err) {
  bool alone;
  char *uri = uri_to_read(live, in_use, &alone), *sql = sqlite3_mprintf("ATTACH %Q AS live", uri);
  int code = conn_exec(c, sql, err);
  sqlite3_free(sql);
  sqlite3_free(uri);
  return code;
}

/* The copy's WAL goes into it; `live` is left as it is. */
static int settle(struct conn *c, const char *copy, struct err *err) {
  int code = conn_exec(c, "PRAGMA main.wal_checkpoint(TRUNCATE)", err);
  conn_close(c);
  if (code == 0 && file_size(copy, "-wal") > 0)
    return err_set(err, ERR_IO, "cannot write the changes to %s", copy);
  char *wal = mem_printf("%s-wal", copy), *shm = mem_printf("%s-shm", copy);
  unlink(wal);
  unlink(shm);
  free(shm);
  free(wal);
  return code;
}

int files_copy_forget(const char *copy, const char *live, struct err *err) {
  struct conn c = {0};
  int lock = -1, code = 0, flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_READWRITE;
  bool in_use = lock_take(live, &lock, NULL) == ERR_CONFLICT; /* as in files_copy */
  int rc = sqlite3_open_v2(copy, &c.db, flags, NULL);
  if (rc != SQLITE_OK)
    code = err_set(err, ERR_IO, "cannot open the database %s: %s", copy, sqlite3_errstr(rc));
  sqlite3_db_config(c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  sqlite3_busy_timeout(c.db, 10000);
  if (code == 0 && (code = attach_live(&c, live, in_use, err)) == 0)
    code = conn_exec(&c, forget_gone, err);
  if (code == 0)
    code = settle(&c, copy, err);
  else
    conn_close(&c);
  lock_release(lock);
  return code;
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

int files_tell(const char *path, store_file_seen *seen, void *ctx, struct err *err) {
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

/* ---- settings ---- */

int files_settings(const char *path, store_setting_seen *seen, void *ctx, struct err *err) {
  struct conn c = {0};
  if (file_size(path, "") <= 0)
    return err_set(err, ERR_NOT_FOUND, "there is no database %s", path);
  bool in_use = file_size(path, "-shm") >= 0; /* it lies there as long as somebody has it open */
  int code = open_to_read(&c, path, in_use, err);
  if (code == 0)
    code = read_settings(&c, seen, ctx, err);
  conn_close(&c);
  return code;
}
