/* SPDX-License-Identifier: MIT
 *
 * One end of a socket that carries frames: of a worker to the daemon, of a forked child to its
 * zygote. Writing is for any thread; reading for one at a time.  A peer that is gone ends the
 * process: a worker without its daemon has no reason to live.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "wire/messages.h"

#include <pthread.h>

struct link {
  int fd;
  pthread_mutex_t lock; /* of `out` and of the order of what is sent */
  struct buf out;
  struct wire_input in;
};

void link_init(struct link *l, int fd);
/* Locks and gives the buffer to write frames into; link_end unlocks, after sending if `flush`. */
struct buf *link_begin(struct link *l);
void link_end(struct link *l, bool flush);
void link_flush(struct link *l);
/* Ends the process and all that it started: the peer is gone. */
void link_orphaned(void) __attribute__((noreturn));
/* Reads what is there, waiting for the first byte if `wait`.  1: something came, 0: nothing there,
 * -1: the peer is gone. */
int link_read(struct link *l, bool wait);

#endif
