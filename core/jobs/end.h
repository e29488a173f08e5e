/* SPDX-License-Identifier: MIT */
#ifndef JOBS_END_H
#define JOBS_END_H

#include "jobs/types.h"

void end_result(struct job *job, const struct step_result *r);
void end_cancelled(struct job *job);                       /* of one that no worker has */
void end_give_back(struct job *job, const char *detail);   /* the attempt does not count */
void end_interrupted(struct job *job, const char *detail); /* likewise, and it had begun */
void end_no_backend(
    struct job *job,
    const struct sched_choice *choice); /* every backend refused it for good, or none came */
/* Its outcome is known; takes the path of the work folder. */
void end_judged(struct job *job, char *workdir);
void end_save(struct job *job);      /* EFFECT_SAVE: job->out onto the disk */
void end_abandoned(struct job *job); /* its first commit failed: stops the worker */
void end_forget(struct job *job);    /* nobody knows of it: what it left goes, and it is freed */
void end_gone(struct job *job, enum job_state state); /* answers, forgets and frees */

#endif
