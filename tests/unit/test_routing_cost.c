/* SPDX-License-Identifier: MIT */
#include "routing/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct cost_price none = {MONEY_UNKNOWN, MONEY_UNKNOWN, ""};

static void nothing_and_zero_differ(void **state) {
  const struct cost_price zero = {0, MONEY_UNKNOWN, ""}, job = {MONEY_UNKNOWN, 0, ""};
  (void)state;
  assert_false(cost_has_price(&none));
  assert_int_equal(cost_of_time(&none, 1000000), MONEY_UNKNOWN);
  assert_true(cost_has_price(&zero));
  assert_int_equal(cost_of_time(&zero, 1000000), 0);
  assert_true(cost_has_price(&job));
  assert_int_equal(cost_of_time(&job, 1000000), 0);
}

static void both_prices_add_up(void **state) {
  const struct cost_price both = {MONEY_UNIT / 100, MONEY_UNIT, "EUR"};
  (void)state;
  assert_int_equal(cost_of_time(&both, 2500000), MONEY_UNIT + MONEY_UNIT / 40);
  assert_int_equal(cost_of_time(&both, 0), MONEY_UNIT);
}

/* At first the time limit, then what was learned, of which the dearest five percent are left out. */
static void what_is_reserved_is_learned(void **state) {
  const struct cost_price price = {MONEY_UNIT, MONEY_UNKNOWN, "EUR"};
  struct cost_history h = {0};
  (void)state;
  assert_int_equal(cost_reserve(&price, NULL, 900000000), 900 * MONEY_UNIT);
  for (int i = 1; i < COST_KNOWN; i++)
    cost_learn(&h, 2 * MONEY_UNIT);
  assert_int_equal(cost_reserve(&price, &h, 900000000), 900 * MONEY_UNIT);
  cost_learn(&h, 2 * MONEY_UNIT);
  assert_int_equal(cost_reserve(&price, &h, 900000000), 2 * MONEY_UNIT);
  assert_int_equal(cost_mean(&h), 2 * MONEY_UNIT);
  for (int64_t i = 1; i <= 100; i++) /* the last 64 of them: 37 to 100 */
    cost_learn(&h, i * MONEY_UNIT);
  assert_int_equal(cost_high(&h), 97 * MONEY_UNIT);
  assert_int_equal(cost_mean(&h), (37 + 100) * MONEY_UNIT / 2);
  assert_int_equal(cost_reserve(&none, NULL, 900000000), MONEY_UNKNOWN);
}

static void what_is_expected(void **state) {
  const struct cost_price timed = {MONEY_UNIT, 1, ""}, each = {MONEY_UNKNOWN, 7, ""};
  (void)state;
  assert_int_equal(cost_expected(&none, MONEY_UNKNOWN, false, 1000000), MONEY_UNKNOWN);
  assert_int_equal(cost_expected(&none, 5, true, 0), 5); /* the plugin says it */
  assert_int_equal(cost_expected(&timed, 5, true, 2000000), 5);
  assert_int_equal(cost_expected(&timed, 5, false, 2000000), 2 * MONEY_UNIT + 1);
  assert_int_equal(cost_expected(&timed, 5, false, 0), 5);
  assert_int_equal(cost_expected(&timed, MONEY_UNKNOWN, false, 0), MONEY_UNKNOWN);
  assert_int_equal(cost_expected(&each, MONEY_UNKNOWN, false, 0), 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_and_zero_differ),
      cmocka_unit_test(both_prices_add_up),
      cmocka_unit_test(what_is_reserved_is_learned),
      cmocka_unit_test(what_is_expected),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
