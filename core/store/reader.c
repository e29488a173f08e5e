/* SPDX-License-Identifier: MIT
 *
 * The reader thread: takes the oldest read, works at it for a bounded number of
 * rows, and either gives it back to the loop or puts it at the end of the line.
 * So a list that has to look at millions of jobs holds up neither the other
 * reads nor the checkpoints (each piece is a snapshot of its own).
 *
 *   store_get/list/events -> reads -> piece -> piece -> ... -> reads_done ~uv_async~> callback
 */
#include "store/private.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_JOBS   20000 /* numbers looked at in one go */
#define PIECE_EVENTS 50000
#define NUM_MAX      INT64_MAX
#define AGAIN        1

/* ---- get ---- */

static int read_get(struct store *s, struct conn *c, struct read *r, struct err *err) {
  (void)s;
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

static int read_list(struct store *s, struct conn *c, struct read *r, struct err *err) {
  (void)s;
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
  return code < 0 ? code : !r->more && low > r->floor ? AGAIN : 0;
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

static int read_events(struct store *s, struct conn *c, struct read *r, struct err *err) {
  (void)s;
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
  return code < 0 ? code : !r->more && high != NUM_MAX ? AGAIN : 0;
}

/* ---- a result for a later job ---- */

static int read_cached(struct store *s, struct conn *c, struct read *r, struct err *err) {
  (void)s;
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

/* ---- the thread ---- */

static int (*const readers[READ_TYPES])(struct store *, struct conn *, struct read *,
                                        struct err *) = {
    [READ_GET] = read_get,       [READ_LIST] = read_list,   [READ_EVENTS] = read_events,
    [READ_CACHED] = read_cached, [READ_BATCH] = read_batch, [READ_BATCHES] = read_batches,
    [READ_ITEMS] = read_items,
};

/* One snapshot for all statements of a piece. */
static int run_piece(struct store *s, struct read *r, struct err *err) {
  pthread_mutex_lock(&s->reader_conn_lock);
  struct conn *c = &s->reader_conn;
  int code = c->db != NULL ? 0 : conn_open(c, s->path, s->options.cache_bytes / 4, false, err);
  if (code == 0 && (code = conn_run(c, SQL_BEGIN_READ, err)) == 0) {
    code = readers[r->type](s, c, r, err);
    int end = conn_run(c, SQL_COMMIT, err);
    if (end < 0)
      code = end;
  }
  if (conn_broken(code))
    conn_close(c);
  pthread_mutex_unlock(&s->reader_conn_lock);
  return code;
}

static struct read *take_read(struct store *s) {
  pthread_mutex_lock(&s->lock);
  while (s->reads == NULL && !s->stop) {
    s->reader_sleeps = true;
    pthread_cond_wait(&s->read_work, &s->lock);
    s->reader_sleeps = false;
  }
  struct read *r = s->reads;
  if (r != NULL && (s->reads = r->next) == NULL)
    s->reads_tail = &s->reads;
  pthread_mutex_unlock(&s->lock);
  if (r != NULL)
    r->next = NULL;
  return r;
}

static void put_back(struct store *s, struct read *r, bool done) {
  pthread_mutex_lock(&s->lock);
  struct read ***tail = done ? &s->reads_done_tail : &s->reads_tail;
  **tail = r;
  *tail = &r->next;
  pthread_cond_signal(&s->idle);
  pthread_mutex_unlock(&s->lock);
  if (done)
    store_notify(s);
}

void *reader_main(void *arg) {
  struct store *s = arg;
  struct read *r;
  while ((r = take_read(s)) != NULL) {
    struct err err = {0};
    r->code = run_piece(s, r, &err);
    put_back(s, r, r->code != AGAIN);
  }
  return NULL;
}

/* ---- the calls ---- */

struct read *read_new(enum read_type type, void *arg) {
  struct arena arena = {0};
  struct read *r = arena_alloc(&arena, sizeof *r);
  r->arena = arena;
  r->type = type;
  r->arg = arg;
  return r;
}

void read_push(struct store *s, struct read *r) {
  store_expect(s);
  pthread_mutex_lock(&s->lock);
  *s->reads_tail = r;
  s->reads_tail = &r->next;
  if (s->reader_sleeps)
    pthread_cond_signal(&s->read_work);
  pthread_mutex_unlock(&s->lock);
}

static int page_of(int limit) {
  return limit < 1 ? 1 : limit > 1000 ? 1000 : limit;
}

void store_get(struct store *s, const char *id,
               void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  struct read *r = read_new(READ_GET, arg);
  r->id = arena_dup(&r->arena, id);
  r->done.get = done;
  read_push(s, r);
}

void store_list(struct store *s, const struct store_filter *filter,
                void (*done)(void *arg, int code, const struct record_job *jobs, size_t count,
                             bool more),
                void *arg) {
  struct read *r = read_new(READ_LIST, arg);
  r->filter = *filter;
  r->filter.kind = arena_dup(&r->arena, filter->kind);
  r->filter.backend = arena_dup(&r->arena, filter->backend);
  r->filter.client = arena_dup(&r->arena, filter->client);
  r->filter.id_prefix = arena_dup(&r->arena, filter->id_prefix);
  r->filter.limit = page_of(filter->limit);
  r->done.list = done;
  read_push(s, r);
}

void store_events(struct store *s, const struct store_event_query *q,
                  void (*done)(void *arg, int code, const struct store_events *e), void *arg) {
  struct read *r = read_new(READ_EVENTS, arg);
  r->query = *q;
  r->query.limit = page_of(q->limit);
  r->done.events = done;
  read_push(s, r);
}

void store_cached(struct store *s, const char *const *keys, size_t count, int64_t since_us,
                  void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  struct read *r = read_new(READ_CACHED, arg);
  r->keys = arena_alloc(&r->arena, (count + 1) * sizeof *r->keys);
  for (size_t i = 0; i < count; i++)
    r->keys[i] = arena_dup(&r->arena, keys[i]);
  r->key_count = count;
  r->since_us = since_us;
  r->done.get = done;
  read_push(s, r);
}

static void deliver_get(struct read *r) {
  r->done.get(r->arg, r->code, r->code == 0 ? r->jobs : NULL);
}

static void deliver_list(struct read *r) {
  bool ok = r->code == 0;
  r->done.list(r->arg, r->code, ok ? r->jobs : NULL, ok ? r->count : 0, ok && r->more);
}

static void deliver_events(struct read *r) {
  struct store_events e = {.events = r->events,
                           .count = r->code == 0 ? r->count : 0,
                           .more = r->code == 0 && r->more,
                           .gap = r->code == 0 && r->gap};
  r->done.events(r->arg, r->code, &e);
}

static void (*const deliverers[READ_TYPES])(struct read *) = {
    [READ_GET] = deliver_get,     [READ_LIST] = deliver_list,     [READ_EVENTS] = deliver_events,
    [READ_CACHED] = deliver_get,  [READ_BATCH] = deliver_batches, [READ_BATCHES] = deliver_batches,
    [READ_ITEMS] = deliver_items,
};

void read_deliver(struct read *r) {
  deliverers[r->type](r);
  arena_free(&r->arena);
}
