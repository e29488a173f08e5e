/* SPDX-License-Identifier: MIT
 *
 * A live job: its memory (one block with its strings), the record that others see,
 * and the JSON of its events.
 */
#include "jobs/record.h"

#include "base/clock.h"
#include "base/json64.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/batch_members.h"
#include "jobs/facts.h"
#include "jobs/lanes.h"
#include "jobs/life.h"
#include "jobs/meters.h"
#include "jobs/output.h"
#include "jobs/previews.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static size_t strings_size(const struct record_job *r) {
  size_t n = (r->peer ? strlen(r->peer) + 1 : 0) + (r->trace ? strlen(r->trace) + 1 : 0) +
             (r->via ? strlen(r->via) + 1 : 0) + strlen(r->params_json) + 1 +
             r->input_count * sizeof(struct record_input);
  for (size_t i = 0; i < r->input_count; i++)
    n += strlen(r->inputs[i].name) + 1 + strlen(r->inputs[i].sha256) + 1 +
         (r->inputs[i].role ? strlen(r->inputs[i].role) + 1 : 0);
  return n;
}

static const char *put(char **at, const char *text) {
  size_t len = strlen(text) + 1;
  char *copy = memcpy(*at, text, len);
  *at += len;
  return copy;
}

/* The job's threads, when its parameters may say them. */
static int threads_of(const struct kind *kind, const char *params_json) {
  if (!strstr(params_json, "\"threads\""))
    return kind_threads(kind, NULL);
  json_t *params = json64_load(params_json, strlen(params_json), 0, NULL);
  int threads = kind_threads(kind, params);
  json_decref(params);
  return threads;
}

static void copy_attempts(struct job *job, const struct record_job *r) {
  for (size_t i = 0; i < r->attempt_count; i++) {
    const struct record_attempt *from = &r->attempts[i];
    struct backend_usage *usage = usage_find(job->j, from->backend ? from->backend : "");
    struct attempt *a = job_add_attempt(job, usage, 0);
    a->number = from->number;
    a->state = from->state;
    a->started_us = from->started_us;
    a->begun_mono = clock_mono_of_us(from->started_us);
    a->ended_us = from->ended_us;
    a->ref = mem_dup(from->ref);
    a->error_json = mem_dup(from->error_json);
    a->facts = reported_of_json(from->facts_json);
    a->fault = from->fault;
    a->open = from->open;
    a->plugin_version = usage_version(usage, from->plugin_version);
    a->decision_json = mem_dup(from->decision_json);
    a->note = mem_dup(from->note);
    a->cancel = from->cancel;
    a->begun = a->recalled = true;
    if (from->cost) {
      a->cost = mem_alloc(sizeof *a->cost);
      *a->cost = *from->cost;
    }
  }
}

/* The job's first phase is PHASE_SUBMIT and its state JOB_QUEUED; it is in no queue. */
struct job *job_new(struct jobs *j, const struct record_job *r, const struct kind *kind) {
  struct job *job = mem_alloc(sizeof *job + strings_size(r));
  job->inputs = (struct record_input *)(job + 1);
  job->input_count = (int32_t)r->input_count;
  char *at = (char *)(job->inputs + r->input_count);
  int64_t bytes = 0;
  for (size_t i = 0; i < r->input_count; i++) {
    job->inputs[i].name = put(&at, r->inputs[i].name);
    job->inputs[i].sha256 = put(&at, r->inputs[i].sha256);
    job->inputs[i].bytes = r->inputs[i].bytes;
    job->inputs[i].role = r->inputs[i].role ? put(&at, r->inputs[i].role) : NULL;
    bytes += r->inputs[i].bytes;
  }
  job->params_json = put(&at, r->params_json);
  job->peer = r->peer ? put(&at, r->peer) : NULL;
  job->trace = r->trace ? put(&at, r->trace) : NULL;
  job->via = r->via ? put(&at, r->via) : NULL;
  job->anew = r->anew;
  memcpy(job->id, r->id, sizeof job->id);
  job->j = j;
  list_init(&job->link);
  list_init(&job->work_link);
  life_begin(job);
  job->num = r->num;
  job->sched.priority = (int8_t)r->priority;
  job->timeout_ms = r->timeout_ms;
  job->sched.time_us = r->timeout_ms * 1000;
  job->created_us = r->created_us;
  job->sched.queued_us = clock_mono_of_us(r->created_us);
  job->started_us = r->started_us;
  job->not_before_us = r->not_before_us;
  job->sched.size = (double)bytes;
  job->sched.memory = kind ? kind_memory(kind, bytes) : 0;
  job->sched.threads = kind ? threads_of(kind, r->params_json) : 0;
  copy_attempts(job, r);
  job->lane = lane_find(j, r->kind, r->pin, kind);
  job->client = client_find(j, r->client ? r->client : "");
  job->client->live++;
  job->sched.lane = &job->lane->sched;
  job->sched.client = &job->client->sched;
  job_draw(job);
  job_count(job, 1);
  map_put(&j->live, job->id, job);
  if (r->batch)
    batch_join(job, r->batch);
  return job;
}

void job_draw(struct job *job) {
  const struct draw_keys keys = {.client = job->client->name,
                                 .input = job->input_count > 0 ? job->inputs[0].sha256 : NULL,
                                 .job = job->id};
  job->sched.draw = routing_draw(job->j->routing, job->lane->kind_name, &keys);
}

static void set_needs(struct job *job, const struct kind *kind) {
  int64_t bytes = 0;
  for (int i = 0; i < job->input_count; i++)
    bytes += job->inputs[i].bytes;
  job->sched.memory = kind_memory(kind, bytes);
  job->sched.threads = threads_of(kind, job->params_json);
}

void jobs_kinds_declared(struct jobs *j) {
  for (struct lane *lane = j->lanes; lane; lane = lane->next) {
    size_t pos = 0;
    if (lane->kind || !(lane->kind = kinds_find(j->kinds, lane->kind_name)))
      continue;
    for (struct job *job; (job = map_next(&j->live, &pos));)
      if (job->lane == lane && !job->usage) /* what is reserved stays what it is */
        set_needs(job, lane->kind);
  }
}

void outcome_free(struct outcome *out) {
  if (!out)
    return;
  for (size_t i = 0; i < out->artifact_count; i++) {
    free((char *)out->artifacts[i].name);
    free((char *)out->artifacts[i].media_type);
    free((char *)out->artifacts[i].sha256);
    free((char *)out->artifacts[i].url);
  }
  free(out->artifacts);
  free(out->result_json);
  free(out->error_json);
  free(out->workdir);
  free(out->source);
  free(out->backend);
  free(out);
}

/* The job is in no queue and nobody else will call about it. */
void job_free(struct job *job) {
  struct jobs *j = job->j;
  life_end(job);
  job_count(job, -1);
  list_remove(&job->link);
  list_remove(&job->work_link);
  map_remove(&j->live, job->id);
  if (job->batch)
    batch_quit(job);
  sched_remove(j->sched, &job->sched);
  client_put(j, job->client);
  output_drop(job);
  previews_drop(job);
  outcome_free(job->out);
  while (job->attempt_count > 0)
    job_drop_attempt(job);
  free(job->attempts);
  free(job->tried);
  free(job->identity);
  free(job);
}

void job_drop_attempt(struct job *job) {
  struct attempt *a = &job->attempts[--job->attempt_count];
  free(a->ref);
  free(a->error_json);
  free(a->decision_json);
  free(a->note);
  free(a->cost);
  reported_free(a->facts);
}

struct attempt *job_last(const struct job *job) {
  return job->attempt_count > 0 ? &job->attempts[job->attempt_count - 1] : NULL;
}

struct attempt *job_add_attempt(struct job *job, struct backend_usage *usage, int64_t now_us) {
  struct attempt *last = job_last(job);
  int number = last ? last->number + 1 : 1;
  size_t count = (size_t)job->attempt_count + 1;
  job->attempts = mem_grow(job->attempts, count * sizeof *job->attempts);
  struct attempt *a = &job->attempts[job->attempt_count++];
  *a = (struct attempt){.usage = usage,
                        .number = number,
                        .state = JOB_RUNNING,
                        .started_us = now_us,
                        .begun_mono = clock_mono_us()};
  return a;
}

/* ---- the record ---- */

struct record_attempt job_attempt_record(const struct attempt *a) {
  return (struct record_attempt){
      .number = a->number,
      .state = a->state,
      .backend = a->usage->name,
      .started_us = a->started_us,
      .ended_us = a->ended_us,
      .ref = a->ref,
      .error_json = a->error_json,
      .facts_json = reported_json(a->facts),
      .note = a->note,
      .cancel = a->cancel,
      .cost = a->cost,
      .fault = a->fault,
      .open = a->open,
      .plugin_version = a->plugin_version,
      .decision_json = a->decision_json,
  };
}

const struct record_job *job_view(struct job *job) {
  struct jobs *j = job->j;
  struct attempt *last = job_last(job);
  size_t count = (size_t)job->attempt_count;
  if (count > j->view_cap) {
    j->view_cap = count * 2;
    j->view_attempts = mem_grow(j->view_attempts, j->view_cap * sizeof *j->view_attempts);
  }
  for (size_t i = 0; i < count; i++)
    j->view_attempts[i] = job_attempt_record(&job->attempts[i]);
  bool progress = job->output && (job->output->sent_ms || job->output->dirty); /* not just a log */
  buf_clear(&j->view_progress);
  if (progress) {
    buf_putc(&j->view_progress, '{');
    progress_put(job->output, &j->view_progress);
    buf_putc(&j->view_progress, '}');
  }
  j->view = (struct record_job){
      .num = job->num,
      .id = job->id,
      .kind = job->lane->kind_name,
      .client = job->client->name,
      .peer = job->peer,
      .trace = job->trace,
      .via = job->via,
      .anew = job->anew,
      .pin = job->lane->pin,
      .state = (enum job_state)job->state,
      .priority = job->sched.priority,
      .timeout_ms = job->timeout_ms,
      .params_json = job->params_json,
      .progress_json = progress ? j->view_progress.data : NULL,
      .backend = last ? last->usage->name : NULL,
      .created_us = job->created_us,
      .started_us = job->started_us,
      .not_before_us = job->not_before_us,
      .batch = job->batch ? job->batch->id : NULL,
      .inputs = job->inputs,
      .input_count = (size_t)job->input_count,
      .attempts = j->view_attempts,
      .attempt_count = count,
  };
  j->view.artifacts = previews_view(job, &j->view.artifact_count);
  return &j->view;
}

const struct record_job *job_view_ended(struct job *job) {
  struct jobs *j = job->j;
  const struct outcome *out = job->out;
  job_view(job);
  if (out->with_attempt) {
    struct record_attempt *last = &j->view_attempts[job->attempt_count - 1];
    last->state = out->attempt_state;
    last->ended_us = out->ended_us;
    last->error_json = out->error_json;
    last->fault = out->fault;
  }
  j->view.state = out->state;
  j->view.result_json = out->result_json;
  j->view.error_json = out->error_json;
  j->view.ended_us = out->ended_us;
  j->view.not_before_us = 0;
  j->view.cached = out->source != NULL;
  j->view.source = out->source;
  if (out->source)
    j->view.backend = out->backend;
  j->view.artifacts = out->artifacts;
  j->view.artifact_count = out->artifact_count;
  if (out->state == JOB_COMPLETED)
    j->view.progress_json = progress_done(job, &j->scratch2);
  return &j->view;
}

/* ---- events; each returns b->data ---- */

static void begin(const struct job *job, const char *status, struct buf *b) {
  buf_clear(b);
  buf_puts(b, "{\"job_id\":\"");
  buf_put(b, job->id, ID_LEN);
  buf_puts(b, "\",\"status\":\"");
  buf_puts(b, status);
  buf_putc(b, '"');
}

static void put_str(struct buf *b, const char *key, const char *value) {
  buf_puts(b, key);
  buf_put_json_str(b, value);
}

static void put_time(struct buf *b, const char *key, int64_t us) {
  buf_puts(b, key);
  buf_put_json_time(b, us);
}

static const char *end(struct buf *b) {
  buf_putc(b, '}');
  return b->data;
}

const char *event_queued(struct job *job, struct buf *b) {
  begin(job, "queued", b);
  put_str(b, ",\"kind\":", job->lane->kind_name);
  put_time(b, ",\"created_at\":", job->created_us);
  return end(b);
}

const char *event_started(struct job *job, const struct attempt *a, struct buf *b) {
  begin(job, "running", b);
  put_str(b, ",\"backend\":", a->usage->name);
  buf_puts(b, ",\"attempt\":");
  buf_put_i64(b, a->number);
  put_time(b, ",\"started_at\":", a->started_us);
  if (a->decision_json) {
    buf_puts(b, ",\"decision\":");
    buf_puts(b, a->decision_json);
  }
  return end(b);
}

/* The attempt that ended, in a final event or in `queued`. */
static void put_attempt(const struct job *job, const struct outcome *out, struct buf *b) {
  struct attempt *last = job_last(job);
  if (!out->with_attempt)
    return;
  put_str(b, ",\"backend\":", last->usage->name);
  buf_puts(b, ",\"attempt\":");
  buf_put_i64(b, last->number);
  int64_t us = out->ended_us > last->started_us ? out->ended_us - last->started_us : 0;
  buf_printf(b, ",\"seconds\":%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
}

const char *event_ended(struct job *job, const struct outcome *out, struct buf *b) {
  begin(job, job_state_word(out->state), b);
  put_attempt(job, out, b);
  put_time(b, ",\"ended_at\":", out->ended_us);
  if (out->state == JOB_COMPLETED) {
    buf_puts(b, ",\"artifacts\":[");
    for (size_t i = 0; i < out->artifact_count; i++)
      put_str(b, i ? "," : "", out->artifacts[i].name);
    buf_putc(b, ']');
    if (out->source)
      put_str(b, ",\"cached\":true,\"cached_from\":", out->source);
  } else {
    buf_puts(b, ",\"error\":");
    buf_puts(b, out->error_json);
  }
  return end(b);
}

const char *event_requeued(struct job *job, const struct outcome *out, struct buf *b) {
  begin(job, "queued", b);
  put_str(b, ",\"kind\":", job->lane->kind_name);
  put_attempt(job, out, b);
  put_time(b, ",\"not_before\":", out->not_before_us);
  if (out->error_json) {
    buf_puts(b, ",\"error\":");
    buf_puts(b, out->error_json);
  }
  return end(b);
}
