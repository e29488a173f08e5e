/* SPDX-License-Identifier: MIT */
#ifndef JOBS_ANSWER_H
#define JOBS_ANSWER_H

#include "jobs/types.h"

/* For clients: the log says more, with the paths of this machine. */
const char *disk_text(int code);
/* Of a commit that failed. */
void answer_failure(jobs_answered *answered, void *arg, int code, const char *text);
void answer_refusal(jobs_answered *answered, void *arg, int code, const char *slug,
                    int retry_after_s, const char *text);
void answer_state(jobs_answered *answered, void *arg, const char *id, enum job_state state);
/* Somebody who wants to know how the cancellation of the job goes. */
void answer_add_waiter(struct job *job, jobs_answered *answered, void *arg);
void answer_waiters(struct job *job, int code, enum job_state state);

#endif
