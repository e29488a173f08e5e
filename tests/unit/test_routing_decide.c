/* SPDX-License-Identifier: MIT
 *
 * The decision over a snapshot of candidates: admission with one reason each, policies, bars.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/money.h"
#include "routing/routing.h"

#include <string.h>

static const char *const mesh[] = {"mesh", NULL};
static struct backend_facts made[3];
static struct candidate list[3];

static int setup(void **state) {
  static const char *const names[] = {"a", "b", "c"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    made[i] = (struct backend_facts){
        .name = names[i], .state = FACTS_READY, .state_word = "ready", .kinds = mesh, .slots = 2};
    list[i] = (struct candidate){.backend = &made[i]};
  }
  return 0;
}

/* "a", or "-". */
static const char *taken(enum route_policy policy) {
  const struct candidate *c = decide(policy, list, 3);
  return c ? c->backend->name : "-";
}

static void test_words(void **state) {
  (void)state;
  assert_null(admission_word(ADMISSION_YES));
  for (int a = ADMISSION_YES + 1; a < ADMISSION_COUNT; a++) {
    assert_non_null(admission_word((enum admission)a));
    assert_non_null(admission_text((enum admission)a));
  }
  for (int policy = ROUTE_ORDERED; policy <= ROUTE_CHEAPEST; policy++)
    assert_int_equal(route_policy_parse(route_policy_word((enum route_policy)policy)), policy);
  assert_int_equal(route_policy_parse("best"), -1);
}

/* From the last that counts to the first: each one hides those before it. */
static void test_one_reason_each(void **state) {
  struct bar drained = {.reason = ADMISSION_DRAINED};
  struct candidate *a = &list[0];
  (void)state;
  assert_string_equal(taken(ROUTE_ORDERED), "a");
  assert_int_equal(a->admission, ADMISSION_YES);
  a->lacks = 1;
  assert_string_equal(taken(ROUTE_ORDERED), "b");
  assert_int_equal(a->admission, ADMISSION_BUDGET);
  assert_true(candidate_is_busy(a));
  a->full = true;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_FULL);
  assert_true(candidate_is_busy(a));
  a->bar = &drained;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_DRAINED);
  assert_false(candidate_is_busy(a));
  made[0].state = FACTS_COMING;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_NOT_READY);
  a->unfit = true;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_UNFIT);
  a->elsewhere = true;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_PINNED_ELSEWHERE);
  a->excluded = true;
  taken(ROUTE_ORDERED);
  assert_int_equal(a->admission, ADMISSION_EXCLUDED);
  list[1].full = list[2].full = true;
  assert_string_equal(taken(ROUTE_ORDERED), "-");
  assert_string_equal(taken(ROUTE_SPREAD), "-");
}

/* The canary of a drawn job goes before any policy, where it can. */
static void test_the_canary(void **state) {
  (void)state;
  list[0].preferred = true;
  list[0].ahead = 1;
  assert_string_equal(taken(ROUTE_SPREAD), "a");
  list[0].full = true;
  assert_string_equal(taken(ROUTE_SPREAD), "b");
}

/* Money that is spent is not a place that becomes free. */
static void test_a_budget_of_money(void **state) {
  struct bar money = {.reason = ADMISSION_BUDGET, .why = "10.00 EUR of 10.00 EUR are spent"};
  struct buf b = {0};
  (void)state;
  list[0].bar = &money;
  assert_string_equal(taken(ROUTE_ORDERED), "b");
  assert_string_equal(admission_word(list[0].admission), "budget");
  assert_false(candidate_is_busy(&list[0]));
  candidate_blame(&list[0], &b);
  assert_string_equal(b.data,
                      "backend 'a' has no budget left for it: 10.00 EUR of 10.00 EUR are spent");
  buf_free(&b);
}

static void test_spread(void **state) {
  (void)state;
  assert_string_equal(taken(ROUTE_SPREAD), "a"); /* of equals, the first */
  list[0].ahead = 1;
  assert_string_equal(taken(ROUTE_SPREAD), "b");
  list[1].ahead = 1;
  assert_string_equal(taken(ROUTE_SPREAD), "c");
  list[2].ahead = 2, made[2].slots = 8; /* 2/8 is less than 1/2 */
  assert_string_equal(taken(ROUTE_SPREAD), "c");
  made[2].slots = 3; /* 2/3 is not */
  assert_string_equal(taken(ROUTE_SPREAD), "a");
  list[0].full = true;
  assert_string_equal(taken(ROUTE_SPREAD), "b");
  made[1].slots = 0; /* counts as one */
  assert_string_equal(taken(ROUTE_SPREAD), "c");
  assert_string_equal(taken(ROUTE_ORDERED), "b");
}

static void test_cheapest(void **state) {
  (void)state;
  list[0].cost = list[1].cost = list[2].cost = MONEY_UNKNOWN;
  assert_string_equal(taken(ROUTE_CHEAPEST), "a"); /* nobody knows, so the order decides */
  list[1].cost = 1;
  assert_string_equal(taken(ROUTE_CHEAPEST), "b");
  list[2].cost = 0; /* a price */
  assert_string_equal(taken(ROUTE_CHEAPEST), "c");
  list[1].cost = 0;
  assert_string_equal(taken(ROUTE_CHEAPEST), "b"); /* of equals, the first */
  list[1].too_slow = list[2].too_slow = true;
  assert_string_equal(taken(ROUTE_CHEAPEST), "a");
  list[0].full = true;
  assert_string_equal(taken(ROUTE_CHEAPEST), "b");
}

/* What a job's earlier attempts took is no place that becomes free either. */
static void test_a_job_without_money(void **state) {
  struct buf b = {0};
  (void)state;
  list[0].dear = list[0].full = true;
  assert_string_equal(taken(ROUTE_ORDERED), "b");
  assert_int_equal(list[0].admission, ADMISSION_BUDGET);
  assert_false(candidate_is_busy(&list[0]));
  candidate_blame(&list[0], &b);
  assert_non_null(strstr(b.data, "budget_job"));
  buf_free(&b);
}

static void test_bars(void **state) {
  struct facts f = {0};
  const struct bar breaker = {.reason = ADMISSION_BREAKER, .why = "refused", .until_us = 7},
                   again = {.reason = ADMISSION_BREAKER, .why = "reset"},
                   guard = {.reason = ADMISSION_GUARD, .kind = (char *)"mesh"},
                   drain = {.reason = ADMISSION_DRAINED};
  (void)state;
  const struct backend_facts *b = facts_of(&f, "a");
  assert_null(bar_find(b->bars, "mesh"));
  facts_bar(&f, "a", &guard);
  assert_int_equal(bar_find(b->bars, "mesh")->reason, ADMISSION_GUARD);
  assert_null(bar_find(b->bars, "preview"));
  facts_bar(&f, "a", &breaker);
  assert_int_equal(bar_find(b->bars, "mesh")->reason, ADMISSION_BREAKER);
  assert_int_equal(bar_find(b->bars, "preview")->until_us, 7);
  facts_bar(&f, "a", &again); /* in the place of the first */
  assert_string_equal(bar_find(b->bars, "preview")->why, "reset");
  facts_bar(&f, "a", &drain);
  assert_int_equal(bar_find(b->bars, "mesh")->reason, ADMISSION_DRAINED);
  facts_begin(&f); /* its backend goes and comes: the bars stay */
  facts_end(&f);
  facts_begin(&f);
  facts_tell(&f, &made[0]);
  facts_end(&f);
  assert_false(facts_takes(b, "mesh"));
  assert_true(facts_unbar(&f, "a", ADMISSION_DRAINED, NULL));
  assert_false(facts_unbar(&f, "a", ADMISSION_DRAINED, NULL));
  assert_true(facts_unbar(&f, "a", ADMISSION_BREAKER, NULL));
  assert_false(facts_unbar(&f, "a", ADMISSION_GUARD, NULL)); /* it is of one kind */
  assert_false(facts_unbar(&f, "b", ADMISSION_GUARD, "mesh"));
  assert_true(facts_unbar(&f, "a", ADMISSION_GUARD, "mesh"));
  assert_true(facts_takes(b, "mesh"));
  assert_false(facts_takes(b, "preview"));
  facts_bar(&f, "a", &drain); /* to be freed with the table */
  facts_free(&f);
}

/* A bar for a drain is told before an open breaker, one of a guard after it. */
static void test_breaker(void **state) {
  (void)state;
  struct breaker open = {.state = BREAKER_OPEN, .reason = "connection refused"};
  struct backend_facts b = {.name = "a", .state = FACTS_READY, .breaker = &open};
  struct bar drained = {.reason = ADMISSION_DRAINED, .why = (char *)"for the night"};
  struct bar guard = {.reason = ADMISSION_GUARD, .why = (char *)"too many errors"};
  struct candidate c = {.backend = &b, .cut_off = true};
  struct buf text = {0};
  assert_null(decide(ROUTE_ORDERED, &c, 1));
  assert_int_equal(c.admission, ADMISSION_BREAKER);
  assert_true(candidate_is_kept_away(&c));
  candidate_blame(&c, &text);
  assert_string_equal(text.data, "backend 'a' is cut off by its breaker: connection refused");
  c.bar = &guard;
  decide(ROUTE_ORDERED, &c, 1);
  assert_int_equal(c.admission, ADMISSION_BREAKER);
  assert_string_equal(candidate_detail(&c), "connection refused");
  c.bar = &drained;
  decide(ROUTE_ORDERED, &c, 1);
  assert_int_equal(c.admission, ADMISSION_DRAINED);
  assert_string_equal(candidate_detail(&c), "for the night");
  c.full = c.cut_off = false, c.bar = NULL;
  assert_ptr_equal(decide(ROUTE_ORDERED, &c, 1), &c);
  assert_false(candidate_is_kept_away(&c));
  buf_free(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
      T(test_words),  T(test_one_reason_each), T(test_a_budget_of_money),
      T(test_spread), T(test_cheapest),        T(test_a_job_without_money),
      T(test_bars),   T(test_breaker),         T(test_the_canary),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
