/* SPDX-License-Identifier: MIT
 *
 * Texts of others on a terminal.
 */
#include "base/terminal.h"

#include "base/utf8.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_put(const char *text, size_t len, enum terminal_form form,
                       const char *expected) {
  struct buf b = {0};
  terminal_put(&b, text, len, form);
  assert_string_equal(b.len ? b.data : "", expected);
  buf_free(&b);
}

static void controls_become_escapes(void **state) {
  (void)state;
  static const struct {
    const char *text, *shown;
  } cases[] = {
      {"plain", "plain"},
      {"\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"},
      {"\x1b]0;title\x07", "\\u001b]0;title\\u0007"},
      {"c1 \xc2\x9b"
       "31m",
       "c1 \\u009b31m"},
      {"nel \xc2\x85", "nel \\u0085"},
      {"del \x7f", "del \\u007f"},
      {"over\rwritten", "over\\u000dwritten"},
      {"bell\b\b", "bell\\u0008\\u0008"},
      {"exe\xe2\x80\xaegpj", "exe\\u202egpj"},
      {"iso\xe2\x81\xa6late\xe2\x81\xa9", "iso\\u2066late\\u2069"},
      {"\xe2\x80\x8f\xe2\x80\x8e\xd8\x9c", "\\u200f\\u200e\\u061c"},
      {"line\xe2\x80\xa8para\xe2\x80\xa9", "line\\u2028para\\u2029"},
      {"zero\xe2\x80\x8bwidth\xef\xbb\xbf", "zero\\u200bwidth\\ufeff"},
      {"tag\xf3\xa0\x81\x81", "tag\\udb40\\udc41"},
      {"raw c1 \x9b"
       "31m",
       "raw c1 \xef\xbf\xbd"
       "31m"},
      {"cut \xe2\x80", "cut \xef\xbf\xbd\xef\xbf\xbd"},
      {"overlong \xc0\x9b", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
      {"\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", "\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_put(cases[i].text, strlen(cases[i].text), TERMINAL_LINE, cases[i].shown);
    expect_put(cases[i].text, strlen(cases[i].text), TERMINAL_TEXT, cases[i].shown);
  }
  expect_put("a\0b", 3, TERMINAL_LINE, "a\\u0000b");
}

static void lines_and_tabs(void **state) {
  (void)state;
  expect_put("a\tb\nc\r\nd", 8, TERMINAL_TEXT, "a\tb\nc\nd");
  expect_put("a\tb\nc\r\nd", 8, TERMINAL_LINE, "a b c d");
}

/* Whatever the bytes are, what comes out has no control and is UTF-8. */
static void any_bytes(void **state) {
  (void)state;
  unsigned seed = 1;
  for (int round = 0; round < 20000; round++) {
    char text[24];
    struct buf b = {0};
    for (size_t i = 0; i < sizeof text; i++) {
      seed = seed * 1103515245 + 12345;
      text[i] = (char)(seed >> 16);
    }
    terminal_put(&b, text, sizeof text, TERMINAL_LINE);
    assert_true(utf8_is_valid(b.data, b.len));
    for (size_t i = 0; i < b.len; i++) {
      unsigned char c = (unsigned char)b.data[i], next = (unsigned char)b.data[i + 1];
      assert_true(c >= ' ' && c != 0x7f);
      assert_false(c == 0xc2 && next >= 0x80 && next <= 0x9f);
    }
    buf_free(&b);
  }
}

static void a_json_string_stays_the_same(void **state) {
  (void)state;
  static const char text[] = "\"\xc2\x9b \xe2\x80\xae \xf3\xa0\x81\x81\"";
  struct buf b = {0};
  terminal_put(&b, text, sizeof text - 1, TERMINAL_LINE);
  json_t *before = json_loads(text, JSON_DECODE_ANY, NULL);
  json_t *after = json_loads(b.data, JSON_DECODE_ANY, NULL);
  assert_true(before && after && json_equal(before, after));
  json_decref(before);
  json_decref(after);
  buf_free(&b);
}

static void widths(void **state) {
  (void)state;
  assert_int_equal(terminal_width(""), 0);
  assert_int_equal(terminal_width("abc"), 3);
  assert_int_equal(terminal_width("\xc3\xa4"), 1);
  assert_int_equal(terminal_width("a\xcc\x88"), 1);
  assert_int_equal(terminal_width("\xe4\xb8\xad\xe6\x96\x87"), 4);
  assert_int_equal(terminal_width("\xf0\x9f\x98\x80"), 2);
  assert_int_equal(terminal_fit("abc", 2), 2);
  assert_int_equal(terminal_fit("\xe4\xb8\xad\xe6\x96\x87", 3), 3);
  assert_int_equal(terminal_fit("abc", 9), 3);
  assert_int_equal(terminal_fit("a\xcc\x88"
                                "b",
                                1),
                   3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(controls_become_escapes),
      cmocka_unit_test(lines_and_tabs),
      cmocka_unit_test(any_bytes),
      cmocka_unit_test(a_json_string_stays_the_same),
      cmocka_unit_test(widths),
  };
  return cmocka_run_group_tests_name("base_terminal", tests, NULL, NULL);
}
