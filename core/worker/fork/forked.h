/* SPDX-License-Identifier: MIT
 *
 * Isolation FORK: the process of one job, from its fork to its end.
 *
 *   forked ahead: filter, ruleset -> listener to the zygote -> waits -> STEP
 *       -> folder, jail, limits -> run() -> DONE -> _exit
 */
#ifndef WORKER_FORKED_H
#define WORKER_FORKED_H

#include "worker/host.h"

/* In the new child: waits for its step at the socket and does it. */
void forked_main(struct host *h, int socket, int log_fd, pid_t zygote) __attribute__((noreturn));

#endif
