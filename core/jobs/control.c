/* SPDX-License-Identifier: MIT
 *
 * What clients ask about a job that is there: cancel, retry, delete, get.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/answer.h"
#include "jobs/disk_retry.h"
#include "jobs/end.h"
#include "jobs/life.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/step.h"
#include "jobs/submit.h"
#include "jobs/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request { /* waits for the store */
  struct jobs *j;
  jobs_answered *answered;
  void *arg;
  char id[ID_SIZE];
};

static struct request *request_new(struct jobs *j, const char *id, jobs_answered *answered,
                                   void *arg) {
  struct request *r = mem_alloc(sizeof *r);
  *r = (struct request){.j = j, .answered = answered, .arg = arg};
  snprintf(r->id, sizeof r->id, "%.26s", id);
  j->requests++;
  return r;
}

static void request_free(struct request *r) {
  struct jobs *j = r->j;
  free(r);
  j->requests--;
  if (j->closing)
    jobs_release(j);
}

static void refuse(struct request *r, int code, const char *slug, const char *text) {
  answer_refusal(r->answered, r->arg, code, slug, 0, text);
  request_free(r);
}

static void refuse_state(struct request *r, enum job_state state, const char *wants) {
  char text[160];
  snprintf(text, sizeof text, "The job is %s; this needs a job that is %s.", job_state_word(state),
           wants);
  refuse(r, ERR_CONFLICT, "wrong-state", text);
}

static void refuse_code(struct request *r, int code, const char *text) {
  if (code == ERR_NOT_FOUND) {
    refuse(r, code, "unknown-job",
           "There is no job of this id; it was deleted, removed by retention, or never existed.");
  } else if (code == ERR_CONFLICT) {
    refuse(r, code, "wrong-state", text);
  } else {
    answer_failure(r->answered, r->arg, code, text);
    request_free(r);
  }
}

/* A live job that may be spoken of; one whose first commit is under way is not there yet. */
static struct job *find_live(struct jobs *j, const char *id) {
  struct job *job = map_get(&j->live, id);
  bool known = job && job->phase != PHASE_SUBMIT && !job->early && !job->abandoned;
  return known ? job : NULL;
}

/* ---- cancel ---- */

static void on_cancel_read(void *arg, int code, const struct record_job *job) {
  struct request *r = arg;
  if (code < 0) {
    refuse_code(r, code, "The job cannot be read from disk; send the request again.");
  } else if (job->state == JOB_CANCELLED) {
    answer_state(r->answered, r->arg, job->id, job->state);
    request_free(r);
  } else {
    refuse_state(r, job->state, "queued or running");
  }
}

static void on_cancel_written(void *arg, int code, const struct store_receipt *receipt) {
  struct request *r = arg;
  if (code < 0) {
    refuse_code(r, code, receipt && receipt->text ? receipt->text : err_slug(code));
    return;
  }
  answer_state(r->answered, r->arg, r->id, JOB_RUNNING);
  request_free(r);
}

/* The worker is told at once; the answer waits for the disk. */
static void cancel_at_work(struct job *job, jobs_answered *answered, void *arg) {
  struct jobs *j = job->j;
  bool news = !job->cancel;
  job->cancel = true;
  store_cancel(j->store, job->num, job->id, on_cancel_written,
               request_new(j, job->id, answered, arg));
  if (news && job->phase == PHASE_RUN)
    step_stop(job);
}

void jobs_cancel(struct jobs *j, const char *id, jobs_answered *answered, void *arg) {
  struct job *job = find_live(j, id);
  if (!job) {
    store_get(j->store, id, on_cancel_read, request_new(j, id, answered, arg));
    return;
  }
  switch ((enum phase)job->phase) {
  case PHASE_RUN:
  case PHASE_AWAY:
  case PHASE_START:
  case PHASE_ADOPT:
  case PHASE_BACK:
  case PHASE_CLEAN:
  case PHASE_READY:
    cancel_at_work(job, answered, arg); /* seen when what is under way is done */
    break;
  case PHASE_WAIT:
  case PHASE_DELAY:
    job->cancel = true;
    answer_add_waiter(job, answered, arg);
    waiting_remove(job);
    end_cancelled(job);
    life_wake(j); /* others may have been held for it */
    break;
  case PHASE_SUBMIT:
  case PHASE_END:
  case PHASE_COUNT:
    answer_add_waiter(job, answered, arg); /* too late, unless it ends as cancelled */
    break;
  }
}

/* ---- retry ---- */

static void on_cleaned(void *arg, int code, const struct err *err) {
  struct job *job = arg;
  (void)code, (void)err; /* what is left is replaced by the next attempt, or goes with the job */
  if (!job_orphaned(job))
    life_post(job, LIFE_QUEUED);
}

static void on_retried(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  struct jobs *j = job->j;
  struct request *r = request_new(j, job->id, job->answered, job->arg);
  if (code < 0) {
    answer_waiters(job, code, JOB_QUEUED);
    job_free(job);
    refuse_code(r, code, receipt && receipt->text ? receipt->text : err_slug(code));
    return;
  }
  answer_state(r->answered, r->arg, r->id, JOB_QUEUED);
  if (!job_orphaned(job)) {
    const char *ids[] = {job->id};
    life_post(job, LIFE_CLEANING);
    storage_remove_jobs(j->storage, ids, 1, on_cleaned, job);
  }
  request_free(r);
}

static void on_retry_read(void *arg, int code, const struct record_job *record) {
  struct request *r = arg;
  struct jobs *j = r->j;
  const char *slug, *text;
  int retry_after_s;
  if (code < 0) {
    refuse_code(r, code, "The job cannot be read from disk; send the request again.");
    return;
  }
  bool again = record->state == JOB_FAILED || record->state == JOB_CANCELLED;
  if (!again || map_get(&j->live, record->id)) {
    refuse_state(r, again ? JOB_QUEUED : record->state, "failed or cancelled");
    return;
  }
  code = submit_refusal(j, map_get(&j->clients, record->client), 1, &slug, &text, &retry_after_s);
  if (code) {
    answer_refusal(r->answered, r->arg, code, slug, retry_after_s, text);
    request_free(r);
    return;
  }
  struct job *job = job_new(j, record, kinds_find(j->kinds, record->kind));
  job->answered = r->answered;
  job->arg = r->arg;
  job->sched.queued_us = clock_mono_us();
  job->attempt_base = job->attempt_count;
  life_post(job, LIFE_RETRIED);
  struct store_event_in event = {EVENT_QUEUED, event_queued(job, &j->scratch)};
  store_requeue(j->store, job->num, job->id, NULL, 0, &event, on_retried, job);
  request_free(r);
}

void jobs_retry(struct jobs *j, const char *id, jobs_answered *answered, void *arg) {
  struct job *job = find_live(j, id);
  struct request *r = request_new(j, id, answered, arg);
  if (job)
    refuse_state(r, (enum job_state)job->state, "failed or cancelled");
  else
    store_get(j->store, id, on_retry_read, r);
}

/* ---- delete ---- */

static void on_deleted(void *arg, int code, const struct store_receipt *receipt) {
  struct request *r = arg;
  if (code < 0) {
    refuse_code(r, code, receipt && receipt->text ? receipt->text : err_slug(code));
    return;
  }
  if (receipt->folder && !r->j->closing)
    storage_remove_jobs(r->j->storage, &receipt->folder, 1, NULL, NULL);
  answer_state(r->answered, r->arg, r->id, JOB_CANCELLED);
  request_free(r);
}

static void on_delete_read(void *arg, int code, const struct record_job *job) {
  struct request *r = arg;
  if (code < 0)
    refuse_code(r, code, "The job cannot be read from disk; send the request again.");
  else if (!job_state_is_final(job->state) || map_get(&r->j->live, job->id))
    refuse_state(r, job->state, "completed, failed or cancelled");
  else
    store_delete(r->j->store, job->num, on_deleted, r);
}

void jobs_delete(struct jobs *j, const char *id, jobs_answered *answered, void *arg) {
  struct job *job = find_live(j, id);
  struct request *r = request_new(j, id, answered, arg);
  if (job)
    refuse_state(r, (enum job_state)job->state, "completed, failed or cancelled");
  else
    store_get(j->store, id, on_delete_read, r);
}

/* ---- look ---- */

void jobs_on_ended(struct jobs *j, void (*ended)(void *ctx, const struct record_job *job),
                   void *ctx) {
  j->ended = ended;
  j->ended_ctx = ctx;
}

const struct record_job *jobs_live(struct jobs *j, const char *id) {
  struct job *job = find_live(j, id);
  return job ? job_view(job) : NULL;
}

void jobs_get(struct jobs *j, const char *id,
              void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  const struct record_job *live = jobs_live(j, id);
  if (live)
    done(arg, 0, live);
  else
    store_get(j->store, id, done, arg);
}
