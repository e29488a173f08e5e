/* SPDX-License-Identifier: MIT */
#ifndef JOBS_STEP_H
#define JOBS_STEP_H

#include "jobs/types.h"

/* Hands the job's attempt over, where it is: LIFE_RUNS. */
void step_hand_over(struct job *job, struct backend *b);
void step_stop(struct job *job); /* asks the worker to stop it, once */
/* Of any job of the lane there. */
struct step_limits step_limits_for(const struct jobs *j, const struct lane *lane,
                                   const struct backend_usage *usage);
struct step_limits step_limits_of(const struct job *job);

#endif
