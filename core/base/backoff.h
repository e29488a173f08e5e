/* SPDX-License-Identifier: MIT
 *
 * Pauses that double, and the numbers that spread them.  Pure: the caller has the clock and the
 * state.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/* The pause after failure number `failures` (from 1): `first`, doubled with each further one, and
 * never more than `last`.  In any unit; first >= 0. */
int64_t backoff_delay(int failures, int64_t first, int64_t last);

/* Any number of 64 bits: xorshift64 (Marsaglia, "Xorshift RNGs", 2003).  *state is never 0.  Good
 * enough to spread load, and no more: secrets come from the system. */
uint64_t random_next(uint64_t *state);
/* 0 .. most, evenly enough; most >= 0. */
int64_t random_up_to(uint64_t random, int64_t most);

#endif
