/* SPDX-License-Identifier: MIT */
#ifndef JOBS_ATTEMPT_H
#define JOBS_ATTEMPT_H

#include "jobs/types.h"

/* A new attempt where the scheduler chose: the job has its backend's usage from here on. */
struct attempt *attempt_begin(struct job *job, const struct sched_choice *choice, int64_t now_us);
void attempt_release(struct job *job); /* what it has reserved, but for the slot */
void attempt_undo(struct job *job);    /* its start is not on disk: as if it had not been tried */

#endif
