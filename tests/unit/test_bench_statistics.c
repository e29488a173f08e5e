/* SPDX-License-Identifier: MIT
 *
 * Medians and bootstrap intervals: known values, the same seed the same answer, and coverage.
 */
#include "bench/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void medians(void **state) {
  (void)state;
  double five[] = {5, 1, 4, 2, 3}, four[] = {4, 1, 3, 2}, one[] = {7};
  assert_float_equal(stat_median(five, 5), 3, 0);
  assert_float_equal(five[0], 5, 0); /* untouched */
  assert_float_equal(stat_median(four, 4), 2.5, 0);
  assert_float_equal(stat_median(one, 1), 7, 0);
  assert_true(isnan(stat_median(NULL, 0)) && isnan(stat_mean(NULL, 0)));
  assert_float_equal(stat_mean(five, 5), 3, 1e-12);
  struct stat_group groups[] = {{five, 5}, {one, 1}};
  assert_float_equal(stat_groups_median(groups, 2), 5, 1e-12);
}

static void random_numbers(void **state) {
  (void)state;
  /* The first numbers of splitmix64 from 1234567, as its author's code gives them. */
  struct stat_random r = {1234567};
  assert_true(stat_random_next(&r) == 6457827717110365317U);
  assert_true(stat_random_next(&r) == 3203168211198807973U);
  assert_true(stat_random_next(&r) == 9817491932198370423U);
  size_t seen[7] = {0};
  for (int i = 0; i < 70000; i++)
    seen[stat_random_below(&r, 7)]++;
  for (size_t i = 0; i < COUNT(seen); i++)
    assert_in_range(seen[i], 9500, 10500); /* 5 sigma is 463 */
}

/* Each of the 24 orders of four things as often. */
static void shuffles(void **state) {
  (void)state;
  struct stat_random r = {42};
  size_t seen[256] = {0}, kinds = 0;
  for (int i = 0; i < 24000; i++) {
    size_t items[] = {0, 1, 2, 3};
    stat_shuffle(&r, items, 4);
    assert_int_equal((1 << items[0]) + (1 << items[1]) + (1 << items[2]) + (1 << items[3]), 15);
    seen[items[0] * 64 + items[1] * 16 + items[2] * 4 + items[3]]++;
  }
  for (size_t i = 0; i < COUNT(seen); i++) {
    kinds += seen[i] > 0;
    if (seen[i])
      assert_in_range(seen[i], 840, 1160);
  }
  assert_int_equal(kinds, 24);
  size_t none[1] = {9};
  stat_shuffle(&r, none, 0);
  stat_shuffle(&r, none, 1);
  assert_int_equal(none[0], 9);
}

static void intervals(void **state) {
  (void)state;
  double five[] = {10, 30, 20, 50, 40}, same[] = {2, 2, 2, 2, 2, 2}, eleven[11];
  /* Of five values a resample's median is the smallest with probability 5.8%: more than 2.5%. */
  struct stat_interval i = stat_median_interval(five, 5, 1);
  assert_float_equal(i.low, 10, 0);
  assert_float_equal(i.high, 50, 0);
  i = stat_median_interval(same, 6, 1);
  assert_true(i.low == 2 && i.high == 2);
  i = stat_median_interval(five, 1, 1);
  assert_true(isnan(i.low) && isnan(i.high));
  i = stat_median_interval(NULL, 0, 1);
  assert_true(isnan(i.low));
  /* Of 11: P(median of a resample <= k-th) = P(Bin(11, k/11) >= 6): 0.4% at the 2nd, 2.8% at the
   * 3rd, so the interval is from the 3rd to the 9th. */
  for (int k = 0; k < 11; k++)
    eleven[k] = 100 + k;
  for (uint64_t seed = 0; seed < 20; seed++) {
    i = stat_median_interval(eleven, 11, seed);
    assert_in_range((long)i.low, 102, 103);
    assert_in_range((long)i.high, 107, 108);
  }
  struct stat_interval again = stat_median_interval(eleven, 11, 19);
  assert_true(i.low == again.low && i.high == again.high);
}

/* Groups are resampled apart: the interval of a mean of medians is narrower than each of theirs,
 * and a group of one value has none. */
static void grouped_intervals(void **state) {
  (void)state;
  double a[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, b[] = {101, 102, 103, 104, 105, 106, 107, 108, 109};
  struct stat_group groups[] = {{a, 9}, {b, 9}, {a, 1}};
  struct stat_interval one = stat_median_interval(a, 9, 3),
                       both = stat_groups_interval(groups, 2, 3);
  assert_true(both.low < 55 && both.high > 55);
  assert_true(both.high - both.low < one.high - one.low);
  assert_true(isnan(stat_groups_interval(groups, 3, 3).low));
  assert_true(isnan(stat_groups_interval(groups, 0, 3).low));
}

/* A normal deviate by twelve uniform ones: close enough within three sigma. */
static double normal(struct stat_random *r) {
  double sum = -6;
  for (int i = 0; i < 12; i++)
    sum += (double)(stat_random_next(r) >> 11) / 9007199254740992.0;
  return sum;
}

/* How often the interval of a sample of times (log-normal, as times are) holds the true median. */
static double coverage(size_t count) {
  struct stat_random r = {2026};
  double values[40];
  int hits = 0, tries = 400;
  for (int t = 0; t < tries; t++) {
    for (size_t i = 0; i < count; i++)
      values[i] = exp(0.3 * normal(&r));
    struct stat_interval i = stat_median_interval(values, count, (uint64_t)t);
    hits += i.low <= 1 && i.high >= 1;
  }
  return (double)hits / tries;
}

static void simulated_coverage(void **state) {
  (void)state;
  static const size_t counts[] = {5, 8, 11, 20};
  for (size_t i = 0; i < COUNT(counts); i++) {
    double share = coverage(counts[i]);
    print_message("%zu rounds: the interval holds the median in %.1f%% of 400\n", counts[i],
                  100 * share);
    assert_true(share > 0.90 && share < 0.995);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(medians),           cmocka_unit_test(random_numbers),
      cmocka_unit_test(shuffles),          cmocka_unit_test(intervals),
      cmocka_unit_test(grouped_intervals), cmocka_unit_test(simulated_coverage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
