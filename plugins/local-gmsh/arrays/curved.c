/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/curved.h"

#include "base/out.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EDGES     6
#define STEPS     8    /* from curved to straight */
#define SPLITS    12   /* of an element, one within the other */
#define IS_MIDDLE 1e-9 /* of the edge's length */

static const int CORNERS[EDGES][2] = {{0, 1}, {1, 2}, {2, 0}, {3, 0}, {2, 3}, {1, 3}};

/* ---- one element ---- */

/* The quadratic map's Bezier points are x_i at the corners and 2 m_ij - (x_i + x_j) / 2 between. */
static double control(const double *const node[10], int i, int j, int axis) {
  if (i == j)
    return node[i][axis];
  for (int k = 0; k < EDGES; k++)
    if ((CORNERS[k][0] == i && CORNERS[k][1] == j) || (CORNERS[k][0] == j && CORNERS[k][1] == i))
      return 2 * node[4 + k][axis] - (node[i][axis] + node[j][axis]) / 2;
  return 0;
}

void curved_element_of(struct curved_element *e, const double *const node[10]) {
  for (int i = 0; i < 4; i++)
    for (int axis = 0; axis < 3; axis++) {
      double origin = control(node, i, 0, axis);
      for (int column = 0; column < 3; column++)
        e->jacobian[i][column][axis] = 2 * (control(node, i, column + 1, axis) - origin);
    }
}

static double determinant(const double a[3], const double b[3], const double c[3]) {
  return a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) +
         a[2] * (b[0] * c[1] - b[1] * c[0]);
}

/* det(sum l_i J_i) is a cubic form: the coefficient of l_i l_j l_k is the mean of the determinants
 * whose columns come from J_i, J_j and J_k in every order. */
static double mixed(const struct curved_element *e, int i, int j, int k) {
  const double(*a)[3] = e->jacobian[i], (*b)[3] = e->jacobian[j], (*c)[3] = e->jacobian[k];
  if (i == k)
    return determinant(a[0], a[1], a[2]);
  if (i == j)
    return (determinant(a[0], a[1], c[2]) + determinant(a[0], c[1], a[2]) +
            determinant(c[0], a[1], a[2])) /
           3;
  if (j == k)
    return (determinant(a[0], b[1], b[2]) + determinant(b[0], a[1], b[2]) +
            determinant(b[0], b[1], a[2])) /
           3;
  return (determinant(a[0], b[1], c[2]) + determinant(a[0], c[1], b[2]) +
          determinant(b[0], a[1], c[2]) + determinant(b[0], c[1], a[2]) +
          determinant(c[0], a[1], b[2]) + determinant(c[0], b[1], a[2])) /
         6;
}

void curved_coefficients(const struct curved_element *e, double b[CURVED_COEFFICIENTS]) {
  for (int i = 0, n = 0; i < 4; i++)
    for (int j = i; j < 4; j++)
      for (int k = j; k < 4; k++)
        b[n++] = mixed(e, i, j, k);
}

double curved_volume(const double *const node[10]) {
  struct curved_element e;
  double b[CURVED_COEFFICIENTS], sum = 0;
  curved_element_of(&e, node);
  curved_coefficients(&e, b);
  for (int k = 0; k < CURVED_COEFFICIENTS; k++)
    sum += b[k];
  return sum / CURVED_COEFFICIENTS / 6;
}

/* Between which two corners the matrix changes most: there a split helps most. */
static void widest(const struct curved_element *e, int *from, int *to) {
  double most = -1;
  for (int k = 0; k < EDGES; k++) {
    const double *a = e->jacobian[CORNERS[k][0]][0], *b = e->jacobian[CORNERS[k][1]][0];
    double sum = 0;
    for (int i = 0; i < 9; i++)
      sum += (a[i] - b[i]) * (a[i] - b[i]);
    if (sum > most) {
      most = sum;
      *from = CORNERS[k][0];
      *to = CORNERS[k][1];
    }
  }
}

/* The half of an element beside `from`: its corner `to` goes to the middle of that edge. */
static struct curved_element half(const struct curved_element *e, int from, int to) {
  struct curved_element h = *e;
  for (int c = 0; c < 3; c++)
    for (int axis = 0; axis < 3; axis++)
      h.jacobian[to][c][axis] = (e->jacobian[from][c][axis] + e->jacobian[to][c][axis]) / 2;
  return h;
}

struct search {
  double tolerance, enough;
  double value; /* the least determinant that was met */
};

/* A lower bound over this part of the element.  A split leaves the reference volume aside, which
 * changes no value of the determinant. */
static double bound(const struct curved_element *e, struct search *s, int splits) {
  double b[CURVED_COEFFICIENTS], least = INFINITY;
  int from = 0, to = 1;
  curved_coefficients(e, b);
  for (int i = 0; i < CURVED_COEFFICIENTS; i++)
    least = fmin(least, b[i]);
  for (int i = 0; i < 4; i++)
    s->value = fmin(s->value, mixed(e, i, i, i));
  if (least >= s->enough || least >= s->value - s->tolerance || splits == 0)
    return least;
  widest(e, &from, &to);
  struct curved_element one = half(e, from, to), other = half(e, to, from);
  double a = bound(&one, s, splits - 1);
  return fmin(a, bound(&other, s, splits - 1));
}

double curved_least(const struct curved_element *e, double tolerance, double enough) {
  struct search s = {tolerance, enough, INFINITY};
  return bound(e, &s, SPLITS);
}

/* ---- a mesh ---- */

struct mesh_of { /* what is worked on */
  double *xyz;
  const uint32_t *tets;
  size_t count;
  uint8_t *moved;
  double *bent;    /* where the middle nodes were; made with the first move */
  uint8_t *steps;  /* per node, how far it went towards straight */
  uint32_t *round; /* per node, when it was moved last; 0: never */
  size_t nodes;
};

static void nodes_of(const struct mesh_of *m, size_t tet, const double *node[10]) {
  for (size_t k = 0; k < 10; k++)
    node[k] = m->xyz + 3 * (size_t)m->tets[10 * tet + k];
}

/* How far the middle node of edge k lies from the middle, squared, and the edge's length. */
static double offset(const double *const node[10], int k, double *length) {
  const double *a = node[CORNERS[k][0]], *b = node[CORNERS[k][1]], *m = node[4 + k];
  double sum = 0;
  *length = 0;
  for (int i = 0; i < 3; i++) {
    double d = m[i] - (a[i] + b[i]) / 2, l = b[i] - a[i];
    sum += d * d;
    *length += l * l;
  }
  return sum;
}

static bool is_curved(const double *const node[10]) {
  for (int k = 0; k < EDGES; k++) {
    double length, off = offset(node, k, &length);
    if (off > IS_MIDDLE * IS_MIDDLE * length)
      return true;
  }
  return false;
}

double curved_sagitta(const double *xyz, const uint32_t *tets, size_t count) {
  double most = 0;
  for (size_t i = 0; i < count; i++) {
    const double *node[10];
    for (int k = 0; k < 10; k++)
      node[k] = xyz + 3 * (size_t)tets[10 * i + (size_t)k];
    for (int k = 0; k < EDGES; k++) {
      double length;
      most = fmax(most, offset(node, k, &length));
    }
  }
  return 4 / 3. * sqrt(most);
}

/* Six times the volume between the corners. */
static double straight(const double *const node[10]) {
  double side[3][3];
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 3; i++)
      side[c][i] = node[c + 1][i] - node[0][i];
  return determinant(side[0], side[1], side[2]);
}

static bool is_valid(const double *const node[10]) {
  struct curved_element e;
  double whole = straight(node), floor = CURVED_FLOOR * whole;
  curved_element_of(&e, node);
  return curved_least(&e, whole / 1000, floor) >= floor;
}

/* One step towards straight, for each middle node of the element that is not there yet. */
static void straighten(struct mesh_of *m, size_t tet, uint32_t round) {
  for (int k = 0; k < EDGES; k++) {
    size_t n = m->tets[10 * tet + 4 + (size_t)k];
    const double *node[10];
    double length;
    nodes_of(m, tet, node);
    if (m->steps[n] == STEPS || m->round[n] == round ||
        !(offset(node, k, &length) > IS_MIDDLE * IS_MIDDLE * length))
      continue;
    double left = (double)(STEPS - ++m->steps[n]) / STEPS;
    for (int i = 0; i < 3; i++) {
      double middle = (node[CORNERS[k][0]][i] + node[CORNERS[k][1]][i]) / 2;
      m->xyz[3 * n + (size_t)i] = middle + left * (m->bent[3 * n + (size_t)i] - middle);
    }
    m->round[n] = round;
    m->moved[n] = 1;
  }
}

static bool touched(const struct mesh_of *m, size_t tet, uint32_t round) {
  for (size_t k = 4; k < 10; k++)
    if (m->round[m->tets[10 * tet + k]] == round)
      return true;
  return false;
}

/* Each round takes the elements whose middle nodes the last one moved.  It ends: a round moves a
 * node one of its STEPS, and an element with none left is straight. */
static void straighten_all(struct mesh_of *m, uint32_t *bad, size_t bad_count) {
  for (uint32_t round = 1; bad_count > 0; round++) {
    for (size_t i = 0; i < bad_count; i++)
      straighten(m, bad[i], round);
    bad_count = 0;
    for (size_t i = 0; i < m->count; i++) {
      const double *node[10];
      nodes_of(m, i, node);
      if (touched(m, i, round) && is_curved(node) && !is_valid(node))
        bad[bad_count++] = (uint32_t)i;
    }
  }
}

static void measure_moves(const struct mesh_of *m, struct curved_report *r) {
  double most = 0;
  for (size_t n = 0; n < m->nodes; n++) {
    double sum = 0;
    for (size_t i = 0; m->moved[n] && i < 3; i++)
      sum += (m->xyz[3 * n + i] - m->bent[3 * n + i]) * (m->xyz[3 * n + i] - m->bent[3 * n + i]);
    if (sum > most) {
      most = sum;
      memcpy(r->far, m->xyz + 3 * n, sizeof r->far);
    }
    r->moved += m->moved[n];
  }
  r->distance = sqrt(most);
  for (size_t i = 0; i < m->count; i++)
    for (size_t k = 4; k < 10; k++)
      if (m->moved[m->tets[10 * i + k]]) {
        r->straighter++;
        break;
      }
}

/* Of elements that are valid by now. */
static void curved_measure(const struct mesh_of *m, struct curved_report *r) {
  r->least = 1;
  for (size_t i = 0; i < m->count; i++) {
    const double *node[10];
    nodes_of(m, i, node);
    double whole = straight(node);
    if (!is_curved(node)) {
      r->volume += whole / 6;
      continue;
    }
    struct curved_element e;
    curved_element_of(&e, node);
    r->volume += curved_volume(node);
    r->curved++;
    r->least = fmin(r->least, curved_least(&e, whole / 1000, r->least * whole) / whole);
  }
}

void curved_mend(double *xyz, size_t nodes, const uint32_t *tets, size_t count, uint8_t *moved,
                 struct curved_report *r) {
  struct mesh_of m = {.xyz = xyz, .tets = tets, .count = count, .moved = moved, .nodes = nodes};
  uint32_t *bad = out_alloc(count, sizeof *bad);
  *r = (struct curved_report){0};
  for (size_t i = 0; i < count; i++) {
    const double *node[10];
    nodes_of(&m, i, node);
    if (is_curved(node) && !is_valid(node))
      bad[r->bent++] = (uint32_t)i;
  }
  if (r->bent) {
    m.bent = out_alloc(3 * nodes, sizeof *m.bent);
    m.steps = out_alloc(nodes, sizeof *m.steps);
    m.round = out_alloc(nodes, sizeof *m.round);
    memcpy(m.bent, xyz, 3 * nodes * sizeof *xyz);
    straighten_all(&m, bad, r->bent);
    measure_moves(&m, r);
  }
  curved_measure(&m, r);
  free(m.bent);
  free(m.steps);
  free(m.round);
  free(bad);
}
