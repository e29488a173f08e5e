/* SPDX-License-Identifier: MIT
 *
 * What concerns the backend and not one job: the plugin's word on its state, what its service takes,
 * and health().
 */
#ifndef WORKER_BACKEND_H
#define WORKER_BACKEND_H

#include "worker/host.h"

/* The table's functions; any thread. */
void backend_tell_state(const struct lathe_host *table, int32_t state, int64_t for_ms,
                        const char *why);
void backend_tell_capacity(const struct lathe_host *table, uint32_t jobs);

/* create() or ready() gave `code`: tells the daemon where that is about the backend.  True: it is, and
 * a later start may go better. */
bool backend_tell_start(struct host *h, int32_t code);

/* What health() answered, with h->message and h->retry_after_ms.  For the thread that asked. */
void backend_tell_health(struct host *h, int32_t code);
/* Asks health(), here or on a thread of its own, and tells the daemon. */
void backend_ask_health(struct host *h);
void backend_ask_health_aside(struct host *h);
/* Until a health() that is under way has returned: before destroy(). */
void backend_await_health(struct host *h);

#endif
