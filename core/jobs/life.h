/* SPDX-License-Identifier: MIT
 *
 * The life of a job: its phases, what may happen in each, and what follows.  The diagram and the
 * table are in life.c.
 *
 * Callbacks of the store, of storage, of workers and timers say what happened (life_post); nothing
 * else happens then.  What follows, the effect, is done at the end of the loop's turn (loop_turn.c): so
 * no function of this room is entered again by what it calls.
 */
#ifndef JOBS_LIFE_H
#define JOBS_LIFE_H

#include "jobs/types.h"

enum phase {
  PHASE_SUBMIT, /* its first commit is under way; nobody knows it yet */
  PHASE_READY,  /* queued on disk, and about to enter the queue */
  PHASE_WAIT,   /* queued, in the queue */
  PHASE_DELAY,  /* queued, not before a time */
  PHASE_START,  /* the commit of its attempt is under way, or it is on disk; a slot is reserved */
  PHASE_RUN,    /* a worker has it */
  PHASE_AWAY,   /* running elsewhere, and no worker here looks after it */
  PHASE_ADOPT,  /* its outputs move into storage, or our disk is looked at */
  PHASE_END,    /* the commit of its end is under way */
  PHASE_BACK,   /* the commit that queues it again is under way */
  PHASE_CLEAN,  /* outputs of an earlier attempt are being removed */
  PHASE_COUNT
};

enum life_event {
  LIFE_QUEUED,   /* it is queued, and the disk has that */
  LIFE_WAITS,    /* the scheduler has it */
  LIFE_DELAYED,  /* the scheduler has it, but not before a time */
  LIFE_CHOSEN,   /* the scheduler took it out; its attempt is to be written */
  LIFE_STARTED,  /* its attempt is on disk, or may begin before that */
  LIFE_RUNS,     /* it was handed over */
  LIFE_AWAY,     /* it goes on without a worker of ours */
  LIFE_OUTPUTS,  /* its attempt ended with files, which storage takes over */
  LIFE_FAILED,   /* its attempt failed, and our disk is looked at before anybody is blamed */
  LIFE_ENDS,     /* job->out is its end */
  LIFE_RETURNS,  /* job->out queues it again */
  LIFE_RETRIED,  /* a client's retry is being written */
  LIFE_CLEANING, /* what an earlier attempt left is being removed */
  LIFE_AGAIN,    /* the disk, which did not take its end, may do so now */
  LIFE_EVENT_COUNT
};

enum effect {
  EFFECT_NONE,
  EFFECT_ENQUEUE,     /* into the queue, unless it was cancelled */
  EFFECT_WRITE_START, /* the commit of its attempt */
  EFFECT_LAUNCH,      /* to a worker, unless something came in between */
  EFFECT_SAVE,        /* the commit of job->out */
};

/* Sets the phase as the table says and remembers the effect.  What the table does not know is a
 * mistake of this program: it is logged, a debug build stops there, and a release build leaves the
 * job as it is, so that a restart finds it as the disk has it. */
void life_post(struct job *job, enum life_event event);
/* Takes the next effect; EFFECT_NONE: there is no more. */
enum effect life_next_effect(struct jobs *j, struct job **job);
/* job->out is decided: LIFE_ENDS or LIFE_RETURNS. */
void life_decided(struct job *job);
bool life_is_legal(enum phase phase, enum life_event event);

/* The disk has all that is to be known of it. */
bool life_at_rest(const struct job *job);
void life_begin(struct job *job); /* in PHASE_SUBMIT */
void life_end(struct job *job);   /* it is being freed */

/* The queue is looked at, at the end of the turn. */
void life_wake(struct jobs *j);
void life_turn_due(struct jobs *j); /* the turn does not sleep before its end was looked at */

#endif
