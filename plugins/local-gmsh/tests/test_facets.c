/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facets of an STL: what is mended, what hangs together, what lies in what.
 */
#include "facets/facets_mend.h"
#include "facets/facets_read.h"

#include "base/out.h"
#include "facets/facets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after those that it needs */
#include <cmocka.h>

static struct out stl; /* binary, of the test at hand */

static void begin(void) {
  out_free(&stl);
  memset(out_room(&stl, 84), 0, 84);
  stl.len = 84;
}

static void facet(const float a[3], const float b[3], const float c[3]) {
  char *p = out_room(&stl, 50);
  memset(p, 0, 50);
  memcpy(p + 12, a, 12);
  memcpy(p + 24, b, 12);
  memcpy(p + 36, c, 12);
  stl.len += 50;
}

/* Outward; turned: inward. */
static void cube(float at, float side, bool turned) {
  static const int QUADS[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
                                  {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  float p[8][3];
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 3; k++)
      p[i][k] = at + (i >> k & 1 ? side : 0);
  for (int i = 0; i < 12; i++) {
    const int *q = QUADS[i / 2];
    int b = i % 2 ? q[2] : q[1], c = i % 2 ? q[3] : q[2];
    facet(p[q[0]], p[turned ? c : b], p[turned ? b : c]);
  }
}

static void mend(struct facets *f) {
  assert_true(facets_read(f, stl.data, stl.len, true));
  facets_mend(f);
}

static void test_cube(void **state) {
  (void)state;
  struct facets f;
  begin();
  cube(0, 10, false);
  mend(&f);
  assert_int_equal(f.node_count, 8);
  assert_int_equal(f.edges.all, 18);
  assert_int_equal(f.edges.open + f.edges.crowded, 0);
  assert_int_equal(f.body_count, 1);
  assert_int_equal(f.face_count, 6);
  assert_float_equal(f.volume, 1000, 1e-9);
  facets_free(&f);
}

/* An edge of one side is met in its middle by two facets of the other. */
static void test_a_corner_on_an_edge(void **state) {
  (void)state;
  struct facets f;
  static const float A[] = {0, 0, 0}, B[] = {10, 0, 0}, C[] = {0, 10, 0}, D[] = {0, 0, 10},
                     MIDDLE[] = {5, 0, 0};
  begin();
  facet(A, C, B);
  facet(A, D, C);
  facet(B, C, D);
  facet(A, MIDDLE, D);
  facet(MIDDLE, B, D);
  mend(&f);
  assert_int_equal(f.repairs.split, 1);
  assert_int_equal(f.count, 6);
  assert_int_equal(f.edges.open + f.edges.crowded, 0);
  assert_float_equal(f.volume, 1000 / 6., 1e-9);
  facets_free(&f);
}

/* The third corner of a flat facet lies on its own edge, which is no corner of another. */
static void test_its_own_corner_on_an_edge(void **state) {
  (void)state;
  struct facets f;
  static const float A[] = {0, 0, 0}, B[] = {10, 0, 0}, C[] = {5, 2e-5f, 0}, D[] = {5, -8, 0},
                     E[] = {9, -8, 0};
  begin();
  facet(A, B, C);
  facet(A, D, E);
  mend(&f);
  for (size_t i = 0; i < f.count; i++) {
    const uint32_t *n = f.node + 3 * i;
    assert_true(n[0] != n[1] && n[1] != n[2] && n[2] != n[0]);
  }
  facets_free(&f);
}

static void test_turned(void **state) {
  (void)state;
  struct facets f;
  begin();
  cube(-3, 10, true);
  mend(&f);
  assert_int_equal(f.repairs.turned, 12);
  assert_float_equal(f.volume, 1000, 1e-9);
  for (size_t h = 0; h < 3 * f.count;
       h++) { /* neighbours run along their edge against each other */
    uint32_t m = f.mate[h];
    assert_int_equal(f.mate[m], h);
    assert_int_equal(f.node[h], f.node[m % 3 == 2 ? m - 2 : m + 1]);
  }
  facets_free(&f);
}

static void test_nest(void **state) {
  (void)state;
  struct facets f;
  begin();
  for (int i = 0; i < 6; i++) /* all outward: which is a hole only their places tell */
    cube((float)i, (float)(20 - 2 * i), false);
  mend(&f);
  assert_int_equal(f.shell_count, 6);
  assert_int_equal(f.body_count, 3);
  assert_float_equal(f.volume, 8000 - 5832 + 4096 - 2744 + 1728 - 1000, 1e-6);
  assert_int_equal(f.repairs.turned, 36);
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(f.shells[i].hole, i % 2);
    assert_int_equal(f.shells[i].body, i / 2);
  }
  facets_free(&f);
}

static void test_twice(void **state) {
  (void)state;
  struct facets f;
  begin();
  cube(0, 10, false);
  cube(0, 10, false);
  cube(20, 5, false);
  cube(0, 10, false);
  mend(&f);
  assert_int_equal(f.repairs.duplicate, 24);
  assert_int_equal(f.body_count, 2);
  assert_float_equal(f.volume, 1125, 1e-9);
  facets_free(&f);
}

/* A copy that looks inward is a body that is there twice; inside another it fills a hole. */
static void test_copy(void **state) {
  (void)state;
  struct facets f;
  begin();
  cube(0, 10, false);
  cube(0, 10, true);
  cube(20, 5, true);
  mend(&f);
  assert_int_equal(f.repairs.duplicate, 12);
  assert_int_equal(f.body_count, 2);
  assert_float_equal(f.volume, 1125, 1e-9);
  assert_int_equal(f.repairs.turned, 12);
  facets_free(&f);
  begin();
  cube(0, 10, false);
  cube(2, 5, true);
  cube(2, 5, false);
  mend(&f);
  assert_int_equal(f.repairs.duplicate, 0);
  assert_int_equal(f.body_count, 2);
  assert_float_equal(f.volume, 1000, 1e-9);
  facets_free(&f);
}

/* A triangle and its turned copy close edge by edge, and hold nothing. */
static void test_sheet(void **state) {
  (void)state;
  struct facets f;
  const float a[3] = {0, 0, 0}, b[3] = {1, 0, 0}, c[3] = {0, 1, 0};
  begin();
  facet(a, b, c);
  facet(a, c, b);
  mend(&f);
  assert_int_equal(f.body_count, 0);
  facets_free(&f);
  begin();
  facet(a, b, c);
  mend(&f);
  assert_int_equal(f.edges.open, 3);
  assert_int_equal(f.body_count, 0);
  assert_float_equal(f.volume, 0, 0);
  facets_free(&f);
}

/* A strip with a half turn has one side. */
static void test_one_sided(void **state) {
  (void)state;
  struct facets f;
  enum { N = 12 };
  float p[N + 1][2][3];
  begin();
  for (int i = 0; i <= N; i++)
    for (int side = 0; side < 2; side++) {
      double turn = 2 * M_PI * (i % N) / N, half = M_PI * (i % N) / N, r = side ? 1 : -1;
      if (i == N)
        r = -r; /* its end is its beginning, turned over */
      p[i][side][0] = (float)((5 + r * cos(half)) * cos(turn));
      p[i][side][1] = (float)((5 + r * cos(half)) * sin(turn));
      p[i][side][2] = (float)(r * sin(half));
    }
  for (int i = 0; i < N; i++) {
    facet(p[i][0], p[i + 1][0], p[i + 1][1]);
    facet(p[i][0], p[i + 1][1], p[i][1]);
  }
  mend(&f);
  assert_int_equal(f.edges.open, 2 * N);
  assert_true(f.edges.crowded > 0);
  facets_free(&f);
}

static void test_text(void **state) {
  (void)state;
  struct facets f;
  static const char TEXT[] =
      "solid left wall\r\nfacet normal 0 0 0\nouter loop\nvertex 0 -0 0\nvertex 1e1 0 0\n"
      "vertex 0 10.000000000000000000 0\nendloop\nendfacet\nendsolid\nsolid\n"
      "vertex -0 0 +0.\nvertex 0 10 0\nvertex .0e5 0 1000e-2\nendsolid";
  assert_true(facets_read(&f, TEXT, sizeof TEXT - 1, false));
  assert_int_equal(f.count, 2);
  assert_int_equal(f.node_count, 4);
  assert_int_equal(f.part_count, 2);
  assert_string_equal(f.part_names[0], "left wall");
  assert_string_equal(f.part_names[1], "");
  facets_mend(&f);
  assert_int_equal(f.face_count, 2);
  assert_string_equal(f.faces[0].name, "left wall");
  facets_free(&f);
  assert_false(facets_read(&f, "solid", 5, false));
  facets_free(&f);
}

static void test_not_numbers(void **state) {
  (void)state;
  struct facets f;
  const float a[3] = {0, 0, NAN}, b[3] = {1, 0, 0}, c[3] = {0, 1, 0};
  begin();
  facet(a, b, c);
  assert_false(facets_read(&f, stl.data, stl.len, true));
  facets_free(&f);
}

/* A wheel of loose facets: to look at each open edge of the hub from each of them takes half an
 * hour. */
static void test_hub(void **state) {
  (void)state;
  enum { SPOKES = 200000 };
  static const float HUB[3] = {0, 0, 0};
  struct facets f;
  begin();
  for (int i = 0; i < SPOKES; i++) {
    float a = (float)(2 * M_PI * i / SPOKES), b = (float)(2 * M_PI * (i + 0.4) / SPOKES);
    facet(HUB, (float[3]){100 * cosf(a), 100 * sinf(a), (float)(i % 7)},
          (float[3]){100 * cosf(b), 100 * sinf(b), (float)(i % 7)});
  }
  mend(&f);
  assert_int_equal(f.body_count, 0);
  assert_true(f.edges.open > SPOKES);
  assert_int_equal(f.repairs.split, 0);
  facets_free(&f);
}

/* A body in a notch of another: at the edge A-B two walls lie on each other, but for rounding. */
static void notch(float off) {
  const float A[] = {0, 0, 0}, B[] = {10, 0, 0}, C[] = {5, -10, 0}, P[] = {5, 10, 10},
              D[] = {3, off, -6}, E[] = {7, -off, -8};
  begin();
  facet(A, C, B);
  facet(A, B, D);
  facet(B, C, D);
  facet(C, A, D);
  facet(A, B, C);
  facet(B, A, E);
  facet(C, B, P);
  facet(A, C, P);
  facet(E, A, P);
  facet(B, E, P);
}

static void test_walls_on_each_other(void **state) {
  (void)state;
  for (int i = -1; i <= 1; i++) {
    struct facets f;
    notch(1e-6f * (float)i);
    mend(&f);
    assert_int_equal(f.edges.open + f.edges.crowded, 0);
    assert_int_equal(f.body_count, 2);
    facets_free(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cube),
      cmocka_unit_test(test_a_corner_on_an_edge),
      cmocka_unit_test(test_its_own_corner_on_an_edge),
      cmocka_unit_test(test_turned),
      cmocka_unit_test(test_nest),
      cmocka_unit_test(test_twice),
      cmocka_unit_test(test_copy),
      cmocka_unit_test(test_sheet),
      cmocka_unit_test(test_one_sided),
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_not_numbers),
      cmocka_unit_test(test_walls_on_each_other),
      cmocka_unit_test(test_hub),
  };
  int rc = cmocka_run_group_tests(tests, NULL, NULL);
  out_free(&stl);
  return rc;
}
