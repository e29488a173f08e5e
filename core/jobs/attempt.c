/* SPDX-License-Identifier: MIT
 *
 * An attempt begins where the scheduler chose, and what it has reserved there.
 */
#include "jobs/attempt.h"

#include "jobs/backends.h"
#include "jobs/breakers.h"
#include "jobs/cost.h"
#include "jobs/decision.h"
#include "jobs/estimates.h"
#include "jobs/meters.h"
#include "jobs/record.h"
#include "jobs/remote.h"
#include "jobs/spending.h"
#include "jobs/step.h"

static const char *version_of(const struct jobs *j, const char *name) {
  const struct backend *b = workers_find(j->workers, name);
  return b ? backend_plugin_version(b) : NULL;
}

struct attempt *attempt_begin(struct job *job, const struct sched_choice *choice, int64_t now_us) {
  struct jobs *j = job->j;
  job->usage = usage_find(j, choice->backend->name);
  struct attempt *a = job_add_attempt(job, job->usage, now_us);
  a->plugin_version = usage_version(job->usage, version_of(j, job->usage->name));
  a->decision_json = decision_json(choice);
  remote_attempt(job, a);
  cost_begin(job, a);
  spending_begin(a);
  breakers_take(job, step_limits_of(job).wall_ms);
  estimates_begin(job, choice->taken->estimate.run_s);
  return a;
}

void attempt_release(struct job *job) {
  estimates_release(job);
  sched_release(job->j->sched, &job->sched);
  job->usage = NULL;
}

void attempt_undo(struct job *job) {
  breakers_neutral(job);
  job_drop_attempt(job);
  sched_started(job->j->sched, &job->sched);
  attempt_release(job);
  job_set_state(job, JOB_QUEUED);
}
