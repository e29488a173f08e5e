/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Layers over surfaces made here: a box, a tube's inside with its ends, a ball.  What is left
 * inside and the cells between must be what the surface holds, and no cell may be inverted.
 */
#include "arrays/prism_validity.h"
#include "base/vec.h"
#include "layers/layers.h"
#include "layers/layers_cells.h"
#include "layers/layers_directions.h"
#include "layers/layers_surface.h"
#include "layers/layers_turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 40000

struct body {
  double xyz[3 * MOST];
  uint32_t triangles[3 * MOST], face[MOST];
  struct layers_face faces[8];
  struct layers_surface s;
};

static struct body *new_body(void) {
  struct body *b = calloc(1, sizeof *b);
  assert_non_null(b);
  b->s = (struct layers_surface){
      .xyz = b->xyz, .triangles = b->triangles, .face = b->face, .faces = b->faces};
  return b;
}

static uint32_t node_of(struct body *b, double x, double y, double z) {
  const double p[3] = {x, y, z};
  for (size_t i = 0; i < b->s.node_count; i++)
    if (vec_distance(b->xyz + 3 * i, p) < 1e-9)
      return (uint32_t)i;
  memcpy(b->xyz + 3 * b->s.node_count, p, sizeof p);
  return (uint32_t)b->s.node_count++;
}

static void add(struct body *b, uint32_t face, uint32_t i, uint32_t j, uint32_t k) {
  const uint32_t n[3] = {i, j, k};
  memcpy(b->triangles + 3 * b->s.count, n, sizeof n);
  b->face[b->s.count++] = face;
  if (face >= b->s.face_count)
    b->s.face_count = face + 1;
}

/* A box of n by n squares a side; faces 0 to 5 are x low, x high, y low, ... */
static struct body *make_box(double dx, double dy, double dz, int n) {
  struct body *b = new_body();
  const double size[3] = {dx, dy, dz};
  for (uint32_t f = 0; f < 6; f++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        uint32_t c[4];
        for (int k = 0; k < 4; k++) {
          double p[3];
          uint32_t axis = f / 2;
          p[axis] = f % 2 ? size[axis] : 0;
          p[(axis + 1) % 3] = size[(axis + 1) % 3] * (i + (k == 1 || k == 2)) / n;
          p[(axis + 2) % 3] = size[(axis + 2) % 3] * (j + (k >= 2)) / n;
          c[k] = node_of(b, p[0], p[1], p[2]);
        }
        add(b, f, c[0], c[1], c[2]);
        add(b, f, c[0], c[3], c[2]); /* turned the other way round */
      }
  return b;
}

/* A ball of latitudes and longitudes, all one face. */
static struct body *make_ball(double radius, int n) {
  struct body *b = new_body();
  for (int i = 0; i < n; i++)
    for (int j = 0; j < 2 * n; j++) {
      uint32_t c[4];
      for (int k = 0; k < 4; k++) {
        double down = M_PI * (i + (k >= 2)) / n,
               round = M_PI * ((j + (k == 1 || k == 2)) % (2 * n)) / n;
        c[k] = node_of(b, radius * sin(down) * cos(round), radius * sin(down) * sin(round),
                       radius * cos(down));
      }
      if (i < n - 1)
        add(b, 0, c[0], c[3], c[2]);
      if (i > 0)
        add(b, 0, c[0], c[2], c[1]);
    }
  return b;
}

/* Cubes that together are a step: face 4 is the lower step's top, 6 the riser between both. */
static struct body *make_step(int n) {
  struct body *b = new_body();
  for (int i = 0; i < 2 * n; i++)
    for (int j = 0; j < n; j++)
      for (int k = 0; k < 2 * n; k++)
        for (int side = 0; side < 6; side++) {
          int cube[3] = {i, j, k}, next[3] = {i, j, k}, axis = side / 2;
          next[axis] += side % 2 ? 1 : -1;
          bool out = next[axis] < 0 || next[axis] == (axis == 1 ? n : 2 * n);
          bool empty = next[0] < n && next[2] >= n;
          if ((i < n && k >= n) || !(out || empty))
            continue;
          uint32_t c[4], face = out ? (uint32_t)(side == 5   ? 5
                                                 : side == 4 ? 7
                                                             : side)
                                    : (axis == 2 ? 4u : 6u);
          for (int m = 0; m < 4; m++) {
            double p[3];
            p[axis] = cube[axis] + side % 2;
            p[(axis + 1) % 3] = cube[(axis + 1) % 3] + (m == 1 || m == 2);
            p[(axis + 2) % 3] = cube[(axis + 2) % 3] + (m >= 2);
            c[m] = node_of(b, p[0], p[1], p[2]);
          }
          add(b, face, c[0], c[1], c[2]);
          add(b, face, c[0], c[2], c[3]);
        }
  return b;
}

static double signed_volume(const double *p, const uint32_t *n, const double *o) {
  double a[3], b[3], c[3], up[3];
  vec_sub(a, p + 3 * (size_t)n[0], o);
  vec_sub(b, p + 3 * (size_t)n[1], o);
  vec_sub(c, p + 3 * (size_t)n[2], o);
  vec_cross(up, a, b);
  return vec_dot(up, c) / 6;
}

struct made {
  struct layers l;
  struct layers_cells c;
  double *xyz; /* of all nodes */
};

/* Of what lies within sides of three or four nodes, each of the latter both ways. */
static double within(const double *xyz, const uint32_t *n, const uint8_t (*sides)[4], int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) {
    const uint8_t *q = sides[i];
    const uint32_t t[4][3] = {{n[q[0]], n[q[1]], n[q[2]]},
                              {n[q[0]], n[q[2]], n[q[3]]},
                              {n[q[0]], n[q[1]], n[q[3]]},
                              {n[q[1]], n[q[2]], n[q[3]]}};
    for (int k = 0; k < (q[2] == q[3] ? 1 : 4); k++)
      sum += signed_volume(xyz, t[k], xyz) / (q[2] == q[3] ? 1 : 2);
  }
  return sum;
}

static double cells_volume(const struct made *m, double *least) {
  static const uint8_t PRISM[5][4] = {
      {0, 2, 1, 1}, {3, 4, 5, 5}, {0, 1, 4, 3}, {1, 2, 5, 4}, {2, 0, 3, 5}};
  static const uint8_t PYRAMID[5][4] = {
      {0, 3, 2, 1}, {0, 1, 4, 4}, {1, 2, 4, 4}, {2, 3, 4, 4}, {3, 0, 4, 4}};
  static const uint8_t TET[4][4] = {{0, 2, 1, 1}, {0, 1, 3, 3}, {1, 2, 3, 3}, {2, 0, 3, 3}};
  const struct {
    const uint32_t *nodes;
    size_t count, per;
    const uint8_t (*sides)[4];
    int side_count;
  } KINDS[] = {{m->c.prisms, m->c.prism_count, 6, PRISM, 5},
               {m->c.pyramids, m->c.pyramid_count, 5, PYRAMID, 5},
               {m->c.tets, m->c.tet_count, 4, TET, 4}};
  double sum = 0;
  *least = INFINITY;
  for (int k = 0; k < 3; k++)
    for (size_t i = 0; i < KINDS[k].count; i++) {
      double v = within(m->xyz, KINDS[k].nodes + KINDS[k].per * i, KINDS[k].sides,
                        KINDS[k].side_count);
      *least = fmin(*least, v);
      sum += v;
    }
  return sum;
}

static double enclosed(const double *xyz, const struct layers_surface *s) {
  double sum = 0;
  for (size_t i = 0; i < s->count; i++)
    sum += signed_volume(xyz, s->triangles + 3 * i, s->xyz);
  return sum;
}

/* Where nodes move on a round face, its facets enclose a little more or less than before: `off`. */
static void make_nearly(struct made *m, struct body *b, double off) {
  double least;
  assert_true(layers_turn(&b->s));
  layers_find(&m->l, &b->s);
  layers_cells_make(&m->c, &b->s, &m->l, b->s.node_count);
  m->xyz = calloc(3 * (b->s.node_count + m->c.node_count), sizeof(double));
  assert_non_null(m->xyz);
  memcpy(m->xyz, b->xyz, 3 * b->s.node_count * sizeof(double));
  memcpy(m->xyz + 3 * b->s.node_count, m->c.xyz, 3 * m->c.node_count * sizeof(double));
  double all = enclosed(b->xyz, &b->s), inside = enclosed(m->l.inner, &b->s);
  double cells = cells_volume(m, &least);
  assert_true(all > 0 && inside > 0 && inside < all);
  assert_true(fabs(cells + inside - all) < off * all);
  assert_true(least > 0);
}

static void make(struct made *m, struct body *b) {
  make_nearly(m, b, 1e-11);
}

static void unmake(struct made *m, struct body *b) {
  layers_cells_free(&m->c);
  layers_free(&m->l);
  free(m->xyz);
  free(b);
}

static void shells_are_turned_out(void **unused) {
  struct body *b = make_box(3, 2, 1, 4);
  (void)unused;
  assert_true(layers_turn(&b->s));
  assert_true(fabs(enclosed(b->xyz, &b->s) - 6) < 1e-12);
  b->s.count--;
  assert_false(layers_turn(&b->s));
  free(b);
}

static void the_best_way_sees_all(void **unused) {
  double corner[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, direction[3], plane[2][3] = {{0, 0, 1}};
  double against[2][3] = {{1, 0, 0}, {-1, 0, 0}};
  (void)unused;
  double sees = layers_best_direction(corner, 3, 0, NULL, direction);
  assert_true(fabs(sees - 1 / sqrt(3)) < 1e-12 && fabs(direction[0] - direction[2]) < 1e-12);
  sees = layers_best_direction(corner, 2, 0, NULL, direction);
  assert_true(fabs(sees - sqrt(0.5)) < 1e-12 && fabs(direction[2]) < 1e-12);
  sees = layers_best_direction(corner, 2, 1, plane, direction);
  assert_true(fabs(sees - sqrt(0.5)) < 1e-12 && fabs(direction[2]) < 1e-12);
  assert_true(layers_best_direction(against, 2, 0, NULL, direction) <= 1e-12);
}

static void a_box_has_layers_all_around(void **unused) {
  static const struct layers_spec SPEC = {"wall", 0.1, 1.2, 4};
  struct body *b = make_box(10, 10, 10, 6);
  struct made m;
  (void)unused;
  for (int f = 0; f < 6; f++)
    b->faces[f].spec = &SPEC;
  make(&m, b);
  double side = 10 - 2 * layers_total(&SPEC);
  assert_int_equal(m.l.none, 0);
  assert_int_equal(m.l.thinner, 0);
  assert_int_equal(m.c.prism_count, 4 * b->s.count);
  assert_true(fabs(enclosed(m.l.inner, &b->s) - side * side * side) < 0.01 * side * side * side);
  unmake(&m, b);
}

static void one_face_ends_in_its_neighbours(void **unused) {
  static const struct layers_spec SPEC = {"floor", 0.1, 1.2, 4};
  struct body *b = make_box(10, 10, 10, 6);
  struct made m;
  (void)unused;
  b->faces[4].spec = &SPEC;
  make(&m, b);
  assert_int_equal(m.l.none + m.l.thinner, 0);
  assert_int_equal(m.c.pyramid_count + m.c.tet_count, 0);
  assert_true(fabs(enclosed(m.l.inner, &b->s) - 100 * (10 - layers_total(&SPEC))) < 1e-9);
  assert_int_equal(m.c.side_count, 4 * 6 * 4);
  for (size_t i = 0; i < b->s.node_count; i++) /* nothing leaves the box */
    for (size_t k = 0; k < 3; k++)
      assert_true(m.l.inner[3 * i + k] > -1e-9 && m.l.inner[3 * i + k] < 10 + 1e-9);
  unmake(&m, b);
}

static void layers_end_in_an_edge_where_the_next_face_must_stay(void **unused) {
  static const struct layers_spec SPEC = {"floor", 0.1, 1.2, 3};
  struct body *b = make_box(10, 10, 10, 6);
  struct made m;
  (void)unused;
  b->faces[4].spec = &SPEC;
  b->faces[0].fixed = true;
  make(&m, b);
  assert_int_equal(m.l.none, 7);
  assert_true(m.c.pyramid_count > 0 && m.c.tet_count > 0);
  unmake(&m, b);
}

static void a_slot_takes_thinner_ones(void **unused) {
  static const struct layers_spec SPEC = {"both", 0.2, 1, 4};
  struct body *b = make_box(10, 10, 1, 8);
  struct made m;
  (void)unused;
  b->faces[4].spec = b->faces[5].spec = &SPEC;
  make(&m, b);
  assert_int_equal(m.l.none, 0);
  assert_int_equal(m.l.thinner, m.l.chosen);
  assert_true(m.l.least > 0.4 && m.l.least < 0.5);
  unmake(&m, b);
}

static void thick_layers_in_a_ball(void **unused) {
  static const struct layers_spec SPEC = {"wall", 0.3, 1.3, 5};
  struct body *b = make_ball(10, 12);
  struct made m;
  (void)unused;
  b->faces[0].spec = &SPEC;
  make(&m, b);
  assert_int_equal(m.l.none, 0);
  assert_int_equal(m.c.pyramid_count + m.c.tet_count, 0);
  unmake(&m, b);
}

/* The face beyond an edge around which the solid reaches does not come along into it. */
static void layers_run_out_where_the_solid_reaches_around_an_edge(void **unused) {
  static const struct layers_spec SPEC = {"tread", 0.1, 1.2, 3};
  enum { N = 5 };
  struct body *b = make_step(N);
  struct made m;
  (void)unused;
  b->faces[4].spec = &SPEC;
  make(&m, b);
  assert_int_equal(m.l.none, N + 1);
  for (size_t i = 0; i < 3 * b->s.count; i++)
    if (b->s.face[i / 3] == 6)
      assert_true(m.l.inner[3 * (size_t)b->s.triangles[i] + 2] > N - 1e-9);
  unmake(&m, b);
}

/* A can whose sides lean, or are round: layers on its floor end in them at full height. */
static void check_can(enum layers_shape shape) {
  static const struct layers_spec SPEC = {"floor", 0.1, 1.2, 4};
  enum { ROUND = 24, UP = 10 };
  struct body *b = new_body();
  struct made m;
  uint32_t ring[UP + 1][ROUND], middle[2] = {node_of(b, 0, 0, 0), node_of(b, 0, 0, 6)};
  for (int k = 0; k <= UP; k++)
    for (int i = 0; i < ROUND; i++) {
      double z = 0.6 * k, r = shape == LAYERS_CONE ? 10 - z / 2 : sqrt(100 - z * z),
             turn = 2 * M_PI * i / ROUND;
      ring[k][i] = node_of(b, r * cos(turn), r * sin(turn), z);
    }
  for (int i = 0; i < ROUND; i++) {
    int j = (i + 1) % ROUND;
    add(b, 0, middle[0], ring[0][i], ring[0][j]);
    add(b, 1, middle[1], ring[UP][i], ring[UP][j]);
    for (int k = 0; k < UP; k++) {
      add(b, 2, ring[k][i], ring[k][j], ring[k + 1][j]);
      add(b, 2, ring[k][i], ring[k + 1][j], ring[k + 1][i]);
    }
  }
  b->faces[0].spec = &SPEC;
  b->faces[2].shape = shape;
  b->faces[2].at[2] = shape == LAYERS_CONE ? 20 : 0;
  make_nearly(&m, b, shape == LAYERS_CONE ? 1e-11 : 3e-3);
  assert_int_equal(m.l.none, 0);
  assert_int_equal(m.l.thinner, 0);
  assert_int_equal(m.c.side_count, 4 * ROUND);
  for (size_t i = 0; i < 4 * m.c.side_count; i++) { /* all nodes of the ends are on it */
    const double *p = m.xyz + 3 * (size_t)m.c.sides[i / 4][i % 4];
    double r = sqrt(p[0] * p[0] + p[1] * p[1]);
    assert_true(fabs(shape == LAYERS_CONE ? r - 10 + p[2] / 2 : vec_length(p) - 10) < 1e-9);
  }
  unmake(&m, b);
}

static void layers_end_in_cones_and_balls(void **unused) {
  (void)unused;
  check_can(LAYERS_CONE);
  check_can(LAYERS_BALL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shells_are_turned_out),
      cmocka_unit_test(the_best_way_sees_all),
      cmocka_unit_test(a_box_has_layers_all_around),
      cmocka_unit_test(one_face_ends_in_its_neighbours),
      cmocka_unit_test(layers_end_in_an_edge_where_the_next_face_must_stay),
      cmocka_unit_test(layers_run_out_where_the_solid_reaches_around_an_edge),
      cmocka_unit_test(layers_end_in_cones_and_balls),
      cmocka_unit_test(a_slot_takes_thinner_ones),
      cmocka_unit_test(thick_layers_in_a_ball),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
