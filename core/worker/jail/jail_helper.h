/* SPDX-License-Identifier: MIT
 *
 * Isolation PROCESS in a jail: a small process beside the worker, outside of the jail, that does
 * what the worker cannot do for itself any more.
 *
 *   worker ---- STEP (make its folder, with the inputs) ---> helper
 *          <--- 0 or an error ------------------------------
 *          ---- FINISH (move the folder to where the daemon looks) --->
 *          <--- 0 or an error ------------------------------
 *          ---- SECRET (its name: a credential, read anew) ----->
 *          <--- 0 and the value, or an error ---------------
 *          ---- WATCH (a step runs for long; its limits) -->  no answer
 *
 * It also answers for the calls that the jail's filter reports, and kills the worker when the step
 * is over a limit; why is on the board, where the daemon finds it.  When the daemon ends it kills
 * the worker and all that is of its group.  It ends with the worker.
 */
#ifndef WORKER_JAIL_HELPER_H
#define WORKER_JAIL_HELPER_H

#include "worker/host.h"

struct jail_helper {
  struct link link;     /* to it */
  const char *cell;     /* where all folders of the worker lie; kept */
  pthread_mutex_t turn; /* of who asks and hears: one at a time */
};

/* Starts the helper and locks this thread, and those that it will begin, into the cell.  On the
 * main thread, before create().  When the daemon ends meanwhile, the helper ends the process: its
 * filter refuses to turn off the signal of a parent's death, so that is off from here on. */
int jail_helper_begin(struct jail_helper *s, struct host *h, struct err *err);
/* As folder_make(), but in the cell. */
int jail_helper_make(struct jail_helper *s, struct folder *f, const struct host *h, uint64_t token,
                     const struct wire_step *step, struct err *err);
/* Moves the folder that was made for `token`, which is closed, to where the daemon looks for that
 * of the step `as`. */
int jail_helper_finish(struct jail_helper *s, uint64_t token, uint64_t as, struct err *err);
/* The running step is to be watched.  For any thread. */
void jail_helper_watch(struct jail_helper *s, uint64_t token, const struct wire_limits *limits);

#endif
