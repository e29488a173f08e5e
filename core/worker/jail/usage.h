/* SPDX-License-Identifier: MIT
 *
 * What the processes below this one take, and those of its group whose parents have gone.
 */
#ifndef WORKER_USAGE_H
#define WORKER_USAGE_H

#include <stdint.h>

/* CPU time of the children of this process and of theirs, living and reaped here, in microseconds;
 * accurate to a tick (10 ms).  Costs some 10 us a thread and child: not for every step. */
int64_t usage_below_us(void);
/* Bytes of memory (group_memory) that this process and those below it hold, shared pages once.
 * Cheap while the sum of what each sees is not over `enough`, and that sum then. */
int64_t usage_memory(int64_t enough);

#endif
