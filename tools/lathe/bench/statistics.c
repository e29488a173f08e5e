/* SPDX-License-Identifier: MIT
 *
 * Medians, and how sure they are.
 */
#include "bench/statistics.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 4000 };

/* ---- random numbers ---- */

uint64_t stat_random_next(struct stat_random *r) {
  uint64_t z = r->state += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

size_t stat_random_below(struct stat_random *r, size_t n) {
  uint64_t span = n, most = UINT64_MAX - UINT64_MAX % span, x;
  do /* above `most` the first numbers would be a little likelier */
    x = stat_random_next(r);
  while (x >= most);
  return (size_t)(x % span);
}

void stat_shuffle(struct stat_random *r, size_t *items, size_t count) {
  for (size_t i = count; i > 1; i--) { /* Fisher and Yates */
    size_t j = stat_random_below(r, i), kept = items[i - 1];
    items[i - 1] = items[j];
    items[j] = kept;
  }
}

/* ---- medians ---- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_in_place(double *values, size_t count) {
  if (count == 0)
    return NAN;
  qsort(values, count, sizeof *values, compare);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double stat_median(const double *values, size_t count) {
  double *copy = mem_array(count + 1, sizeof *copy);
  if (count)
    memcpy(copy, values, count * sizeof *copy);
  double median = median_in_place(copy, count);
  free(copy);
  return median;
}

double stat_mean(const double *values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i];
  return count ? sum / (double)count : NAN;
}

double stat_groups_median(const struct stat_group *groups, size_t count) {
  double sum = 0;
  for (size_t g = 0; g < count; g++)
    sum += stat_median(groups[g].values, groups[g].count);
  return count ? sum / (double)count : NAN;
}

/* ---- the bootstrap ---- */

static double resample(struct stat_random *r, const struct stat_group *group, double *scratch) {
  for (size_t i = 0; i < group->count; i++)
    scratch[i] = group->values[stat_random_below(r, group->count)];
  return median_in_place(scratch, group->count);
}

struct stat_interval stat_groups_interval(const struct stat_group *groups, size_t count,
                                          uint64_t seed) {
  struct stat_interval unknown = {NAN, NAN};
  size_t longest = 0;
  for (size_t g = 0; g < count; g++) {
    if (groups[g].count < 2)
      return unknown;
    longest = groups[g].count > longest ? groups[g].count : longest;
  }
  if (count == 0)
    return unknown;
  struct stat_random r = {seed};
  double *scratch = mem_array(longest, sizeof *scratch);
  double *found = mem_array(RESAMPLES, sizeof *found);
  for (size_t i = 0; i < RESAMPLES; i++) {
    for (size_t g = 0; g < count; g++)
      found[i] += resample(&r, &groups[g], scratch);
    found[i] /= (double)count;
  }
  qsort(found, RESAMPLES, sizeof *found, compare);
  struct stat_interval interval = {found[RESAMPLES / 40], found[RESAMPLES - 1 - RESAMPLES / 40]};
  free(scratch);
  free(found);
  return interval;
}

struct stat_interval stat_median_interval(const double *values, size_t count, uint64_t seed) {
  return stat_groups_interval(&(struct stat_group){values, count}, 1, seed);
}
