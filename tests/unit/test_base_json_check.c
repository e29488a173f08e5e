/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_check.h"

#include <stdlib.h>
#include <string.h>

/* In memory that ends where the text ends, so that a sanitizer sees one byte too far. */
static bool check(const char *text, int depth, bool compact) {
  size_t len = strlen(text);
  char *exact = malloc(len ? len : 1);
  memcpy(exact, text, len);
  bool fine = json_check_object(exact, len, depth, compact);
  free(exact);
  return fine;
}

static void test_what_is_json(void **state) {
  static const char *const good[] = {
      "{}",
      "{\"a\":1,\"b\":[true,false,null,-0,0.5,1e3,1E-3,-12.25e+2]}",
      "{\"\":{\"\\u0041\\ud83d\\ude00\\n\\\"\\/\":\"\xc3\xa9\xf0\x9f\x98\x80\"}}",
      "{\"a\":\"\\u0001\\\\u0000\\ufdd1\xef\xb7\x91\"}",
      "{\"n\":18446744073709551615,\"m\":-9223372036854775808}",
      "{\"a\":[],\"b\":{}}",
  };
  static const char *const bad[] = {
      "",
      "[]",
      "1",
      "{",
      "{}}",
      "{}{}",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1,}",
      "{,}",
      "{a:1}",
      "{\"a\":01}",
      "{\"a\":1.}",
      "{\"a\":.5}",
      "{\"a\":+1}",
      "{\"a\":1e}",
      "{\"a\":-}",
      "{\"a\":NaN}",
      "{\"a\":tru}",
      "{\"a\":[1,]}",
      "{\"a\":[1 2]}",
      "{\"a\":\"",
      "{\"a\":\"\\x\"}",
      "{\"a\":\"\\u12\"}",
      "{\"a\":\"\\ud800\"}",
      "{\"a\":\"\\ud800\\u0041\"}",
      "{\"a\":\"\\udc00\"}",
      "{\"a\":\"\\u0000\"}",
      "{\"\\u0000\":1}",
      "{\"a\":\"\\ufdd0\"}",
      "{\"a\":\"\\uFDD0\"}",
      "{\"a\":\"\xef\xb7\x90\"}",
      "{\"a\":\"\n\"}",
      "{\"a\":\"\xff\"}",
      "{\"a\":\"\xc0\x80\"}",
      "{\"a\":\"\xed\xa0\x80\"}",
      "{\"a\":1e999}",
      "{\"a\":18446744073709551616}",
      "{\"a\":\"\\",
      "{\"a\":\"\xc3",
      "\xef\xbb\xbf{}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!check(good[i], 10, true))
      fail_msg("refused: %s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (check(bad[i], 10, false))
      fail_msg("taken: %s", bad[i]);
  assert_false(json_check_object("{}\0", 3, 10, false));
}

static void test_depth(void **state) {
  (void)state;
  assert_true(check("{\"a\":[[1]]}", 4, true));
  assert_false(check("{\"a\":[[1]]}", 3, true));
  char deep[20001] = "{\"a\":";
  memset(deep + 5, '[', sizeof deep - 6);
  assert_false(check(deep, 64, true));
}

static void test_compact(void **state) {
  const char *text = " { \"a b\" : [ 1 ,\r\n\t2 ] , \"c\\\" d\" : \"\\\\\" } \n";
  struct buf b = {0};
  (void)state;
  assert_true(check(text, 10, false));
  assert_false(check(text, 10, true));
  json_put_compact(&b, text, strlen(text));
  assert_string_equal(b.data, "{\"a b\":[1,2],\"c\\\" d\":\"\\\\\"}");
  assert_true(check(b.data, 10, true));
  buf_free(&b);
}

static void test_measure(void **state) {
  static const struct {
    const char *text;
    size_t depth_max, most;
    enum json_excess excess;
    size_t values;
  } cases[] = {
      {"1", 1, 1, JSON_FITS, 1},
      {"[]", 1, 2, JSON_FITS, 2},
      {"[[]]", 1, 9, JSON_TOO_DEEP, 3},
      {"[1,2,3]", 1, 9, JSON_FITS, 4},
      {"[1,2,3]", 1, 3, JSON_TOO_MANY, 4},
      {"{\"a,[{:\\\",\": 1}", 1, 3, JSON_FITS, 3}, /* what stands in a text does not count */
      {"]]]]", 1, 1, JSON_FITS, 1},
      {"\"\\", 1, 1, JSON_FITS, 1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t values = cases[i].most, at;
    assert_int_equal(
        json_measure(cases[i].text, strlen(cases[i].text), cases[i].depth_max, &values, &at),
        cases[i].excess);
    assert_int_equal(values, cases[i].values);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_json),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_compact),
      cmocka_unit_test(test_measure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
