/* SPDX-License-Identifier: MIT
 *
 * Pauses that double up to a limit, and numbers that spread them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"

static void doubles_up_to_the_last(void **state) {
  static const int64_t want[] = {100, 200, 400, 800, 1000, 1000};
  (void)state;
  for (int failures = 1; failures <= 6; failures++)
    assert_int_equal(backoff_delay(failures, 100, 1000), want[failures - 1]);
  assert_int_equal(backoff_delay(0, 100, 1000), 100);
  assert_int_equal(backoff_delay(1, 2000, 1000), 1000); /* the last one holds for the first, too */
  assert_int_equal(backoff_delay(1 << 30, 1, INT64_MAX), INT64_MAX);
}

static void numbers_reach_both_ends_and_no_further(void **state) {
  uint64_t seed = 1;
  int seen[4] = {0};
  (void)state;
  for (int i = 0; i < 4000; i++) {
    int64_t n = random_up_to(random_next(&seed), 3);
    assert_in_range(n, 0, 3);
    seen[n]++;
  }
  for (int n = 0; n < 4; n++)
    assert_in_range(seen[n], 800, 1200); /* the seed is fixed, and so is what comes of it */
  assert_int_equal(random_up_to(random_next(&seed), 0), 0);
  assert_true(random_up_to(UINT64_MAX, INT64_MAX) >= 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_up_to_the_last),
      cmocka_unit_test(numbers_reach_both_ends_and_no_further),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
