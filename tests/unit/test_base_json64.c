/* SPDX-License-Identifier: MIT
 *
 * Integers of JSON are exact to 64 bits, of both sorts, and come out as they went in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json64.h"

#include <stdlib.h>
#include <string.h>

static void there_and_back(void **state) {
  static const char *const texts[] = {
      "9007199254740993",
      "1152921504606846976",
      "9223372036854775807",
      "-9223372036854775808",
      "9223372036854775808",
      "18446744073709551615",
      "[18446744073709551615,9007199254740993,\"18446744073709551615\",-1]",
      "{\"a\\\"b\":18446744073709551614,\"c\":{\"d\":[9223372036854775808]},\"e\":\"\\\\\"}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    json_t *v = json64_load(texts[i], strlen(texts[i]), JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    char *text = json64_dump(v, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_string_equal(text, texts[i]);
    free(text);
    json_decref(v);
  }
}

/* The mark is a code point that a stranger can send, too: found by tests/fuzz, as a value that
 * became bare JSON, and as text that became a number. */
static void a_strangers_mark_is_refused(void **state) {
  static const char *const texts[] = {
      "\"\xEF\xB7\x90msh,vtu\"",
      "{\"\xEF\xB7\x90"
      "9223372036854775808\":1}",
      "[\"\xEF\xB7\x90"
      "9223372036854775808\",18446744073709551615]",
      "\"\\ufdd09223372036854775808\"",
      "[\"\\\\\\uFDD0\"]",
  };
  static const char allowed[] = "[\"\\\\ufdd0\",\"\\ufdd1\",18446744073709551615]";
  json_error_t e;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_null(json64_load(texts[i], strlen(texts[i]), JSON_DECODE_ANY, &e));
    assert_non_null(strstr(e.text, "U+FDD0"));
  }
  json_t *v = json64_load(allowed, strlen(allowed), 0, &e);
  assert_non_null(v);
  json_decref(v);
}

static void what_is_past_both_is_a_real(void **state) {
  static const char *const texts[] = {"18446744073709551616", "-9223372036854775809",
                                      "123456789012345678901234567890"};
  wide_int ignored;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    json_t *v = json64_load(texts[i], strlen(texts[i]), JSON_DECODE_ANY, NULL);
    assert_true(json_is_real(v));
    assert_false(json64_int(v, &ignored));
    assert_true(json64_is_number(v));
    json_decref(v);
  }
}

static void what_is_no_json_stays_none(void **state) {
  static const char *const texts[] = {"[18446744073709551615",
                                      "18446744073709551615 1",
                                      "{\"a\":18446744073709551615,\"a\":1}",
                                      "\"\xff\"",
                                      "[--1]",
                                      "[018446744073709551615]"};
  json_error_t e;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_null(json64_load(texts[i], strlen(texts[i]), JSON_REJECT_DUPLICATES, &e));
}

static void reals_are_integers_while_they_are_exact(void **state) {
  wide_int v;
  (void)state;
  json_t *small = json_real(5.0), *odd = json_real(5.5), *large = json_real(1e18);
  assert_true(json64_int(small, &v) && v == 5);
  assert_false(json64_int(odd, &v));
  assert_false(json64_int(large, &v));
  json_decref(small);
  json_decref(odd);
  json_decref(large);
}

static void texts_of_integers(void **state) {
  static const char *const bad[] = {"",
                                    "-",
                                    "+",
                                    "1.0",
                                    "1e3",
                                    " 1",
                                    "0x1",
                                    "18446744073709551616",
                                    "-9223372036854775809",
                                    "99999999999999999999999999999999999999999"};
  char text[WIDE_TEXT];
  wide_int v;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(wide_read(bad[i], &v));
  assert_true(wide_read("-9223372036854775808", &v));
  assert_string_equal(wide_text(v, text), "-9223372036854775808");
  assert_true(wide_read("+18446744073709551615", &v));
  assert_string_equal(wide_text(v, text), "18446744073709551615");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(there_and_back),
      cmocka_unit_test(a_strangers_mark_is_refused),
      cmocka_unit_test(what_is_past_both_is_a_real),
      cmocka_unit_test(what_is_no_json_stays_none),
      cmocka_unit_test(reals_are_integers_while_they_are_exact),
      cmocka_unit_test(texts_of_integers),
  };
  return cmocka_run_group_tests_name("base_json64", tests, NULL, NULL);
}
