/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ten-node tetrahedra whose least determinant is known by hand or by close sampling.
 */
#include "arrays/curved.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after those that it needs */
#include <cmocka.h>

static const int EDGES[6][2] = {{0, 1}, {1, 2}, {2, 0}, {3, 0}, {2, 3}, {1, 3}};
static const double UNIT[4][3] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

static void straight_nodes(double xyz[10][3]) {
  memcpy(xyz, UNIT, sizeof UNIT);
  for (int k = 0; k < 6; k++)
    for (int i = 0; i < 3; i++)
      xyz[4 + k][i] = (UNIT[EDGES[k][0]][i] + UNIT[EDGES[k][1]][i]) / 2;
}

static struct curved_element element(double xyz[10][3]) {
  struct curved_element e;
  const double *node[10];
  for (int k = 0; k < 10; k++)
    node[k] = xyz[k];
  curved_element_of(&e, node);
  return e;
}

/* By the shape functions, which curved.c does not use. */
static double sample(double xyz[10][3], const double l[4]) {
  static const double GRADIENT[4][3] = {{-1, -1, -1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  double j[3][3] = {{0}};
  for (int n = 0; n < 10; n++)
    for (int d = 0; d < 3; d++) {
      double slope = n < 4 ? (4 * l[n] - 1) * GRADIENT[n][d]
                           : 4 * (l[EDGES[n - 4][0]] * GRADIENT[EDGES[n - 4][1]][d] +
                                  l[EDGES[n - 4][1]] * GRADIENT[EDGES[n - 4][0]][d]);
      for (int i = 0; i < 3; i++)
        j[d][i] += slope * xyz[n][i];
    }
  return j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) -
         j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
         j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]);
}

#define GRID 24
static double sampled_least(double xyz[10][3], double *corners) {
  double least = INFINITY;
  *corners = INFINITY;
  for (int a = 0; a <= GRID; a++)
    for (int b = 0; a + b <= GRID; b++)
      for (int c = 0; a + b + c <= GRID; c++) {
        int d = GRID - a - b - c;
        const double l[4] = {(double)a / GRID, (double)b / GRID, (double)c / GRID,
                             (double)d / GRID};
        double det = sample(xyz, l);
        least = fmin(least, det);
        if (a == GRID || b == GRID || c == GRID || d == GRID)
          *corners = fmin(*corners, det);
      }
  return least;
}

static void test_straight(void **state) {
  (void)state;
  double xyz[10][3], b[CURVED_COEFFICIENTS];
  straight_nodes(xyz);
  struct curved_element e = element(xyz);
  curved_coefficients(&e, b);
  for (int i = 0; i < CURVED_COEFFICIENTS; i++)
    assert_float_equal(b[i], 1, 1e-14);
  assert_float_equal(curved_least(&e, 1e-6, INFINITY), 1, 1e-14);
}

/* Node 01 moved by d along its edge: x = r + 4 d r (1 - r - s - t), so the determinant is
 * 1 + 4 d (1 - 2 r - s - t), least at corner 1 with 1 - 4 d, and at the Gauss points well above. */
static void test_moved_along_the_edge(void **state) {
  (void)state;
  const double moves[] = {0.1, 0.2, 0.25, 0.3, 0.4};
  for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
    double xyz[10][3];
    straight_nodes(xyz);
    xyz[4][0] += moves[i];
    struct curved_element e = element(xyz);
    assert_float_equal(curved_least(&e, 1e-9, INFINITY), 1 - 4 * moves[i], 1e-8);
    const double a = 0.1381966011250105, gauss[4] = {a, 1 - 3 * a, a, a};
    assert_true(sample(xyz, gauss) > 0.2); /* that is why these points do not do */
  }
}

/* The bound is below every value and near the least one, for elements bent at random; some of
 * them are negative although all corners are positive. */
static void test_against_sampling(void **state) {
  (void)state;
  uint64_t seed = 12345;
  int only_inside = 0;
  for (int trial = 0; trial < 400; trial++) {
    double xyz[10][3], corners;
    straight_nodes(xyz);
    for (int n = 4; n < 10; n++)
      for (int i = 0; i < 3; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        xyz[n][i] += ((double)(seed >> 40) / (1 << 24) - 0.5) * 0.4;
      }
    double seen = sampled_least(xyz, &corners);
    struct curved_element e = element(xyz);
    double bound = curved_least(&e, 1e-3, INFINITY);
    assert_true(bound <= seen + 1e-12);
    assert_true(bound > seen - 0.05); /* a grid misses a little of the least */
    assert_true((curved_least(&e, 1e-3, 0.02) >= 0.02) == (bound >= 0.02));
    only_inside += corners > 0 && seen < 0;
  }
  assert_true(only_inside > 0);
}

/* ---- a mesh ---- */

/* Two tetrahedra on both sides of the face 1 2 3, ten nodes each, 14 nodes in all. */
static void pair(double *xyz, uint32_t tets[20]) {
  static const uint32_t OTHER[10] = {10, 1, 3, 2, 11, 9, 13, 12, 8, 5};
  double one[10][3], top[3] = {1, 1, 1};
  straight_nodes(one);
  memcpy(xyz, one, sizeof one);
  memcpy(xyz + 30, top, sizeof top);
  for (int k = 0; k < 3; k++) /* 11, 12, 13: from node 10 to 1, 2, 3 */
    for (int i = 0; i < 3; i++)
      xyz[3 * (11 + k) + i] = (top[i] + UNIT[k + 1][i]) / 2;
  for (uint32_t k = 0; k < 10; k++) {
    tets[k] = k;
    tets[10 + k] = OTHER[k];
  }
}

static double least_of(const double *xyz, const uint32_t *tet) {
  struct curved_element e;
  const double *node[10];
  for (int k = 0; k < 10; k++)
    node[k] = xyz + 3 * tet[k];
  curved_element_of(&e, node);
  return curved_least(&e, 1e-6, INFINITY);
}

static void test_a_valid_mesh_is_left_alone(void **state) {
  (void)state;
  double xyz[42], before[42];
  uint32_t tets[20];
  uint8_t moved[14] = {0};
  struct curved_report r;
  pair(xyz, tets);
  xyz[3 * 4] += 0.1; /* curved, and valid: 0.6 */
  memcpy(before, xyz, sizeof xyz);
  curved_mend(xyz, 14, tets, 2, moved, &r);
  assert_memory_equal(before, xyz, sizeof xyz);
  assert_int_equal(r.curved, 1);
  assert_int_equal(r.bent + r.moved + r.straighter, 0);
  assert_float_equal(r.distance, 0, 0);
  assert_float_equal(r.least, 0.6, 2e-3);
  assert_float_equal(r.volume, 1 / 6.0 + 1 / 3.0, 1e-12);
}

/* A middle node that both share: bent in one of them, moved for both, along its own line. */
static void test_a_shared_node(void **state) {
  (void)state;
  double xyz[42];
  uint32_t tets[20];
  uint8_t moved[14] = {0};
  struct curved_report r;
  pair(xyz, tets);
  assert_true(least_of(xyz, tets) > 0.99 && least_of(xyz, tets + 10) > 1.99);
  xyz[3 * 5] -= 0.6; /* node 12 of the first, towards its corner 0 and beyond */
  xyz[3 * 5 + 1] -= 0.6;
  assert_true(least_of(xyz, tets) < 0);
  curved_mend(xyz, 14, tets, 2, moved, &r);
  assert_true(least_of(xyz, tets) >= CURVED_FLOOR && least_of(xyz, tets + 10) >= CURVED_FLOOR);
  assert_int_equal(r.bent, 1);
  assert_int_equal(r.moved, 1);
  assert_int_equal(r.straighter, 2);
  assert_int_equal(moved[5], 1);
  double x = xyz[3 * 5], y = xyz[3 * 5 + 1];
  assert_float_equal(x, y, 1e-12);
  assert_true(x > -0.1 && x <= 0.5);
  assert_float_equal(r.distance, sqrt(2.0) * (x + 0.1), 1e-12);
  assert_float_equal(xyz[3 * 5 + 2], 0, 1e-12);
}

/* However far nodes are out, the mesh ends valid. */
static void test_every_mesh_ends_valid(void **state) {
  (void)state;
  uint64_t seed = 99;
  for (int trial = 0; trial < 300; trial++) {
    double xyz[42];
    uint32_t tets[20];
    uint8_t moved[14] = {0};
    struct curved_report r;
    pair(xyz, tets);
    for (int n = 4; n < 14; n++)
      for (int i = 0; n != 10 && i < 3; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        xyz[3 * n + i] += ((double)(seed >> 40) / (1 << 24) - 0.5) * (trial < 150 ? 0.6 : 20);
      }
    curved_mend(xyz, 14, tets, 2, moved, &r);
    assert_true(least_of(xyz, tets) >= CURVED_FLOOR - 1e-5);
    assert_true(least_of(xyz, tets + 10) >= 2 * CURVED_FLOOR - 1e-5);
    assert_true(r.least >= CURVED_FLOOR - 1e-3 && r.least <= 1);
    assert_true(r.volume > 0);
  }
}

/* Three middle nodes pushed the same way, against a close sampling of that side. */
static void test_sagitta(void **state) {
  (void)state;
  double xyz[10][3], most = 0;
  uint32_t tet[10];
  straight_nodes(xyz);
  for (uint32_t k = 0; k < 10; k++)
    tet[k] = k;
  assert_true(curved_sagitta(&xyz[0][0], tet, 1) < 1e-15);
  for (int k = 0; k < 3; k++)
    xyz[4 + k][2] -= 0.1; /* the side 0 1 2, which lies in z = 0 */
  for (int a = 0; a <= GRID; a++)
    for (int b = 0; a + b <= GRID; b++) {
      double l[3] = {(double)a / GRID, (double)b / GRID, 1 - (double)(a + b) / GRID}, z = 0;
      for (int k = 0; k < 3; k++)
        z += 4 * l[EDGES[k][0]] * l[EDGES[k][1]] * xyz[4 + k][2];
      most = fmax(most, -z);
    }
  assert_true(fabs(curved_sagitta(&xyz[0][0], tet, 1) - most) < 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sagitta),
      cmocka_unit_test(test_straight),
      cmocka_unit_test(test_moved_along_the_edge),
      cmocka_unit_test(test_against_sampling),
      cmocka_unit_test(test_a_valid_mesh_is_left_alone),
      cmocka_unit_test(test_a_shared_node),
      cmocka_unit_test(test_every_mesh_ends_valid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
