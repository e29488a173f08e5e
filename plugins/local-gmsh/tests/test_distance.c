/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Distances by the tree are those to the nearest of all triangles.
 */
#include "arrays/distance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const double SQUARE[] = {0, 0, 0, 4, 0, 0, 4, 4, 0, 0, 4, 0};
static const uint32_t HALVES[] = {0, 1, 2, 0, 2, 3};

static void test_over_beside_and_past(void **state) {
  struct distance_tree *t = distance_tree_new((struct surface_of){SQUARE, HALVES, 2});
  const struct {
    double p[3], distance;
  } cases[] = {{{1, 2, 3}, 3}, {{2, 2, -1}, 1}, {{6, 2, 0}, 2},
               {{7, 8, 0}, 5}, {{1, 1, 0}, 0},  {{-3, -4, 12}, 13}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_true(fabs(distance_to(t, cases[i].p) - cases[i].distance) < 1e-12);
  distance_tree_free(t);
  assert_null(distance_tree_new((struct surface_of){SQUARE, HALVES, 0}));
}

static double random_number(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return (double)(*seed >> 8) / (1 << 24);
}

/* One tree of all triangles against trees of one each. */
static void test_the_nearest_of_many(void **state) {
  enum { COUNT = 300 };
  double xyz[9 * COUNT];
  uint32_t nodes[3 * COUNT], seed = 7;
  (void)state;
  for (size_t i = 0; i < 9 * COUNT; i++)
    xyz[i] = 10 * random_number(&seed);
  for (uint32_t i = 0; i < 3 * COUNT; i++)
    nodes[i] = i % 7 ? i : 0; /* some share a corner, some are flat */
  struct distance_tree *all = distance_tree_new((struct surface_of){xyz, nodes, COUNT});
  for (int round = 0; round < 50; round++) {
    double p[3], least = INFINITY;
    for (int i = 0; i < 3; i++)
      p[i] = 14 * random_number(&seed) - 2;
    for (size_t i = 0; i < COUNT; i++) {
      struct distance_tree *one = distance_tree_new((struct surface_of){xyz, nodes + 3 * i, 1});
      least = fmin(least, distance_to(one, p));
      distance_tree_free(one);
    }
    assert_true(fabs(distance_to(all, p) - least) < 1e-12);
  }
  distance_tree_free(all);
}

static void test_the_farthest(void **state) {
  static const double OTHER[] = {0, 0, 0, 1, 0, 0, 0, 1, 2.5};
  static const uint32_t ONE[] = {0, 1, 2, 1, 2, 0, 2, 0, 1};
  struct distance_tree *t = distance_tree_new((struct surface_of){SQUARE, HALVES, 2});
  struct farthest f = distance_farthest(t, (struct surface_of){OTHER, ONE, 3}, 100);
  (void)state;
  assert_true(f.distance == 2.5 && f.at[1] == 1);
  distance_tree_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_over_beside_and_past),
                                     cmocka_unit_test(test_the_nearest_of_many),
                                     cmocka_unit_test(test_the_farthest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
