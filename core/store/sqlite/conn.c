/* SPDX-License-Identifier: MIT */
#include "store/sqlite/conn.h"

#include <errno.h>
#include <string.h>

/* The WAL is written from its start again once it is checkpointed, which spares the file system
 * the work of growing it; past this it is cut back. */
#define WAL_KEPT_BYTES (16 << 20)
#define BUSY_MS        2000

static const char *const texts[SQL_COUNT] = {
#define X(name, text) [name] = (text),
    SQL_TABLE(X)
#undef X
};

static const struct {
  int rc, code;
} classes[] = {
    {SQLITE_FULL, ERR_NO_SPACE}, {SQLITE_IOERR, ERR_IO},    {SQLITE_CORRUPT, ERR_IO},
    {SQLITE_NOTADB, ERR_IO},     {SQLITE_CANTOPEN, ERR_IO}, {SQLITE_READONLY, ERR_IO},
    {SQLITE_NOMEM, ERR_IO},      {SQLITE_BUSY, ERR_IO},     {SQLITE_LOCKED, ERR_IO},
    {SQLITE_PROTOCOL, ERR_IO},   {SQLITE_PERM, ERR_IO},     {SQLITE_CONSTRAINT, ERR_CONFLICT},
    {SQLITE_TOOBIG, ERR_LIMIT},
};

/* What the admin can do. */
static const char *advice_for(int rc) {
  static const struct {
    int rc;
    const char *text;
  } advices[] = {
      {SQLITE_NOTADB,
       "it is damaged, or another file lies in its place: restore it from a backup, or "
       "move it away to start with an empty one"},
      {SQLITE_CORRUPT, "it is damaged: restore it from a backup"},
      {SQLITE_FULL, "make room on that disk"},
      {SQLITE_CANTOPEN, "look at the rights of the file and its folder, and who owns them"},
      {SQLITE_PERM, "look at the rights of the file and its folder, and who owns them"},
      {SQLITE_READONLY,
       "the user that lathed runs as must be able to write the file and its folder"},
      {SQLITE_BUSY, "another program holds it: end that, or wait for it"},
      {SQLITE_LOCKED, "another program holds it: end that, or wait for it"},
      {SQLITE_IOERR, "look at the disk, and at the kernel's log"},
      {SQLITE_NOMEM, "the machine has too little memory"},
  };
  for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
    if ((rc & 0xff) == advices[i].rc)
      return advices[i].text;
  return NULL;
}

int conn_fail(struct conn *c, int rc, struct err *err) {
  int code = ERR_SYSTEM;
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if ((rc & 0xff) == classes[i].rc)
      code = classes[i].code;
  int sys = c->db != NULL && code == ERR_IO ? sqlite3_system_errno(c->db) : 0;
  if (sys == ENOSPC || sys == EDQUOT)
    code = ERR_NO_SPACE;
  const char *path = c->db != NULL ? sqlite3_db_filename(c->db, "main") : NULL;
  const char *what = c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
  const char *advice = advice_for(rc);
  return err_set(err, code, "the database %s: %s%s%s (SQLite %d)%s%s", path != NULL ? path : "",
                 what, sys != 0 ? ": " : "", sys != 0 ? strerror(sys) : "", rc,
                 advice != NULL ? "; " : "", advice != NULL ? advice : "");
}

/* SQLite stays in the old mode without an error where a file system has no shared memory. */
static int set_wal(struct conn *c, struct err *err) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode=WAL", -1, &st, NULL);
  int code = rc == SQLITE_OK ? conn_step(c, st, err) : conn_fail(c, rc, err);
  if (code > 0 && sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal") != 0)
    code = err_set(err, ERR_UNSUPPORTED,
                   "%s cannot use a write-ahead log here; put the data folder on a local disk",
                   sqlite3_db_filename(c->db, "main"));
  sqlite3_finalize(st);
  return code < 0 ? code : 0;
}

static int set_up(struct conn *c, int64_t cache_bytes, bool fresh, struct err *err) {
  static const char first[] = "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL";
  char text[400];
  int64_t kib = cache_bytes / 1024 > 64 ? cache_bytes / 1024 : 64;
  sqlite3_snprintf(sizeof text, text,
                   "PRAGMA synchronous=FULL; PRAGMA cache_size=-%lld; PRAGMA temp_store=MEMORY;"
                   "PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA foreign_keys=OFF;"
                   "PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=%d",
                   (long long)kib, WAL_KEPT_BYTES);
  int code = 0;
  if (fresh && (code = conn_exec(c, first, err)) == 0)
    code = set_wal(c, err);
  return code < 0 ? code : conn_exec(c, text, err);
}

int conn_open(struct conn *c, const char *path, int64_t cache_bytes, bool fresh, struct err *err) {
  *c = (struct conn){0};
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (fresh ? SQLITE_OPEN_CREATE : 0);
  int rc = sqlite3_open_v2(path, &c->db, flags, NULL);
  int code;
  if (rc != SQLITE_OK) {
    code = conn_fail(c, rc, err);
  } else {
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, BUSY_MS);
    code = set_up(c, cache_bytes, fresh, err);
  }
  if (code < 0)
    conn_close(c);
  return code;
}

void conn_close(struct conn *c) {
  for (int i = 0; i < SQL_COUNT; i++)
    sqlite3_finalize(c->stmts[i]);
  sqlite3_close_v2(c->db);
  *c = (struct conn){0};
}

sqlite3_stmt *conn_stmt(struct conn *c, enum sql which) {
  if (c->stmts[which] == NULL)
    sqlite3_prepare_v3(c->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[which], NULL);
  return c->stmts[which];
}

int conn_step(struct conn *c, sqlite3_stmt *st, struct err *err) {
  int rc = st != NULL ? sqlite3_step(st) : sqlite3_extended_errcode(c->db);
  if (rc == SQLITE_ROW)
    return 1;
  int code = rc == SQLITE_DONE ? 0 : conn_fail(c, rc, err);
  sqlite3_reset(st);
  return code;
}

int conn_run(struct conn *c, enum sql which, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, which);
  int code;
  while ((code = conn_step(c, st, err)) > 0)
    ;
  return code;
}

int conn_exec(struct conn *c, const char *sql, struct err *err) {
  int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK ? 0 : conn_fail(c, rc, err);
}

int conn_int(struct conn *c, sqlite3_stmt *st, int64_t fallback, int64_t *value, struct err *err) {
  int code = conn_step(c, st, err);
  *value = fallback;
  if (code <= 0)
    return code;
  if (sqlite3_column_type(st, 0) != SQLITE_NULL)
    *value = sqlite3_column_int64(st, 0);
  sqlite3_reset(st);
  return 0;
}

void bind_text(sqlite3_stmt *st, int at, const char *text) {
  if (text != NULL)
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
  else
    sqlite3_bind_null(st, at);
}
