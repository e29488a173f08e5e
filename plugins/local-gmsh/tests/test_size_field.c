/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/size_field.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define POINTS 3000

static uint32_t state = 1;
static double number(void) { /* 0 to 1; the same on every machine */
  state = state * 1664525u + 1013904223u;
  return (double)(state >> 8) / (1u << 24);
}

struct source {
  double at[3], size, slope;
};

/* By hand: every source is asked. */
static double slow(const struct source *s, size_t count, const double at[3], double largest) {
  for (size_t i = 0; i < count; i++) {
    double x = s[i].at[0] - at[0], y = s[i].at[1] - at[1], z = s[i].at[2] - at[2];
    largest = fmin(largest, s[i].size + s[i].slope * sqrt(x * x + y * y + z * z));
  }
  return largest;
}

static void the_tree_finds_what_a_list_finds(void **unused) {
  struct source *s = calloc(POINTS, sizeof *s);
  static const size_t COUNTS[] = {1, 8, 9, 100, POINTS};
  (void)unused;
  assert_non_null(s);
  for (size_t c = 0; c < sizeof COUNTS / sizeof *COUNTS; c++) {
    struct size_field *f = size_field_new();
    for (size_t i = 0; i < COUNTS[c]; i++) {
      for (int k = 0; k < 3; k++)
        s[i].at[k] = i % 7 ? 10 * number() : 5; /* some in one place */
      s[i].size = 0.1 + number();
      s[i].slope = i % 3 ? 0.2 : 0.5 + number();
      size_field_point(f, s[i].at, s[i].size, s[i].slope);
    }
    assert_int_equal(size_field_count(f), COUNTS[c]);
    size_field_build(f);
    for (int i = 0; i < 500; i++) {
      double at[3] = {20 * number() - 5, 20 * number() - 5, 20 * number() - 5};
      double largest = i % 2 ? 100 : 0.7;
      assert_true(fabs(size_field_at(f, at, largest) - slow(s, COUNTS[c], at, largest)) < 1e-12);
    }
    size_field_free(f);
  }
  free(s);
}

static void an_empty_field_allows_everything(void **unused) {
  struct size_field *f = size_field_new();
  (void)unused;
  size_field_build(f);
  assert_true(size_field_at(f, (double[3]){1, 2, 3}, 4) == 4);
  size_field_free(f);
  size_field_free(NULL);
}

static void a_triangle_is_covered(void **unused) {
  struct size_field *f = size_field_new();
  static const double A[3] = {0, 0, 0}, B[3] = {40, 0, 0}, C[3] = {0, 3, 0};
  (void)unused;
  size_field_triangle(f, A, B, C, 1, 0.5, 0.2);
  size_field_build(f);
  assert_in_range(size_field_count(f), 60, 300);
  for (int i = 0; i < 300; i++) {
    double u = number(), v = number() * (1 - u), at[3] = {40 * u, 3 * v, 0};
    double size = size_field_at(f, at, 100);
    assert_true(size >= 0.5 && size <= 0.5 + 0.2 * 1);
  }
  double far[3] = {10, 0, 5};
  assert_true(fabs(size_field_at(f, far, 100) - 1.5) < 0.05);
  size_field_free(f);
}

static void regions_know_their_distance(void **unused) {
  struct size_region ball = {.shape = SIZE_BALL, .a = {1, 0, 0}, .radius = 2};
  struct size_region rod = {.shape = SIZE_ROD, .b = {10, 0, 0}, .radius = 1};
  struct size_region box = {.shape = SIZE_BOX, .a = {0, 0, 0}, .b = {1, 2, 3}};
  static const double AT[3] = {5, 4, 0}, BEYOND[3] = {13, 4, 0}, IN[3] = {0.5, 0.5, 0.5};
  (void)unused;
  assert_true(fabs(size_region_distance(&ball, AT) - (sqrt(32) - 2)) < 1e-12);
  assert_true(fabs(size_region_distance(&rod, AT) - 3) < 1e-12);
  assert_true(fabs(size_region_distance(&rod, BEYOND) - 4) < 1e-12);
  assert_true(fabs(size_region_distance(&box, AT) - sqrt(16 + 4)) < 1e-12);
  assert_true(size_region_distance(&box, IN) == 0 && size_region_distance(&ball, IN) == 0 &&
              size_region_distance(&rod, IN) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_tree_finds_what_a_list_finds),
      cmocka_unit_test(an_empty_field_allows_everything),
      cmocka_unit_test(a_triangle_is_covered),
      cmocka_unit_test(regions_know_their_distance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
