/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/curved.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "arrays/sheet_curved.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after these */
#include <cmocka.h>

/* A triangle and a quadrangle with the middle of their first side `up` towards the inside. */
static const struct sheet_element TRIANGLE = {{0, 1, 2, 3, 4, 5}, 3, 6};
static const struct sheet_element QUAD = {{0, 1, 2, 3, 4, 5, 6, 7}, 4, 8};

static void triangle(double xyz[18], double up) {
  const double at[18] = {0, 0, 0, 1, 0, 0, 0, 1, 0, .5, up, 0, .5, .5, 0, 0, .5, 0};
  for (int i = 0; i < 18; i++)
    xyz[i] = at[i];
}

static void quad(double xyz[24], double up) {
  const double at[24] = {0, 0, 0, 2, 0, 0, 2, 2, 0, 0, 2, 0, 1, up, 0, 2, 1, 0, 1, 2, 0, 0, 1, 0};
  for (int i = 0; i < 24; i++)
    xyz[i] = at[i];
}

/* The determinant at the corners of that triangle is 1 - 4 up. */
static void test_triangle(void **state) {
  double xyz[24];
  (void)state;
  triangle(xyz, 0);
  assert_true(fabs(sheet_least(&TRIANGLE, xyz) - 1) < 1e-12);
  assert_true(fabs(sheet_curved_area(&TRIANGLE, xyz) - 0.5) < 1e-12);
  triangle(xyz, 0.2);
  assert_true(fabs(sheet_least(&TRIANGLE, xyz) - 0.2) < 1e-12);
  assert_true(fabs(sheet_curved_area(&TRIANGLE, xyz) - (0.5 - 2 * 0.2 / 3)) < 1e-12);
  triangle(xyz, 0.3);
  assert_true(sheet_least(&TRIANGLE, xyz) < 0);
}

/* The least determinant of a quadrangle on a grid is never under the bound, and not far above. */
static void test_quad(void **state) {
  double xyz[24];
  (void)state;
  quad(xyz, 0);
  assert_true(fabs(sheet_least(&QUAD, xyz) - 1) < 1e-12);
  assert_true(fabs(sheet_curved_area(&QUAD, xyz) - 4) < 1e-12);
  quad(xyz, 0.4); /* a parabola of height 0.4 over a chord of 2 */
  assert_true(fabs(sheet_curved_area(&QUAD, xyz) - (4 - 2 * 2 * 0.4 / 3)) < 1e-12);
  assert_true(sheet_least(&QUAD, xyz) > 0 && sheet_least(&QUAD, xyz) < 1);
  quad(xyz, 2.2);
  assert_true(sheet_least(&QUAD, xyz) < 0);
}

static void mend_one(const struct sheet_element *e, double *xyz, size_t nodes) {
  struct sheet_element element = *e;
  struct sheet sheet = {.elements = &element, .element_count = 1};
  struct mesh_arrays arrays = {.node_count = nodes, .xyz = xyz};
  struct curved_report r;
  uint8_t moved[8] = {0};
  double before = sheet_least(e, xyz);
  sheet_mend(&sheet, &arrays, moved, &r);
  assert_true(before < CURVED_FLOOR);
  assert_true(sheet_least(e, xyz) >= CURVED_FLOOR && r.least >= CURVED_FLOOR);
  assert_int_equal(r.bent, 1);
  assert_int_equal(r.straighter, 1);
  assert_true(r.moved > 0 && moved[e->corners] && r.distance > 0.01);
  assert_false(moved[0]);
}

static void test_mend(void **state) {
  double xyz[24];
  (void)state;
  triangle(xyz, 0.6);
  mend_one(&TRIANGLE, xyz, 6);
  quad(xyz, 2.2);
  mend_one(&QUAD, xyz, 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_triangle),
      cmocka_unit_test(test_quad),
      cmocka_unit_test(test_mend),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
