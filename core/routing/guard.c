/* SPDX-License-Identifier: MIT */
#include "routing/guard.h"

#include <math.h>

static const double FORGET = 0.98;          /* per pair, of past losses */
static const double VARIANCE_LEAST = 0.001; /* a few equal losses are no certainty */
static const double LOSS_MOST = 0.5;        /* one result proves no more than that */
static const double BET_MOST = 0.9;         /* of what may be bet without ruin */

/* ---- counts ---- */

double guard_upper(int64_t bad, int64_t jobs) {
  const double z = 1.96, n = (double)jobs, p = jobs > 0 ? (double)bad / n : 0;
  if (jobs <= 0)
    return 1;
  double middle = p + z * z / (2 * n), width = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return (middle + width) / (1 + z * z / n);
}

struct guard_limits guard_error_limits(double least, int64_t bad, int64_t jobs) {
  double p0 = least;
  if (jobs >= 30 && guard_upper(bad, jobs) > p0) /* fewer say nothing */
    p0 = guard_upper(bad, jobs);
  p0 = p0 < 0.001 ? 0.001 : p0 > 0.8 ? 0.8 : p0;
  double p1 = p0 + 0.10 > 2 * p0 ? p0 + 0.10 : 2 * p0;
  return (struct guard_limits){.p0 = p0, .p1 = p1 < 0.95 ? p1 : 0.95};
}

struct guard_limits guard_share_limits(double p0) {
  p0 = p0 < 0.001 ? 0.001 : p0 > 0.8 ? 0.8 : p0;
  return (struct guard_limits){.p0 = p0, .p1 = 4 * p0 < 0.95 ? 4 * p0 : 0.95};
}

bool guard_count_is_tripped(const struct guard_count *g) {
  return g->height >= GUARD_HEIGHT && g->bad >= GUARD_BAD_LEAST;
}

bool guard_count(struct guard_count *g, const struct guard_limits *limits, bool is_bad) {
  double p0 = limits->p0, p1 = limits->p1;
  if (guard_count_is_tripped(g))
    return true;
  g->height += is_bad ? log(p1 / p0) : log((1 - p1) / (1 - p0));
  g->jobs++;
  g->bad += is_bad;
  if (g->height <= 0)
    *g = (struct guard_count){0};
  return guard_count_is_tripped(g);
}

/* ---- amounts ---- */

bool guard_amount_is_tripped(const struct guard_amount *g) {
  return g->wealth >= GUARD_WEALTH && g->bad >= GUARD_BAD_LEAST;
}

/* What part of the wealth is bet, from the losses of the past alone. */
static double bet(const struct guard_amount *g, double limit) {
  if (g->seen < GUARD_NO_BETS)
    return 0;
  double x = g->mean - limit, variance = g->square - g->mean * g->mean;
  variance = variance < VARIANCE_LEAST ? VARIANCE_LEAST : variance;
  double most = BET_MOST / (LOSS_MOST + limit), wish = x / (variance + x * x);
  return wish < 0 ? 0 : wish < most ? wish : most;
}

static void remember(struct guard_amount *g, double loss) {
  g->weight = g->weight * FORGET + 1;
  g->mean += (loss - g->mean) / g->weight;
  g->square += (loss * loss - g->square) / g->weight;
  g->seen++;
}

bool guard_amount(struct guard_amount *g, double limit, double loss) {
  if (guard_amount_is_tripped(g) || isnan(loss))
    return guard_amount_is_tripped(g);
  loss = loss > LOSS_MOST ? LOSS_MOST : loss < -LOSS_MOST ? -LOSS_MOST : loss;
  if (g->wealth <= 1) {
    g->wealth = 1;
    g->jobs = g->bad = 0;
  }
  g->wealth *= 1 + bet(g, limit) * (loss - limit);
  g->jobs++;
  g->bad += loss > limit;
  remember(g, loss);
  return guard_amount_is_tripped(g);
}

/* ---- one input, sent again and again ---- */

enum { GUARD_INPUT_S = 3600 };

bool guard_inputs_count(struct guard_inputs *g, uint64_t input, int64_t now_us) {
  int at = 0;
  if (input == 0)
    return true;
  for (int i = 0; i < GUARD_INPUTS; i++) {
    if (g->seen[i].input == input &&
        now_us - g->seen[i].first_us < GUARD_INPUT_S * INT64_C(1000000))
      return ++g->seen[i].count <= GUARD_SAME_INPUT;
    if (g->seen[i].input == input || g->seen[i].first_us < g->seen[at].first_us)
      at = i; /* its hour is over; or it is the oldest */
    if (g->seen[i].input == input)
      break;
  }
  g->seen[at].input = input;
  g->seen[at].first_us = now_us;
  g->seen[at].count = 1;
  return true;
}

/* ---- is it better to do nothing? ---- */

bool guard_is_general(const int64_t *tripped_us, int count, int backends, int64_t now_us) {
  int lately = 0;
  for (int i = 0; i < count; i++)
    lately += tripped_us[i] > 0 && now_us - tripped_us[i] < INT64_C(60000000);
  return backends > 1 && lately * 2 > backends;
}

int64_t guard_jobs_to_promote(double limit) {
  return limit > 0 ? (int64_t)ceil(log(20) / limit) : INT64_MAX;
}
