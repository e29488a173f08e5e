/* SPDX-License-Identifier: MIT
 *
 * What attempts on a backend cost: its price, and what was learned.  Pure; amounts as in
 * base/money.h.  A price of 0 is a price; one that is not set is MONEY_UNKNOWN.
 */
#ifndef ROUTING_COST_H
#define ROUTING_COST_H

#include "base/money.h"

#include <stdbool.h>
#include <stddef.h>

struct cost_price { /* of a backend */
  int64_t per_second, per_job;
  char currency[MONEY_CURRENCY_SIZE]; /* "": none */
};
bool cost_has_price(const struct cost_price *p);
int64_t cost_of_time(const struct cost_price *p, int64_t us); /* MONEY_UNKNOWN: it has no price */

/* The last attempts of one kind on one backend.  Zeroed: none. */
enum { COST_HISTORY = 64, COST_KNOWN = 5 /* so many are something to go by */ };
struct cost_history {
  int64_t amounts[COST_HISTORY];
  size_t count, next;
};
void cost_learn(struct cost_history *h, int64_t amount);
/* MONEY_UNKNOWN: too few are known. */
int64_t cost_high(const struct cost_history *h); /* the 95th percentile */
int64_t cost_mean(const struct cost_history *h);

/* What is to be reserved for an attempt that may take so long at most: what such attempts cost at
 * the 95th percentile, else what its time limit would cost.  h may be NULL. */
int64_t cost_reserve(const struct cost_price *p, const struct cost_history *h, int64_t limit_us);
/* What an attempt is expected to cost that takes so long (0: nobody knows): where the plugin reports
 * it, what such attempts cost on the mean; else its time by the price, or without a time the mean. */
int64_t cost_expected(const struct cost_price *p, int64_t mean, bool reported, int64_t time_us);

#endif
