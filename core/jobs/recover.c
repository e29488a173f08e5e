/* SPDX-License-Identifier: MIT
 *
 * What an earlier life of the daemon left.
 *
 *   queued, never started -----------------------------------------> queue
 *   queued, started before --outputs removed-----------------------> queue
 *   running ------------------outputs removed, attempt ends (on disk)--> queue
 *   running elsewhere --------outputs removed--------------------------> goes on (remote.c)
 *   a client's cancellation was accepted -------outputs removed--------> cancelled, elsewhere too
 *
 * Outputs without a commit can only be those of an attempt that was not recorded
 * as completed, so they go before the job may run again.
 * The interrupted attempt does not count towards the limit: the job did nothing wrong.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/cost.h"
#include "jobs/end.h"
#include "jobs/kept.h"
#include "jobs/life.h"
#include "jobs/meters.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/remote.h"
#include "jobs/spending.h"
#include "jobs/sweep.h"
#include "jobs/switches.h"
#include "observe/log.h"

#include <stdlib.h>

struct tally {
  struct jobs *j;
  int64_t queued, running;
};

/* What is left of a pause between attempts: never more than the whole of it, whatever the clock
 * says by now. */
static int64_t pause_left_us(const struct record_job *r) {
  if (r->not_before_us == 0 || r->attempt_count == 0)
    return 0;
  int64_t whole = r->not_before_us - r->attempts[r->attempt_count - 1].ended_us;
  int64_t left = r->not_before_us - clock_wall_us();
  return left < 0 ? 0 : left < whole ? left : whole;
}

static int take(void *ctx, const struct record_job *r) {
  struct tally *t = ctx;
  struct jobs *j = t->j;
  struct job *job = job_new(j, r, kinds_find(j->kinds, r->kind));
  job->recovered = true;
  job->sched.due_us = clock_mono_us() + pause_left_us(r);
  if (r->state == JOB_RUNNING) {
    job_set_state(job, JOB_RUNNING);
    job->remote = job_last(job) && job_last(job)->ref;
    t->running++;
  } else {
    t->queued++;
  }
  job->cancel = r->cancel;
  if (job->attempt_count == 0 && !job->cancel) {
    life_post(job, LIFE_QUEUED);
  } else {
    life_post(job, LIFE_CLEANING);
    list_push_back(&j->cleaning, &job->link);
  }
  return 0;
}

static void on_clean(void *arg, int code, const struct err *err) {
  struct jobs *j = arg;
  if (code < 0)
    log_warn("jobs.recover", "outputs of interrupted attempts are left over: %s", err->text);
  for (struct list *it; (it = list_pop_front(&j->cleaning));) {
    struct job *job = container_of(it, struct job, link);
    if (job_orphaned(job))
      continue;
    if (job->remote)
      remote_recovered(job);
    else if (job->cancel)
      end_cancelled(job);
    else if (job->state == JOB_RUNNING)
      end_interrupted(job, "the server stopped while the attempt was running");
    else
      life_post(job, LIFE_QUEUED);
  }
  j->recovering = false;
  if (j->closing)
    jobs_release(j);
  else
    life_wake(j);
}

int jobs_recover(struct jobs *j, struct err *err) {
  struct tally t = {.j = j};
  int rc = kept_load(j, err);
  if (rc == 0)
    rc = store_recover(j->store, take, &t, err);
  if (rc < 0)
    return rc;
  if ((rc = switches_recall(j, err)) < 0)
    return rc;
  sweep_start(j);
  cost_recall(j);
  spending_recall(j);
  size_t n = 0;
  list_for_each(it, &j->cleaning) n++;
  if (n > 0) {
    const char **ids = mem_array(n, sizeof *ids);
    n = 0;
    list_for_each(it, &j->cleaning) ids[n++] = container_of(it, struct job, link)->id;
    j->recovering = true;
    storage_remove_jobs(j->storage, ids, n, on_clean, j);
    free(ids);
  }
  if (t.queued + t.running > 0)
    log_info("jobs.recover", "found %lld queued and %lld interrupted jobs", (long long)t.queued,
             (long long)t.running);
  return 0;
}
