/* SPDX-License-Identifier: MIT
 *
 * What runs next, and where, or why not.  Pure: no store, no clock, no loop, no callback; time is
 * an argument, and the backends are what routing_facts() was told.
 *
 *            push                begin_round, next                started              release
 *   (owner) ------> delayed/waiting ------> reserved: a slot, memory ----> slot given up ---->
 * (owner) ^                    and threads; or hopeless
 *                        +---- does not fit: stuck, or its lane is blocked for this round
 *
 * The way of a choice: the head of the best lane -> its backends (choice.h) -> routing/decide.h.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "routing/routing.h"
#include "sched/job.h"

struct sched;

struct sched_options { /* 0: no limit, no ageing */
  int64_t ageing_us;   /* a waiting job gains one step of priority per so long */
  /* A job waits so long where no backend can take it; a route may say otherwise. */
  int64_t max_wait_us;
  int64_t memory; /* of the machine, for all local backends together */
  int64_t threads;
};

struct sched_choice {
  struct sched_job *job;               /* NULL of sched_look */
  const struct backend_facts *backend; /* NULL: no backend will do it, or none came in time */
  const struct candidate *taken;       /* that backend's, in `considered`; or NULL */
  enum route_policy policy;
  const struct route_options *route; /* NULL: none was asked */
  int draw;
  const struct candidate *considered; /* in the order of the route; valid until the next call */
  size_t considered_count;
};

struct sched *sched_new(struct routing *routing);
void sched_free(struct sched *s); /* all lanes are dropped before */
void sched_configure(struct sched *s, const struct sched_options *o);
void sched_limit_backend(struct sched *s, const struct backend_facts *b, int64_t memory,
                         int64_t threads); /* 0: no limit of that sort */

/* The owner sets kind and pin, and frees it after sched_drop_lane. */
void sched_add_lane(struct sched *s, struct sched_lane *lane);
void sched_drop_lane(struct sched_lane *lane); /* nothing waits in it */
/* Nothing waits in it that could start now. */
bool sched_lane_is_empty(const struct sched_lane *lane);
void sched_client_init(struct sched_client *c);

/* ---- in and out ---- */
/* True: it waits.  False: it is not due yet. */
bool sched_push(struct sched *s, struct sched_job *job, int64_t now_us);
void sched_remove(struct sched *s, struct sched_job *job); /* it may be in no queue */
/* Takes out the next delayed job whose time has come, to be pushed again; NULL: none. */
struct sched_job *sched_pop_due(struct sched *s, int64_t now_us);
int64_t sched_due_us(const struct sched *s); /* of the first delayed job; INT64_MAX: none */

/* ---- the choice ---- */
/* The facts were told anew: all that waits may be asked again. */
void sched_begin_round(struct sched *s);
/* The next job of this round that starts, or is given up.  It has left the queue; where it starts,
 * what it needs is reserved.  False: nothing more happens in this round. */
bool sched_next(struct sched *s, int64_t now_us, struct sched_choice *choice);
/* What a choice for this job alone would be now; nothing is reserved, and its place does not count. */
void sched_look(struct sched *s, const struct sched_job *job, int64_t now_us,
                struct sched_choice *choice);
/* For a job that is in no queue, when nothing in its lane waits: may it start at once? */
bool sched_try(struct sched *s, struct sched_job *job, int64_t now_us, struct sched_choice *choice);
/* When the next round is due though nothing changed, because somebody waits for a backend that is
 * not there; INT64_MAX: nobody does. */
int64_t sched_look_us(const struct sched *s);
/* May a backend do it, now or later?  Also where none is there at the moment, for it may come back.
 * One that was refused for good where it was tried hopes only for backends that went a moment ago.
 */
bool sched_has_hope(struct sched *s, const struct sched_job *job);
/* Is a backend ready (busy or not) where it has not failed? */
bool sched_is_ready_elsewhere(struct sched *s, const struct sched_job *job);

/* How long a job of its route may wait where nobody can take it; 0: for ever. */
int64_t sched_max_wait_us(const struct sched *s, const struct sched_job *job);

/* ---- what is reserved ---- */
/* Its slot is counted by the backend from here on. */
void sched_started(struct sched *s, const struct sched_job *job);
void sched_release(struct sched *s, struct sched_job *job);
/* An attempt of an earlier life goes on there, elsewhere: it has its usage, and no slot. */
void sched_take_again(struct sched *s, struct sched_job *job, const struct backend_facts *backend);
struct sched_reserved {
  int64_t memory, threads;
  int starting;
};
struct sched_reserved sched_reserved_on(struct sched *s, const struct backend_facts *backend);
struct sched_reserved sched_reserved_here(const struct sched *s); /* of the machine */

#endif
