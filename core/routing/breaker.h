/* SPDX-License-Identifier: MIT
 *
 * Is a backend reachable and sane?  One breaker per backend, for all kinds and jobs.
 *
 *             5 failures in a row, or 20 outcomes of which half are failures
 *   CLOSED ------------------------------------------------------------------> OPEN
 *      ^                                                                      |  ^
 *      | three successes                            its time is over,         |  | one failure, or
 *      | in a row                                   and a job asks            v  | a probe is lost
 *      +------------------------------------------------------------------ HALF_OPEN
 *
 * Half-open it gets one job at a time, a probe.  The probe holds a lease with a deadline: any end
 * of the job frees it, and one that never ends counts as a failure then.  Asking "may I?" changes
 * nothing; the permit is taken with the submission.  A permit carries the generation of the breaker,
 * which is another one after each transition: a job of an earlier time does not decide about a
 * later one.
 *
 * The open time doubles with each opening, up to five minutes, with equal jitter, and falls by one
 * step for each such time that the backend was well.  The last candidate of a route is asked more
 * often: there is no other one that the jobs could go to.
 *
 * A person may force it open or closed until a time; that stands above all else.
 *
 * Pure: times are of one monotonic clock of the caller's, in microseconds; so are random numbers.
 */
#ifndef ROUTING_BREAKER_H
#define ROUTING_BREAKER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  BREAKER_BUCKETS = 10,
  BREAKER_SAMPLES = 20, /* outcomes in the window, before their share counts */
  BREAKER_PERCENT = 50, /* of failures among them */
  BREAKER_IN_A_ROW = 5, /* failures, whatever the window says */
  BREAKER_PROBES = 3,   /* successes in a row close it */
  BREAKER_REASON = 200, /* bytes of a reason, with its end */
};
#define BREAKER_BUCKET_US INT64_C(6000000)
#define BREAKER_FIRST_US  INT64_C(5000000)   /* the first open time */
#define BREAKER_LAST_US   INT64_C(300000000) /* the longest */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
const char *breaker_state_word(enum breaker_state s); /* "closed", "open", "half-open" */

enum breaker_hand { BREAKER_BY_ITSELF, BREAKER_FORCED_OPEN, BREAKER_FORCED_CLOSED };

enum breaker_outcome {
  BREAKER_NEUTRAL, /* says nothing of the backend: bad input, cancelled, out of time, not sent */
  BREAKER_SUCCESS,
  BREAKER_FAILURE, /* the backend's fault: not reached, lost, crashed, never ready, no sense */
};

struct breaker_bucket {
  int64_t number; /* time / BREAKER_BUCKET_US */
  int32_t good, bad;
};

struct breaker { /* zeroed: closed, and nothing is known */
  enum breaker_state state;
  enum breaker_hand hand;
  int64_t hand_until_us;
  uint32_t generation;
  uint32_t lease; /* number of the last one */
  bool leased;
  int64_t leased_us, lease_end_us;
  struct breaker_bucket window[BREAKER_BUCKETS];
  int32_t in_a_row;            /* failures; while half-open: successes */
  int32_t step;                /* how often the open time is doubled */
  int64_t since_us;            /* of the state; 0: of the start */
  int64_t until_us;            /* OPEN: a probe may go from then on */
  int64_t last_us;             /* OPEN: likewise, where it is the last candidate; never later */
  int64_t well_us;             /* CLOSED: since when, for the decay of `step` */
  int64_t openings;            /* since the start */
  char reason[BREAKER_REASON]; /* why it opened last */
};

struct breaker_permit { /* zeroed: none, as of a job of an earlier life */
  uint32_t generation, lease;
};

/* As a person sees it: OPEN, and its time is over, is half-open; a force is what it forces. */
enum breaker_state breaker_state_at(const struct breaker *b, int64_t now_us);
/* Why it is not closed, for people; NULL: it is. */
const char *breaker_reason(const struct breaker *b);
bool breaker_is_forced(const struct breaker *b, int64_t now_us);
/* It keeps no job away; of the last look. */
bool breaker_is_closed(const struct breaker *b);
/* May one more job go there?  `last`: no other candidate of the route would take it. */
bool breaker_admits(const struct breaker *b, int64_t now_us, bool last);
/* The earliest time at which it may admit one; `now_us` or before: it does, or when the probe that
 * is under way ends. */
int64_t breaker_reopens_us(const struct breaker *b, bool last);

/* With the submission; the job's end goes to breaker_end.  lease_us: how long a probe may take. */
struct breaker_permit breaker_take(struct breaker *b, int64_t now_us, int64_t lease_us);
/* Of any end of a job, also of one without a permit.  `reason` is of a failure, for people; it is
 * cut to what fits.  True: the state is another one. */
bool breaker_end(struct breaker *b, struct breaker_permit permit, enum breaker_outcome outcome,
                 const char *reason, int64_t now_us, uint64_t random);
/* Before questions are asked: a probe that is past its deadline is lost, a force that is over is
 * gone.  True: the state is another one. */
bool breaker_look(struct breaker *b, int64_t now_us, uint64_t random);
int64_t breaker_look_us(const struct breaker *b); /* when that is due next; INT64_MAX: never */

/* By a person.  until_us: BREAKER_FOR_EVER for no end. */
#define BREAKER_FOR_EVER INT64_MAX
void breaker_force(struct breaker *b, enum breaker_hand hand, int64_t until_us, int64_t now_us);
/* As new: closed, and the open time is the first one. */
void breaker_reset(struct breaker *b, int64_t now_us);

/* What of it outlives the daemon, as a line of text with absolute times (wall_us is the wall clock
 * at now_us).  A breaker that has nothing to keep gives an empty text. */
void breaker_write(const struct breaker *b, int64_t now_us, int64_t wall_us, struct buf *out);
/* False: the text is none of breaker_write's, and *b is new.  What is past is dropped; what is
 * farther away than it may be (the wall clock was set) is brought near. */
bool breaker_read(struct breaker *b, const char *text, int64_t now_us, int64_t wall_us);

/* ---- of a route ---- */

struct breaker_candidate {
  const struct breaker *breaker;
  bool able;     /* told: nothing but the breaker keeps jobs from it, or they wait for a slot */
  bool full;     /* told: it has no slot for this one */
  bool admitted; /* answered */
  bool last;     /* answered: it stays in though its breaker is open */
};
/* Which candidates of a route their breakers admit.  At least `stay` of those that are able stay
 * in, whatever their breakers say: the ones that may be probed first.  Returns when another one
 * may be admitted at the earliest; INT64_MAX: none is kept away. */
int64_t breaker_admit_all(struct breaker_candidate *list, size_t count, int stay, int64_t now_us);

#endif
