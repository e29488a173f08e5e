/* SPDX-License-Identifier: MIT */
#ifndef JOBS_AWAY_H
#define JOBS_AWAY_H

#include "jobs/types.h"

void away_resume(struct jobs *j); /* those whose backend is there again */
void away_arm(struct jobs *j);    /* the timer that looks after them, where there is one */

#endif
