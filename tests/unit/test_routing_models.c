/* SPDX-License-Identifier: MIT
 *
 * The estimates of kinds and backends, and the policy that goes by them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/routing.h"

#include <string.h>

#define SECOND INT64_C(1000000)

static struct backend_facts made[3];
static struct candidate list[3];
static struct estimate own[3];

static int setup(void **state) {
  static const char *const names[] = {"a", "b", "c"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    made[i] = (struct backend_facts){
        .name = names[i], .state = FACTS_READY, .state_word = "ready", .slots = 2, .index = i};
    own[i] = (struct estimate){.samples = 50};
    list[i] = (struct candidate){.backend = &made[i], .estimate = {.own = &own[i], .slots = 2}};
  }
  return 0;
}

/* "a", or "-". */
static const char *taken(void) {
  const struct candidate *c = decide(ROUTE_FASTEST, list, 3);
  return c ? c->backend->name : "-";
}

static void times(double a, double b, double c) {
  list[0].estimate.run_s = a, list[1].estimate.run_s = b, list[2].estimate.run_s = c;
}

static void test_each_has_its_own(void **state) {
  struct models m = {0};
  struct backend_facts far = {.name = "far", .index = 100};
  size_t pos = 0;
  (void)state;
  for (int i = 0; i < 10; i++) {
    estimate_learn(models_of(&m, "mesh", &made[1]), 10, 4, SECOND);
    estimate_learn(models_of(&m, "mesh", &far), 10, 9, SECOND);
    estimate_learn(models_of(&m, "mesh", NULL), 10, 6, SECOND);
  }
  assert_int_equal(models_of(&m, "mesh", &made[0])->samples, 0);
  assert_int_equal(models_of(&m, "mesh", &made[1])->samples, 10);
  assert_true(estimate_seconds(models_of(&m, "mesh", &far), 10, SECOND) > 8);
  assert_int_equal(models_of(&m, "preview", &made[1])->samples, 0);
  models_forget(&m, &far);
  assert_int_equal(models_of(&m, "mesh", &far)->samples, 0);
  assert_int_equal(models_of(&m, "mesh", NULL)->samples, 10);
  int kinds = 0;
  while (models_next(&m, &pos))
    kinds++;
  assert_int_equal(kinds, 2);
  models_free(&m);
}

static void test_the_first_to_end(void **state) {
  (void)state;
  times(10, 2, 5);
  assert_string_equal(taken(), "b");
  list[1].cut_off = true;
  assert_string_equal(taken(), "c");
  list[1].cut_off = false, list[1].excluded = true;
  assert_string_equal(taken(), "c");
}

/* None gets it, though two have a slot: it is done earlier where it has to wait. */
static void test_waits_for_the_faster(void **state) {
  (void)state;
  times(10, 2, 12);
  list[1].full = true, list[1].estimate.wait_s = 3;
  assert_string_equal(taken(), "-");
  assert_true(list[1].awaited);
  list[1].estimate.wait_s = 9;
  setup(NULL);
  times(10, 2, 12);
  list[1].full = true, list[1].estimate.wait_s = 9;
  assert_string_equal(taken(), "a");
  assert_false(list[1].awaited);
  /* Nobody knows when memory is free again: it is not waited for. */
  setup(NULL);
  times(10, 2, 12);
  list[1].lacks = 1;
  assert_string_equal(taken(), "a");
}

static void test_to_see_how_it_is(void **state) {
  (void)state;
  times(10, 2, 5);
  list[0].estimate.explore = true;
  assert_string_equal(taken(), "a");
  list[0].ahead = 1; /* it will be known when that ends */
  assert_string_equal(taken(), "b");
}

/* Fast failures do not look fast. */
static void test_one_that_only_fails(void **state) {
  (void)state;
  own[0] = (struct estimate){0}; /* like the others, as far as is known */
  times(2, 2, 2);
  assert_string_equal(taken(), "a");
  for (int i = 0; i < ESTIMATE_MISSES; i++)
    estimate_miss(&own[0]);
  assert_string_equal(taken(), "b");
  list[1].full = list[2].full = list[1].excluded = list[2].excluded = true;
  assert_string_equal(taken(), "a"); /* there is no other one */
  setup(NULL);
  times(1, 2, 2);
  for (int i = 0; i < ESTIMATE_MISSES; i++)
    estimate_miss(&own[0]);
  estimate_learn(&own[0], 1, 1, SECOND);
  assert_string_equal(taken(), "a");
}

static void test_many_candidates(void **state) {
  static struct candidate many[100];
  static struct estimate known = {.samples = 50};
  (void)state;
  for (size_t i = 0; i < 100; i++)
    many[i] = (struct candidate){
        .backend = &made[0], .estimate = {.own = &known, .slots = 2, .run_s = i == 63 ? 1 : 10}};
  assert_ptr_equal(decide(ROUTE_FASTEST, many, 100), &many[63]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
      T(test_each_has_its_own), T(test_the_first_to_end),    T(test_waits_for_the_faster),
      T(test_to_see_how_it_is), T(test_one_that_only_fails), T(test_many_candidates),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
