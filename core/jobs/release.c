/* SPDX-License-Identifier: MIT
 *
 * Who frees what, once jobs_free was called: each callback that was still due frees its job, and
 * the last one frees the room.
 */
#include "jobs/release.h"

#include "jobs/answer.h"
#include "jobs/backends.h"
#include "jobs/lanes.h"
#include "jobs/options.h"
#include "jobs/record.h"
#include "jobs/switches.h"

#include <stdlib.h>

static void free_all(struct jobs *j) {
  usages_free(j);
  switches_free(j);
  lanes_free(j);
  sched_free(j->sched);
  map_free(&j->live);
  map_free(&j->batches);
  options_free(j);
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
    job->last_due = true;
    return true;
  }
  answer_waiters(job, ERR_BUSY, JOB_QUEUED);
  job_free(job);
  if (!j->recovering)
    jobs_release(j);
  return true;
}
