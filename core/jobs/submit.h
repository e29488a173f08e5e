/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SUBMIT_H
#define JOBS_SUBMIT_H

#include "jobs/types.h"

/* Why no more jobs are taken; 0: they are. */
int submit_refusal(struct jobs *j, const struct client *c, int64_t more, const char **slug,
                   const char **text, int *retry_after_s);
/* Could it ever run?  The backends were told (backends_tell). */
int submit_check(struct jobs *j, const struct jobs_request *r, const char **slug, struct err *err);
/* A job of the request, in PHASE_SUBMIT and without a number. */
struct job *submit_job(struct jobs *j, const struct jobs_request *request, const char *batch,
                       int64_t created_us);
void submit_forget(struct job *job, int code); /* it never was */

#endif
