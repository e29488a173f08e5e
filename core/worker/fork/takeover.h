/* SPDX-License-Identifier: MIT
 *
 * Parked processes: a job leaves one, a later job goes on in it.
 */
#ifndef WORKER_TAKEOVER_H
#define WORKER_TAKEOVER_H

#include "worker/fork/zygote.h"

/* The child wants to leave a parked process behind. */
void child_park(struct zygote *z, struct child *c, const char *key);
/* The child asks for a parked process of this key: where there is one the job goes on there. */
void child_resume(struct zygote *z, struct child *old, const char *key);
/* A parked process says something. */
void parked_heard(struct zygote *z, struct parked *p);

#endif
