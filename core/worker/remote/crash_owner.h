/* SPDX-License-Identifier: MIT
 *
 * A remote plugin's worker holds thousands of jobs.  When a call of one ends the process, the board
 * says which one it was, so that the others need not pay for it.
 */
#ifndef WORKER_CRASH_OWNER_H
#define WORKER_CRASH_OWNER_H

#include "wire/messages.h"

/* Once, before the threads start: watches for fatal signals and for exit(). */
void crash_owner_watch(struct wire_board *board);
/* In each thread that calls the plugin: a stack for the signal that an overflow raises. */
void crash_owner_thread(void);
/* The calling thread works for this step from now on; 0: for none. */
void crash_owner_enter(uint64_t token);

#endif
