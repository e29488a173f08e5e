/* SPDX-License-Identifier: MIT
 *
 * Many polls in one call.  Called and left with the lock.
 */
#ifndef WORKER_MANY_H
#define WORKER_MANY_H

#include "worker/remote/remote.h"

/* Polls the job and those that are due, too, in one call. */
void remote_poll_many(struct caller *h, struct remote_job *j);

#endif
