/* SPDX-License-Identifier: MIT
 *
 * From the queue to a worker: choose, write the attempt, hand over the step.
 *
 *   queue head --sched_next--> reserved --store_start--> on disk --workers_run--> with a worker
 *
 * The attempt is on disk before the step leaves, so a daemon that dies in between
 * runs it again, and never has run one that it does not know of.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"
#include "observe/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What an attempt that goes on gets at least, though its time may be over: it may have come to its
 * end while nobody looked. */
enum { GO_ON_LEAST_MS = 30000 };

/* ---- start ---- */

/* The start is not on disk: as if it had not been tried. */
static void undo_start(struct job *job) {
  job_drop_attempt(job);
  sched_started(job->j->sched, &job->sched);
  run_release(job);
  job_set_state(job, JOB_QUEUED);
}

static void on_started(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  struct jobs *j = job->j;
  if (job_orphaned(job))
    return;
  if (code == 0) {
    job_transition(job, TRANSITION_STARTED);
    run_launch(job);
    return;
  }
  const char *text = receipt && receipt->text ? receipt->text : err_slug(code);
  undo_start(job);
  if (!jobs_is_disk_failure(code)) { /* the store knows better */
    log_error("job.start", "the start of job %s was refused: %s", job->id, text);
    answer_waiters(job, code, JOB_QUEUED);
    job_free(job);
    jobs_check_drained(j);
    return;
  }
  log_warn("job.start", "job %s waits: its start could not be written: %s", job->id, text);
  run_pause(j);
  end_rest(job);
}

static const char *version_of(const struct jobs *j, const char *name) {
  const struct backend *b = workers_find(j->workers, name);
  return b ? backend_plugin_version(b) : NULL;
}

struct attempt *run_begin(struct job *job, const struct sched_choice *choice, int64_t now_us) {
  struct jobs *j = job->j;
  job->usage = usage_find(j, choice->backend->name);
  struct attempt *a = job_add_attempt(job, job->usage, now_us);
  a->plugin_version = usage_version(job->usage, version_of(j, job->usage->name));
  a->decision_json = decision_json(choice);
  remote_attempt(job, a);
  return a;
}

void run_release(struct job *job) {
  sched_release(job->j->sched, &job->sched);
  job->usage = NULL;
}

static void start(struct job *job, const struct sched_choice *choice, int64_t now_us) {
  struct jobs *j = job->j;
  struct attempt *a = run_begin(job, choice, now_us);
  struct record_attempt record = job_attempt_record(a);
  struct store_event_in event = {EVENT_STARTED, event_started(job, a, &j->scratch)};
  job_set_phase(job, PHASE_START);
  job_set_state(job, JOB_RUNNING);
  metric_observe(job->lane->queue_seconds, clock_mono_us() - job->sched.queued_us);
  jobs_count_start(j);
  store_start(j->store, job->num, job->id, &record, &event, on_started, job);
}

void run_pause(struct jobs *j) {
  j->paused = true;
  jobs_later(j);
}

/* ---- rounds ---- */

static void one_round(struct jobs *j) {
  int64_t now_us = clock_wall_us(), now_mono = clock_mono_us();
  struct sched_choice choice;
  backends_tell(j);
  sched_begin_round(j->sched);
  while (sched_next(j->sched, now_mono, &choice)) {
    struct job *job = container_of(choice.job, struct job, sched);
    if (choice.backend)
      start(job, &choice, now_us);
    else
      end_no_backend(job);
  }
  waiting_arm(j);
}

void run_dispatch(struct jobs *j) {
  if (!j->workers || j->draining)
    return;
  remote_resume(j);
  if (j->paused || j->queued == 0)
    return;
  if (j->dispatching) {
    j->again = true;
    return;
  }
  j->dispatching = true;
  do {
    j->again = false;
    one_round(j);
  } while (j->again);
  j->dispatching = false;
}

/* ---- the step ---- */

static int64_t first_set(int64_t a, int64_t b) {
  return a > 0 ? a : b;
}

struct step_limits run_limits(const struct job *job) {
  const struct jobs *j = job->j;
  const struct route_options *route = routing_route(j->routing, job->lane->kind_name);
  const struct step_limits *all = &j->o.limits;
  static const struct step_limits none;
  const struct step_limits *own = job->usage->budget ? &job->usage->budget->limits : &none;
  /* What the admin wrote goes before what the kind's author thought. */
  int64_t wall = first_set(route ? route->timeout_ms : 0, own->wall_ms);
  wall = first_set(wall, job->lane->kind ? kind_timeout_ms(job->lane->kind) : 0);
  wall = first_set(wall, all->wall_ms);
  if (job->timeout_ms > 0 && (wall == 0 || job->timeout_ms < wall))
    wall = job->timeout_ms;
  return (struct step_limits){
      .wall_ms = wall,
      .cpu_ms = first_set(own->cpu_ms, all->cpu_ms),
      .memory = first_set(own->memory, all->memory),
      .output_bytes = first_set(own->output_bytes, all->output_bytes),
      .log_bytes = first_set(own->log_bytes, all->log_bytes),
  };
}

static const char *write_spec(const struct job *job, struct buf *b) {
  buf_clear(b);
  buf_puts(b, "{\"params\":");
  buf_puts(b, job->params_json);
  buf_puts(b, ",\"inputs\":[");
  for (int i = 0; i < job->input_count; i++) {
    const struct record_input *in = &job->inputs[i];
    buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
    buf_put_json_str(b, in->name);
    buf_puts(b, ",\"bytes\":");
    buf_put_i64(b, in->bytes);
    buf_puts(b, ",\"sha256\":\"");
    buf_puts(b, in->sha256);
    buf_puts(b, in->role ? "\",\"role\":" : "\"");
    if (in->role)
      buf_put_json_str(b, in->role);
    buf_putc(b, '}');
  }
  buf_putc(b, ']');
  if (job->trace) {
    buf_puts(b, ",\"traceparent\":");
    buf_put_json_str(b, job->trace);
  }
  buf_putc(b, '}');
  return b->data;
}

/* A step's limits; an attempt that goes on has used some of its time, but gets some all the same.
 */
static struct step_limits limits_left(const struct job *job) {
  struct step_limits l = run_limits(job);
  if (job->go == STEP_RUN || job->go == STEP_SUBMIT || l.wall_ms == 0)
    return l;
  int64_t left = l.wall_ms - (clock_mono_us() - job_last(job)->begun_mono) / 1000;
  int64_t least = l.wall_ms < GO_ON_LEAST_MS ? l.wall_ms : GO_ON_LEAST_MS;
  l.wall_ms = left > least ? left : least;
  return l;
}

/* Whoever parks says by a key of its own what it has read; that is not believed.  It goes on with
 * the same inputs, and for the same client unless the admin lets all share. */
static const char *park_scope(const struct job *job, struct backend *b, char *hex) {
  enum backend_park_share share;
  if (!backend_parks(b, &share))
    return NULL;
  struct sha256 *h = sha256_begin();
  if (share == BACKEND_PARK_CLIENT)
    sha256_add(h, job->client->name, strlen(job->client->name));
  for (int i = 0; i < job->input_count; i++) {
    const struct record_input *in = &job->inputs[i];
    sha256_add(h, in->sha256, SHA256_HEX_SIZE); /* with its NUL */
    if (job->input_count > 1)                   /* they refer to each other by name */
      sha256_add(h, in->name, strlen(in->name) + 1);
    if (in->role)
      sha256_add(h, in->role, strlen(in->role) + 1);
  }
  sha256_end(h, hex);
  return hex;
}

void run_hand_over(struct job *job, struct backend *b) {
  struct jobs *j = job->j;
  size_t count = (size_t)job->input_count;
  struct step_input *inputs = mem_array(count + 1, sizeof *inputs);
  char *paths = count ? mem_array(count, PATH_MAX) : NULL;
  for (size_t i = 0; i < count; i++) {
    storage_blob_path(j->storage, job->inputs[i].sha256, paths + i * PATH_MAX);
    inputs[i] = (struct step_input){.name = job->inputs[i].name, .path = paths + i * PATH_MAX};
  }
  char scope[SHA256_HEX_SIZE];
  job->go = (uint8_t)remote_go(job);
  struct step step = {
      .owner = job,
      .job_id = job->id,
      .kind = job->lane->kind_name,
      .idem_key = remote_key(job),
      .spec_json = write_spec(job, &j->scratch),
      .attempt = job_last(job)->number,
      .limits = limits_left(job),
      .inputs = inputs,
      .input_count = count,
      .go = (enum step_go)job->go,
      .ref = job->go == STEP_POLL ? job_last(job)->ref : NULL,
      .note = job->go == STEP_POLL ? job_last(job)->note : NULL,
      .threads = job->sched.reserved_threads,
      .park_scope = park_scope(job, b, scope),
  };
  if (job->go == STEP_RUN || job->go == STEP_SUBMIT) /* else another one may have begun it */
    cache_handed_over(job, b);
  job_set_phase(job, PHASE_RUN);
  job->steps++;
  job->output_max = step.limits.output_bytes;
  job->step = workers_run(b, &step);
  free(paths);
  free(inputs);
}

void run_launch(struct job *job) {
  struct jobs *j = job->j;
  struct backend *b = j->workers ? workers_find(j->workers, job->usage->name) : NULL;
  if (job->started_us == 0)
    job->started_us = job_last(job)->started_us;
  sched_started(j->sched, &job->sched);
  bool goes_on = job->remote && remote_go(job) != STEP_SUBMIT; /* there is something to stop */
  bool there = b && backend_state(b) == BACKEND_READY && backend_is_remote(b) == job->remote;
  if ((!job->cancel || goes_on) && !job->give_back && there) {
    run_hand_over(job, b);
    if (job->cancel)
      run_stop(job);
    return;
  }
  if (goes_on) {
    remote_away(job);
    return;
  }
  run_release(job);
  if (job->cancel)
    end_cancelled(job);
  else
    end_give_back(job, job->give_back ? "the server shut down before the attempt began"
                                      : "the backend went away before the attempt began");
}

void run_stop(struct job *job) {
  if (job->step)
    workers_cancel(job->step);
}

/* ---- what workers tell ---- */

static void on_changed(void *ctx, struct backend *b) {
  if (backend_state(b) == BACKEND_RESTARTING)
    judge_look(ctx); /* it may want for a folder of ours */
  run_dispatch(ctx);
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
}

static void on_done(void *ctx, void *owner, const struct step_result *result) {
  end_result(owner, result);
  run_dispatch(ctx);
}

struct workers_events jobs_worker_events(struct jobs *j) {
  return (struct workers_events){.changed = on_changed,
                                 .progress = on_progress,
                                 .log = on_log,
                                 .fact = on_fact,
                                 .checkpoint = remote_on_checkpoint,
                                 .note = on_note,
                                 .done = on_done,
                                 .ctx = j};
}
