/* SPDX-License-Identifier: MIT
 *
 * Going down without losing a job.
 *
 *   serving --drain--> no submits, no starts --all at rest--------------------------> drained
 *                                \--grace over--> steps stopped, jobs queued again --> drained
 *                                                      \--LAST_MS, disk failing -----> drained
 *
 * A job is at rest when the disk has it as queued, or when it runs on a remote service and the disk
 * has its reference.  The latter stays `running` and is taken up at the next start.
 */
#include "jobs/drain.h"

#include "jobs/life.h"
#include "jobs/step.h"
#include "observe/log.h"

enum { LAST_MS = 5000 };

static void tell(struct jobs *j) {
  void (*drained)(void *) = j->drained;
  j->drained = NULL;
  uv_timer_stop(&j->drain_timer);
  if (j->busy == 0)
    log_info("daemon.drained", "all jobs are at rest");
  if (drained)
    drained(j->drained_arg);
}

void drain_check(struct jobs *j) {
  if (j->draining && j->drained && j->busy == 0)
    tell(j);
}

static void on_last(uv_timer_t *t) {
  struct jobs *j = t->data;
  log_error("jobs.drain",
            "leaving with %lld job%s whose state the disk does not take; the next start begins %s "
            "anew",
            (long long)j->busy, j->busy == 1 ? "" : "s", j->busy == 1 ? "it" : "them");
  tell(j);
}

static void on_grace_over(uv_timer_t *t) {
  struct jobs *j = t->data;
  size_t pos = 0;
  if (j->busy == 0) {
    tell(j);
    return;
  }
  log_info("jobs.drain", "stopping %lld running job%s, to be queued again", (long long)j->running,
           j->running == 1 ? "" : "s");
  uv_timer_start(&j->drain_timer, on_last, LAST_MS, 0);
  for (struct job *job; (job = map_next(&j->live, &pos));) {
    if (job->phase == PHASE_START || job->phase == PHASE_SUBMIT)
      job->give_back = job->state == JOB_RUNNING;
    if (job->phase == PHASE_RUN && !job->remote) {
      job->give_back = true;
      step_stop(job);
    }
  }
}

void jobs_drain(struct jobs *j, int64_t grace_ms, void (*drained)(void *arg), void *arg) {
  j->draining = true;
  j->drained = drained;
  j->drained_arg = arg;
  uint64_t wait = j->busy > 0 && grace_ms > 0 ? (uint64_t)grace_ms : 0;
  uv_timer_start(&j->drain_timer, on_grace_over, wait, 0);
}
