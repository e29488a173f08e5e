/* SPDX-License-Identifier: MIT
 *
 * What `lathe bench` computes from times: medians, and how sure they are.  Pure: the random numbers
 * come from a seed, so the same times and the same seed give the same answer everywhere.
 */
#ifndef BENCH_STATISTICS_H
#define BENCH_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct stat_random { /* splitmix64: any seed is a good one */
  uint64_t state;
};
uint64_t stat_random_next(struct stat_random *r);
/* 0 to n-1, each as likely; n is not 0. */
size_t stat_random_below(struct stat_random *r, size_t n);
/* A random order of the numbers, each order as likely. */
void stat_shuffle(struct stat_random *r, size_t *items, size_t count);

/* NAN for no values.  The values are not changed. */
double stat_median(const double *values, size_t count);
double stat_mean(const double *values, size_t count);

struct stat_interval {
  double low, high; /* NAN: not known */
};
/* The middle 95% of what the median would be in other samples, by 4000 resamples with replacement
 * (Efron's percentile bootstrap).  With five values that is the smallest and the largest.  Fewer
 * than two: not known. */
struct stat_interval stat_median_interval(const double *values, size_t count, uint64_t seed);

/* Groups of values, each resampled by itself: the mean of the groups' medians. */
struct stat_group {
  const double *values;
  size_t count;
};
double stat_groups_median(const struct stat_group *groups, size_t count);
struct stat_interval stat_groups_interval(const struct stat_group *groups, size_t count,
                                          uint64_t seed);

#endif
