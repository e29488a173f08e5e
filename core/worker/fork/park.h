/* SPDX-License-Identifier: MIT
 *
 * lathe.park/1, inside of a job's process.  What park() leaves behind is a fork of it, so that the
 * job's own process stays the one that the zygote watches; and a job that is begun from a parked
 * process is that process, which has left a copy of itself first.
 *
 *   job 1:  resume(key) -- nothing there --> run ... park(key) --fork--> goes on --> DONE
 *                                                        |
 *                                                     parked, stopped
 *                                                        |
 *   job 2:  resume(key) -- taken over, ends         STEP v
 *                                                job 2 --fork--> goes on --> DONE
 *                                                        |
 *                                                     parked, stopped ...
 */
#ifndef WORKER_PARK_H
#define WORKER_PARK_H

#include "worker/host.h"

extern const struct lathe_park park_functions;

/* A byte with up to two descriptors (-1: none), over a socket between the zygote and a job. */
int park_send(int socket, char word, const int fds[2]);
/* The byte; 0 when the other end is gone.  *pid: of the sender, where the socket asks for it, or
 * NULL. */
char park_receive(int socket, int fds[2], pid_t *pid);

#define PARK_KEY_MAX 1000
enum { PARK_NO = 'n', PARK_YES = 'y', PARK_READY = 'r', PARK_GO = 'g' };

#endif
