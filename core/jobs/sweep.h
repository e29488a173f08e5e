/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SWEEP_H
#define JOBS_SWEEP_H

#include "jobs/types.h"

void sweep_init(struct jobs *j);
void sweep_start(struct jobs *j); /* a pass over output/, unless one is under way */

#endif
