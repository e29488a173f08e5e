/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Triangles and quadrangles with middle nodes: whether one is valid, and how far its middle nodes
 * must go towards straight until it is.  Pure arithmetic.
 *
 * The determinant is that of the element seen along the normal of its corners.  It is a polynomial
 * of degree 2 on a six-node triangle and of degree 3 in each direction on an eight-node quadrangle,
 * so that its values at a few points give its Bernstein coefficients, the least of which is a lower
 * bound over the whole element.
 */
#include "arrays/sheet_curved.h"

#include "arrays/curved.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 8 /* from the CAD to straight */

struct flat { /* an element in the plane of its corners */
  double at[8][2];
  int corners, count;
};

/* False: the corners have no area. */
static bool flatten(struct flat *f, const struct sheet_element *e, const double *xyz) {
  const double *p[8];
  double d[2][3], normal[3], u[3], v[3];
  for (int k = 0; k < 8; k++)
    p[k] = xyz + 3 * (size_t)e->node[k < e->count ? k : 0];
  for (int i = 0; i < 3; i++) {
    d[0][i] = p[2][i] - p[0][i];
    d[1][i] = (e->corners == 4 ? p[3][i] : p[0][i]) - p[1][i];
    u[i] = p[1][i] - p[0][i];
  }
  for (int i = 0; i < 3; i++)
    normal[i] = d[0][(i + 1) % 3] * d[1][(i + 2) % 3] - d[0][(i + 2) % 3] * d[1][(i + 1) % 3];
  double length = sqrt(vec_dot(normal, normal)), along = vec_dot(u, normal) / (length * length),
         across;
  if (!(length > 0))
    return false;
  for (int i = 0; i < 3; i++)
    u[i] -= along * normal[i];
  across = sqrt(vec_dot(u, u));
  for (int i = 0; i < 3; i++) {
    u[i] /= across;
    normal[i] /= length;
  }
  for (int i = 0; i < 3; i++)
    v[i] = normal[(i + 1) % 3] * u[(i + 2) % 3] - normal[(i + 2) % 3] * u[(i + 1) % 3];
  *f = (struct flat){.corners = e->corners, .count = e->count};
  for (int k = 0; k < e->count; k++) {
    f->at[k][0] = vec_dot(p[k], u);
    f->at[k][1] = vec_dot(p[k], v);
  }
  return true;
}

static void straighten(struct flat *f) {
  for (int k = 0; f->count > f->corners && k < f->corners; k++)
    for (int i = 0; i < 2; i++)
      f->at[f->corners + k][i] = (f->at[k][i] + f->at[(k + 1) % f->corners][i]) / 2;
}

/* Derivatives of the shape functions by both parameters, of a triangle from 0 to 1. */
static void slopes_3(double r, double s, double d[8][2]) {
  double t = 1 - r - s;
  const double slopes[6][2] = {{1 - 4 * t, 1 - 4 * t}, {4 * r - 1, 0}, {0, 4 * s - 1},
                               {4 * (t - r), -4 * r},  {4 * s, 4 * r}, {-4 * s, 4 * (t - s)}};
  memcpy(d, slopes, sizeof slopes);
}

/* The same of a quadrangle, from -1 to 1. */
static void slopes_4(double r, double s, double d[8][2]) {
  static const double SIGN[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
  for (int k = 0; k < 4; k++) {
    double a = SIGN[k][0], b = SIGN[k][1];
    d[k][0] = a * (1 + b * s) * (2 * a * r + b * s) / 4;
    d[k][1] = b * (1 + a * r) * (a * r + 2 * b * s) / 4;
    if (k % 2 == 0) { /* 4 and 6: the sides of s = -1 and s = 1 */
      double side = k == 0 ? -1 : 1;
      d[4 + k][0] = -r * (1 + side * s);
      d[4 + k][1] = side * (1 - r * r) / 2;
    } else { /* 5 and 7: r = 1 and r = -1 */
      double side = k == 1 ? 1 : -1;
      d[4 + k][0] = side * (1 - s * s) / 2;
      d[4 + k][1] = -s * (1 + side * r);
    }
  }
}

static double determinant(const struct flat *f, double r, double s) {
  double d[8][2], j[2][2] = {{0}};
  (f->corners == 3 ? slopes_3 : slopes_4)(r, s, d);
  for (int k = 0; k < f->count; k++)
    for (int i = 0; i < 2; i++)
      for (int c = 0; c < 2; c++)
        j[i][c] += d[k][i] * f->at[k][c];
  return j[0][0] * j[1][1] - j[0][1] * j[1][0];
}

static double least_3(const struct flat *f) {
  static const double CORNER[3][2] = {{0, 0}, {1, 0}, {0, 1}};
  double value[3], least = INFINITY;
  for (int k = 0; k < 3; k++) {
    value[k] = determinant(f, CORNER[k][0], CORNER[k][1]);
    least = fmin(least, value[k]);
  }
  for (int k = 0; k < 3; k++) {
    const double *a = CORNER[k], *b = CORNER[(k + 1) % 3];
    double middle = determinant(f, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    least = fmin(least, 2 * middle - (value[k] + value[(k + 1) % 3]) / 2);
  }
  return least;
}

/* Values of a cubic at 0, 1/3, 2/3 and 1 into its Bernstein coefficients. */
static void to_bernstein(double v[4]) {
  double b = (-5 * v[0] + 18 * v[1] - 9 * v[2] + 2 * v[3]) / 6;
  double c = (2 * v[0] - 9 * v[1] + 18 * v[2] - 5 * v[3]) / 6;
  v[1] = b;
  v[2] = c;
}

static double least_4(const struct flat *f) {
  double rows[4][4], column[4], least = INFINITY;
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 4; k++)
      rows[i][k] = determinant(f, -1 + 2 * k / 3.0, -1 + 2 * i / 3.0);
    to_bernstein(rows[i]);
  }
  for (int k = 0; k < 4; k++) {
    for (int i = 0; i < 4; i++)
      column[i] = rows[i][k];
    to_bernstein(column);
    for (int i = 0; i < 4; i++)
      least = fmin(least, column[i]);
  }
  return least;
}

double sheet_least(const struct sheet_element *e, const double *xyz) {
  struct flat f;
  if (e->count == e->corners)
    return 1;
  if (!flatten(&f, e, xyz))
    return 0;
  double least = e->corners == 3 ? least_3(&f) : least_4(&f);
  straighten(&f);
  double straight = e->corners == 3 ? least_3(&f) : least_4(&f);
  return straight > 0 ? fmin(least / straight, 1) : 1; /* its corners are judged elsewhere */
}

/* ---- area ---- */

static double area_at(const struct sheet_element *e, const double *xyz, double r, double s) {
  double d[8][2], u[3] = {0}, v[3] = {0}, n[3];
  (e->corners == 3 ? slopes_3 : slopes_4)(r, s, d);
  for (int k = 0; k < e->count; k++)
    for (int i = 0; i < 3; i++) {
      u[i] += d[k][0] * xyz[3 * (size_t)e->node[k] + (size_t)i];
      v[i] += d[k][1] * xyz[3 * (size_t)e->node[k] + (size_t)i];
    }
  for (int i = 0; i < 3; i++)
    n[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
  return sqrt(vec_dot(n, n));
}

/* Gauss points of order 5, in a square and (collapsed) in a triangle. */
double sheet_curved_area(const struct sheet_element *e, const double *xyz) {
  static const double AT[3] = {-0.774596669241483, 0, 0.774596669241483};
  static const double WEIGHT[3] = {5 / 9.0, 8 / 9.0, 5 / 9.0};
  double sum = 0;
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) {
      double r = (1 + AT[i]) / 2, s = (1 + AT[k]) / 2 * (1 - r), w = WEIGHT[i] * WEIGHT[k];
      sum += e->corners == 4 ? w * area_at(e, xyz, AT[i], AT[k])
                             : w / 4 * (1 - r) * area_at(e, xyz, r, s);
    }
  return sum;
}

/* ---- towards straight ---- */

struct mending {
  const struct sheet *sheet;
  double *xyz, *before; /* before: the middle nodes on the CAD */
  uint8_t *steps;       /* of each node, towards straight */
};

static void straight_middle(const struct mending *m, const struct sheet_element *e, int side,
                            double at[3]) {
  const double *a = m->xyz + 3 * (size_t)e->node[side];
  const double *b = m->xyz + 3 * (size_t)e->node[(side + 1) % e->corners];
  for (int i = 0; i < 3; i++)
    at[i] = (a[i] + b[i]) / 2;
}

/* One step for each middle node of the element that is not straight. */
static void step_element(struct mending *m, const struct sheet_element *e) {
  for (int k = 0; k < e->corners; k++) {
    size_t node = e->node[e->corners + k];
    double middle[3];
    if (m->steps[node] == STEPS)
      continue;
    double share = ++m->steps[node] / (double)STEPS;
    straight_middle(m, e, k, middle);
    for (size_t i = 0; i < 3; i++)
      m->xyz[3 * node + i] = m->before[3 * node + i] +
                             share * (middle[i] - m->before[3 * node + i]);
  }
}

static bool is_curved(const struct mending *m, const struct sheet_element *e) {
  double middle[3], off = 0, chord = 0;
  for (int k = 0; e->count > e->corners && k < e->corners; k++) {
    const double *p = m->xyz + 3 * (size_t)e->node[e->corners + k];
    const double *a = m->xyz + 3 * (size_t)e->node[k];
    straight_middle(m, e, k, middle);
    for (int i = 0; i < 3; i++) {
      off = fmax(off, fabs(p[i] - middle[i]));
      chord = fmax(chord, fabs(middle[i] - a[i]));
    }
  }
  return off > 1e-9 * chord;
}

static void sheet_curved_tell(const struct mending *m, size_t nodes, uint8_t *moved,
                              struct curved_report *r) {
  r->least = 1;
  for (size_t i = 0; i < m->sheet->element_count; i++) {
    const struct sheet_element *e = &m->sheet->elements[i];
    bool straighter = false;
    for (int k = e->corners; k < e->count; k++)
      straighter |= m->steps[e->node[k]] > 0;
    r->straighter += straighter;
    r->least = fmin(r->least, sheet_least(e, m->xyz));
  }
  for (size_t n = 0; n < nodes; n++) {
    double square = 0;
    moved[n] = m->steps[n] > 0;
    r->moved += moved[n];
    for (size_t i = 0; moved[n] && i < 3; i++)
      square += (m->xyz[3 * n + i] - m->before[3 * n + i]) *
                (m->xyz[3 * n + i] - m->before[3 * n + i]);
    r->distance = fmax(r->distance, sqrt(square));
  }
}

/* A straight element is valid, and each round takes a step: it ends. */
void sheet_mend(const struct sheet *sheet, struct mesh_arrays *s, uint8_t *moved,
                struct curved_report *r) {
  struct mending m = {.sheet = sheet,
                      .xyz = s->xyz,
                      .before = out_alloc(3 * s->node_count, sizeof *m.before),
                      .steps = out_alloc(s->node_count, 1)};
  memcpy(m.before, s->xyz, 3 * s->node_count * sizeof *m.before);
  *r = (struct curved_report){0};
  for (bool first = true, again = true; again; first = false) {
    again = false;
    for (size_t i = 0; i < sheet->element_count; i++) {
      const struct sheet_element *e = &sheet->elements[i];
      bool bent = sheet_least(e, m.xyz) < CURVED_FLOOR;
      if (first) {
        r->curved += is_curved(&m, e);
        r->bent += bent;
      }
      if (bent)
        step_element(&m, e);
      again |= bent;
    }
  }
  sheet_curved_tell(&m, s->node_count, moved, r);
  free(m.before);
  free(m.steps);
}
