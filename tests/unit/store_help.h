/* SPDX-License-Identifier: MIT
 *
 * A store in a temporary folder, and blocking forms of its calls, for the tests.
 */
#ifndef STORE_HELP_H
#define STORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
  uv_loop_t loop;
  struct store *store;
  char dir[64], path[96];
  struct buf trace; /* what was called back: "e12:queued " and "d3:0 " (job and code) */
  int health, health_calls;
  struct id_maker ids;
  char id[1001][ID_SIZE]; /* of the jobs that were submitted here, by number */
};

/* The last result of a blocking call. */
struct answer {
  struct world *w;
  int code, calls;
  bool replayed, more;
  int64_t num;
  char id[ID_SIZE];
  char text[500];
  size_t count;
};

__attribute__((unused)) static void help_on_event(void *ctx, const struct record_event *e) {
  struct world *w = ctx;
  buf_printf(&w->trace, "e%lld:%s ", (long long)e->seq, event_word(e->type));
}

__attribute__((unused)) static void help_on_health(void *ctx, int code, const char *text) {
  struct world *w = ctx;
  (void)text;
  w->health = code;
  w->health_calls++;
}

__attribute__((unused)) static void help_done(void *arg, int code, const struct store_receipt *r) {
  struct answer *a = arg;
  a->code = code;
  a->calls++;
  a->replayed = r->replayed;
  a->num = r->job_num;
  snprintf(a->id, sizeof a->id, "%s", r->job_id != NULL ? r->job_id : "");
  snprintf(a->text, sizeof a->text, "%s", r->text != NULL ? r->text : "");
  if (a->w != NULL)
    buf_printf(&a->w->trace, "d%lld:%d ", (long long)r->job_num, code);
}

__attribute__((unused)) static int world_open(struct world *w, struct err *err) {
  struct store_options options = {
      .path = w->path, .on_event = help_on_event, .on_health = help_on_health, .ctx = w};
  return store_open(&w->store, &w->loop, &options, err);
}

__attribute__((unused)) static void world_must_open(struct world *w) {
  struct err err = {0};
  if (world_open(w, &err) != 0)
    fail_msg("store_open: %s", err.text);
}

__attribute__((unused)) static void world_close(struct world *w) {
  store_close(w->store);
  w->store = NULL;
  uv_run(&w->loop, UV_RUN_DEFAULT);
}

__attribute__((unused)) static struct world *world_dir(void) {
  struct world *w = mem_alloc(sizeof *w);
  strcpy(w->dir, "/tmp/lathe-store-XXXXXX");
  assert_non_null(mkdtemp(w->dir));
  snprintf(w->path, sizeof w->path, "%s/lathe.db", w->dir);
  uv_loop_init(&w->loop);
  return w;
}

__attribute__((unused)) static int world_set_up(void **state) {
  struct world *w = world_dir();
  world_must_open(w);
  *state = w;
  return 0;
}

__attribute__((unused)) static int world_tear_down(void **state) {
  struct world *w = *state;
  if (w->store != NULL)
    world_close(w);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  path_remove_tree(w->dir, NULL);
  buf_free(&w->trace);
  free(w);
  return 0;
}

/* Until every callback that is due has run. */
__attribute__((unused)) static void settle(struct world *w) {
  uv_run(&w->loop, UV_RUN_DEFAULT);
}

/* What was traced since the last call. */
__attribute__((unused)) static const char *trace(struct world *w) {
  static char text[20000];
  snprintf(text, sizeof text, "%s", w->trace.len > 0 ? w->trace.data : "");
  buf_clear(&w->trace);
  return text;
}

/* ---- jobs ---- */

__attribute__((unused)) static struct record_job new_job(struct world *w, const char *kind) {
  int64_t num = store_next_num(w->store);
  assert_true(num <= 1000);
  id_make(&w->ids, w->id[num]);
  return (struct record_job){.num = num,
                             .id = w->id[num],
                             .kind = kind,
                             .client = "",
                             .params_json = "{\"a\":1}",
                             .created_us = clock_wall_us()};
}

__attribute__((unused)) static struct record_attempt attempt_of(int number, enum job_state state) {
  bool runs = state == JOB_RUNNING;
  return (struct record_attempt){.number = number,
                                 .state = state,
                                 .backend = "echo",
                                 .started_us = runs ? clock_wall_us() : 0,
                                 .ended_us = runs ? 0 : clock_wall_us()};
}

__attribute__((unused)) static void send_submit(struct world *w, const struct record_job *job,
                                                bool start, const struct store_idempotency *key,
                                                struct answer *a) {
  struct store_event_in queued = {EVENT_QUEUED, "{\"q\":1}"}, started = {EVENT_STARTED, NULL};
  struct record_attempt one = attempt_of(1, JOB_RUNNING);
  store_submit(w->store, job, &queued, start ? &one : NULL, start ? &started : NULL, key, help_done,
               a);
}

/* Submits one and waits; returns its number. */
__attribute__((unused)) static int64_t put(struct world *w, const char *kind, bool start) {
  struct record_job job = new_job(w, kind);
  struct answer a = {0};
  send_submit(w, &job, start, NULL, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  return job.num;
}

__attribute__((unused)) static void send_finish(struct world *w, int64_t num, enum job_state state,
                                                int attempt, struct answer *a) {
  static const enum event_type types[] = {[JOB_COMPLETED] = EVENT_COMPLETED,
                                          [JOB_FAILED] = EVENT_FAILED,
                                          [JOB_CANCELLED] = EVENT_CANCELLED};
  struct record_job job = {.num = num,
                           .id = w->id[num],
                           .state = state,
                           .result_json = "{\"r\":2}",
                           .ended_us = clock_wall_us()};
  struct record_attempt at = attempt_of(attempt, state);
  struct store_event_in event = {types[state], "{}"};
  store_finish(w->store, &job, attempt > 0 ? &at : NULL, &event, help_done, a);
}

__attribute__((unused)) static void end(struct world *w, int64_t num, enum job_state state,
                                        int attempt) {
  struct answer a = {0};
  send_finish(w, num, state, attempt, &a);
  settle(w);
  assert_int_equal(a.code, 0);
}

__attribute__((unused)) static int64_t put_ended(struct world *w, const char *kind,
                                                 enum job_state state) {
  int64_t num = put(w, kind, true);
  end(w, num, state, 1);
  return num;
}

__attribute__((unused)) static void add_event(struct world *w, int64_t num, enum event_type type,
                                              const char *data, struct answer *a) {
  struct store_event_in event = {type, data};
  store_event(w->store, num, w->id[num], &event, a != NULL ? help_done : NULL, a);
  settle(w);
}

/* ---- reads; `see` looks at the record while it is valid ---- */

struct get {
  void (*see)(const struct record_job *job);
  int code, calls;
  enum job_state state;
};

__attribute__((unused)) static void help_got(void *arg, int code, const struct record_job *job) {
  struct get *g = arg;
  g->code = code;
  g->calls++;
  if (job != NULL) {
    g->state = job->state;
    if (g->see != NULL)
      g->see(job);
  }
}

__attribute__((unused)) static int look(struct world *w, const char *id,
                                        void (*see)(const struct record_job *job)) {
  struct get g = {.see = see};
  store_get(w->store, id, help_got, &g);
  settle(w);
  assert_int_equal(g.calls, 1);
  return g.code < 0 ? g.code : (int)g.state;
}

__attribute__((unused)) static void help_listed(void *arg, int code, const struct record_job *jobs,
                                                size_t count, bool more) {
  struct buf *b = arg;
  for (size_t i = 0; i < count; i++)
    buf_printf(b, "%lld ", (long long)jobs[i].num);
  buf_puts(b, code < 0 ? "error" : more ? "more" : "end");
}

/* "5 3 1 end": the numbers listed. */
__attribute__((unused)) static const char *list(struct world *w, struct store_filter filter) {
  static char text[20000];
  struct buf b = {0};
  store_list(w->store, &filter, help_listed, &b);
  settle(w);
  snprintf(text, sizeof text, "%s", b.data);
  buf_free(&b);
  return text;
}

__attribute__((unused)) static void help_events(void *arg, int code, const struct store_events *e) {
  struct buf *b = arg;
  for (size_t i = 0; i < e->count; i++)
    buf_printf(b, "%lld:%lld:%s ", (long long)e->events[i].seq, (long long)e->events[i].job_num,
               event_word(e->events[i].type));
  buf_puts(b, code < 0 ? "error" : e->gap ? "gap" : e->more ? "more" : "end");
}

/* "1:1:queued 2:1:started end": seq, job and type. */
__attribute__((unused)) static const char *events(struct world *w, struct store_event_query q) {
  static char text[20000];
  struct buf b = {0};
  store_events(w->store, &q, help_events, &b);
  settle(w);
  snprintf(text, sizeof text, "%s", b.data);
  buf_free(&b);
  return text;
}

/* "1 0 2 0 0": jobs by state. */
__attribute__((unused)) static const char *counts(struct world *w) {
  static char text[200];
  struct store_stats t;
  store_stats(w->store, &t);
  snprintf(text, sizeof text, "%lld %lld %lld %lld %lld", (long long)t.jobs_by_state[0],
           (long long)t.jobs_by_state[1], (long long)t.jobs_by_state[2],
           (long long)t.jobs_by_state[3], (long long)t.jobs_by_state[4]);
  return text;
}

#endif
