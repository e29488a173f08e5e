/* SPDX-License-Identifier: MIT
 *
 * Which remote job's call is made next, and when.  All but remote_share() and remote_wake_ref() are
 * called with the lock.
 */
#ifndef WORKER_DUE_H
#define WORKER_DUE_H

#include "worker/remote/remote.h"

void remote_share(struct remote *c, int most); /* once, first */
enum lane remote_lane(enum call call);
struct remote_job *remote_first(const struct remote *c, enum queue queue); /* NULL: none */
/* The remote job whose call is made now; NULL: none. */
struct remote_job *remote_pick(const struct remote *c, int64_t now);
/* After any change of what is due: somebody takes it now, or the main thread wakes in time. */
void remote_wake(struct remote *c);
/* When something becomes due, later than now; INT64_MAX: nothing. */
int64_t remote_next(const struct remote *c, int64_t now);
/* It waits for its next call; and does not any more. */
void remote_put_back(struct remote *c, struct remote_job *j, int64_t delay_ms);
void remote_take_out(struct remote *c, struct remote_job *j);
/* Its reference is new; or it goes. */
void remote_index(struct remote *c, struct remote_job *j);
void remote_forget_index(struct remote *c, struct remote_job *j);

#endif
