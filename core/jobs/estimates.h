/* SPDX-License-Identifier: MIT */
#ifndef JOBS_ESTIMATES_H
#define JOBS_ESTIMATES_H

#include "jobs/types.h"

void estimates_begin(struct job *job, double expected_s);      /* an attempt; 0: nobody knows */
void estimates_release(struct job *job);                       /* it is over */
void estimates_learn(struct job *job);                         /* it succeeded */
void estimates_failed(struct job *job, enum step_class class); /* it did not */
void estimates_tell(struct jobs *j); /* to routing: how busy its backends are, before questions */

/* What is kept over a restart. */
void estimates_take_kept(struct jobs *j, const char *name, const char *value);
void estimates_keep_all(struct jobs *j);
void estimates_forget(struct jobs *j, struct backend_usage *p);

#endif
