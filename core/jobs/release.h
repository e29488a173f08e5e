/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RELEASE_H
#define JOBS_RELEASE_H

#include "jobs/types.h"

/* jobs_free was called: frees the job, and true.  For callbacks that come late. */
bool job_orphaned(struct job *job);
void jobs_release(struct jobs *j); /* frees once jobs_free was called and nothing is due */

#endif
