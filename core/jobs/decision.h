/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DECISION_H
#define JOBS_DECISION_H

#include "sched/sched.h"

/* Of the choice, for the attempt; NULL: there was one candidate.  The caller frees it. */
char *decision_json(const struct sched_choice *choice);

#endif
