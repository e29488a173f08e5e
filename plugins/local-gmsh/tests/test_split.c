/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edges of an asked length: the surface keeps its place, and faces that met still do.
 */
#include "arrays/mesh_builder.h"
#include "arrays/split_edges.h"
#include "base/out.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A box of 8 x 2 x 1, a face a side. */
static void make_box(struct mesh_arrays *s) {
  static const int SIDES[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
                                  {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  struct mesh_builder b = {0};
  for (int f = 0; f < 6; f++) {
    uint32_t n[4];
    mesh_builder_face(&b, f + 1);
    for (int k = 0; k < 4; k++) {
      int c = SIDES[f][k];
      n[k] = mesh_builder_node(&b, (double[]){c & 1 ? 8 : -0.0, c & 2 ? 2 : 0, c & 4 ? 1 : 0});
    }
    mesh_builder_triangle(&b, (uint32_t[]){n[0], n[1], n[2]});
    mesh_builder_triangle(&b, (uint32_t[]){n[0], n[2], n[3]});
    mesh_builder_triangle(&b, (uint32_t[]){n[0], n[2], n[0]}); /* is left out */
  }
  mesh_builder_finish(&b, s);
}

static double length(const struct mesh_arrays *s, uint32_t a, uint32_t b) {
  const double *p = s->xyz + 3 * (size_t)a, *q = s->xyz + 3 * (size_t)b;
  return sqrt((p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) +
              (p[2] - q[2]) * (p[2] - q[2]));
}

static double longest(const struct mesh_arrays *s) {
  double most = 0;
  for (size_t i = 0; i < 3 * s->triangle_count; i++)
    most = fmax(most, length(s, s->triangles[i], s->triangles[i % 3 == 2 ? i - 2 : i + 1]));
  return most;
}

/* Every edge runs once each way: closed, and turned alike. */
static bool is_closed(const struct mesh_arrays *s) {
  int8_t *runs = out_alloc(s->node_count * s->node_count, 1);
  bool closed = true;
  for (size_t i = 0; i < 3 * s->triangle_count; i++)
    runs[s->triangles[i] * s->node_count + s->triangles[i % 3 == 2 ? i - 2 : i + 1]]++;
  for (size_t a = 0; a < s->node_count; a++)
    for (size_t b = 0; b < s->node_count; b++)
      closed = closed && runs[a * s->node_count + b] == runs[b * s->node_count + a] &&
               runs[a * s->node_count + b] <= 1;
  free(runs);
  return closed;
}

static void points_that_agree_are_one_node(void **state) {
  struct mesh_arrays s;
  (void)state;
  make_box(&s);
  assert_int_equal(s.node_count, 8);
  assert_int_equal(s.triangle_count, 12);
  assert_int_equal(s.face_count, 6);
  mesh_arrays_free(&s);
}

static void no_edge_is_longer(void **state) {
  struct mesh_arrays s;
  (void)state;
  static const double ASKED[] = {9, 7.2, 4, 2.9, 2, 1.3, 1, 0.7, 0.45, 0.3};
  for (size_t i = 0; i < sizeof ASKED / sizeof *ASKED; i++) {
    double asked = ASKED[i];
    make_box(&s);
    assert_true(split_edges(&s, asked, 100000));
    assert_true(longest(&s) <= asked * (1 + 1e-9));
    assert_true(is_closed(&s));
    assert_true(fabs(mesh_arrays_enclosed(&s) - 16) < 1e-9);
    for (size_t f = 0, first = 0; f < 6; first += s.faces[f++].count) {
      assert_int_equal(s.faces[f].first, first);
      assert_int_equal(s.faces[f].tag, f + 1);
    }
    mesh_arrays_free(&s);
  }
}

/* Around a hole's rim a plane has thin triangles; cut along their length they would be thousands.
 */
static void thin_triangles_do_not_multiply(void **state) {
  struct mesh_builder b = {0};
  struct mesh_arrays s;
  uint32_t tip, rim[201];
  (void)state;
  mesh_builder_face(&b, 1);
  tip = mesh_builder_node(&b, (double[]){0, 0, 0});
  for (int i = 0; i <= 200; i++)
    rim[i] = mesh_builder_node(&b, (double[]){100, 0.05 * i, 0});
  for (int i = 0; i < 200; i++)
    mesh_builder_triangle(&b, (uint32_t[]){tip, rim[i], rim[i + 1]});
  mesh_builder_finish(&b, &s);
  assert_true(split_edges(&s, 5, 100000));
  assert_true(longest(&s) <= 5 * (1 + 1e-9));
  assert_true(s.triangle_count < 1500); /* 200 x 20 x 2 without a turn */
  mesh_arrays_free(&s);
}

static void too_many_are_refused(void **state) {
  struct mesh_arrays s;
  (void)state;
  make_box(&s);
  assert_false(split_edges(&s, 0.05, 1000));
  mesh_arrays_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(points_that_agree_are_one_node),
      cmocka_unit_test(no_edge_is_longer),
      cmocka_unit_test(thin_triangles_do_not_multiply),
      cmocka_unit_test(too_many_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
