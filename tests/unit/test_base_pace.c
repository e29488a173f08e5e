/* SPDX-License-Identifier: MIT
 *
 * One clock for a service that limits the rate: closed as long as it asks, longer when it goes on
 * saying so, opened one by one, and never closed for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pace.h"

static void what_is_asked_for_is_never_undercut(void **state) {
  (void)state;
  for (uint64_t dice = 0; dice < 3000; dice++) {
    struct pace p = {0};
    assert_true(pace_open(&p, 0, 1000));
    pace_limited(&p, 5000, 4900, 2000, dice * 7919);
    assert_in_range(p.until_ms, 7000, 7500);
    assert_false(pace_open(&p, 6999, 0));
    assert_true(pace_open(&p, p.until_ms, 0));
    assert_false(pace_open(&p, p.until_ms, 1));
  }
}

static void many_at_the_same_time_are_one_limit(void **state) {
  struct pace p = {0};
  (void)state;
  for (int i = 0; i < 60; i++)
    pace_limited(&p, 1000 + i, 900, 0, 0);
  assert_int_equal(p.limits, 1);
  assert_int_equal(p.until_ms, 2000);
  pace_limited(&p, 1100, 900, 5000, 0); /* one says more than was guessed */
  assert_int_equal(p.until_ms, 6100);
}

static void without_a_time_it_doubles_and_has_an_end(void **state) {
  struct pace p = {0};
  int64_t now = 0, last = 0;
  (void)state;
  for (int i = 0; i < 200; i++) {
    pace_limited(&p, now, now, 0, 0);
    int64_t delay = p.until_ms - now;
    assert_true(delay >= last && delay <= PACE_LAST_MS);
    last = delay;
    now = p.until_ms;
  }
  assert_int_equal(last, PACE_LAST_MS);
}

static void nobody_closes_it_for_ever(void **state) {
  struct pace p = {0};
  (void)state;
  pace_limited(&p, 0, 0, INT64_MAX, UINT64_MAX);
  assert_in_range(p.until_ms, PACE_ASKED_MS, PACE_ASKED_MS + PACE_ASKED_MS / 4);
  p = (struct pace){0};
  for (int64_t i = 0, now = 0; i < 100; i++, now = p.until_ms) /* "1 s", for hours */
    pace_limited(&p, now, now, 1000, 0);
  assert_true(p.until_ms > 60 * (int64_t)PACE_LAST_MS);
}

static void it_opens_by_and_by(void **state) {
  struct pace p = {0};
  (void)state;
  pace_limited(&p, 0, 0, 1000, 0);
  pace_fine(&p, -5, 3); /* was asked before */
  assert_int_equal(p.room, 1);
  pace_fine(&p, 1000, 3);
  assert_true(pace_open(&p, 1000, 1));
  assert_false(pace_open(&p, 1000, 2));
  pace_fine(&p, 1000, 3);
  assert_true(pace_open(&p, 1000, 1000));
  assert_int_equal(p.limits, 0);
}

/* Who was told so is another one: the later time holds, and then one may ask. */
static void closed_by_another_one(void **state) {
  struct pace p = {0};
  (void)state;
  pace_close(&p, 4000);
  assert_false(pace_open(&p, 3999, 0));
  assert_true(pace_open(&p, 4000, 0));
  assert_false(pace_open(&p, 4000, 1));
  pace_close(&p, 1000); /* an earlier time opens nothing */
  assert_int_equal(p.until_ms, 4000);
  pace_limited(&p, 4000, 4000, 1000, 0);
  assert_int_equal(p.until_ms, 5000);
  pace_fine(&p, 5000, 1);
  assert_true(pace_open(&p, 5000, 100));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_asked_for_is_never_undercut),
      cmocka_unit_test(many_at_the_same_time_are_one_limit),
      cmocka_unit_test(without_a_time_it_doubles_and_has_an_end),
      cmocka_unit_test(nobody_closes_it_for_ever),
      cmocka_unit_test(it_opens_by_and_by),
      cmocka_unit_test(closed_by_another_one),
  };
  return cmocka_run_group_tests_name("base_pace", tests, NULL, NULL);
}
