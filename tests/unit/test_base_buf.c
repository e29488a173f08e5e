/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/utf8.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void puts_and_numbers(void **state) {
  (void)state;
  struct buf b = {0};
  buf_puts(&b, "a");
  buf_put_u64(&b, 0);
  buf_putc(&b, ' ');
  buf_put_u64(&b, UINT64_MAX);
  buf_putc(&b, ' ');
  buf_put_i64(&b, INT64_MIN);
  buf_printf(&b, "-%s-%d", "x", 7);
  assert_string_equal(b.data, "a0 18446744073709551615 -9223372036854775808-x-7");
  assert_int_equal(b.len, strlen(b.data));
  buf_consume(&b, 2);
  assert_memory_equal(b.data, " 184", 4);
  buf_consume(&b, 1000);
  assert_int_equal(b.len, 0);
  assert_string_equal(b.data, "");
  buf_free(&b);
  assert_null(b.data);
}

static void printf_longer_than_the_room(void **state) {
  (void)state;
  struct buf b = {0};
  char big[5000];
  memset(big, 'z', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  buf_printf(&b, "<%s>", big);
  assert_int_equal(b.len, sizeof(big) + 1);
  assert_int_equal(b.data[b.len - 1], '>');
  assert_int_equal(b.data[b.len], '\0');
  buf_free(&b);
}

static void take_gives_a_string_also_when_empty(void **state) {
  (void)state;
  struct buf b = {0};
  char *text = buf_take(&b);
  assert_string_equal(text, "");
  free(text);
  buf_puts(&b, "abc");
  text = buf_take(&b);
  assert_string_equal(text, "abc");
  assert_null(b.data);
  free(text);
}

static void json_escapes(void **state) {
  (void)state;
  static const struct {
    const char *in;
    size_t len;
    const char *out;
  } cases[] = {
      {"", 0, "\"\""},
      {"plain", 5, "\"plain\""},
      {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
      {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
      {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
      {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
      {"x\xff\xfey", 4, "\"x\xef\xbf\xbd\xef\xbf\xbdy\""},
      {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
      {"\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct buf b = {0};
    buf_put_json_strn(&b, cases[i].in, cases[i].len);
    assert_string_equal(b.data, cases[i].out);
    buf_free(&b);
  }
  struct buf b = {0};
  buf_put_json_str(&b, NULL);
  assert_string_equal(b.data, "null");
  buf_free(&b);
}

/* Whatever bytes come, a JSON parser takes the string. */
static void json_of_rubbish_parses(void **state) {
  (void)state;
  srand(1);
  for (int round = 0; round < 2000; round++) {
    char in[64];
    size_t len = (size_t)rand() % sizeof(in);
    for (size_t i = 0; i < len; i++)
      in[i] = (char)(rand() % 3 ? rand() % 128 : rand() % 256);
    struct buf b = {0};
    buf_putc(&b, '[');
    buf_put_json_strn(&b, in, len);
    buf_putc(&b, ']');
    json_t *json = json_loadb(b.data, b.len, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    json_t *text = json_array_get(json, 0);
    if (utf8_is_valid(in, len)) {
      assert_int_equal(json_string_length(text), len);
      assert_memory_equal(json_string_value(text), in, len);
    }
    json_decref(json);
    buf_free(&b);
  }
}

static void times(void **state) {
  (void)state;
  struct buf b = {0};
  buf_put_json_time(&b, 0);
  buf_putc(&b, ' ');
  buf_put_json_time(&b, 1731000000000042);
  buf_putc(&b, ' ');
  buf_put_json_time(&b, 1);
  buf_putc(&b, ' ');
  buf_put_json_time(&b, -1500000);
  assert_string_equal(b.data, "null 1731000000.000042 0.000001 -1.500000");
  buf_free(&b);
}

static void utf8_made_valid(void **state) {
  (void)state;
  struct buf b = {0};
  buf_put_utf8(&b, "ok \xc3\xa9 \xff!", 8);
  assert_string_equal(b.data, "ok \xc3\xa9 \xef\xbf\xbd!");
  buf_free(&b);
  assert_false(utf8_is_valid("\xed\xa0\x80", 3));     /* a surrogate */
  assert_false(utf8_is_valid("\xf4\x90\x80\x80", 4)); /* past U+10FFFF */
  assert_false(utf8_is_valid("\xe0\x80\xaf", 3));     /* over-long */
  assert_false(utf8_is_valid("\xf0\x80\x80\xaf", 4));
  assert_false(utf8_is_valid("\x80", 1));
  assert_true(utf8_is_valid("\xed\x9f\xbf\xf4\x8f\xbf\xbf", 7));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(puts_and_numbers),
      cmocka_unit_test(printf_longer_than_the_room),
      cmocka_unit_test(take_gives_a_string_also_when_empty),
      cmocka_unit_test(json_escapes),
      cmocka_unit_test(json_of_rubbish_parses),
      cmocka_unit_test(times),
      cmocka_unit_test(utf8_made_valid),
  };
  return cmocka_run_group_tests_name("base_buf", tests, NULL, NULL);
}
