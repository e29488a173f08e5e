/* SPDX-License-Identifier: MIT
 *
 * Settings and the audit log in the tables.
 */
#include "store/sqlite/private.h"

#include <string.h>

#define LINES_A_CALL 2000

/* ---- settings; on the writer thread ---- */

/* *value: NULL where there is no such setting. */
static int get_setting(struct engine *e, struct arena *a, const char *name, const char **value,
                       struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_SETTING_GET);
  bind_text(st, 1, name);
  int code = conn_step(&e->conn, st, err);
  *value = NULL;
  if (code <= 0)
    return code;
  *value = row_text(st, 0, a);
  sqlite3_reset(st);
  return 0;
}

static int put_setting(struct engine *e, const struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, op->value_json ? SQL_SETTING_PUT : SQL_SETTING_DELETE);
  bind_text(st, 1, op->setting);
  if (op->value_json) {
    bind_text(st, 2, op->value_json);
    sqlite3_bind_int64(st, 3, op->line.at_us);
    bind_text(st, 4, op->line.who);
    bind_text(st, 5, op->line.why);
  }
  return conn_step(&e->conn, st, err);
}

int read_settings(struct conn *c, store_setting_seen *seen, void *ctx, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_SETTINGS);
  int code;
  while ((code = conn_step(c, st, err)) > 0)
    seen(ctx, &(struct record_setting){
                  .name = (const char *)sqlite3_column_text(st, 0),
                  .value_json = (const char *)sqlite3_column_text(st, 1),
                  .at_us = sqlite3_column_int64(st, 2),
                  .who = (const char *)sqlite3_column_text(st, 3),
                  .why = (const char *)sqlite3_column_text(st, 4),
              });
  return code;
}

int changes_settings(struct engine *e, store_setting_seen *seen, void *ctx, struct err *err) {
  return read_settings(&e->conn, seen, ctx, err);
}

/* ---- lines; on the writer thread ---- */

static int put_line(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_AUDIT_NEW);
  struct record_audit *l = &op->line;
  sqlite3_bind_int64(st, 1, l->at_us);
  bind_text(st, 2, l->who);
  bind_text(st, 3, l->what);
  bind_text(st, 4, l->about);
  bind_text(st, 5, l->from_json);
  bind_text(st, 6, l->to_json);
  bind_text(st, 7, l->why);
  bind_text(st, 8, op->setting);
  sqlite3_bind_int(st, 9, l->by_hand);
  int code = conn_step(&e->conn, st, err);
  l->num = code == 0 ? sqlite3_last_insert_rowid(e->conn.db) : 0;
  return code;
}

static bool same(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int op_apply_change(struct engine *e, struct op *op, struct err *err) {
  struct record_audit *l = &op->line;
  const char *before = NULL;
  int code = 0;
  l->num = 0; /* a group may run twice */
  if (op->setting == NULL)
    return put_line(e, op, err);
  if ((code = get_setting(e, &op->arena, op->setting, &before, err)) < 0 ||
      same(before, op->value_json))
    return code;
  bool told = l->by_hand || (l->from_json == NULL && l->to_json == NULL);
  if (told) {
    l->from_json = before;
    l->to_json = op->value_json;
  }
  if (!l->by_hand) {
    sqlite3_stmt *st = conn_stmt(&e->conn, SQL_AUDIT_SETTLED);
    bind_text(st, 1, op->setting);
    code = conn_step(&e->conn, st, err);
  }
  if (code == 0)
    code = put_setting(e, op, err);
  return code < 0 ? code : put_line(e, op, err);
}

/* The line that is to be undone becomes the operation's: what it changed goes back. */
static int find_last(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_AUDIT_LAST);
  int code = conn_step(&e->conn, st, err);
  if (code < 0)
    return code;
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "nothing that was set by hand is left to be undone");
  op->source_num = sqlite3_column_int64(st, 0);
  op->line.about = row_text(st, 1, &op->arena);
  op->value_json = row_text(st, 2, &op->arena);
  op->setting = row_text(st, 3, &op->arena);
  sqlite3_reset(st);
  return 0;
}

int op_apply_undo(struct engine *e, struct op *op, struct err *err) {
  struct record_audit *l = &op->line;
  int code = find_last(e, op, err);
  if (code < 0 || (code = get_setting(e, &op->arena, op->setting, &l->from_json, err)) < 0 ||
      (code = put_setting(e, op, err)) < 0)
    return code;
  l->to_json = op->value_json;
  if ((code = put_line(e, op, err)) < 0)
    return code;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_AUDIT_UNDONE);
  sqlite3_bind_int64(st, 1, op->source_num);
  sqlite3_bind_int64(st, 2, l->num);
  return conn_step(&e->conn, st, err);
}

int changes_purge(struct engine *e, struct op *op, struct err *err) {
  const struct store_retention *r = op->retention;
  const struct {
    enum sql which;
    int64_t limit;
  } rules[] = {{SQL_AUDIT_OLD, r->audit_before_us}, {SQL_AUDIT_MANY, r->audit_max}};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (rules[i].limit <= 0)
      continue;
    sqlite3_stmt *st = conn_stmt(&e->conn, rules[i].which);
    sqlite3_bind_int64(st, 1, rules[i].limit);
    sqlite3_bind_int(st, 2, LINES_A_CALL);
    int code = conn_step(&e->conn, st, err);
    if (code < 0)
      return code;
    op->more |= sqlite3_changes(e->conn.db) == LINES_A_CALL;
  }
  return 0;
}

/* ---- on the reader thread ---- */

int read_audit(struct conn *c, struct read *r, struct err *err) {
  const struct store_audit_filter *f = &r->audit;
  sqlite3_stmt *st = conn_stmt(c, SQL_AUDIT_LIST);
  int code;
  r->lines = arena_alloc(&r->arena, (size_t)f->limit * sizeof *r->lines);
  sqlite3_bind_int64(st, 1, f->before_num > 0 ? f->before_num : INT64_MAX);
  sqlite3_bind_int64(st, 2, f->since_us);
  bind_text(st, 3, f->who);
  bind_text(st, 4, f->what);
  sqlite3_bind_int(st, 5, f->limit + 1);
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)f->limit) {
      r->more = true;
      break;
    }
    r->lines[r->count++] = (struct record_audit){
        .num = sqlite3_column_int64(st, 0),
        .at_us = sqlite3_column_int64(st, 1),
        .who = row_text(st, 2, &r->arena),
        .what = row_text(st, 3, &r->arena),
        .about = row_text(st, 4, &r->arena),
        .from_json = row_text(st, 5, &r->arena),
        .to_json = row_text(st, 6, &r->arena),
        .why = row_text(st, 7, &r->arena),
        .by_hand = sqlite3_column_int(st, 8) != 0,
        .undone = sqlite3_column_int64(st, 9) != 0,
    };
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}
