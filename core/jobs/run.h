/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_H
#define JOBS_RUN_H

#include "jobs/types.h"

void run_chosen(struct job *job, const struct sched_choice *choice, int64_t now_us);
void run_write_start(struct job *job); /* EFFECT_WRITE_START */
void run_launch(struct job *job);      /* EFFECT_LAUNCH: its attempt may begin */

#endif
