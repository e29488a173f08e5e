/* SPDX-License-Identifier: MIT
 *
 * One SQLite connection with its prepared statements; one thread at a time.
 */
#ifndef STORE_SQLITE_CONN_H
#define STORE_SQLITE_CONN_H

#include "base/err.h"
#include "store/sqlite/sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct conn {
  sqlite3 *db; /* NULL: closed */
  sqlite3_stmt *stmts[SQL_COUNT];
};

/* `fresh`: may make the file, sets what must be set before the first table. */
int conn_open(struct conn *c, const char *path, int64_t cache_bytes, bool fresh, struct err *err);
void conn_close(struct conn *c);

/* The statement, reset and ready for binding; NULL when it cannot be prepared (see conn_fail). */
sqlite3_stmt *conn_stmt(struct conn *c, enum sql which);

/* Steps once.  1: a row, 0: done (the statement is reset), negative: failed (reset, err set). */
int conn_step(struct conn *c, sqlite3_stmt *st, struct err *err);
/* conn_stmt, conn_step to the end, for a statement without parameters. */
int conn_run(struct conn *c, enum sql which, struct err *err);
/* Any SQL; for what is run once. */
int conn_exec(struct conn *c, const char *sql, struct err *err);
/* First column of the first row; `fallback` when there is none. */
int conn_int(struct conn *c, sqlite3_stmt *st, int64_t fallback, int64_t *value, struct err *err);

/* The code of the table in base/err.h for what the connection's last call returned, with its text.
 */
int conn_fail(struct conn *c, int rc, struct err *err);

void bind_text(sqlite3_stmt *st, int at, const char *text); /* NULL gives NULL; not copied */

#endif
