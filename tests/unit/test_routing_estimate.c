/* SPDX-License-Identifier: MIT
 *
 * What is expected of a job, and where it ends first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing_sim.h"

#include <string.h>

#define SECOND INT64_C(1000000)

static uint64_t dice;
static int64_t now;

static int setup(void **state) {
  (void)state;
  dice = 88172645463325252U;
  now = 5000 * SECOND;
  return 0;
}

static bool is_near(double got, double wanted, double share) {
  return got >= wanted * (1 - share) && got <= wanted * (1 + share);
}

/* Jobs of `a` seconds for each size^s, with noise. */
static void teach(struct estimate *e, int jobs, double a, double s, double noise) {
  for (int i = 0; i < jobs; i++) {
    double size = exp(8 + 2 * sim_normal(&dice));
    now += SECOND;
    estimate_learn(e, size, a * pow(size, s) * exp(noise * sim_normal(&dice)), now);
  }
}

/* ---- the model ---- */

static void test_learns_the_line(void **state) {
  (void)state;
  struct estimate e = {0};
  teach(&e, ESTIMATE_SAMPLES - 1, 0.01, 0.8, 0.1);
  assert_false(estimate_is_known(&e));
  assert_true(estimate_seconds(&e, 1000, now) == 0);
  teach(&e, 500, 0.01, 0.8, 0.1);
  static const double sizes[] = {100, 1000, 1e4, 1e5};
  for (int i = 0; i < 4; i++) {
    double size = sizes[i];
    assert_true(is_near(estimate_seconds(&e, size, now), 0.01 * pow(size, 0.8), 0.15));
  }
  assert_true(is_near(estimate_spread(&e), exp(0.1), 0.1));
  double p95 = estimate_p95(&e, 1000, now);
  assert_true(p95 > estimate_seconds(&e, 1000, now) && is_near(p95, 2.51 * 1.18, 0.2));
}

/* A mean, where the logarithms are spread. */
static void test_mean_not_median(void **state) {
  (void)state;
  struct estimate e = {0};
  double sum = 0;
  for (int i = 0; i < 2000; i++) {
    teach(&e, 1, 10, 0, 0.5);
    sum += i < 1000 ? 0 : estimate_seconds(&e, 3000, now);
  }
  assert_true(is_near(sum / 1000, 10 * exp(0.125), 0.07));
}

static void test_one_size_only(void **state) {
  (void)state;
  struct estimate e = {0};
  for (int i = 0; i < 100; i++)
    estimate_learn(&e, 512, 3, now);
  assert_true(is_near(estimate_seconds(&e, 512, now), 3, 0.01));
  assert_true(is_near(estimate_seconds(&e, 1e9, now), 3, 0.01)); /* nothing is known of a slope */
}

/* All of them 0, or equal. */
static void test_no_time_at_all(void **state) {
  (void)state;
  struct estimate e = {0};
  for (int i = 0; i < 100; i++)
    estimate_learn(&e, 0, 0, now);
  double s = estimate_seconds(&e, 0, now);
  assert_true(s > 0 && s < 0.001 && isfinite(s));
  estimate_learn(&e, NAN, 1, now);
  estimate_learn(&e, 1, -1, now);
  estimate_learn(&e, 1, INFINITY, now);
  assert_int_equal(e.samples, 100);
}

static void test_one_huge_job(void **state) {
  (void)state;
  struct estimate e = {0};
  teach(&e, 100, 1, 0, 0.1);
  estimate_learn(&e, 3000, 100000, now);
  assert_true(estimate_seconds(&e, 3000, now) < 1.6);
  for (int i = 0; i < 10; i++)
    estimate_learn(&e, 3000, 1, now);
  assert_true(is_near(estimate_seconds(&e, 3000, now), 1, 0.25));
}

/* Four times slower from one job to the next. */
static void test_follows(void **state) {
  (void)state;
  struct estimate e = {0};
  teach(&e, 300, 1, 0, 0.1);
  teach(&e, 12, 4, 0, 0.1);
  assert_true(is_near(estimate_seconds(&e, 3000, now), 4, 0.35));
  /* Nobody tells any more: it is believed to be as it was for long. */
  now += 3000 * SECOND;
  assert_true(is_near(estimate_seconds(&e, 3000, now), 1, 0.35));
}

static void test_out_of_time(void **state) {
  (void)state;
  struct estimate e = {0};
  teach(&e, 50, 10, 0, 0.1);
  double before = estimate_seconds(&e, 3000, now);
  estimate_learn_more_than(&e, 3000, 5, now); /* that says nothing */
  assert_true(estimate_seconds(&e, 3000, now) == before);
  estimate_learn_more_than(&e, 3000, 60, now);
  assert_true(estimate_seconds(&e, 3000, now) > before);
}

static void test_clock_goes_back(void **state) {
  (void)state;
  struct estimate e = {0};
  teach(&e, 50, 2, 0, 0.1);
  double s = estimate_seconds(&e, 3000, now - 86400 * SECOND);
  assert_true(is_near(s, 2, 0.2));
  estimate_learn(&e, 3000, 2, now - 86400 * SECOND);
  assert_true(is_near(estimate_seconds(&e, 3000, now), 2, 0.2));
}

static void test_restart(void **state) {
  (void)state;
  struct estimate e = {0}, back;
  struct buf text = {0};
  teach(&e, 50, 2, 0.5, 0.3);
  teach(&e, 3, 8, 0.5, 0.3);
  estimate_write(&e, now, 900 * SECOND, &text);
  assert_true(estimate_read(&back, text.data, 77 * SECOND, 960 * SECOND));
  double later = estimate_seconds(&e, 500, now + 60 * SECOND);
  assert_true(is_near(estimate_seconds(&back, 500, 77 * SECOND), later, 1e-6));
  assert_true(estimate_read(&back, text.data, 77 * SECOND, 0)); /* the clock was set back */
  assert_true(
      is_near(estimate_seconds(&back, 500, 77 * SECOND), estimate_seconds(&e, 500, now), 1e-6));
  static const char *const bad[] = {"",
                                    "1",
                                    "2 1 1 1 1 1 1 1 9 1",
                                    "1 nan 1 1 1 1 1 1 9 1",
                                    "1 1 1 1 1 1 inf 1 9 1",
                                    "1 1 1 1 -1 1 1 1 9 1",
                                    "1 1 1 1 1 1 1 1 0 1",
                                    "1 1 1 1 1 1 1 1 9 1 more"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(estimate_read(&back, bad[i], now, now));
    assert_int_equal(back.samples, 0);
  }
  assert_true(estimate_read(&back, "1 1e-300 700 700 1e300 1e300 700 1e300 9 -9223372036854775808",
                            now, INT64_MAX));
  assert_true(isfinite(estimate_seconds(&back, 1e18, now)));
  buf_free(&text);
}

/* ---- the first to end ---- */

static struct estimate models[4];
static struct estimate_candidate list[4];

static void candidates(const double *seconds, int count) {
  for (int i = 0; i < count; i++) {
    models[i] = (struct estimate){0};
    if (seconds[i] > 0)
      teach(&models[i], 50, seconds[i], 0, 0.02);
    list[i] = (struct estimate_candidate){
        .own = &models[i], .slots = 2, .free = 2, .idle = true, .able = true, .explore = true};
  }
}

static int first(size_t count) {
  estimate_all(list, count, 3000, now);
  return estimate_first(list, count);
}

static void test_least_end(void **state) {
  (void)state;
  candidates((const double[]){10, 2, 5}, 3);
  assert_int_equal(first(3), 1);
  list[1].able = false;
  assert_int_equal(first(3), 2);
  /* It has no slot, and what is ahead takes longer than the slower one needs. */
  candidates((const double[]){10, 2, 5}, 3);
  list[1].free = 0;
  list[1].ahead_s = 8; /* over two slots: 4 + 2 > 5 */
  assert_int_equal(first(3), 2);
  list[1].ahead_s = 2;
  assert_int_equal(first(3), 1); /* 1 + 2: it is better to wait */
  /* A job there is three times as late as expected, and says so before it ends. */
  list[1].late = 3;
  assert_int_equal(first(3), 2);
  list[0].slots = list[1].slots = list[2].slots = 0;
  assert_int_equal(first(3), -1);
}

/* Within a tenth the order of the route holds, so that noise does not flap. */
static void test_order_within_a_tenth(void **state) {
  (void)state;
  candidates((const double[]){10.5, 10, 9}, 3);
  assert_int_equal(first(3), 2);
  candidates((const double[]){10.5, 10, 10.2}, 3);
  assert_int_equal(first(3), 0);
}

static void test_nothing_is_known(void **state) {
  (void)state;
  candidates((const double[]){0, 0, 0}, 3);
  assert_int_equal(first(3), 0);
  list[0].free = 0;
  assert_int_equal(first(3), 1);
  list[1].free = list[2].free = 0;
  assert_int_equal(first(3), 0);
  list[0].able = false;
  assert_int_equal(first(3), 1);
}

/* A new backend is thought to be like the others: it gets jobs one at a time until it is known. */
static void test_new_backend(void **state) {
  (void)state;
  struct estimate pool = {0};
  candidates((const double[]){10, 0}, 2);
  teach(&pool, 50, 10, 0, 0.02);
  list[0].pool = list[1].pool = &pool;
  assert_int_equal(first(2), 0); /* equal: the order */
  list[0].free = 0, list[0].ahead_s = 20;
  assert_int_equal(first(2), 1);
  list[1].idle = false, list[1].free = 1;
  assert_int_equal(first(2), 0); /* not flooded */
}

/* paid: the one that costs money; -1: none. */
static int explored_one(const struct estimate_explorer *x, double size, int paid) {
  for (int i = 0; i < 2; i++)
    list[i].explore = i != paid && estimate_may_explore(x, &list[i], size, now);
  return estimate_explore(list, 2);
}

static void test_explores(void **state) {
  (void)state;
  struct estimate_explorer x = {0};
  candidates((const double[]){1, 10}, 2);
  now += ESTIMATE_IDLE_S * SECOND;
  models[0].at_us = now;
  int explored = 0;
  for (int i = 0; i < 1000; i++) {
    int at = explored_one(&x, 100, -1);
    assert_true(at == -1 || at == 1);
    explored += at == 1;
    estimate_count(&x, at >= 0);
  }
  assert_true(explored > 0 && explored <= 1000 / ESTIMATE_EXPLORE);
  for (int i = 0; i < 100; i++)
    estimate_count(&x, false);
  assert_int_equal(explored_one(&x, 100, -1), 1);
  assert_int_equal(explored_one(&x, 1e9, -1), -1); /* not with a large job */
  assert_int_equal(explored_one(&x, 100, 1), -1);
  list[1].idle = false;
  assert_int_equal(explored_one(&x, 100, -1), -1);
}

static void test_late(void **state) {
  (void)state;
  assert_true(estimate_left(10, 4) == 6);
  assert_true(estimate_left(10, 9.5) == 1.5 && estimate_left(10, 1000) == 1.5);
  assert_true(estimate_late(10, 5) == 1 && estimate_late(10, 25) == 2.5);
  assert_true(estimate_late(0, 25) == 1);
  assert_true(estimate_late(0.001, 1e9) == ESTIMATE_LATE_MOST);
}

/* ---- the simulation of tests/bench, short ---- */

static void test_simulation(void **state) {
  (void)state;
  for (int k = 0; k < 4; k++) {
    struct sim_setting o = {"", k & 2 ? 2.2 : 1.4, k & 1, 3000, 0x9E3779B97F4A7C15U};
    double oracle = sim_run(&o, SIM_ORACLE), oracle_now = sim_run(&o, SIM_ORACLE_NOW);
    double fastest = sim_run(&o, SIM_FASTEST), best = oracle < oracle_now ? oracle : oracle_now;
    assert_true(fastest <= best * 1.20);
    for (int p = SIM_FIXED_0; p <= SIM_FIXED_2; p++)
      assert_true(fastest <= sim_run(&o, (enum sim_policy)p) * 1.05);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_learns_the_line, setup),
      cmocka_unit_test_setup(test_mean_not_median, setup),
      cmocka_unit_test_setup(test_one_size_only, setup),
      cmocka_unit_test_setup(test_no_time_at_all, setup),
      cmocka_unit_test_setup(test_one_huge_job, setup),
      cmocka_unit_test_setup(test_follows, setup),
      cmocka_unit_test_setup(test_out_of_time, setup),
      cmocka_unit_test_setup(test_clock_goes_back, setup),
      cmocka_unit_test_setup(test_restart, setup),
      cmocka_unit_test_setup(test_least_end, setup),
      cmocka_unit_test_setup(test_order_within_a_tenth, setup),
      cmocka_unit_test_setup(test_nothing_is_known, setup),
      cmocka_unit_test_setup(test_new_backend, setup),
      cmocka_unit_test_setup(test_explores, setup),
      cmocka_unit_test_setup(test_late, setup),
      cmocka_unit_test_setup(test_simulation, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
