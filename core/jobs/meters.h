/* SPDX-License-Identifier: MIT */
#ifndef JOBS_METERS_H
#define JOBS_METERS_H

#include "jobs/types.h"

void job_set_state(struct job *job, enum job_state state);
void job_count(struct job *job, int by); /* in the numbers of its state */
/* Made if new; `usage` NULL: of jobs that never had a backend. */
struct meter *meter_find(struct jobs *j, struct backend_usage *usage, const struct lane *lane);
void rate_count_start(struct jobs *j); /* for rate_retry_after */
int rate_retry_after(struct jobs *j);  /* seconds, 1..60 */

#endif
