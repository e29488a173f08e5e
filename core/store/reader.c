/* SPDX-License-Identifier: MIT
 *
 * The reader thread: takes the oldest read, lets the engine work at a piece of it, and either gives
 * it back to the loop or puts it at the end of the line.  So a list that has to look at millions of
 * jobs does not hold up the other reads.
 *
 *   store_get/list/events -> reads -> piece -> piece -> ... -> reads_done ~uv_async~> callback
 */
#include "store/private.h"

/* ---- the thread ---- */

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
    r->code = s->ops->read(s->engine, r, &err);
    put_back(s, r, r->code != ENGINE_AGAIN);
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

void store_get_by_key(struct store *s, const char *client, const char *key,
                      void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  struct read *r = read_new(READ_KEY, arg);
  r->client = arena_dup(&r->arena, client);
  r->id = arena_dup(&r->arena, key);
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
    [READ_GET] = deliver_get,       [READ_LIST] = deliver_list,
    [READ_EVENTS] = deliver_events, [READ_CACHED] = deliver_get,
    [READ_BATCH] = deliver_batches, [READ_BATCHES] = deliver_batches,
    [READ_ITEMS] = deliver_items,   [READ_KEY] = deliver_get,
    [READ_COSTS] = deliver_costs,   [READ_COSTS_LATEST] = deliver_costs,
    [READ_AUDIT] = deliver_audit,
};

void read_deliver(struct read *r) {
  deliverers[r->type](r);
  arena_free(&r->arena);
}
