/* SPDX-License-Identifier: MIT
 *
 * Batches in the tables: written, and left by their jobs; on the writer thread.
 */
#include "store/sqlite/private.h"

static int put_batch(struct engine *e, const struct record_batch *b, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_BATCH_NEW);
  sqlite3_bind_int64(st, 1, b->num);
  bind_text(st, 2, b->id);
  bind_text(st, 3, b->kind);
  bind_text(st, 4, b->client);
  bind_text(st, 5, b->name);
  bind_text(st, 6, b->sets_json);
  sqlite3_bind_int64(st, 7, b->created_us);
  sqlite3_bind_int64(st, 8, b->count);
  return conn_step(&e->conn, st, err);
}

static int put_item(struct engine *e, const struct op *job, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_BATCH_JOB_NEW);
  sqlite3_bind_int64(st, 1, job->job->num);
  bind_text(st, 2, job->job->id);
  bind_text(st, 3, job->item->file);
  bind_text(st, 4, job->item->set);
  bind_text(st, 5, job->item->folder);
  return conn_step(&e->conn, st, err);
}

int op_apply_batch(struct engine *e, struct op *op, struct err *err) {
  op->num = op->batch->num; /* a group may run twice */
  op->id = op->batch->id;
  op->replayed = false;
  int code = op->key != NULL ? op_look_at_key(e, op, err) : 0;
  if (code != 0)
    return code < 0 ? code : 0;
  code = put_batch(e, op->batch, err);
  for (struct op *job = op->jobs; job != NULL && code == 0; job = job->next)
    if ((code = put_item(e, job, err)) == 0)
      code = job->code = op_apply(e, job, err);
  if (code == 0 && op->key != NULL)
    code = op_put_key(e, op, err);
  return code;
}

int batch_leave(struct engine *e, const char *batch, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_BATCH_RANGE);
  bind_text(st, 1, batch);
  int code = conn_step(&e->conn, st, err);
  if (code <= 0)
    return code;
  int64_t range[] = {sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)}, left = 0;
  sqlite3_reset(st);
  const enum sql all[] = {SQL_BATCH_LEFT, SQL_BATCH_JOBS_DELETE, SQL_BATCH_DELETE};
  for (int i = 0; i < 3 && left == 0; i++) {
    st = conn_stmt(&e->conn, all[i]);
    sqlite3_bind_int64(st, 1, range[0]);
    if (i < 2)
      sqlite3_bind_int64(st, 2, range[1]);
    if ((code = conn_int(&e->conn, st, 0, &left, err)) < 0)
      return code;
  }
  return 0;
}
