/* SPDX-License-Identifier: MIT */
#include "routing/estimate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const double FORGET = 0.995;         /* per sample, of the line */
static const double FOLLOW = 0.25;          /* of the level, per sample */
static const double FORGET_VARIANCE = 0.98; /* per sample */
static const double HALF_LIFE_S = 300;      /* of the level, without samples */
static const double SLOPE_LEAST = -0.5, SLOPE_MOST = 2;
static const double SIZE_LEAST = 1;         /* so that an empty input has a logarithm */
static const double SECONDS_LEAST = 0.0001; /* likewise */
static const double SECONDS_MOST = 1e8;     /* three years: a line that leads astray ends here */
static const double LATE_LEFT = 0.15;       /* of what was expected, of a job that is later */
static const double OUTLIER = 4;            /* standard deviations; farther away counts as so far */

/* ---- the model ---- */

static double log_size(double size) {
  return log(size > SIZE_LEAST ? size : SIZE_LEAST);
}

/* Sizes that hardly differ say nothing of a slope. */
static double slope(const struct estimate *e) {
  double s = e->xx > 1e-3 * e->weight ? e->xy / e->xx : 0;
  return s < SLOPE_LEAST ? SLOPE_LEAST : s > SLOPE_MOST ? SLOPE_MOST : s;
}

static double line(const struct estimate *e, double x) {
  return e->y + slope(e) * (x - e->x);
}

static double level_at(const struct estimate *e, int64_t now_us) {
  double age_s = (double)(now_us - e->at_us) / 1e6;
  return age_s > 0 ? e->level * exp2(-age_s / HALF_LIFE_S) : e->level;
}

/* Weighted means and sums around them (West, "Updating mean and variance estimates", 1979). */
static void add_to_line(struct estimate *e, double x, double y) {
  e->weight = e->weight * FORGET + 1;
  double dx = x - e->x, dy = y - e->y;
  e->x += dx / e->weight;
  e->y += dy / e->weight;
  e->xx = e->xx * FORGET + dx * (x - e->x);
  e->xy = e->xy * FORGET + dx * (y - e->y);
}

/* One huge job does not poison what is known: its distance counts up to some deviations.  When all
 * jobs are so, the level follows them in a few steps. */
static double tame(const struct estimate *e, double off) {
  double most = OUTLIER * sqrt(e->variance) + 0.7;
  return off > most ? most : off < -most ? -most : off;
}

void estimate_learn(struct estimate *e, double size, double seconds, int64_t now_us) {
  if (!(seconds >= 0) || !isfinite(seconds) || !isfinite(size))
    return;
  double x = log_size(size), y = log(seconds > SECONDS_LEAST ? seconds : SECONDS_LEAST);
  if (estimate_is_known(e)) {
    double level = level_at(e, now_us), expected = line(e, x) + level;
    double off = tame(e, y - expected);
    e->level = level + FOLLOW * off;
    e->variance = e->variance * FORGET_VARIANCE + (1 - FORGET_VARIANCE) * off * off;
    y = expected + off;
  }
  add_to_line(e, x, y);
  e->samples++;
  e->misses = 0;
  e->at_us = now_us;
}

void estimate_learn_more_than(struct estimate *e, double size, double seconds, int64_t now_us) {
  if (seconds > estimate_seconds(e, size, now_us))
    estimate_learn(e, size, seconds, now_us);
}

void estimate_miss(struct estimate *e) {
  if (e->misses < ESTIMATE_MISSES)
    e->misses++;
}

bool estimate_is_known(const struct estimate *e) {
  return e->samples >= ESTIMATE_SAMPLES;
}

static double seconds_of(double log_seconds) {
  double most = log(SECONDS_MOST);
  return exp(log_seconds < most ? log_seconds : most);
}

double estimate_seconds(const struct estimate *e, double size, int64_t now_us) {
  if (!estimate_is_known(e))
    return 0;
  return seconds_of(line(e, log_size(size)) + level_at(e, now_us) + e->variance / 2);
}

double estimate_spread(const struct estimate *e) {
  return exp(sqrt(e->variance));
}

double estimate_p95(const struct estimate *e, double size, int64_t now_us) {
  if (!estimate_is_known(e))
    return 0;
  return seconds_of(line(e, log_size(size)) + level_at(e, now_us) + 1.645 * sqrt(e->variance));
}

/* ---- over a restart ---- */

/* "1 WEIGHT X Y XX XY LEVEL VARIANCE SAMPLES AT", AT in us since the epoch. */
void estimate_write(const struct estimate *e, int64_t now_us, int64_t wall_us, struct buf *out) {
  buf_printf(out, "1 %.9g %.9g %.9g %.9g %.9g %.9g %.9g %" PRId64 " %" PRId64, e->weight, e->x,
             e->y, e->xx, e->xy, e->level, e->variance, e->samples, e->at_us - now_us + wall_us);
}

static bool makes_sense(const struct estimate *e) {
  const double all[] = {e->weight, e->x, e->y, e->xx, e->xy, e->level, e->variance};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!isfinite(all[i]))
      return false;
  return e->weight > 0 && e->xx >= 0 && e->variance >= 0 && e->samples > 0;
}

bool estimate_read(struct estimate *e, const char *text, int64_t now_us, int64_t wall_us) {
  struct estimate r = {0};
  int64_t at, age;
  int end = 0;
  *e = r;
  int n = sscanf(text, "1 %lf %lf %lf %lf %lf %lf %lf %" SCNd64 " %" SCNd64 "%n", &r.weight, &r.x,
                 &r.y, &r.xx, &r.xy, &r.level, &r.variance, &r.samples, &at, &end);
  if (n != 9 || text[end] != '\0' || !makes_sense(&r))
    return false;
  if (__builtin_sub_overflow(wall_us, at, &age) || age < 0)
    age = 0; /* the clock was set */
  *e = r;
  e->at_us = now_us - age;
  return true;
}

/* ---- which backend ends a job first ---- */

double estimate_left(double expected_s, double elapsed_s) {
  double left = expected_s - elapsed_s, least = expected_s * LATE_LEFT;
  return left > least ? left : least;
}

double estimate_late(double expected_s, double elapsed_s) {
  double late = expected_s > 0 ? elapsed_s / expected_s : 1;
  return late < 1 ? 1 : late < ESTIMATE_LATE_MOST ? late : ESTIMATE_LATE_MOST;
}

static double late_of(const struct estimate_candidate *c) {
  return c->late > 1 ? c->late : 1;
}

static double run_of(const struct estimate_candidate *c, double size, int64_t now_us) {
  double run = estimate_seconds(c->own, size, now_us);
  if (run == 0 && c->pool)
    run = estimate_seconds(c->pool, size, now_us);
  return run * late_of(c);
}

static double wait_of(const struct estimate_candidate *c) {
  return c->free > 0 || c->slots <= 0 ? 0 : c->ahead_s / c->slots * late_of(c);
}

void estimate_all(struct estimate_candidate *list, size_t count, double size, int64_t now_us) {
  for (size_t i = 0; i < count; i++) {
    list[i].run_s = run_of(&list[i], size, now_us);
    list[i].wait_s = wait_of(&list[i]);
  }
}

static bool is_able(const struct estimate_candidate *c) {
  return c->able && c->slots > 0;
}

/* Of one that nobody knows yet, one job at a time: neither starved nor flooded.  And none of one that
 * fails them. */
static bool is_held_back(const struct estimate_candidate *c) {
  return (!estimate_is_known(c->own) && !c->idle) || c->own->misses >= ESTIMATE_MISSES;
}

/* The first one with a slot; where there is none, the first. */
static int in_order(const struct estimate_candidate *list, size_t count) {
  int first = -1;
  for (size_t i = 0; i < count; i++) {
    if (!is_able(&list[i]))
      continue;
    if (list[i].free > 0)
      return (int)i;
    first = first < 0 ? (int)i : first;
  }
  return first;
}

static bool is_rated(const struct estimate_candidate *c) {
  return is_able(c) && c->run_s > 0 && !is_held_back(c);
}

int estimate_first(const struct estimate_candidate *list, size_t count) {
  double best = INFINITY;
  for (size_t i = 0; i < count; i++)
    if (is_rated(&list[i]) && list[i].wait_s + list[i].run_s < best)
      best = list[i].wait_s + list[i].run_s;
  for (size_t i = 0; i < count && isfinite(best); i++)
    if (is_rated(&list[i]) &&
        list[i].wait_s + list[i].run_s <= best * (1 + ESTIMATE_WITHIN / 100.0))
      return (int)i;
  return in_order(list, count);
}

/* ---- exploring ---- */

static bool is_forgotten(const struct estimate *e, int64_t now_us) {
  return !estimate_is_known(e) || e->misses >= ESTIMATE_MISSES ||
         now_us - e->at_us >= (int64_t)ESTIMATE_IDLE_S * 1000000;
}

/* Not larger than what usually comes. */
static bool is_small(const struct estimate_candidate *c, double size) {
  const struct estimate *e = c->pool && estimate_is_known(c->pool) ? c->pool : c->own;
  return e->samples == 0 || log_size(size) <= e->x;
}

bool estimate_may_explore(const struct estimate_explorer *explorer,
                          const struct estimate_candidate *c, double size, int64_t now_us) {
  return (explorer->explored + 1) * ESTIMATE_EXPLORE <= explorer->jobs &&
         is_forgotten(c->own, now_us) && is_small(c, size);
}

int estimate_explore(const struct estimate_candidate *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (is_able(&list[i]) && list[i].explore && list[i].idle && list[i].free > 0)
      return (int)i;
  return -1;
}

void estimate_count(struct estimate_explorer *explorer, bool explored) {
  explorer->jobs++;
  explorer->explored += explored;
  if (explorer->jobs >= 2000) { /* what was saved up long ago is not spent at once */
    explorer->jobs /= 2;
    explorer->explored /= 2;
  }
}
