/* SPDX-License-Identifier: MIT
 *
 * The threads that make the calls.  All but remote_caller() are called with the lock.
 */
#ifndef WORKER_CALLERS_H
#define WORKER_CALLERS_H

#include "worker/remote/remote.h"

void *remote_caller(void *arg); /* a thread; arg: struct caller */
void remote_visit_begin(struct remote *c, struct visit *v, struct remote_job *j);
/* What the call said goes to the job; the visit is freed by remote_visit_free. */
void remote_visit_leave(struct visit *v);
void remote_visit_free(struct visit *v);
struct lathe_request remote_request(const struct visit *v, int64_t deadline_ms);
/* What follows from a call of so long ago, for its job and for all. */
void remote_follow(struct remote *c, struct visit *v, int64_t since_ms, int32_t code);
/* A line of the job's log, where the call is tried again.  On the thread of the call. */
void remote_say_failure(struct visit *v, enum call call, int32_t code);

void remote_send_end(struct remote *c, uint64_t token, const struct remote_job_end *end,
                     int64_t began_us);
/* Its end is told, and it is freed; it waits nowhere and no caller has it. */
void remote_finish(struct remote *c, struct remote_job *j, const struct remote_job_end *end);

#endif
