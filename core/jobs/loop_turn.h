/* SPDX-License-Identifier: MIT */
#ifndef JOBS_LOOP_TURN_H
#define JOBS_LOOP_TURN_H

#include "jobs/types.h"

void turn_init(struct jobs *j);
/* From now on, and before those that started theirs earlier (so libuv does it): what is handed to
 * the workers then leaves in the same turn. */
void turn_begin(struct jobs *j);
void turn_run(struct jobs *j); /* not from inside another function of this room */

#endif
