/* SPDX-License-Identifier: MIT
 *
 * The processes that are parked in a zygote (see park.h): who they are, how long they stay and how
 * much they may take.
 *
 *   lot_admit --it says READY--> stopped --its maker is over--> found by a later job: lot_take
 *                                               |
 *                                               +--> lot_evict: time, memory, the maker crashed
 */
#ifndef WORKER_LOT_H
#define WORKER_LOT_H

#include "base/list.h"
#include "worker/host.h"
#include "worker/sweeper.h"

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

struct lot {
  struct host *host;
  struct sweeper *sweeper;
  struct list all; /* what was used last is last */
  size_t count;
  int64_t hits;
  bool changed;
};

void lot_init(struct lot *l, struct host *h, struct sweeper *sweeper);
/* A job wants to leave one behind.  Returns the end of a socket that it gets (the caller closes),
 * or -1: it may not.  `listener` is copied. */
int lot_admit(struct lot *l, const char *key, pid_t maker, int listener, const char *cell,
              const struct wire_limits *limits);
/* Its socket can be read: it is READY, or gone.  Returns its maker, which waits for this. */
pid_t lot_hear(struct lot *l, struct parked *p);
/* The job `maker` is over; `well`: what it left is as good as new.  `dead`: and its memory is free,
 * so that the parked are measured against the budget. */
void lot_maker_over(struct lot *l, pid_t maker, bool well, bool dead);
/* One that has the key and could go on now, or NULL. */
struct parked *lot_find(struct lot *l, const char *key, const struct wire_limits *limits);
/* It becomes a job: out of the lot.  The caller takes what it holds and frees the rest. */
void lot_take(struct lot *l, struct parked *p);
void lot_evict(struct lot *l, struct parked *p);
void lot_evict_all(struct lot *l);
bool lot_has(const struct lot *l, pid_t pid);
bool lot_uses(const struct lot *l, const char *cell);
/* Milliseconds until lot_expire should be called; -1: never. */
int lot_due_ms(const struct lot *l);
void lot_expire(struct lot *l);
/* Tells the daemon, if there is something new. */
void lot_report(struct lot *l);
/* In a new child: nothing of it is the child's. */
void lot_close(struct lot *l);

#endif
