/* SPDX-License-Identifier: MIT */
#ifndef JOBS_EXPECT_H
#define JOBS_EXPECT_H

#include "jobs/types.h"

/* Tells routing what is known of costs, of the kinds whose routes go by that. */
void expect_tell(struct jobs *j);

#endif
