/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DRAIN_H
#define JOBS_DRAIN_H

#include "jobs/types.h"

void drain_check(struct jobs *j); /* tells when all jobs are at rest */

#endif
