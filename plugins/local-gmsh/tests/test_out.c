/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers of mesh files, which readers take by columns, and the archive.
 */
#include "base/out.h"
#include "output/tar.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What out_real writes; o holds it. */
static const char *real(struct out *o, double value, int width) {
  o->len = 0;
  out_real(o, value, width);
  out_put(o, "", 1);
  return o->data;
}

static void a_real_is_seen_to_be_one(void **state) {
  (void)state;
  static const struct {
    double value;
    int width;
    const char *text;
  } CASES[] = {
      {0, 16, "0."},
      {-0.0, 16, "0."},
      {-5, 16, "-5."},
      {1e300, 16, "1e+300"},
      {0.1, 20, "0.1"},
      {210000, 8, "210000."},
      {1.0 / 3, 16, "0.33333333333333"},
      {-1.0 / 3, 16, "-0.3333333333333"},
      {-1e-5 / 3, 20, "-3.3333333333333e-06"},
  };
  struct out o = {0};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
    assert_string_equal(real(&o, CASES[i].value, CASES[i].width), CASES[i].text);
  out_free(&o);
}

static void a_real_fits_and_keeps_its_digits(void **state) {
  (void)state;
  struct out o = {0};
  for (int exponent = -300; exponent <= 300; exponent++)
    for (int width = 8; width <= 24; width++)
      for (int sign = -1; sign <= 1; sign += 2) {
        double value = sign * 1.23456789012345678 * pow(10, exponent);
        const char *text = real(&o, value, width);
        /* At the worst the width less sign, point, "e-300" and a leading "0.00". */
        double lost = fabs(strtod(text, NULL) / value - 1);
        assert_true(strlen(text) <= (size_t)width);
        assert_true(strpbrk(text, ".e") != NULL);
        assert_true(lost < 10 * pow(10, -(width - 7 < 15 ? width - 7 : 15)));
      }
  out_free(&o);
}

static void an_integer_is_aligned(void **state) {
  (void)state;
  struct out o = {0};
  out_integer(&o, 0, 0);
  out_integer(&o, 42, 5);
  out_integer(&o, 123456, 4);
  out_integer(&o, UINT64_MAX, 0);
  out_put(&o, "", 1);
  assert_string_equal(o.data, "0   4212345618446744073709551615");
  out_free(&o);
}

static void an_archive_is_of_blocks(void **state) {
  (void)state;
  struct out tar = {0};
  for (size_t size = 511; size <= 513; size++) {
    struct out content = {0};
    memset(out_room(&content, size), 'x', size);
    content.len = size;
    tar_add(&tar, "folder/name", &content);
    assert_null(content.data);
  }
  tar_end(&tar);
  /* Headers, contents of 1, 1 and 2 blocks, and two blocks of zeros. */
  assert_int_equal(tar.len, 512 * (3 + 4 + 2));
  assert_string_equal(tar.data, "folder/name");
  assert_string_equal(tar.data + 124, "00000000777");
  assert_memory_equal(tar.data + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++)
    sum += i >= 148 && i < 156 ? ' ' : (unsigned char)tar.data[i];
  assert_int_equal(strtoul(tar.data + 148, NULL, 8), sum);
  out_free(&tar);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_real_is_seen_to_be_one),
      cmocka_unit_test(a_real_fits_and_keeps_its_digits),
      cmocka_unit_test(an_integer_is_aligned),
      cmocka_unit_test(an_archive_is_of_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
