/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quality/quality.h"

#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "base/vec.h"
#include "task/outcome.h"

#include <math.h>
#include <stdlib.h>

typedef double vec[3];

static double degrees(double cosine) {
  return acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine) * (180 / M_PI);
}

/* J maps the regular tetrahedron to this one: 3 det J / (|J| |cof J|), Frobenius norms. */
static double sicn_tet(const vec a, const vec b, const vec c) {
  const double s3 = 1 / sqrt(3.0), s6 = 1 / sqrt(6.0);
  vec j[3], cof[3];
  for (int i = 0; i < 3; i++) {
    j[0][i] = a[i];
    j[1][i] = (2 * b[i] - a[i]) * s3;
    j[2][i] = (3 * c[i] - a[i] - b[i]) * s6;
  }
  vec_cross(cof[0], j[1], j[2]);
  vec_cross(cof[1], j[2], j[0]);
  vec_cross(cof[2], j[0], j[1]);
  double det = vec_dot(j[0], cof[0]);
  double nj = vec_dot(j[0], j[0]) + vec_dot(j[1], j[1]) + vec_dot(j[2], j[2]);
  double nc = vec_dot(cof[0], cof[0]) + vec_dot(cof[1], cof[1]) + vec_dot(cof[2], cof[2]);
  return nj * nc > 0 ? 3 * det / sqrt(nj * nc) : 0;
}

/* Smallest dihedral angle; n: the outer normals of the faces, not of unit length. */
static double dihedral(vec n[4], const double len[4]) {
  double largest = -1; /* cosine of the inner angle: -cos of that between the normals */
  for (int i = 0; i < 4; i++)
    for (int k = i + 1; k < 4; k++) {
      double l = len[i] * len[k];
      double cosine = l > 0 ? -vec_dot(n[i], n[k]) / l : 1;
      if (cosine > largest)
        largest = cosine;
    }
  return degrees(largest);
}

double quality_sicn(const double *const p[4]) {
  vec a, b, c;
  vec_sub(a, p[1], p[0]);
  vec_sub(b, p[2], p[0]);
  vec_sub(c, p[3], p[0]);
  return sicn_tet(a, b, c);
}

static void quality_tet(const double *const p[4], double q[MEASURES]) {
  vec a, b, c, ab, ac, bc, n[4];
  double len[4], area = 0;
  vec_sub(a, p[1], p[0]);
  vec_sub(b, p[2], p[0]);
  vec_sub(c, p[3], p[0]);
  vec_sub(ab, b, a);
  vec_sub(ac, c, a);
  vec_sub(bc, c, b);
  vec_cross(n[0], b, a);   /* face 0 2 1, seen from outside where the element is positive */
  vec_cross(n[1], a, c);   /* 0 1 3 */
  vec_cross(n[2], c, b);   /* 0 3 2 */
  vec_cross(n[3], ab, ac); /* 1 2 3 */
  for (int i = 0; i < 4; i++) {
    len[i] = vec_length(n[i]);
    area += len[i] / 2;
  }
  double six_v = -vec_dot(n[0], c), v = fabs(six_v) / 6;
  double la = vec_length(a), lb = vec_length(b), lc = vec_length(c);
  double lab = vec_length(ab), lac = vec_length(ac), lbc = vec_length(bc);
  double inner = area > 0 ? 3 * v / area : 0;
  /* The products of opposite edges are the sides of a triangle of area 6 V R. */
  double x = la * lbc, y = lb * lac, z = lc * lab, s = (x + y + z) / 2;
  double heron = s * (s - x) * (s - y) * (s - z);
  double outer = v > 0 && heron > 0 ? sqrt(heron) / (6 * v) : INFINITY;
  double longest = fmax(fmax(fmax(la, lb), fmax(lc, lab)), fmax(lac, lbc));
  q[MEASURE_SICN] = sicn_tet(a, b, c);
  q[MEASURE_GAMMA] = isfinite(outer) ? 3 * inner / outer : 0;
  q[MEASURE_ANGLE] = dihedral(n, len);
  double ideal = 8 * sqrt(3.0) / 27 * outer * outer * outer;
  q[MEASURE_SKEWNESS] = isfinite(ideal) && ideal > 0 ? fmax(0, 1 - v / ideal) : 1;
  q[MEASURE_ASPECT] = inner > 0 ? longest / (2 * sqrt(6.0) * inner) : 1e9;
}

void quality_triangle(const double *const p[3], double q[MEASURES]) {
  vec a, b, c, n;
  vec_sub(a, p[1], p[0]);
  vec_sub(b, p[2], p[0]);
  vec_sub(c, p[2], p[1]);
  vec_cross(n, a, b);
  double la = vec_length(a), lb = vec_length(b), lc = vec_length(c), twice = vec_length(n);
  double sum = la + lb + lc;
  /* J to the equilateral one; its singular values give 2 s1 s2 / (s1^2 + s2^2). */
  double norm = 0;
  for (int i = 0; i < 3; i++) {
    double second = (2 * b[i] - a[i]) / sqrt(3.0);
    norm += a[i] * a[i] + second * second;
  }
  double inner = sum > 0 ? twice / sum : 0, edges = la * lb * lc;
  double ca = la * lb > 0 ? vec_dot(a, b) / (la * lb) : 1;
  double cb = la * lc > 0 ? -vec_dot(a, c) / (la * lc) : 1;
  double least = degrees(fmax(fmax(ca, cb), lb * lc > 0 ? vec_dot(b, c) / (lb * lc) : 1));
  double most = degrees(fmin(fmin(ca, cb), lb * lc > 0 ? vec_dot(b, c) / (lb * lc) : 1));
  q[MEASURE_SICN] = norm > 0 ? 4 / sqrt(3.0) * twice / norm : 0;
  q[MEASURE_GAMMA] = edges > 0 && sum > 0 ? 4 * twice * twice / (edges * sum) : 0; /* 2 r / R */
  q[MEASURE_ANGLE] = least;
  q[MEASURE_SKEWNESS] = fmax((most - 60) / 120, (60 - least) / 60);
  q[MEASURE_ASPECT] = inner > 0 ? fmax(fmax(la, lb), lc) / (2 * sqrt(3.0) * inner) : 1e9;
}

/* As if its corners lay in the plane of its diagonals: the least of its four corners, each taken
 * for a parallelogram. */
static void quality_quad(const double *const p[4], double q[MEASURES]) {
  vec side[4], diagonal[2], up;
  double len[4], least = 180, most = 0, shortest = INFINITY, longest = 0;
  q[MEASURE_SICN] = q[MEASURE_GAMMA] = 1;
  vec_sub(diagonal[0], p[2], p[0]);
  vec_sub(diagonal[1], p[3], p[1]);
  vec_cross(up, diagonal[0], diagonal[1]);
  double area = vec_length(up);
  for (int i = 0; i < 4; i++) {
    vec_sub(side[i], p[(i + 1) % 4], p[i]);
    len[i] = vec_length(side[i]);
    shortest = fmin(shortest, len[i]);
    longest = fmax(longest, len[i]);
  }
  for (int i = 0; i < 4; i++) {
    const double *a = side[i], *before = side[(i + 3) % 4];
    vec b = {-before[0], -before[1], -before[2]}, n;
    double la = len[i], lb = len[(i + 3) % 4], corner[MEASURES];
    vec_cross(n, a, b);
    double det = area > 0 ? vec_dot(n, up) / area : 0, sum = la * la + lb * lb;
    double angle = la * lb > 0 ? degrees(vec_dot(a, b) / (la * lb)) : 0;
    angle = det < 0 ? 360 - angle : angle;
    least = fmin(least, angle);
    most = fmax(most, angle);
    const double *const half[3] = {p[(i + 3) % 4], p[i], p[(i + 1) % 4]};
    quality_triangle(half, corner);
    q[MEASURE_SICN] = fmin(q[MEASURE_SICN], sum > 0 ? 2 * det / sum : 0);
    q[MEASURE_GAMMA] = fmin(q[MEASURE_GAMMA], corner[MEASURE_GAMMA] / (2 * (sqrt(2.0) - 1)));
  }
  q[MEASURE_ANGLE] = least;
  q[MEASURE_SKEWNESS] = fmin(1, fmax((most - 90) / 90, (90 - least) / 90));
  q[MEASURE_ASPECT] = shortest > 0 ? longest / shortest : 1e9;
}

void quality_of_sheet(struct quality *q, const struct sheet *sheet, const struct mesh_arrays *s) {
  *q = (struct quality){.count = sheet->element_count, .sheet = sheet};
  for (int m = 0; m < MEASURES; m++)
    q->values[m] = out_alloc(q->count, sizeof(double));
  for (size_t i = 0; i < q->count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    const double *p[4] = {NULL};
    double one[MEASURES];
    for (int k = 0; k < e->corners; k++)
      p[k] = s->xyz + 3 * (size_t)e->node[k];
    (e->corners == 4 ? quality_quad : quality_triangle)(p, one);
    for (int m = 0; m < MEASURES; m++)
      q->values[m][i] = one[m];
  }
}

void quality_of(struct quality *q, const struct mesh_arrays *s, bool tets) {
  size_t corners = tets ? 4 : 3, stride = tets ? (size_t)s->tet_nodes : 3;
  const uint32_t *elements = tets ? s->tets : s->triangles;
  *q = (struct quality){.count = tets ? s->tet_count : s->triangle_count, .tets = tets};
  for (int m = 0; m < MEASURES; m++)
    q->values[m] = out_alloc(q->count, sizeof(double));
  for (size_t i = 0; i < q->count; i++) {
    const double *p[4] = {NULL};
    double one[MEASURES];
    for (size_t k = 0; k < corners; k++)
      p[k] = s->xyz + 3 * (size_t)elements[i * stride + k];
    if (tets)
      quality_tet(p, one);
    else
      quality_triangle(p, one);
    for (int m = 0; m < MEASURES; m++)
      q->values[m][i] = one[m];
  }
}

void quality_free(struct quality *q) {
  for (int m = 0; m < MEASURES; m++)
    free(q->values[m]);
  free(q->layers);
  *q = (struct quality){0};
}
