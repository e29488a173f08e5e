/* SPDX-License-Identifier: MIT
 *
 * A client's new job.
 *
 *   request --checks--> refused
 *              \--> job --one commit--> 202, then the queue              nothing is free
 *                    \--one commit with its start--> 202, then a worker  a slot is free
 *                     \--one commit with its end--> 202, gone            an earlier result fits
 *
 * A job that finds a slot is written together with its first attempt, so that it
 * costs one commit instead of two before it runs.  And where its work stays on this
 * machine, the worker begins while that commit is under way; the store works off
 * what it is told in order, so the end is on disk after the beginning.  Should the
 * commit fail, the client is told so, the worker is stopped and what it made is
 * dropped.  A job with a key waits: another may have it already.
 */
#include "jobs/submit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/answer.h"
#include "jobs/attempt.h"
#include "jobs/backends.h"
#include "jobs/breakers.h"
#include "jobs/cache.h"
#include "jobs/end.h"
#include "jobs/job_log.h"
#include "jobs/life.h"
#include "jobs/meters.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/spending.h"

#include <stdlib.h>
#include <string.h>

/* ---- refusals ---- */

int submit_refusal(struct jobs *j, const struct client *c, int64_t more, const char **slug,
                   const char **text, int *retry_after_s) {
  *retry_after_s = 5;
  if (j->draining) {
    *slug = "draining";
    *text = "The server is shutting down; send the job again after Retry-After seconds.";
    return ERR_BUSY;
  }
  *retry_after_s = rate_retry_after(j);
  if (j->o.queue_max > 0 && j->queued + more > j->o.queue_max) {
    *slug = "queue-full";
    *text = "As many jobs wait as [limits] queue_max allows; send the job again after Retry-After "
            "seconds.";
    return ERR_BUSY;
  }
  if (j->o.queue_max_per_client > 0 && (c ? c->queued : 0) + more > j->o.queue_max_per_client) {
    *slug = "too-many-requests";
    *text = "As many of your jobs wait as [limits] queue_max_per_client allows; send the job again "
            "after Retry-After seconds.";
    return ERR_BUSY;
  }
  return 0;
}

/* Is there no backend that will ever do it?  One that should and has failed is the admin's to mend;
 * what no backend of the configuration does, is the client's mistake only where it named one. */
int submit_check(struct jobs *j, const struct jobs_request *r, const char **slug, struct err *err) {
  const char *kind = kind_name(r->kind);
  struct buf why = {0};
  int rc = 0;
  if (!j->workers || routing_is_served(j->routing, kind, r->pin))
    return 0;
  *slug = "no-backend";
  if (routing_outlook(j->routing, kind, r->pin, &why) == OUTLOOK_MISSING) {
    rc = err_set(err, ERR_UNSUPPORTED,
                 "No backend can do the kind '%.60s' now: %.300s. The admin has to mend that.",
                 kind, why.data);
  } else if (r->pin) {
    *slug = "unknown-backend";
    rc = err_set(err, ERR_INVAL,
                 "The backend '%.60s' does not do the kind '%.60s'; GET /api/backends lists those "
                 "that do.",
                 r->pin, kind);
  } else {
    rc = err_set(err, ERR_UNSUPPORTED,
                 "No backend of the configuration does the kind '%.60s'. The admin can add one as "
                 "[backend NAME].",
                 kind);
  }
  buf_free(&why);
  return rc;
}

enum route_outlook jobs_outlook(const struct jobs *j, const char *kind, struct buf *why) {
  backends_tell((struct jobs *)j);
  return j->workers ? routing_outlook(j->routing, kind, NULL, why) : OUTLOOK_NOBODY;
}

/* ---- the commit ---- */

struct replay { /* waits for the state of the job that a key stands for */
  jobs_answered *answered;
  void *arg;
};

static void on_replay_read(void *arg, int code, const struct record_job *job) {
  struct replay *r = arg;
  struct jobs_answer a = {.replayed = true};
  if (code == 0) {
    a.job_id = job->id;
    a.state = job->state;
    r->answered(r->arg, 0, &a);
  } else {
    answer_failure(r->answered, r->arg, code,
                   "The job of this Idempotency-Key cannot be read; send the request again.");
  }
  free(r);
}

static void answer_replay(struct jobs *j, jobs_answered *answered, void *arg, const char *id) {
  struct job *live = map_get(&j->live, id);
  if (live || j->closing) {
    struct jobs_answer a = {
        .job_id = id, .state = live ? (enum job_state)live->state : JOB_QUEUED, .replayed = true};
    answered(arg, 0, &a);
    return;
  }
  struct replay *r = mem_alloc(sizeof *r);
  *r = (struct replay){.answered = answered, .arg = arg};
  store_get(j->store, id, on_replay_read, r);
}

/* The commit failed, or the key belongs to an earlier job, which is the answer.  False: neither. */
static bool answer_without_it(struct job *job, int code, const struct store_receipt *receipt) {
  if (code < 0)
    answer_failure(job->answered, job->arg, code,
                   receipt && receipt->text ? receipt->text : err_slug(code));
  else if (receipt->replayed)
    answer_replay(job->j, job->answered, job->arg, receipt->job_id);
  return code < 0 || receipt->replayed;
}

/* Gives back what was reserved for it. */
void submit_forget(struct job *job, int code) {
  struct jobs *j = job->j;
  if (job->usage) {
    sched_started(j->sched, &job->sched);
    attempt_release(job);
    breakers_neutral(job);
  }
  answer_waiters(job, code < 0 ? code : ERR_NOT_FOUND, JOB_QUEUED);
  job_free(job);
  life_wake(j);
}

static void acknowledge(struct job *job) {
  job_transition(job, TRANSITION_ACCEPTED);
  if (job->state == JOB_RUNNING)
    job_transition(job, TRANSITION_STARTED);
  metric_add(job->lane->accepted, 1);
  answer_state(job->answered, job->arg, job->id, (enum job_state)job->state);
}

/* The worker may be done, and the commit of the end be under way; that comes after this one. */
static void on_early_submitted(struct job *job, int code) {
  bool more_due = !job->last_due && (job->phase == PHASE_ADOPT || job->phase == PHASE_END ||
                                     job->phase == PHASE_BACK);
  job->early = false;
  job->abandoned = code < 0;
  if (job->j->closing && more_due)
    return; /* to be freed then */
  if (!job_orphaned(job) && job->abandoned)
    end_abandoned(job);
}

static void on_submitted(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  if (!answer_without_it(job, code, receipt))
    acknowledge(job);
  if (job->early) {
    on_early_submitted(job, code);
    return;
  }
  if (job_orphaned(job))
    return;
  if (code < 0 || receipt->replayed) {
    submit_forget(job, code);
  } else {
    life_post(job, job->state == JOB_RUNNING ? LIFE_STARTED : LIFE_QUEUED);
  }
}

/* Has a backend room for it now, when nothing waits ahead of it? */
static bool find_room(struct job *job, struct sched_choice *choice) {
  struct jobs *j = job->j;
  if (!j->workers || j->paused || !sched_lane_is_empty(&job->lane->sched))
    return false;
  backends_tell(j);
  spending_tell(j);
  if (!sched_try(j->sched, &job->sched, clock_mono_us(), choice))
    return false;
  if (!spending_is_limited(j, choice->backend))
    return true;
  sched_started(j->sched, &job->sched); /* it waits for its turn, which asks the store */
  sched_release(j->sched, &job->sched);
  return false;
}

static struct store_idempotency key_of(const struct job *job, const char *key,
                                       const char *fingerprint) {
  return (struct store_idempotency){
      .client = job->client->name,
      .key = key,
      .fingerprint = fingerprint ? fingerprint : "",
      .expires_us = job->created_us + job->j->o.idempotency_ttl_ms * 1000,
  };
}

static void write_job(struct job *job, const char *idem_key, const char *fingerprint) {
  struct jobs *j = job->j;
  job->num = store_next_num(j->store);
  struct record_job record = *job_view(job);
  record.attempt_count = 0;
  struct store_event_in queued = {EVENT_QUEUED, event_queued(job, &j->scratch)};
  struct store_idempotency key = key_of(job, idem_key, fingerprint);
  struct store_idempotency *with_key = idem_key ? &key : NULL;
  struct sched_choice choice;
  if (!find_room(job, &choice)) {
    store_submit(j->store, &record, &queued, NULL, NULL, with_key, on_submitted, job);
    return;
  }
  struct attempt *a = attempt_begin(job, &choice, job->created_us);
  struct record_attempt start = job_attempt_record(a);
  struct store_event_in started = {EVENT_STARTED, event_started(job, a, &j->scratch2)};
  job_set_state(job, JOB_RUNNING);
  metric_observe(job->lane->queue_seconds, 0);
  rate_count_start(j);
  store_submit(j->store, &record, &queued, &start, &started, with_key, on_submitted, job);
  if (!job->remote && !with_key && j->store_code == 0) {
    job->early = true;
    life_post(job, LIFE_STARTED);
  }
}

/* ---- answered with an earlier result ---- */

struct ticket { /* what a submit needs beside its job, while that looks for a result */
  struct job *job;
  char *idem_key, *fingerprint;
};

static void ticket_free(struct ticket *t) {
  free(t->idem_key);
  free(t->fingerprint);
  free(t);
}

static void answer_cached(struct job *job) {
  struct jobs *j = job->j;
  const struct record_job *record = job_view_ended(job);
  struct jobs_answer a = {.job_id = job->id, .state = JOB_COMPLETED, .job = record};
  metric_add(job->lane->accepted, 1);
  metric_add(job->lane->cache_hits, 1);
  job_transition(job, TRANSITION_ACCEPTED);
  job_transition_end(job);
  job->answered(job->arg, 0, &a);
  if (j->ended)
    j->ended(j->ended_ctx, job_view_ended(job));
}

static void on_cached(void *arg, int code, const struct store_receipt *receipt) {
  struct ticket *t = arg;
  struct job *job = t->job;
  struct jobs *j = job->j;
  if (code == ERR_NOT_FOUND && !j->closing) { /* the earlier job went meanwhile */
    outcome_free(job->out);
    job->out = NULL;
    metric_add(job->lane->cache_misses, 1);
    write_job(job, t->idem_key, t->fingerprint);
    ticket_free(t);
    return;
  }
  if (!answer_without_it(job, code, receipt))
    answer_cached(job);
  ticket_free(t);
  if (job_orphaned(job))
    return;
  if (code < 0 || receipt->replayed)
    submit_forget(job, code);
  else
    end_gone(job, JOB_COMPLETED);
}

static void write_cached(struct ticket *t) {
  struct job *job = t->job;
  struct jobs *j = job->j;
  struct store_idempotency key = key_of(job, t->idem_key, t->fingerprint);
  job->num = store_next_num(j->store);
  job->out->ended_us = clock_wall_us();
  struct store_event_in queued = {EVENT_QUEUED, event_queued(job, &j->scratch)};
  struct store_event_in completed = {EVENT_COMPLETED, event_ended(job, job->out, &j->scratch2)};
  store_submit_cached(j->store, job_view_ended(job), job->out->source_num, &queued, &completed,
                      t->idem_key ? &key : NULL, on_cached, t);
}

static void on_looked(void *arg) {
  struct ticket *t = arg;
  struct job *job = t->job;
  if (job->j->closing) {
    answer_failure(job->answered, job->arg, ERR_BUSY,
                   "The server is shutting down; send the job again later.");
    ticket_free(t);
    job_orphaned(job);
    return;
  }
  if (job->out) {
    write_cached(t);
    return;
  }
  write_job(job, t->idem_key, t->fingerprint);
  ticket_free(t);
}

struct job *submit_job(struct jobs *j, const struct jobs_request *request, const char *batch,
                       int64_t created_us) {
  char id[ID_SIZE];
  id_make(&j->ids, id);
  struct record_job record = {
      .id = id,
      .kind = kind_name(request->kind),
      .client = request->client ? request->client : "",
      .pin = request->pin,
      .peer = request->peer,
      .trace = request->trace,
      .via = request->via,
      .anew = request->anew,
      .priority = request->priority,
      .timeout_ms = request->timeout_ms,
      .params_json = request->params_json ? request->params_json : "{}",
      .created_us = created_us,
      .batch = batch,
      .inputs = request->inputs,
      .input_count = request->input_count,
  };
  return job_new(j, &record, request->kind);
}

void jobs_submit(struct jobs *j, const struct jobs_request *request, jobs_answered *answered,
                 void *arg) {
  const char *slug, *text;
  struct err err = {.text = ""};
  int retry_after_s;
  const char *name = request->client ? request->client : "";
  int rc = submit_refusal(j, map_get(&j->clients, name), 1, &slug, &text, &retry_after_s);
  if (rc) {
    answer_refusal(answered, arg, rc, slug, retry_after_s, text);
    return;
  }
  backends_tell(j);
  rc = submit_check(j, request, &slug, &err);
  if (rc) {
    answer_refusal(answered, arg, rc, slug, 0, err.text);
    return;
  }
  struct job *job = submit_job(j, request, NULL, clock_wall_us());
  job->answered = answered;
  job->arg = arg;
  struct ticket *t = mem_alloc(sizeof *t);
  *t = (struct ticket){.job = job,
                       .idem_key = mem_dup(request->idem_key),
                       .fingerprint = mem_dup(request->fingerprint)};
  if (!request->anew && cache_look(job, on_looked, t))
    return;
  write_job(job, t->idem_key, t->fingerprint);
  ticket_free(t);
}
