/* SPDX-License-Identifier: MIT */
#include "routing/cost.h"

#include <stdlib.h>
#include <string.h>

bool cost_has_price(const struct cost_price *p) {
  return p->per_second >= 0 || p->per_job >= 0;
}

int64_t cost_of_time(const struct cost_price *p, int64_t us) {
  if (!cost_has_price(p))
    return MONEY_UNKNOWN;
  int64_t time = p->per_second > 0 ? money_for_time(p->per_second, us) : 0;
  return p->per_job > 0 ? money_add(p->per_job, time) : time;
}

void cost_learn(struct cost_history *h, int64_t amount) {
  h->amounts[h->next] = amount;
  h->next = (h->next + 1) % COST_HISTORY;
  h->count += h->count < COST_HISTORY;
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int64_t cost_high(const struct cost_history *h) {
  int64_t sorted[COST_HISTORY];
  if (h->count < COST_KNOWN)
    return MONEY_UNKNOWN;
  memcpy(sorted, h->amounts, h->count * sizeof *sorted);
  qsort(sorted, h->count, sizeof *sorted, compare);
  return sorted[(h->count * 95 + 99) / 100 - 1];
}

int64_t cost_mean(const struct cost_history *h) {
  int64_t sum = 0;
  if (h->count < COST_KNOWN)
    return MONEY_UNKNOWN;
  for (size_t i = 0; i < h->count; i++)
    sum += h->amounts[i] / (int64_t)h->count;
  return sum;
}

int64_t cost_reserve(const struct cost_price *p, const struct cost_history *h, int64_t limit_us) {
  int64_t high = h ? cost_high(h) : MONEY_UNKNOWN;
  return high != MONEY_UNKNOWN ? high : cost_of_time(p, limit_us);
}

int64_t cost_expected(const struct cost_price *p, int64_t mean, bool reported, int64_t time_us) {
  bool timed = p->per_second > 0;
  if ((mean != MONEY_UNKNOWN && (reported || (timed && time_us <= 0))) || !cost_has_price(p))
    return mean;
  return timed && time_us <= 0 ? MONEY_UNKNOWN : cost_of_time(p, time_us);
}
