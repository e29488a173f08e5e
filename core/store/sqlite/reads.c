/* SPDX-License-Identifier: MIT
 *
 * Reading jobs and events; on the reader thread.  A list that has to look at millions of jobs is
 * read in pieces, each a snapshot of its own, so that it holds up neither the other reads nor the
 * checkpoints.
 */
#include "store/sqlite/private.h"

#define PIECE_JOBS   20000 /* numbers looked at in one go */
#define PIECE_EVENTS 50000
#define NUM_MAX      INT64_MAX

/* ---- get ---- */

static int read_get(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_JOB_BY_ID);
  bind_text(st, 1, r->id);
  int code = conn_step(c, st, err);
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "there is no job %s", r->id);
  if (code < 0)
    return code;
  r->jobs = arena_alloc(&r->arena, sizeof *r->jobs);
  code = row_job(c, st, &r->arena, r->jobs, err);
  sqlite3_reset(st);
  return code;
}

static int read_key(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_JOB_BY_KEY);
  bind_text(st, 1, r->client);
  bind_text(st, 2, r->id);
  int code = conn_step(c, st, err);
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "there is no job of this key");
  if (code < 0)
    return code;
  r->jobs = arena_alloc(&r->arena, sizeof *r->jobs);
  code = row_job(c, st, &r->arena, r->jobs, err);
  sqlite3_reset(st);
  return code;
}

/* ---- list ---- */

static enum sql list_sql(const struct store_filter *f) {
  switch (f->state) {
  case JOB_QUEUED:
  case JOB_RUNNING:
    return SQL_LIST_OPEN;
  case JOB_FAILED:
  case JOB_CANCELLED:
    return SQL_LIST_BAD;
  default:
    return f->state < 0 ? SQL_LIST_ANY : SQL_LIST_STATE;
  }
}

static int list_begin(struct conn *c, struct read *r, struct err *err) {
  if (r->begun)
    return 0;
  r->begun = true;
  r->jobs = arena_alloc(&r->arena, (size_t)r->filter.limit * sizeof *r->jobs);
  if (r->filter.before_num <= 0)
    r->filter.before_num = NUM_MAX;
  int64_t top;
  int code = conn_int(c, conn_stmt(c, SQL_MIN_NUM), NUM_MAX, &r->floor, err);
  if (code == 0 && (code = conn_int(c, conn_stmt(c, SQL_MAX_NUM), 0, &top, err)) == 0 &&
      r->filter.before_num > top)
    r->filter.before_num = top + 1;
  return code;
}

/* The rows of a statement up to the limit. */
static int take_jobs(struct conn *c, sqlite3_stmt *st, struct read *r, struct err *err) {
  int code;
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)r->filter.limit) {
      r->more = true;
      break;
    }
    if ((code = row_job(c, st, &r->arena, &r->jobs[r->count], err)) < 0)
      break;
    r->count++;
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

static int list_by_prefix(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_LIST_PREFIX);
  bind_text(st, 1, r->filter.id_prefix);
  sqlite3_bind_int(st, 2, r->filter.limit);
  return take_jobs(c, st, r, err);
}

static int read_list(struct conn *c, struct read *r, struct err *err) {
  struct store_filter *f = &r->filter;
  int code = list_begin(c, r, err);
  if (code < 0)
    return code;
  if (f->id_prefix != NULL)
    return list_by_prefix(c, r, err);
  enum sql which = list_sql(f);
  bool few = which == SQL_LIST_OPEN || /* or every row that is looked at counts */
             (which != SQL_LIST_STATE && f->kind == NULL && f->backend == NULL &&
              f->client == NULL);
  int64_t low = few || f->before_num <= PIECE_JOBS ? 0 : f->before_num - PIECE_JOBS;
  sqlite3_stmt *st = conn_stmt(c, which);
  sqlite3_bind_int64(st, 1, f->limit + 1 - (int64_t)r->count);
  sqlite3_bind_int64(st, 2, f->before_num);
  sqlite3_bind_int64(st, 3, low);
  bind_text(st, 4, f->kind);
  bind_text(st, 5, f->backend);
  bind_text(st, 6, f->client);
  if (f->state >= 0)
    sqlite3_bind_int(st, 7, f->state);
  code = take_jobs(c, st, r, err);
  f->before_num = low;
  return code < 0 ? code : !r->more && low > r->floor ? ENGINE_AGAIN : 0;
}

/* ---- events ---- */

static int events_begin(struct conn *c, struct read *r, struct err *err) {
  if (r->begun)
    return 0;
  r->begun = true;
  r->events = arena_alloc(&r->arena, (size_t)r->query.limit * sizeof *r->events);
  struct totals t;
  int code = totals_load(c, &t, err);
  if (code < 0)
    return code;
  r->floor = t.last_seq;
  int64_t purged = t.purged_seq;
  if (r->query.job_count > 0) {
    purged = 0; /* a job that is gone took its events with it: the rest is whole */
  } else if (r->query.job_num != 0) {
    sqlite3_stmt *st = conn_stmt(c, SQL_EVENTS_GAP);
    sqlite3_bind_int64(st, 1, r->query.job_num);
    /* A job that is gone took its events with it. */
    code = conn_int(c, st, r->query.job_num <= t.last_num ? NUM_MAX : 0, &purged, err);
  }
  r->gap = r->query.after_seq < purged;
  return code;
}

static int read_events(struct conn *c, struct read *r, struct err *err) {
  struct store_event_query *q = &r->query;
  int code = events_begin(c, r, err);
  if (code < 0)
    return code;
  bool all = q->job_num == 0, range = q->job_count > 0;
  int64_t high = all && r->floor - q->after_seq > PIECE_EVENTS ? q->after_seq + PIECE_EVENTS
                                                               : NUM_MAX;
  sqlite3_stmt *st = conn_stmt(c, all     ? SQL_EVENTS_OF_ALL
                                  : range ? SQL_EVENTS_OF_RANGE
                                          : SQL_EVENTS_OF_JOB);
  sqlite3_bind_int64(st, 1, q->after_seq);
  sqlite3_bind_int64(st, 2, high);
  sqlite3_bind_int(st, 3, q->types != 0 ? q->types : -1);
  if (!all)
    sqlite3_bind_int64(st, 4, q->job_num);
  if (range)
    sqlite3_bind_int64(st, 6, q->job_num + q->job_count);
  sqlite3_bind_int64(st, 5, q->limit + 1 - (int64_t)r->count);
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)q->limit) {
      r->more = true;
      break;
    }
    row_event(st, &r->arena, &r->events[r->count++]);
  }
  sqlite3_reset(st);
  q->after_seq = high;
  return code < 0 ? code : !r->more && high != NUM_MAX ? ENGINE_AGAIN : 0;
}

/* ---- a result for a later job ---- */

static int read_cached(struct conn *c, struct read *r, struct err *err) {
  for (size_t i = 0; i < r->key_count; i++) {
    sqlite3_stmt *st = conn_stmt(c, SQL_CACHE_GET);
    bind_text(st, 1, r->keys[i]);
    sqlite3_bind_int64(st, 2, r->since_us);
    int code = conn_step(c, st, err);
    if (code == 0)
      continue;
    if (code > 0) {
      r->jobs = arena_alloc(&r->arena, sizeof *r->jobs);
      code = row_job(c, st, &r->arena, r->jobs, err);
    }
    sqlite3_reset(st);
    return code;
  }
  return err_set(err, ERR_NOT_FOUND, "there is no result under these keys");
}

/* ---- all of them ---- */

static int (*const readers[READ_TYPES])(struct conn *, struct read *, struct err *) = {
    [READ_GET] = read_get,       [READ_LIST] = read_list,
    [READ_EVENTS] = read_events, [READ_CACHED] = read_cached,
    [READ_BATCH] = read_batch,   [READ_BATCHES] = read_batches,
    [READ_ITEMS] = read_items,   [READ_KEY] = read_key,
    [READ_COSTS] = read_costs,   [READ_COSTS_LATEST] = read_costs_latest,
    [READ_AUDIT] = read_audit,
};

/* One snapshot for all statements of a piece. */
int reads_answer(struct engine *e, struct read *r, struct err *err) {
  pthread_mutex_lock(&e->reader_conn_lock);
  struct conn *c = &e->reader_conn;
  int code = c->db != NULL ? 0 : conn_open(c, e->path, e->options.cache_bytes / 4, false, err);
  if (code == 0 && (code = conn_run(c, SQL_BEGIN_READ, err)) == 0) {
    code = readers[r->type](c, r, err);
    int end = conn_run(c, SQL_COMMIT, err);
    if (end < 0)
      code = end;
  }
  if (engine_broken(code))
    conn_close(c);
  pthread_mutex_unlock(&e->reader_conn_lock);
  return code;
}
