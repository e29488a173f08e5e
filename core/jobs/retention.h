/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RETENTION_H
#define JOBS_RETENTION_H

#include "jobs/types.h"

void retention_arm(struct jobs *j);

#endif
