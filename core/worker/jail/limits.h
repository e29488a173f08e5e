/* SPDX-License-Identifier: MIT
 *
 * Limits of the kernel on a step.
 */
#ifndef WORKER_LIMITS_H
#define WORKER_LIMITS_H

#include "wire/messages.h"

/* For a forked child: for good; but the CPU time can be set anew where the process `turns` to other
 * jobs, and its guard keeps it. */
void limits_of_child(const struct wire_limits *l, bool turns);
/* For a resident process, before each step: the soft limit of file size, which can be raised again.
 * CPU time is watched instead, for it adds up over the steps. */
void limits_of_resident(const struct wire_limits *l);
/* Its guard, a process of the same user, reads in /proc how much the job uses; so it may be read,
 * where it holds no secret. */
void limits_let_look(void);
/* For every worker, once: no core files, no new privileges, priority. */
void limits_of_worker(int nice_value);

#endif
