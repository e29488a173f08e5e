/* SPDX-License-Identifier: MIT
 *
 * What the scheduler knows of a job, a lane and a client.  Their owners embed these structures, so
 * that the scheduler allocates no content of a job and never frees one.
 *
 * All times are microseconds of one monotonic clock, which the caller reads.
 */
#ifndef SCHED_JOB_H
#define SCHED_JOB_H

#include "base/heap.h"
#include "base/list.h"
#include "routing/estimate.h"
#include "routing/facts.h"

#include <stdbool.h>
#include <stdint.h>

struct sched_client {
  struct list flows;
  uint64_t served; /* turn of the last start; 0: never */
};

struct sched_lane {       /* jobs that the same backends may take */
  const char *kind, *pin; /* the owner's; pin may be NULL */
  struct estimate_explorer explorer;
  struct list link; /* of all lanes */
  struct heap flows;
  struct list stuck; /* heads that did not fit when there was room for others */
  int stuck_count;
  bool blocked;        /* for the present round */
  int64_t hopeless_us; /* since when no backend is there that may do them; 0: one is */
};

struct sched_flow {      /* the waiting jobs of one client in one lane */
  struct heap_node node; /* in lane->flows */
  struct list of_client;
  struct sched_client *client;
  struct sched_lane *lane;
  struct heap jobs;
};

enum sched_again {
  SCHED_LATER, /* while no other one is ready */
  SCHED_NEVER, /* it failed for good */
  SCHED_DEAR,  /* never, because the job has no money left there */
};

struct sched_tried { /* a backend where an attempt failed: may it get the job again? */
  const struct backend_facts *backend;
  enum sched_again never;
};

enum sched_place { SCHED_NOWHERE, SCHED_WAITING, SCHED_STUCK, SCHED_DELAYED };

struct sched_job {
  /* told by the owner while it is in no queue */
  struct sched_lane *lane;
  struct sched_client *client;
  int64_t number;    /* in the order of acceptance */
  int64_t queued_us; /* since when it waits, for its rank; may be negative */
  int64_t due_us;    /* not before; 0: at once */
  int64_t time_us;   /* that its client gives it; 0: no limit of its own */
  int64_t memory;
  int32_t threads; /* 0: it does not say, and the backend's word counts */
  int32_t draw;    /* routing_draw() */
  double size;     /* what drives the time that it takes */
  int8_t priority;
  const struct sched_tried *tried; /* the owner's */
  int tried_count;
  /* Where it was first, for routes without a fallback; NULL: nowhere. */
  const struct backend_facts *first;
  const struct backend_facts *bound; /* only there, and only if that is remote; NULL: anywhere */

  /* the scheduler's */
  uint8_t place;         /* enum sched_place */
  bool local;            /* what it has reserved is of this machine too */
  struct heap_node node; /* in flow->jobs or in the delayed ones */
  struct list link;      /* in lane->stuck */
  struct sched_flow *flow;
  uint64_t round; /* STUCK: in which it was asked last */
  int64_t rank;
  int64_t waits_us;    /* since when it waits for a backend */
  int64_t stuck_us;    /* since when it did not fit; 0: it did */
  int64_t hopeless_us; /* as of a lane, of one that may not go where the others of its lane may */
  int32_t reserved_threads;
  const struct backend_facts *backend; /* where memory and threads are reserved, or NULL */
};

#endif
