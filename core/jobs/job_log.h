/* SPDX-License-Identifier: MIT */
#ifndef JOBS_JOB_LOG_H
#define JOBS_JOB_LOG_H

#include "jobs/types.h"

enum transition {
  TRANSITION_ACCEPTED,
  TRANSITION_STARTED,
  TRANSITION_REQUEUED,
  TRANSITION_COMPLETED,
  TRANSITION_FAILED,
  TRANSITION_CANCELLED,
};
void job_transition(const struct job *job, enum transition what);
void job_transition_end(const struct job *job); /* as its outcome says */

#endif
