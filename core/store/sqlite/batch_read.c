/* SPDX-License-Identifier: MIT
 *
 * Reading batches; on the reader thread.
 */
#include "store/sqlite/private.h"

/* ---- batches ---- */

static void take_batch(sqlite3_stmt *st, struct arena *a, struct record_batch *b) {
  *b = (struct record_batch){
      .num = sqlite3_column_int64(st, 0),
      .id = row_text(st, 1, a),
      .kind = row_text(st, 2, a),
      .client = row_text(st, 3, a),
      .name = row_text(st, 4, a),
      .sets_json = row_text(st, 5, a),
      .created_us = sqlite3_column_int64(st, 6),
      .count = sqlite3_column_int64(st, 7),
  };
}

/* What is deleted was over. */
static int count_states(struct conn *c, struct record_batch *b, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_BATCH_STATES);
  double sum = 0;
  int64_t there = 0;
  int code;
  sqlite3_bind_int64(st, 1, b->num);
  sqlite3_bind_int64(st, 2, b->num + b->count);
  while ((code = conn_step(c, st, err)) > 0) {
    int state = sqlite3_column_int(st, 0);
    b->states[state] = sqlite3_column_int64(st, 1);
    there += b->states[state];
    sum += job_state_is_final((enum job_state)state) ? 100.0 * (double)b->states[state]
                                                     : sqlite3_column_double(st, 2);
  }
  sqlite3_reset(st);
  sum += 100.0 * (double)(b->count - there);
  b->percent = b->count > 0 ? sum / (double)b->count : 100;
  return code;
}

int read_batch(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_BATCH_BY_ID);
  bind_text(st, 1, r->id);
  int code = conn_step(c, st, err);
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "there is no batch %s", r->id);
  if (code < 0)
    return code;
  r->batches = arena_alloc(&r->arena, sizeof *r->batches);
  take_batch(st, &r->arena, r->batches);
  sqlite3_reset(st);
  r->count = 1;
  return count_states(c, r->batches, err);
}

int read_batches(struct conn *c, struct read *r, struct err *err) {
  const char *prefix = r->filter.id_prefix;
  sqlite3_stmt *st = conn_stmt(c, prefix != NULL ? SQL_BATCH_PREFIX : SQL_BATCH_LIST);
  int code;
  r->batches = arena_alloc(&r->arena, (size_t)r->filter.limit * sizeof *r->batches);
  if (prefix != NULL) {
    bind_text(st, 1, prefix);
    sqlite3_bind_int(st, 2, r->filter.limit);
  } else {
    sqlite3_bind_int64(st, 1, r->from > 0 ? r->from : INT64_MAX);
    bind_text(st, 2, r->client);
    sqlite3_bind_int(st, 3, r->filter.limit + 1);
  }
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)r->filter.limit) {
      r->more = true;
      break;
    }
    take_batch(st, &r->arena, &r->batches[r->count++]);
  }
  sqlite3_reset(st);
  for (size_t i = 0; i < r->count && code >= 0; i++)
    code = count_states(c, &r->batches[i], err);
  return code < 0 ? code : 0;
}

/* ---- their jobs ---- */

static int take_item(struct conn *c, sqlite3_stmt *st, struct read *r, struct record_batch_job *i,
                     struct err *err) {
  struct arena *a = &r->arena;
  int64_t num = sqlite3_column_int64(st, 0);
  *i = (struct record_batch_job){
      .id = row_text(st, 1, a),
      .item = {row_text(st, 2, a), row_text(st, 3, a), row_text(st, 4, a)},
      .there = sqlite3_column_type(st, 5) != SQLITE_NULL,
  };
  i->job = (struct record_job){.num = num, .id = i->id};
  if (!i->there)
    return 0;
  i->job.state = (enum job_state)sqlite3_column_int(st, 5);
  i->job.backend = row_text(st, 6, a);
  i->job.cached = sqlite3_column_int(st, 7) != 0;
  i->job.source = row_text(st, 8, a);
  i->job.created_us = sqlite3_column_int64(st, 9);
  i->job.started_us = sqlite3_column_int64(st, 10);
  i->job.ended_us = sqlite3_column_int64(st, 11);
  i->job.progress_json = row_text(st, 12, a);
  i->job.error_json = row_text(st, 13, a);
  i->summary_json = row_text(st, 15, a);
  size_t artifacts = (size_t)sqlite3_column_int64(st, 14);
  return r->artifacts ? row_artifacts(c, num, artifacts, a, &i->job, err) : 0;
}

int read_items(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_BATCH_ITEMS);
  int code;
  r->items = arena_alloc(&r->arena, (size_t)r->filter.limit * sizeof *r->items);
  sqlite3_bind_int64(st, 1, r->from);
  sqlite3_bind_int64(st, 2, r->to);
  sqlite3_bind_int(st, 3, r->filter.limit + 1);
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)r->filter.limit) {
      r->more = true;
      break;
    }
    if ((code = take_item(c, st, r, &r->items[r->count], err)) < 0)
      break;
    r->count++;
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}
