/* SPDX-License-Identifier: MIT */
#ifndef JOBS_BATCH_MEMBERS_H
#define JOBS_BATCH_MEMBERS_H

#include "jobs/types.h"

void batch_join(struct job *job, const char *id);
void batch_quit(struct job *job);

#endif
