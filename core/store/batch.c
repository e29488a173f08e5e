/* SPDX-License-Identifier: MIT
 *
 * Batches: jobs that are written together, all or none, and remembered together.
 *
 *   begin -> add* -> submit -> one operation: BATCH row, then each job as if it came alone
 *
 * The first job's number is the batch's, and the others follow it, so a batch is a range of
 * numbers. A job that is deleted leaves what the batch remembers of it; with the last one the batch
 * goes.
 */
#include "store/private.h"

/* ---- the calls (loop) ---- */

struct store_group {
  struct op op;
};

struct store_group *store_group_begin(void) {
  return (struct store_group *)op_new(OP_BATCH, 0, NULL, NULL);
}

void store_group_add(struct store_group *g, const struct record_job *job,
                     const struct record_batch_item *item, const struct store_event_in *queued,
                     const struct store_event_in *completed, int64_t source_num) {
  struct op *op = completed != NULL ? op_of_cached(job, source_num, queued, completed, NULL, NULL)
                                    : op_of_job(OP_SUBMIT, job, queued, NULL, NULL);
  struct record_batch_item *copy = arena_alloc(&op->arena, sizeof *copy);
  copy->file = arena_dup(&op->arena, item->file);
  copy->set = arena_dup(&op->arena, item->set);
  copy->folder = arena_dup(&op->arena, item->folder);
  op->item = copy;
  if (g->op.last_job != NULL)
    g->op.last_job->next = op;
  else
    g->op.jobs = op;
  g->op.last_job = op;
}

void store_group_submit(struct store *s, struct store_group *g, const struct record_batch *batch,
                        const struct store_idempotency *key, store_done *done, void *arg) {
  struct op *op = &g->op;
  struct arena *a = &op->arena;
  struct record_batch *copy = arena_alloc(a, sizeof *copy);
  *copy = *batch;
  copy->id = arena_dup(a, batch->id);
  copy->kind = arena_dup(a, batch->kind);
  copy->client = arena_dup(a, batch->client);
  copy->name = arena_dup(a, batch->name);
  copy->sets_json = arena_dup(a, batch->sets_json);
  op->batch = copy;
  op_copy_key(op, key);
  op->done = done;
  op->arg = arg;
  store_push(s, op);
}

/* ---- the writer ---- */

static int put_batch(struct store *s, const struct record_batch *b, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&s->conn, SQL_BATCH_NEW);
  sqlite3_bind_int64(st, 1, b->num);
  bind_text(st, 2, b->id);
  bind_text(st, 3, b->kind);
  bind_text(st, 4, b->client);
  bind_text(st, 5, b->name);
  bind_text(st, 6, b->sets_json);
  sqlite3_bind_int64(st, 7, b->created_us);
  sqlite3_bind_int64(st, 8, b->count);
  return conn_step(&s->conn, st, err);
}

static int put_item(struct store *s, const struct op *job, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&s->conn, SQL_BATCH_JOB_NEW);
  sqlite3_bind_int64(st, 1, job->job->num);
  bind_text(st, 2, job->job->id);
  bind_text(st, 3, job->item->file);
  bind_text(st, 4, job->item->set);
  bind_text(st, 5, job->item->folder);
  return conn_step(&s->conn, st, err);
}

int op_apply_batch(struct store *s, struct op *op, struct err *err) {
  op->num = op->batch->num; /* a group may run twice */
  op->id = op->batch->id;
  op->replayed = false;
  int code = op->key != NULL ? op_look_at_key(s, op, err) : 0;
  if (code != 0)
    return code < 0 ? code : 0;
  code = put_batch(s, op->batch, err);
  for (struct op *job = op->jobs; job != NULL && code == 0; job = job->next)
    if ((code = put_item(s, job, err)) == 0)
      code = job->code = op_apply(s, job, err);
  if (code == 0 && op->key != NULL)
    code = op_put_key(s, op, err);
  return code;
}

int batch_leave(struct store *s, const char *batch, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&s->conn, SQL_BATCH_RANGE);
  bind_text(st, 1, batch);
  int code = conn_step(&s->conn, st, err);
  if (code <= 0)
    return code;
  int64_t range[] = {sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)}, left = 0;
  sqlite3_reset(st);
  const enum sql all[] = {SQL_BATCH_LEFT, SQL_BATCH_JOBS_DELETE, SQL_BATCH_DELETE};
  for (int i = 0; i < 3 && left == 0; i++) {
    st = conn_stmt(&s->conn, all[i]);
    sqlite3_bind_int64(st, 1, range[0]);
    if (i < 2)
      sqlite3_bind_int64(st, 2, range[1]);
    if ((code = conn_int(&s->conn, st, 0, &left, err)) < 0)
      return code;
  }
  return 0;
}
