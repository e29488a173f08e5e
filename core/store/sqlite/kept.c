/* SPDX-License-Identifier: MIT
 *
 * What the daemon found out of its backends, as texts by name.
 */
#include "store/sqlite/private.h"

int op_apply_keep(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, op->kept_value ? SQL_KEPT_PUT : SQL_KEPT_DELETE);
  bind_text(st, 1, op->kept_name);
  if (op->kept_value)
    bind_text(st, 2, op->kept_value);
  return conn_step(&e->conn, st, err);
}

int kept_tell(struct engine *e, store_kept_seen *seen, void *ctx, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_KEPT_ALL);
  int code;
  while ((code = conn_step(&e->conn, st, err)) > 0)
    seen(ctx, (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1));
  sqlite3_reset(st);
  return code;
}
