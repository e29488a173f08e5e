/* SPDX-License-Identifier: MIT
 *
 * Does a backend do a kind as well as its baseline?  Two statistics that are updated at each job
 * that ends, and may be looked at after each: they have no windows and need no times.
 *
 * Counts ("an error, or not").  A Bernoulli CUSUM: it grows by ln(p1/p0) with each bad job, falls by
 * ln((1-p0)/(1-p1)) with each good one, and never below 0.  Jobs of which p0 are bad make it
 * reach h once in e^h jobs at the most (Lorden, "Procedures for reacting to a change in
 * distribution", 1971).
 *
 * Amounts ("how much worse than the baseline").  An e-detector: the wealth of a gambler who bets
 * that the mean loss is over m, and who starts anew with 1 where he has less (Waudby-Smith and
 * Ramdas, "Estimating means of bounded random variables by betting"; Shin, Ramdas, Rinaldo,
 * "E-detectors").  While the mean loss is m or less the wealth seldom gets far.
 *
 * Pure.
 */
#ifndef ROUTING_GUARD_H
#define ROUTING_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum {
  GUARD_BAD_LEAST = 5,   /* results that speak against it, before anything trips */
  GUARD_SAME_INPUT = 2,  /* results of one input within an hour that count */
  GUARD_BASELINE = 1000, /* jobs of a baseline that are remembered */
  GUARD_INPUTS = 64,     /* inputs that are remembered for that */
  GUARD_NO_BETS = 4,     /* of amounts: the first ones only teach */
  GUARD_WEALTH = 1000,   /* of amounts: trips */
};
#define GUARD_HEIGHT 9.2 /* of counts: once in 10,000 jobs at the limit, at the most */

/* ---- counts ---- */

struct guard_limits {
  double p0, p1; /* shares of bad jobs: as it may be, and as it must be found */
};
/* Of errors: `least` or what the baseline itself has (upper end of a 95% interval), if that is
 * more. */
struct guard_limits guard_error_limits(double least, int64_t bad, int64_t jobs);
/* Of a share that was chosen, four times of which is to be found. */
struct guard_limits guard_share_limits(double p0);
/* The upper end of the 95% interval of a share (Wilson, 1927). */
double guard_upper(int64_t bad, int64_t jobs);

struct guard_count { /* zeroed: new */
  double height;
  int64_t jobs, bad; /* since it was 0 last */
};
/* True: it trips.  From then on it stays as it is. */
bool guard_count(struct guard_count *g, const struct guard_limits *limits, bool is_bad);
bool guard_count_is_tripped(const struct guard_count *g);

/* ---- amounts ---- */

struct guard_amount {          /* zeroed: new */
  double wealth;               /* 0: as 1 */
  double weight, mean, square; /* of past losses; they forget */
  int64_t jobs, bad;           /* since the wealth was 1 last; bad: over the limit */
  int64_t seen;                /* in all */
};
/* `loss`: relative, against the baseline; greater is worse.  `limit`: the mean loss that may be. */
bool guard_amount(struct guard_amount *g, double limit, double loss);
bool guard_amount_is_tripped(const struct guard_amount *g);

/* ---- one input, sent again and again ---- */

struct guard_inputs { /* zeroed: none */
  struct {
    uint64_t input; /* any digest; 0: of no input */
    int64_t first_us;
    int32_t count;
  } seen[GUARD_INPUTS];
};
/* May this result count?  At most two of one input within an hour do. */
bool guard_inputs_count(struct guard_inputs *g, uint64_t input, int64_t now_us);

/* ---- is it better to do nothing? ---- */

/* More than half of all backends tripped within a minute: the network or we are at fault, so nothing
 * is rolled back. */
bool guard_is_general(const int64_t *tripped_us, int count, int backends, int64_t now_us);
/* Good jobs in a row that are needed before a share of bad ones below `limit` may be believed. */
int64_t guard_jobs_to_promote(double limit);

#endif
