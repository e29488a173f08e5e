/* SPDX-License-Identifier: MIT */
#include "base/money.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void amounts_are_read_and_written_exactly(void **state) {
  static const struct {
    const char *text, *shown;
    int64_t amount;
  } good[] = {
      {"0", "0", 0},
      {"0.0004", "0.0004", 400000},
      {"12", "12", 12 * MONEY_UNIT},
      {"0.000000001", "0.000000001", 1},
      {".5", "0.5", MONEY_UNIT / 2},
      {"1.100", "1.1", MONEY_UNIT + MONEY_UNIT / 10},
      {"1000000000", "1000000000", MONEY_MOST},
  };
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    struct buf b = {0};
    struct err err;
    int64_t amount = -5;
    assert_int_equal(money_parse(good[i].text, &amount, &err), 0);
    assert_int_equal(amount, good[i].amount);
    money_put(&b, amount);
    assert_string_equal(b.data, good[i].shown);
    buf_free(&b);
  }
}

static void what_is_no_amount_is_refused(void **state) {
  static const char *const bad[] = {
      "",      "-1",    "1.", "1,5", "1e3",        "0.0000000001",
      "1 EUR", "1.2.3", ".",  "$1",  "1000000001", "99999999999999999999999999"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct err err = {0};
    int64_t amount = -5;
    assert_int_equal(money_parse(bad[i], &amount, &err), ERR_INVAL);
    assert_int_equal(amount, -5);
    assert_non_null(strstr(err.text, bad[i][0] ? bad[i] : "not an amount"));
  }
}

static void numbers_that_cannot_be_kept_are_unknown(void **state) {
  (void)state;
  assert_int_equal(money_of_number(0.2), MONEY_UNIT / 5);
  assert_int_equal(money_of_number(0), 0);
  assert_int_equal(money_of_number(-0.1), MONEY_UNKNOWN);
  assert_int_equal(money_of_number(1.7e308), MONEY_UNKNOWN);
  assert_int_equal(money_of_number((double)NAN), MONEY_UNKNOWN);
}

static void time_has_a_price(void **state) {
  (void)state;
  assert_int_equal(money_for_time(MONEY_UNIT, 1500000), MONEY_UNIT + MONEY_UNIT / 2);
  assert_int_equal(money_for_time(400000, 2500), 1000);
  assert_int_equal(money_for_time(0, INT64_MAX), 0);
  assert_int_equal(money_for_time(MONEY_UNIT, -5), 0);
  assert_int_equal(money_for_time(MONEY_MOST, 999999), MONEY_MOST / 1000000 * 999999);
  assert_int_equal(money_for_time(MONEY_MOST, INT64_MAX), INT64_MAX);
  assert_int_equal(money_add(INT64_MAX, 1), INT64_MAX);
}

static void a_currency_is_three_capital_letters(void **state) {
  (void)state;
  assert_true(money_is_currency("EUR"));
  assert_false(money_is_currency("eur"));
  assert_false(money_is_currency("EURO"));
  assert_false(money_is_currency(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(amounts_are_read_and_written_exactly),
      cmocka_unit_test(what_is_no_amount_is_refused),
      cmocka_unit_test(numbers_that_cannot_be_kept_are_unknown),
      cmocka_unit_test(time_has_a_price),
      cmocka_unit_test(a_currency_is_three_capital_letters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
