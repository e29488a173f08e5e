/* SPDX-License-Identifier: MIT
 *
 * The life of the room, and what the workers tell it.  The life of a job is in life.h.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/answer.h"
#include "jobs/cost.h"
#include "jobs/end.h"
#include "jobs/estimates.h"
#include "jobs/facts.h"
#include "jobs/judge.h"
#include "jobs/life.h"
#include "jobs/loop_turn.h"
#include "jobs/options.h"
#include "jobs/output.h"
#include "jobs/previews.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/remote.h"
#include "jobs/retention.h"
#include "jobs/sweep.h"
#include "jobs/types.h"
#include "jobs/waiting.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- life ---- */

static void init_timer(struct jobs *j, uv_timer_t *t) {
  uv_timer_init(j->loop, t);
  t->data = j;
  j->open_handles++;
}

int jobs_new(struct jobs **out, uv_loop_t *loop, struct store *store, struct storage *storage,
             const struct kinds *kinds, struct routing *routing, struct metrics *metrics,
             const struct jobs_options *options, struct err *err) {
  (void)err;
  struct jobs *j = mem_alloc(sizeof *j);
  j->loop = loop;
  j->store = store;
  j->storage = storage;
  j->kinds = kinds;
  j->routing = routing;
  j->metrics = metrics;
  j->window_ms = uv_now(loop);
  list_init(&j->dirty);
  list_init(&j->unsaved);
  list_init(&j->cleaning);
  j->sched = sched_new(routing);
  turn_init(j);
  if (getrandom(&j->random, sizeof j->random, GRND_NONBLOCK) != sizeof j->random || !j->random)
    j->random = (uint64_t)clock_mono_us() | 1;
  j->queued_gauge = metrics_gauge(metrics, "lathe_jobs", "Jobs that wait or run",
                                  "state=\"queued\"");
  j->running_gauge = metrics_gauge(metrics, "lathe_jobs", "Jobs that wait or run",
                                   "state=\"running\"");
  sweep_init(j);
  options_copy(j, options);
  waiting_configure(j);
  init_timer(j, &j->sweep_timer);
  init_timer(j, &j->delay_timer);
  init_timer(j, &j->flush_timer);
  init_timer(j, &j->retry_timer);
  init_timer(j, &j->retention_timer);
  init_timer(j, &j->drain_timer);
  init_timer(j, &j->away_timer);
  init_timer(j, &j->hope_timer);
  init_timer(j, &j->month_timer);
  uv_unref((uv_handle_t *)&j->month_timer);
  uv_unref((uv_handle_t *)&j->hope_timer);
  retention_arm(j);
  *out = j;
  return 0;
}

void jobs_set_workers(struct jobs *j, struct workers *w) {
  j->workers = w;
  turn_begin(j);
}

void jobs_reconfigure(struct jobs *j, const struct jobs_options *options) {
  cost_reprice(j, options);
  options_copy(j, options);
  waiting_configure(j);
  size_t pos = 0;
  for (struct job *job; (job = map_next(&j->live, &pos));)
    job_draw(job); /* the routes are new, too */
  retention_arm(j);
  life_wake(j);
}

static void on_closed(uv_handle_t *h) {
  struct jobs *j = h->data;
  j->open_handles--;
  jobs_release(j);
}

/* Does no callback of the store or of storage come for it any more? */
static bool nothing_due(const struct job *job) {
  bool unsaved = job->phase == PHASE_END || job->phase == PHASE_BACK;
  if (job->early)
    return false;
  return life_at_rest(job) || job->phase == PHASE_RUN || (unsaved && job->link.next != &job->link);
}

void jobs_free(struct jobs *j) {
  uv_timer_t *timers[] = {&j->sweep_timer, &j->delay_timer,     &j->flush_timer,
                          &j->retry_timer, &j->retention_timer, &j->drain_timer,
                          &j->away_timer,  &j->hope_timer,      &j->month_timer};
  size_t pos = 0;
  j->workers = NULL;
  j->drained = NULL;
  turn_run(j); /* what was told before is written */
  estimates_keep_all(j);
  j->closing = true;
  for (struct job *job; (job = map_next(&j->live, &pos));) {
    if (!nothing_due(job))
      continue;
    if (job->phase == PHASE_WAIT || job->phase == PHASE_DELAY)
      waiting_remove(job);
    answer_waiters(job, ERR_BUSY, JOB_QUEUED);
    job_free(job);
  }
  for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
    uv_close((uv_handle_t *)timers[i], on_closed);
  uv_close((uv_handle_t *)&j->turn_end, on_closed);
  uv_close((uv_handle_t *)&j->turn_due, on_closed);
}

void jobs_stats(const struct jobs *j, struct jobs_stats *out) {
  *out = (struct jobs_stats){.queued = j->queued,
                             .running = j->running,
                             .queue_max = j->o.queue_max,
                             .draining = j->draining,
                             .store_code = j->store_code};
}

int64_t jobs_queued_for(const struct jobs *j, const char *backend_or_kind) {
  int64_t n = 0;
  for (const struct lane *lane = j->lanes; lane; lane = lane->next)
    if (strcmp(lane->kind_name, backend_or_kind) == 0 ||
        (lane->pin && strcmp(lane->pin, backend_or_kind) == 0))
      n += lane->queued;
  return n;
}

/* ---- what workers tell ---- */

/* The workers tell changes at the end of a turn, when ours is over, and wait for what follows. */
static void on_changed(void *ctx, struct backend *b) {
  if (backend_state(b) == BACKEND_RESTARTING)
    judge_look(ctx); /* it may want for a folder of ours */
  life_wake(ctx);
  turn_run(ctx);
}

static void on_progress(void *ctx, void *owner, int permille, const char *what, int64_t current,
                        int64_t total) {
  (void)ctx;
  output_progress(owner, permille, what, current, total);
}

static void on_note(void *ctx, void *owner, const char *note, bool lazily) {
  (void)ctx;
  remote_note(owner, note, lazily);
}

static void on_log(void *ctx, void *owner, const char *text, size_t len) {
  (void)ctx;
  output_log(owner, text, len);
}

static void on_fact(void *ctx, void *owner, const char *key, const char *value, bool weak) {
  (void)ctx;
  reported_take(owner, key, value, weak);
  if (strncmp(key, "cost.", 5) == 0)
    cost_reported(job_last(owner));
}

static void on_preview(void *ctx, void *owner, const struct step_artifact *a, const char *data,
                       size_t len) {
  (void)ctx;
  previews_take(owner, a, data, len);
}

static void on_done(void *ctx, void *owner, const struct step_result *result) {
  end_result(owner, result);
  life_wake(ctx);
}

struct workers_events jobs_worker_events(struct jobs *j) {
  return (struct workers_events){.changed = on_changed,
                                 .progress = on_progress,
                                 .log = on_log,
                                 .fact = on_fact,
                                 .preview = on_preview,
                                 .checkpoint = remote_on_checkpoint,
                                 .note = on_note,
                                 .done = on_done,
                                 .ctx = j};
}
