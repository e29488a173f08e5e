/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DISK_CHECK_H
#define JOBS_DISK_CHECK_H

#include "jobs/types.h"

/* The job is in PHASE_ADOPT meanwhile, then judge_seen() and end_judged() are called.  `code`: of a
 * failure to keep its outputs, 0 for none. */
void look_at_failure(struct job *job, const struct step_result *r, int code);

#endif
