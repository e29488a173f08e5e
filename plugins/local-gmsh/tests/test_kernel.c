/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the CAD kernel does when it has no time: the faces one by one, and those that take too long
 * given up alone.
 */
#include "arrays/mesh_arrays.h"
#include "cad/face_by_face.h"
#include "cad/kernel.h"
#include "mesh/mesh_to_gmsh.h"

#include <gmshc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BOX_VOLUME 24.0
#define EGG_VOLUME (4.0 / 3 * M_PI * 27 * 4)

/* A box, whose faces take no time, and beside it an egg, whose free-form face takes as long as it
 * is to be exact. */
static int setup(void **state) {
  int e = 0, egg[2] = {3, 2};
#ifdef GMSH_INITIALIZE_HAS_RUN
  gmshInitialize(0, NULL, 0, 0, &e);
#else
  gmshInitialize(0, NULL, 0, &e);
#endif
  gmshModelOccAddBox(20, 0, 0, 2, 3, 4, 1, &e);
  gmshModelOccAddSphere(0, 0, 0, 3, egg[1], -M_PI / 2, M_PI / 2, 2 * M_PI, &e);
  gmshModelOccDilate(egg, 2, 0, 0, 0, 1, 1, 4, &e);
  gmshModelOccSynchronize(&e);
  *state = NULL;
  return e;
}

static int teardown(void **state) {
  int e = 0;
  (void)state;
  gmshFinalize(&e);
  return e;
}

static size_t faces_with_triangles(const struct mesh_arrays *s) {
  size_t n = 0;
  for (size_t f = 0; f < s->face_count; f++)
    n += s->faces[f].count > 0;
  return n;
}

static void all_at_once(void **state) {
  struct mesh_arrays s;
  (void)state;
  assert_true(kernel_triangulate(&s, &(struct kernel_limits){0.02, 0.4, 300, 300, NULL, 0}));
  assert_int_equal(s.face_count, 7);
  assert_int_equal(faces_with_triangles(&s), 7);
  assert_true(fabs(mesh_arrays_enclosed(&s) / (BOX_VOLUME + EGG_VOLUME) - 1) < 0.02);
  for (size_t i = 0; i < 3 * s.triangle_count; i++)
    assert_true(s.triangles[i] < s.node_count);
  mesh_arrays_free(&s);
}

static void face_by_face(void **state) {
  struct mesh_arrays s;
  (void)state;
  assert_true(kernel_triangulate(&s, &(struct kernel_limits){0.02, 0.4, 0, 300, NULL, 0}));
  assert_int_equal(faces_with_triangles(&s), 7);
  assert_true(fabs(mesh_arrays_enclosed(&s) / (BOX_VOLUME + EGG_VOLUME) - 1) < 0.02);
  mesh_arrays_free(&s);
}

static size_t count_of(int type, int tag) {
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(type, &tags, &n, &nodes, &m, tag, 0, 1, &e);
  gmshFree(tags);
  gmshFree(nodes);
  return e ? 0 : n;
}

static size_t nodes_of(int dim, int tag) {
  size_t *tags = NULL, n = 0, m = 0, k = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &m, &uv, &k, dim, tag, 0, 0, &e);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return e ? 0 : n;
}

/* Triangles on the faces, lines on the curves, nodes on the points of the box. */
static void into_the_model(void **state) {
  struct mesh_arrays s;
  int e = 0;
  (void)state;
  assert_true(kernel_triangulate(&s, &(struct kernel_limits){0.02, 0.4, 300, 300, NULL, 0}));
  assert_true(mesh_to_gmsh(&s));
  for (size_t f = 0; f < s.face_count; f++)
    assert_int_equal(count_of(2, s.faces[f].tag), s.faces[f].count);
  for (int curve = 1; curve <= 12; curve++)
    assert_int_equal(count_of(1, curve), 1);
  for (int point = 1; point <= 8; point++)
    assert_int_equal(nodes_of(0, point), 1);
  assert_int_equal(nodes_of(-1, -1), s.node_count);
  gmshModelMeshClear(NULL, 0, &e);
  assert_int_equal(e, 0);
  mesh_arrays_free(&s);
}

/* Exact to 1e-4 the egg would take half a million triangles and a minute. */
static void a_slow_face_costs_itself_alone(void **state) {
  struct mesh_arrays s;
  size_t on_box = 0, on_egg = 0;
  (void)state;
  assert_true(kernel_triangulate(&s, &(struct kernel_limits){1e-4, 0.4, 0.5, 1, NULL, 0}));
  assert_int_equal(s.face_count, 7);
  for (size_t f = 0; f < 7; f++)
    *(s.faces[f].tag <= 6 ? &on_box : &on_egg) += s.faces[f].count;
  assert_int_equal(on_box, 12);
  assert_true(on_egg < 100000);
  mesh_arrays_free(&s);
}

/* What came before is not taken for what is asked now. */
static void coarse_after_fine(void **state) {
  struct mesh_arrays fine, coarse;
  (void)state;
  assert_true(kernel_triangulate(&fine, &(struct kernel_limits){0.005, 0.2, 300, 300, NULL, 0}));
  assert_true(kernel_triangulate(&coarse, &(struct kernel_limits){0.1, 0.8, 300, 300, NULL, 0}));
  assert_true(coarse.triangle_count < fine.triangle_count / 2);
  mesh_arrays_free(&fine);
  mesh_arrays_free(&coarse);
}

static void in_a_thread(void **state) {
  struct mesh_arrays s;
  const struct kernel_limits limits = {
      .deflection = 0.02, .angle = 0.4, .seconds = 300, .face_seconds = 300};
  (void)state;
  assert_int_equal(kernel_watched(&s, &limits), KERNEL_DONE);
  assert_int_equal(faces_with_triangles(&s), 7);
  mesh_arrays_free(&s);
}

/* In processes to spare: the same triangles, and faces that meet share their nodes. */
static void apart(void **state) {
  struct mesh_arrays together, s;
  const struct kernel_limits limits = {
      .deflection = 0.02, .angle = 0.4, .seconds = 300, .face_seconds = 300};
  (void)state;
  assert_true(kernel_triangulate(&together, &limits));
  assert_true(face_by_face_triangulate(&s, &limits));
  assert_int_equal(s.face_count, 7);
  assert_int_equal(faces_with_triangles(&s), 7);
  assert_int_equal(s.node_count, together.node_count);
  assert_int_equal(s.triangle_count, together.triangle_count);
  assert_true(fabs(mesh_arrays_enclosed(&s) - mesh_arrays_enclosed(&together)) < 1e-6);
  mesh_arrays_free(&together);
  mesh_arrays_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(face_by_face, setup, teardown),
      cmocka_unit_test_setup_teardown(into_the_model, setup, teardown),
      cmocka_unit_test_setup_teardown(a_slow_face_costs_itself_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(coarse_after_fine, setup, teardown),
      cmocka_unit_test_setup_teardown(in_a_thread, setup, teardown),
      cmocka_unit_test_setup_teardown(apart, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
