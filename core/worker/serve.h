/* SPDX-License-Identifier: MIT
 *
 * The four hosts.  Each serves steps until STOP, or until the daemon is gone, and returns the exit
 * code of the process.
 */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include "worker/host.h"

#include <pthread.h>

int serve_fork(struct host *h);
int serve_process(struct host *h);
int serve_shared(struct host *h);
int serve_remote(struct host *h);

/* stdout and stderr of the process go into a pipe from now on; returns its reading end, which does
 * not block.  It is lathed's pipe where it gave one: lathed then reads what a death left in it. */
int serve_redirect_output(struct host *h);
/* Sends what has come through that pipe as the backend's log. */
void serve_send_output(struct host *h, int log_fd);
/* Sends a HEARTBEAT where steps are under way and *at has come; keeps *at, the time of the next, on
 * the monotonic clock. */
void serve_heartbeat(struct host *h, bool busy, int64_t *at);
/* What the main thread of a worker with several threads waits for. */
struct serve_wait {
  int log_fd;            /* of serve_redirect_output() */
  int wake_fd;           /* an eventfd by which another thread wakes it; -1: none */
  pthread_mutex_t *lock; /* held while `take` is called */
  void (*take)(void *arg, const struct wire_frame *f);
  void *arg;
};
/* Waits for the daemon, the plugin's output or a wake, for so long at most (-1: for ever), and serves
 * what came.  False: the daemon is gone, or what it says is not a frame. */
bool serve_wait(struct host *h, const struct serve_wait *w, int timeout_ms);
/* Writes PREFIX: TEXT to the daemon's log by way of the backend's log. */
void serve_complain(struct host *h, const struct err *err);

#endif
