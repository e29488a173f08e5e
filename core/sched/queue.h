/* SPDX-License-Identifier: MIT
 *
 * Who is next.  The rule, as an admin reads it:
 *
 *   Time is cut into slices of `ageing`.  A job's rank is the slice in which it was queued, minus
 *   its priority; the lowest rank goes first.  So a waiting job gains one step of priority on
 *   newcomers per slice, and low priority never starves.  Among clients whose best waiting jobs
 *   have the same rank, the one that was served least recently goes next (fair turns).  Within a
 *   client: rank, then the order of acceptance.
 *
 * A rank does not change while a job waits, so nothing is ever scanned or sorted again:
 *
 *   lane (kind, pin) --heap--> flow (client) --heap--> job          O(log n) an operation
 *
 * A lane whose backends have no room is passed over as a whole.  A head that does not fit while
 * others might steps aside (`stuck`) and is asked first in each round.
 */
#ifndef SCHED_QUEUE_H
#define SCHED_QUEUE_H

#include "sched/job.h"

struct queue {
  struct list lanes;
  struct heap delayed;
  uint64_t turn;
  int64_t ageing_us; /* 0: no ageing */
};

void queue_init(struct queue *q);
void queue_free(struct queue *q); /* the lanes are their owner's */
void queue_add_lane(struct queue *q, struct sched_lane *lane);
void queue_free_lane(struct sched_lane *lane); /* it is empty */
/* Into the queue, or among the delayed ones until its time. */
void queue_push(struct queue *q, struct sched_job *job, int64_t now_us);
void queue_remove(struct queue *q, struct sched_job *job); /* from wherever it is */
/* The delayed job that is due first; NULL: none. */
struct sched_job *queue_first_delayed(const struct queue *q);
struct sched_job *queue_head(const struct sched_lane *lane);
/* The lane, among those not blocked, whose head goes first; NULL: none. */
struct sched_lane *queue_best(struct queue *q);
void queue_served(struct queue *q, struct sched_client *c);
void queue_stick(struct sched_job *job, int64_t now_us); /* the head of its lane steps aside */
void queue_age(struct queue *q, int64_t ageing_us);      /* from now on, for those that wait too */

#endif
