/* SPDX-License-Identifier: MIT
 *
 * health() of a FORK plugin, asked in a child of the zygote, so that it may hang and crash as it likes.
 */
#ifndef WORKER_HEALTH_CHILD_H
#define WORKER_HEALTH_CHILD_H

#include "worker/host.h"

struct health_child {
  pid_t pid; /* 0: none is under way */
  int pidfd, fd;
  int64_t until_ms;
};

void health_child_init(struct health_child *c);
/* Begins one, unless one is under way.  `forget`, with `arg`, is called in the child: it closes what
 * is others'. */
void health_child_ask(struct health_child *c, struct host *h, void (*forget)(void *arg), void *arg);
/* Its pidfd says something: it has ended, and the daemon is told. */
void health_child_heard(struct health_child *c, struct host *h);
/* Milliseconds until health_child_late; -1: none is under way. */
int health_child_due_ms(const struct health_child *c);
void health_child_late(struct health_child *c); /* ends it, if its time is over */

#endif
