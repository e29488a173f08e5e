/* SPDX-License-Identifier: MIT
 *
 * How long a job will take on a backend, from how long others took there.
 *
 *   log seconds = a + s * log size        five sums that forget, so that a new plugin is learned
 *                 + level                 how it is at the moment: follows fast, and is forgotten
 *                                         where no job tells any more
 *                 + half the variance     the mean of what is spread like this, not its median
 *
 * `size` is what drives the kind's time: bytes of input, or what the kind declares.  Only successes
 * teach.  A job that ran out of time teaches that it takes at least so long.
 *
 * Pure: times are of one clock of the caller's, in microseconds.
 */
#ifndef ROUTING_ESTIMATE_H
#define ROUTING_ESTIMATE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  ESTIMATE_MISSES = 3,    /* and it is not relied on */
  ESTIMATE_SAMPLES = 5,   /* before it is believed */
  ESTIMATE_WITHIN = 10,   /* percent: so close to the best, the order of the route decides */
  ESTIMATE_EXPLORE = 50,  /* one job of so many may go where nobody has looked for long */
  ESTIMATE_IDLE_S = 120,  /* that long */
  ESTIMATE_LATE_MOST = 50 /* a late job says no more than that */
};

struct estimate { /* of one kind on one backend; zeroed: nothing is known */
  double weight;  /* of the samples; forgets */
  double x, y;    /* means of log size and log seconds */
  double xx, xy;  /* sums of squares around them */
  double level, variance;
  int64_t samples;
  int misses;      /* attempts since the last success that failed there; not kept */
  int64_t at_us;   /* of the last one */
  int64_t kept_us; /* at_us when it was written last; the caller's */
};

void estimate_learn(struct estimate *e, double size, double seconds, int64_t now_us);
/* It was stopped after so long. */
void estimate_learn_more_than(struct estimate *e, double size, double seconds, int64_t now_us);
/* An attempt failed there.  That says nothing of times, but one that only fails is not taken for
 * fast: after three of them it gets jobs where there is no other one, or to see how it is. */
void estimate_miss(struct estimate *e);
bool estimate_is_known(const struct estimate *e);
/* Expected seconds; 0: not known. */
double estimate_seconds(const struct estimate *e, double size, int64_t now_us);
/* As a factor: two of three jobs take between seconds / spread and seconds * spread. */
double estimate_spread(const struct estimate *e);
/* Seconds that only one of twenty exceeds; 0: not known. */
double estimate_p95(const struct estimate *e, double size, int64_t now_us);

/* What outlives the daemon, as a line of text; wall_us is the wall clock at now_us. */
void estimate_write(const struct estimate *e, int64_t now_us, int64_t wall_us, struct buf *out);
/* False: the text is none of estimate_write's, and *e knows nothing. */
bool estimate_read(struct estimate *e, const char *text, int64_t now_us, int64_t wall_us);

/* ---- which backend ends a job first ---- */

/* Of a job that runs: what is left of it, and by how much it is later than expected (1: not). */
double estimate_left(double expected_s, double elapsed_s);
double estimate_late(double expected_s, double elapsed_s);

struct estimate_candidate {
  const struct estimate *own, *pool; /* of this backend; of all that do the kind, or NULL */
  int slots;
  int free;       /* slots that no job has, and none waits for */
  double ahead_s; /* what is left of the jobs that run there, and all of those that wait for it */
  double late;    /* the greatest of its running jobs; 0: as 1 */
  bool able;      /* it may get the job, now or as soon as it has a slot */
  bool idle;      /* nothing runs there */
  bool explore;   /* estimate_may_explore, of one that costs nothing */
  /* answered; 0: not known */
  double run_s, wait_s;
};

/* Fills in run_s and wait_s of each. */
void estimate_all(struct estimate_candidate *list, size_t count, double size, int64_t now_us);
/* After estimate_all: who ends it first.  Within 10% of the first the earlier one of the list is
 * taken; where nothing is known at all, the first one that has a slot, else the first.  It may have
 * no free slot: then it is better to wait.  -1: none is able. */
int estimate_first(const struct estimate_candidate *list, size_t count);

struct estimate_explorer { /* zeroed: of a route that has explored nothing */
  int64_t jobs, explored;
};
/* Has it been forgotten how that one is, is the job not large, and is it time to see?  That is not
 * more often than one time in fifty.  Asking changes nothing. */
bool estimate_may_explore(const struct estimate_explorer *explorer,
                          const struct estimate_candidate *c, double size, int64_t now_us);
/* The first one that is idle and may get the job to see how it is; -1: none. */
int estimate_explore(const struct estimate_candidate *list, size_t count);
/* A job was begun; it was to explore, or not. */
void estimate_count(struct estimate_explorer *explorer, bool explored);

#endif
