/* SPDX-License-Identifier: MIT */
#include "api/base64.h"
#include "api/inputs.h"
#include "api/internal.h"
#include "api/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int decode(const char *text, struct buf *out) {
  buf_clear(out);
  return base64_decode(text, strlen(text), out, NULL);
}

static void base64_is_strict_but_for_white_space(void **state) {
  (void)state;
  struct buf b = {0};
  assert_int_equal(decode("", &b), 0);
  assert_int_equal(b.len, 0);
  assert_int_equal(decode("Zg==", &b), 0);
  assert_string_equal(b.data, "f");
  assert_int_equal(decode("Zm9v\r\n Ym Fy", &b), 0);
  assert_string_equal(b.data, "foobar");
  static const char *const wrong[] = {"Zg",   "Zg=",  "Z",     "Zh==",   "Zm9=", "Zg==Zg==",
                                      "Zm9*", "====", "Zm9v=", "Zm9v==", "Z===", "-_-_"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_true(decode(wrong[i], &b) < 0);
  buf_free(&b);
}

static void page_tokens_survive_and_forgeries_do_not(void **state) {
  (void)state;
  static const int64_t nums[] = {1, 42, INT64_C(9007199254740993)};
  int64_t n;
  for (size_t i = 0; i < sizeof nums / sizeof *nums; i++) {
    struct buf b = {0};
    page_token(nums[i], &b);
    assert_true(page_token_parse(b.data, &n));
    assert_true(n == nums[i]);
    buf_free(&b);
  }
  static const char *const wrong[] = {"", "x", "1:5", "MTow", "Mjo1", "MTotNQ", "MTo1=", "!!!!"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(page_token_parse(wrong[i], &n));
}

static void prefer_is_read_leniently(void **state) {
  (void)state;
  assert_int_equal(prefer_wait(NULL, 60), 0);
  assert_int_equal(prefer_wait("wait=5", 60), 5);
  assert_int_equal(prefer_wait("respond-async, WAIT=7", 60), 7);
  assert_int_equal(prefer_wait("respond-async;x=1, wait=7 , y", 60), 7);
  assert_int_equal(prefer_wait("wait=500", 60), 60);
  assert_int_equal(prefer_wait("wait=99999999999999999999", 60), 60);
  assert_int_equal(prefer_wait("wait=", 60), 0);
  assert_int_equal(prefer_wait("wait=-1", 60), 0);
  assert_int_equal(prefer_wait("wait=1x", 60), 0);
  assert_int_equal(prefer_wait("await=5", 60), 0);
}

static int parse(const char *json, const char *name, struct inputs *in, struct refusal *no) {
  json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
  assert_non_null(v);
  int rc = inputs_parse(in, v, name, no);
  json_decref(v);
  return rc;
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void drop(struct inputs *in) {
  for (size_t i = 0; i < in->count; i++)
    buf_free(&in->list[i].data);
  free(in->list);
  *in = (struct inputs){0};
}

static void inputs_come_in_every_form(void **state) {
  (void)state;
  struct inputs in = {0};
  struct refusal no = {0};
  assert_int_equal(parse("null", NULL, &in, &no), 0);
  assert_int_equal(in.count, 0);
  assert_int_equal(parse("\"sha256:" DIGEST "\"", "part.step", &in, &no), 0);
  assert_int_equal(parse("\"data:image/png;base64,Zm9v\"", NULL, &in, &no), 0);
  assert_int_equal(parse("\"data:,a%20b\"", NULL, &in, &no), 0);
  assert_int_equal(
      parse("[{\"name\":\"../../etc/part.step\",\"data\":\"Zm9v\"}, \"Zm9v\"]", NULL, &in, &no), 0);
  assert_int_equal(in.count, 5);
  assert_string_equal(in.list[0].sha256, DIGEST);
  assert_string_equal(in.list[0].name, "part.step");
  assert_string_equal(in.list[1].name, "input.png");
  assert_string_equal(in.list[1].data.data, "foo");
  assert_string_equal(in.list[2].data.data, "a b");
  assert_string_equal(in.list[3].name, "2-part.step");
  assert_string_equal(in.list[4].name, "2-input");
  drop(&in);
}

static void bad_inputs_are_refused_with_a_reason(void **state) {
  (void)state;
  static const char *const wrong[] = {"1",
                                      "[1]",
                                      "[[\"Zm9v\"]]",
                                      "{\"name\":\"a\"}",
                                      "{\"data\":\"Zm9v\",\"x\":1}",
                                      "{\"data\":\"Zm9v\",\"blob\":\"" DIGEST "\"}",
                                      "{\"blob\":\"Zm9v\"}",
                                      "{\"blob\":7}",
                                      "\"sha256:abc\"",
                                      "\"data:text/plain\"",
                                      "\"data:,%2\"",
                                      "\"data:,%zz\"",
                                      "\"no base64!\""};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct inputs in = {0};
    struct refusal no = {0};
    assert_true(parse(wrong[i], NULL, &in, &no) < 0);
    assert_string_equal(no.slug, "bad-input");
    assert_true(strlen(no.err.text) > 10);
    drop(&in);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(base64_is_strict_but_for_white_space),
      cmocka_unit_test(page_tokens_survive_and_forgeries_do_not),
      cmocka_unit_test(prefer_is_read_leniently),
      cmocka_unit_test(inputs_come_in_every_form),
      cmocka_unit_test(bad_inputs_are_refused_with_a_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
