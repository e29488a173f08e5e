/* SPDX-License-Identifier: MIT
 *
 * From the scheduler's choice to a worker: write the attempt, hand over the step.
 *
 *   chosen --store_start--> on disk --workers_run--> with a worker
 *
 * The attempt is on disk before the step leaves, so a daemon that dies in between
 * runs it again, and never has run one that it does not know of.
 */
#include "jobs/run.h"

#include "base/clock.h"
#include "jobs/answer.h"
#include "jobs/attempt.h"
#include "jobs/breakers.h"
#include "jobs/disk_retry.h"
#include "jobs/end.h"
#include "jobs/job_log.h"
#include "jobs/life.h"
#include "jobs/meters.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/remote.h"
#include "jobs/spending.h"
#include "jobs/step.h"
#include "observe/log.h"

void run_chosen(struct job *job, const struct sched_choice *choice, int64_t now_us) {
  attempt_begin(job, choice, now_us);
  job_set_state(job, JOB_RUNNING);
  metric_observe(job->lane->queue_seconds, clock_mono_us() - job->sched.queued_us);
  rate_count_start(job->j);
  life_post(job, LIFE_CHOSEN);
}

static void on_started(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  if (job_orphaned(job))
    return;
  spending_started(job, receipt);
  if (code == 0) {
    job_transition(job, TRANSITION_STARTED);
    life_post(job, LIFE_STARTED);
    return;
  }
  const char *text = receipt && receipt->text ? receipt->text : err_slug(code);
  attempt_undo(job);
  if (code == ERR_LIMIT) { /* no money is left for it there: it is not sent */
    life_post(job, LIFE_QUEUED);
    return;
  }
  if (!disk_is_failure(code)) { /* the store knows better */
    log_error("job.start", "the start of job %s was refused: %s", job->id, text);
    answer_waiters(job, code, JOB_QUEUED);
    job_free(job);
    return;
  }
  log_warn("job.start", "job %s waits: its start could not be written: %s", job->id, text);
  disk_pause(job->j);
  life_post(job, LIFE_QUEUED);
}

void run_write_start(struct job *job) {
  struct jobs *j = job->j;
  const struct attempt *a = job_last(job);
  struct record_attempt record = job_attempt_record(a);
  struct record_month month;
  record.month = spending_month(j, a, &month);
  struct store_event_in event = {EVENT_STARTED, event_started(job, a, &j->scratch)};
  store_start(j->store, job->num, job->id, &record, &event, on_started, job);
}

void run_launch(struct job *job) {
  struct jobs *j = job->j;
  struct backend *b = j->workers ? workers_find(j->workers, job->usage->name) : NULL;
  if (job->started_us == 0)
    job->started_us = job_last(job)->started_us;
  sched_started(j->sched, &job->sched);
  if (job->abandoned) { /* its first commit failed before it could begin */
    attempt_release(job);
    breakers_neutral(job);
    end_forget(job);
    return;
  }
  bool goes_on = job->remote && remote_go(job) != STEP_SUBMIT; /* there is something to stop */
  bool there = b && backend_state(b) == BACKEND_READY && backend_is_remote(b) == job->remote;
  if ((!job->cancel || goes_on) && !job->give_back && there) {
    step_hand_over(job, b);
    if (job->cancel)
      step_stop(job);
    return;
  }
  if (goes_on) {
    remote_away(job);
    return;
  }
  attempt_release(job);
  breakers_neutral(job);
  if (job->cancel)
    end_cancelled(job);
  else
    end_give_back(job, job->give_back ? "the server shut down before the attempt began"
                                      : "the backend went away before the attempt began");
}
