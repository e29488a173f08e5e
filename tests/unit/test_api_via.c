/* SPDX-License-Identifier: MIT */
#include "api/via.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char own[] = "0123456789abcdef";

static const char *refused(const char *header) {
  static struct refusal no;
  char *list;
  no = (struct refusal){0};
  assert_true(via_parse(header, own, &list, &no) < 0);
  assert_null(list);
  assert_non_null(no.err.text);
  return no.slug;
}

static void a_list_is_taken(void **state) {
  static const struct {
    const char *header, *list;
  } all[] = {{NULL, NULL},
             {"", NULL},
             {" \t ", NULL},
             {"a", "a"},
             {"  a ,\tB_.-9  ", "a, B_.-9"},
             {"a,b,c,d", "a, b, c, d"},
             {"0123456789abcde", "0123456789abcde"},
             {"0123456789abcdef0", "0123456789abcdef0"}};
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    struct refusal no = {0};
    char *list = NULL;
    assert_int_equal(via_parse(all[i].header, own, &list, &no), 0);
    if (all[i].list)
      assert_string_equal(list, all[i].list);
    else
      assert_null(list);
    free(list);
  }
}

static void a_circle_and_a_long_way_are_refused(void **state) {
  (void)state;
  assert_string_equal(refused("0123456789abcdef"), "daemon-loop");
  assert_string_equal(refused("a, 0123456789abcdef"), "daemon-loop");
  assert_string_equal(refused("a, b, c, d, 0123456789abcdef"), "daemon-loop");
  assert_string_equal(refused("a, b, c, d, e"), "daemon-loop");
}

static void what_is_no_list_is_refused(void **state) {
  static const char *const wrong[] = {",",   "a,",       ",a",       "a,,b", "a b",
                                      "a;b", "a, \"b\"", "\xc3\xa4", "a, b%"};
  char longest[100];
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_string_equal(refused(wrong[i]), "bad-request");
  memset(longest, 'x', 65);
  longest[65] = '\0';
  assert_string_equal(refused(longest), "bad-request");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_is_taken),
      cmocka_unit_test(a_circle_and_a_long_way_are_refused),
      cmocka_unit_test(what_is_no_list_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
