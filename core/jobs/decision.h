/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DECISION_H
#define JOBS_DECISION_H

#include "sched/sched.h"

/* Of the choice, for the attempt; NULL: there was one candidate, in the order of the file.  The caller
 * frees it. */
char *decision_json(const struct sched_choice *choice);
/* The same, also where there was one. */
void decision_put(struct buf *b, const struct sched_choice *choice);
/* The canary of a route that has one, with what a job draws (0: nothing). */
void decision_put_canary(struct buf *b, const struct route_options *route, int draw);
/* Why each that is ready was not taken, for people, after what is in `b`. */
void decision_put_reasons(struct buf *b, const struct sched_choice *choice);

#endif
