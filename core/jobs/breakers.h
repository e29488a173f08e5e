/* SPDX-License-Identifier: MIT */
#ifndef JOBS_BREAKERS_H
#define JOBS_BREAKERS_H

#include "jobs/types.h"

void breakers_take_kept(struct jobs *j, const char *name, const char *value);
/* A backend is configured so.  True: what was known of it was of another one. */
bool breakers_is(struct jobs *j, struct backend_usage *p, const char *identity);
void breakers_gone(struct jobs *j, struct backend_usage *p);
void breakers_look(struct jobs *j); /* before questions: what time has changed */
/* An attempt begins on job->usage, which ends after wall_ms at the latest; 0: nobody knows when. */
void breakers_take(struct job *job, int64_t wall_ms);
/* It ended.  Each is told once; the rest does nothing. */
void breakers_result(struct job *job, const struct step_result *r);
void breakers_neutral(struct job *job); /* and it says nothing of the backend */

#endif
