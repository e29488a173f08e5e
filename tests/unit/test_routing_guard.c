/* SPDX-License-Identifier: MIT
 *
 * The statistics of a guard.  tests/bench/routing_bench.c measures them over many more jobs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/guard.h"
#include "routing_sim.h"

#include <math.h>

#define SECOND INT64_C(1000000)

static uint64_t dice;

static int setup(void **state) {
  (void)state;
  dice = 88172645463325252U;
  return 0;
}

static bool is_near(double got, double wanted) {
  return fabs(got - wanted) < 0.0005;
}

/* ---- limits ---- */

static void test_limits(void **state) {
  (void)state;
  struct guard_limits l = guard_error_limits(0.05, 0, 0);
  assert_true(l.p0 == 0.05 && is_near(l.p1, 0.15));
  l = guard_error_limits(0.05, 5, 20); /* too few jobs to say anything */
  assert_true(l.p0 == 0.05);
  l = guard_error_limits(0.05, 200, 1000);
  assert_true(is_near(l.p0, 0.2259) && is_near(l.p1, 2 * 0.2259));
  l = guard_error_limits(0.05, 1000,
                         1000); /* nothing can be worse: it never trips, nor divides by 0 */
  assert_true(l.p0 < l.p1 && l.p1 < 1);
  l = guard_error_limits(0, 0, 0);
  assert_true(l.p0 > 0 && l.p1 > l.p0);
  l = guard_share_limits(0.02);
  assert_true(l.p0 == 0.02 && l.p1 == 0.08);
  assert_true(is_near(guard_upper(0, 100), 0.0370));
  assert_true(guard_upper(0, 0) == 1);
}

/* ---- counts ---- */

static int64_t count_until(double rate, int64_t most) {
  struct guard_limits limits = guard_error_limits(0.05, 0, 0);
  struct guard_count g = {0};
  for (int64_t n = 1; n <= most; n++)
    if (guard_count(&g, &limits, sim_uniform(&dice) < rate))
      return n;
  return most + 1;
}

static void test_total_failure(void **state) {
  (void)state;
  assert_int_equal(count_until(1, 100), 9);
}

static void test_false_alarms(void **state) {
  (void)state;
  assert_int_equal(count_until(0, 100000), 100001);
  for (int i = 0; i < 5; i++)
    assert_int_equal(count_until(0.03, 100000), 100001);
}

static void test_finds_more_errors(void **state) {
  (void)state;
  for (int i = 0; i < 50; i++) {
    assert_true(count_until(0.15, 100000) < 1000);
    assert_true(count_until(0.30, 100000) < 150);
  }
}

static void test_few_bad_ones(void **state) {
  (void)state;
  struct guard_limits all = {.p0 = 0.0001, .p1 = 0.9}; /* one would be enough */
  struct guard_count g = {0};
  for (int i = 1; i < GUARD_BAD_LEAST; i++)
    assert_false(guard_count(&g, &all, true));
  assert_true(g.height > GUARD_HEIGHT);
  assert_true(guard_count(&g, &all, true));
}

static void test_forgets_and_freezes(void **state) {
  (void)state;
  struct guard_limits l = guard_error_limits(0.05, 0, 0);
  struct guard_count g = {0};
  for (int i = 0; i < 8; i++)
    guard_count(&g, &l, true);
  assert_false(guard_count_is_tripped(&g));
  for (int i = 0; i < 100; i++)
    guard_count(&g, &l, false);
  assert_true(g.height == 0 && g.jobs == 0 && g.bad == 0);
  for (int i = 0; i < 9; i++)
    guard_count(&g, &l, true);
  assert_true(guard_count_is_tripped(&g));
  struct guard_count tripped = g;
  for (int i = 0; i < 1000; i++)
    assert_true(guard_count(&g, &l, false)); /* until somebody resets it */
  assert_memory_equal(&g, &tripped, sizeof g);
}

/* ---- amounts ---- */

static int64_t amount_until(double limit, double loss, double noise, int64_t most) {
  struct guard_amount g = {0};
  for (int64_t n = 1; n <= most; n++)
    if (guard_amount(&g, limit, loss + noise * sim_normal(&dice)))
      return n;
  return most + 1;
}

static void test_amounts(void **state) {
  (void)state;
  static const double noises[] = {0.05, 0.15, 0.30};
  for (int i = 0; i < 3; i++) {
    for (int k = 0; k < 5; k++) {
      assert_int_equal(amount_until(0.10, 0, noises[i], 20000), 20001);
      assert_int_equal(amount_until(0.10, 0.05, noises[i], 20000), 20001);
    }
    assert_true(amount_until(0.10, 0.40, noises[i], 20000) < 100);
    assert_true(amount_until(0.10, 0.20, noises[i], 20000) < 2000);
    assert_true(amount_until(0.20, 0.50, noises[i], 20000) < 200);
  }
}

/* Once ten times as bad is one bad result, not the end. */
static void test_one_awful_result(void **state) {
  (void)state;
  struct guard_amount g = {0};
  for (int i = 0; i < 100; i++)
    guard_amount(&g, 0.10, 0);
  assert_false(guard_amount(&g, 0.10, 1e9));
  assert_false(guard_amount(&g, 0.10, INFINITY));
  assert_false(guard_amount(&g, 0.10, NAN));
  assert_int_equal(g.seen, 102);
  assert_true(isfinite(g.wealth) && g.wealth < 2);
}

static void test_amount_freezes(void **state) {
  (void)state;
  struct guard_amount g = {0};
  while (!guard_amount(&g, 0.10, 0.4))
    assert_true(g.seen < 100);
  struct guard_amount tripped = g;
  assert_true(guard_amount(&g, 0.10, -0.5));
  assert_memory_equal(&g, &tripped, sizeof g);
}

/* ---- around them ---- */

static void test_one_input_again_and_again(void **state) {
  (void)state;
  struct guard_inputs g = {0};
  int counted = 0;
  for (int i = 0; i < 1000; i++)
    counted += guard_inputs_count(&g, 42, SECOND * i);
  assert_int_equal(counted, GUARD_SAME_INPUT);
  assert_true(guard_inputs_count(&g, 43, SECOND));
  assert_true(guard_inputs_count(&g, 42, 3600 * SECOND)); /* an hour later */
  for (int i = 0; i < 1000; i++)
    assert_true(
        guard_inputs_count(&g, (uint64_t)(1000 + i), 4000 * SECOND + i)); /* the oldest go */
  for (int i = 0; i < 10; i++)
    assert_true(guard_inputs_count(&g, 0, SECOND)); /* jobs without an input */
}

static void test_general(void **state) {
  (void)state;
  const int64_t now = 1000 * SECOND, lately = now - SECOND, long_ago = now - 61 * SECOND;
  assert_false(guard_is_general((const int64_t[]){lately}, 1, 1, now)); /* the only one there is */
  assert_false(guard_is_general((const int64_t[]){lately, 0}, 2, 2, now));
  assert_true(guard_is_general((const int64_t[]){lately, lately}, 2, 3, now));
  assert_false(guard_is_general((const int64_t[]){lately, long_ago}, 2, 3, now));
}

static void test_promotion(void **state) {
  (void)state;
  assert_int_equal(guard_jobs_to_promote(0.05), 60);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_limits, setup),
      cmocka_unit_test_setup(test_total_failure, setup),
      cmocka_unit_test_setup(test_false_alarms, setup),
      cmocka_unit_test_setup(test_finds_more_errors, setup),
      cmocka_unit_test_setup(test_few_bad_ones, setup),
      cmocka_unit_test_setup(test_forgets_and_freezes, setup),
      cmocka_unit_test_setup(test_amounts, setup),
      cmocka_unit_test_setup(test_one_awful_result, setup),
      cmocka_unit_test_setup(test_amount_freezes, setup),
      cmocka_unit_test_setup(test_one_input_again_and_again, setup),
      cmocka_unit_test_setup(test_general, setup),
      cmocka_unit_test_setup(test_promotion, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
