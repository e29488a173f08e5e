/* SPDX-License-Identifier: MIT
 *
 * The life of the room, and the phases of a job.
 *
 *              submit                       retry (client)
 *                |                               |
 *             SUBMIT --no slot--> WAIT <------ CLEAN <--- recover
 *                |                ^  |            ^
 *           with a slot   DELAY --+  | slot       | on disk
 *                |           ^       v            |
 *                |           |     START          |
 *                |           |       | on disk    |
 *                +-----------|-----> RUN          |
 *                            |       | result     |
 *                            |       v            |
 *                          BACK <- verdict -> ADOPT -> END -> gone
 *
 *   RUN --its worker died--> AWAY --a worker is there--> RUN       of remote attempts: remote.c
 *
 * What a client's cancellation meets, and what comes of it:
 *
 *   phase     on cancel                    then
 *   SUBMIT    (unknown job)              so too in RUN to BACK, while that commit is under way
 *   WAIT      out of the queue, END        cancelled; the attempt never was
 *   DELAY     likewise
 *   START     written                      on disk: END as cancelled; disk failed: likewise
 *   RUN       written, the worker is told  whatever comes of it: outputs removed, END as cancelled
 *   AWAY      written                      as RUN, once a worker is there
 *   ADOPT     written                      outputs removed, END as cancelled
 *   END       waits                        as it ends: answered so
 *   BACK      written                      on disk: END as cancelled
 *   CLEAN     written                      END as cancelled, or AWAY
 *
 * "Written": the wish is on disk before its answer, so it holds after a crash of the daemon too.
 *
 * Each job reaches END at most once, and leaves it only when the store has its end on disk.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { RETRY_FIRST_MS = 100, RETRY_LAST_MS = 5000, WINDOW_MS = 2000 };

/* ---- bookkeeping ---- */

/* A remote attempt goes on without us, and is found again by what is on disk. */
static bool at_rest(const struct job *job, enum phase phase) {
  return phase == PHASE_WAIT || phase == PHASE_DELAY || phase == PHASE_AWAY ||
         (phase == PHASE_RUN && job->remote);
}

bool job_at_rest(const struct job *job) {
  return at_rest(job, (enum phase)job->phase);
}

void job_set_phase(struct job *job, enum phase phase) {
  job->j->busy += at_rest(job, (enum phase)job->phase) - at_rest(job, phase);
  job->phase = (uint8_t)phase;
}

void job_count(struct job *job, int by) {
  struct jobs *j = job->j;
  if (job->state == JOB_QUEUED) {
    j->queued += by;
    job->lane->queued += by;
    job->client->queued += by;
    metric_add(j->queued_gauge, by);
  } else {
    j->running += by;
    metric_add(j->running_gauge, by);
  }
}

void job_set_state(struct job *job, enum job_state state) {
  job_count(job, -1);
  job->state = (uint8_t)state;
  job_count(job, 1);
}

bool jobs_is_disk_failure(int code) {
  return code == ERR_IO || code == ERR_NO_SPACE || code == ERR_BUSY || code == ERR_SYSTEM;
}

static struct meter *meter_new(struct jobs *j, const struct backend_usage *usage,
                               const struct lane *lane) {
  struct meter *m = mem_alloc(sizeof *m);
  char labels[300];
  const char *backend = usage ? usage->name : "";
  m->kind = lane->kind_name;
  for (int state = JOB_COMPLETED; state <= JOB_CANCELLED; state++) {
    snprintf(labels, sizeof labels, "kind=\"%.64s\",backend=\"%.64s\",state=\"%s\"",
             lane->kind_name, backend, job_state_word((enum job_state)state));
    m->finished[state] = metrics_counter(j->metrics, "lathe_jobs_finished_total",
                                         "Jobs that ended, by how", labels);
  }
  snprintf(labels, sizeof labels, "kind=\"%.64s\",backend=\"%.64s\"", lane->kind_name, backend);
  m->run_seconds = metrics_histogram(j->metrics, "lathe_job_run_seconds",
                                     "Time of an attempt from its start to its end", labels);
  return m;
}

struct meter *jobs_meter(struct jobs *j, struct backend_usage *usage, const struct lane *lane) {
  struct meter **list = usage ? &usage->meters : &j->without_backend;
  for (struct meter *m = *list; m; m = m->next)
    if (strcmp(m->kind, lane->kind_name) == 0)
      return m;
  struct meter *m = meter_new(j, usage, lane);
  m->next = *list;
  *list = m;
  return m;
}

/* ---- when to come back ---- */

static void turn_window(struct jobs *j) {
  uint64_t now = uv_now(j->loop), past = now - j->window_ms;
  if (past < WINDOW_MS)
    return;
  double latest = (double)j->starts * 1000.0 / (double)past;
  j->rate = past > 10 * WINDOW_MS ? latest : (j->rate + latest) / 2;
  j->starts = 0;
  j->window_ms = now;
}

void jobs_count_start(struct jobs *j) {
  turn_window(j);
  j->starts++;
}

/* The time in which a tenth of what waits is likely to have started. */
int jobs_retry_after(struct jobs *j) {
  turn_window(j);
  double seconds = j->rate > 0 ? (double)j->queued / 10.0 / j->rate : 60.0;
  return seconds < 1 ? 1 : seconds > 60 ? 60 : (int)seconds;
}

/* ---- a disk that failed ---- */

static void on_folder_seen(struct jobs *j, int code) {
  if (code < 0) {
    run_pause(j);
    return;
  }
  j->paused = false;
  run_dispatch(j);
}

void jobs_retry_now(struct jobs *j) {
  struct list todo;
  list_init(&todo);
  uv_timer_stop(&j->retry_timer);
  while (!list_empty(&j->unsaved))
    list_push_back(&todo, list_pop_front(&j->unsaved));
  for (struct list *it; (it = list_pop_front(&todo));)
    end_save(container_of(it, struct job, link));
  look_at_folder(j, on_folder_seen);
}

static void on_retry(uv_timer_t *t) {
  jobs_retry_now(t->data);
}

void jobs_later(struct jobs *j) {
  if (uv_is_active((uv_handle_t *)&j->retry_timer))
    return;
  j->retry_ms = j->retry_ms == 0 ? RETRY_FIRST_MS : j->retry_ms * 2;
  if (j->retry_ms > RETRY_LAST_MS)
    j->retry_ms = RETRY_LAST_MS;
  uv_timer_start(&j->retry_timer, on_retry, (uint64_t)j->retry_ms, 0);
}

void jobs_store_health(struct jobs *j, int code, const char *text) {
  (void)text; /* the store wrote it to the log */
  j->store_code = code;
  if (code == 0 && !j->closing && (j->paused || !list_empty(&j->unsaved)))
    jobs_retry_now(j);
}

/* ---- life ---- */

static void copy_options(struct jobs *j, const struct jobs_options *o) {
  for (size_t i = 0; i < j->o.budget_count; i++)
    free((char *)j->o.budgets[i].backend);
  free((void *)j->o.budgets);
  struct jobs_backend_budget *budgets = mem_array(o->budget_count + 1, sizeof *budgets);
  for (size_t i = 0; i < o->budget_count; i++) {
    budgets[i] = o->budgets[i];
    budgets[i].backend = mem_dup(o->budgets[i].backend);
  }
  j->o = *o;
  j->o.budgets = budgets;
}

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
  if (getrandom(&j->random, sizeof j->random, GRND_NONBLOCK) != sizeof j->random || !j->random)
    j->random = (uint64_t)clock_mono_us() | 1;
  j->queued_gauge = metrics_gauge(metrics, "lathe_jobs", "Jobs that wait or run",
                                  "state=\"queued\"");
  j->running_gauge = metrics_gauge(metrics, "lathe_jobs", "Jobs that wait or run",
                                   "state=\"running\"");
  sweep_init(j);
  copy_options(j, options);
  waiting_configure(j);
  init_timer(j, &j->sweep_timer);
  init_timer(j, &j->delay_timer);
  init_timer(j, &j->flush_timer);
  init_timer(j, &j->retry_timer);
  init_timer(j, &j->retention_timer);
  init_timer(j, &j->drain_timer);
  init_timer(j, &j->away_timer);
  init_timer(j, &j->hope_timer);
  uv_unref((uv_handle_t *)&j->hope_timer);
  retention_arm(j);
  *out = j;
  return 0;
}

void jobs_set_workers(struct jobs *j, struct workers *w) {
  j->workers = w;
}

void jobs_reconfigure(struct jobs *j, const struct jobs_options *options) {
  copy_options(j, options);
  waiting_configure(j);
  retention_arm(j);
  run_dispatch(j);
}

static void free_all(struct jobs *j) {
  usages_free(j);
  lanes_free(j);
  sched_free(j->sched);
  map_free(&j->live);
  map_free(&j->batches);
  copy_options(j, &(struct jobs_options){0});
  free((void *)j->o.budgets);
  buf_free(&j->scratch);
  buf_free(&j->scratch2);
  buf_free(&j->view_progress);
  free(j->view_attempts);
  free(j);
}

void jobs_release(struct jobs *j) {
  if (j->open_handles == 0 && j->live.count == 0 && j->requests == 0 && !j->purging &&
      !j->sweeping && !j->sweep_due && !j->recovering)
    free_all(j);
}

bool job_orphaned(struct job *job) {
  struct jobs *j = job->j;
  if (!j->closing)
    return false;
  if (job->early) { /* its first commit is still under way, and frees it */
    job_set_phase(job, PHASE_RUN);
    return true;
  }
  answer_waiters(job, ERR_BUSY, JOB_QUEUED);
  job_free(job);
  if (!j->recovering)
    jobs_release(j);
  return true;
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
  return job_at_rest(job) || job->phase == PHASE_RUN || (unsaved && job->link.next != &job->link);
}

void jobs_free(struct jobs *j) {
  uv_timer_t *timers[] = {&j->sweep_timer,     &j->delay_timer, &j->flush_timer, &j->retry_timer,
                          &j->retention_timer, &j->drain_timer, &j->away_timer,  &j->hope_timer};
  size_t pos = 0;
  j->closing = true;
  j->workers = NULL;
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
