/* SPDX-License-Identifier: MIT
 *
 * The processes that are parked in a zygote (see park.h): who they are, how long they stay and how
 * much they may take.
 *
 *   parked_pool_admit --it says READY--> stopped --its maker is over--> a later job finds it:
 *                                          |                            parked_pool_take
 *                                          |
 *                                          +--time, memory, its maker crashed--> parked_pool_evict
 */
#ifndef WORKER_PARKED_POOL_H
#define WORKER_PARKED_POOL_H

#include "base/list.h"
#include "worker/folder/sweeper.h"
#include "worker/host.h"

#include <sys/types.h>

struct parked {
  struct list ring;
  char *key;    /* what the daemon said of the job's client and inputs, then the plugin's own */
  pid_t pid;    /* 0: it has not said READY */
  pid_t maker;  /* the job that left it; 0: that is over */
  int socket;   /* to it */
  int listener; /* of its filter; -1: none */
  char *cell;   /* where the folders of its jobs lie */
  struct wire_limits limits;
  int64_t bytes, since_ms;
};

struct parked_pool {
  struct host *host;
  struct sweeper *sweeper;
  struct list all; /* what was used last is last */
  size_t count;
  int64_t hits;
  bool changed;
};

void parked_pool_init(struct parked_pool *l, struct host *h, struct sweeper *sweeper);
/* A job wants to leave one behind.  Returns the end of a socket that it gets (the caller closes),
 * or -1: it may not.  `listener` is copied. */
int parked_pool_admit(struct parked_pool *l, const char *key, pid_t maker, int listener,
                      const char *cell, const struct wire_limits *limits);
/* Its socket can be read: it is READY, or gone.  Returns its maker, which waits for this. */
pid_t parked_pool_hear(struct parked_pool *l, struct parked *p);
/* The job `maker` is over; `well`: what it left is as good as new.  `dead`: and its memory is free,
 * so that the parked are measured against the budget. */
void parked_pool_maker_over(struct parked_pool *l, pid_t maker, bool well, bool dead);
/* One that has the key and could go on now, or NULL. */
struct parked *parked_pool_find(struct parked_pool *l, const char *key,
                                const struct wire_limits *limits);
/* It becomes a job: out of the pool.  The caller takes what it holds and frees the rest. */
void parked_pool_take(struct parked_pool *l, struct parked *p);
void parked_pool_evict(struct parked_pool *l, struct parked *p);
void parked_pool_evict_all(struct parked_pool *l);
bool parked_pool_has(const struct parked_pool *l, pid_t pid);
bool parked_pool_uses(const struct parked_pool *l, const char *cell);
/* Milliseconds until parked_pool_expire should be called; -1: never. */
int parked_pool_due_ms(const struct parked_pool *l);
void parked_pool_expire(struct parked_pool *l);
/* Tells the daemon, if there is something new. */
void parked_pool_report(struct parked_pool *l);
/* In a new child: nothing of it is the child's. */
void parked_pool_close(struct parked_pool *l);

#endif
