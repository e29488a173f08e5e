/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/distance.h"

#include "base/box_tree.h"
#include "base/out.h"
#include "base/vec.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEAF 4

struct distance_tree {
  struct box_tree tree;
};

struct distance_tree *distance_tree_new(struct surface_of s) {
  if (s.count == 0)
    return NULL;
  struct distance_tree *t = out_alloc(1, sizeof *t);
  box_tree_build(&t->tree, s.xyz, s.triangles, s.count, LEAF);
  return t;
}

void distance_tree_free(struct distance_tree *t) {
  if (t)
    box_tree_free(&t->tree);
  free(t);
}

static double to_segment(const double p[3], const double *a, const double *b) {
  double u[3], w[3], sum = 0;
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    w[i] = p[i] - a[i];
  }
  double length = vec_dot(u, u), t = length > 0 ? fmin(1, fmax(0, vec_dot(u, w) / length)) : 0;
  for (int i = 0; i < 3; i++)
    sum += (w[i] - t * u[i]) * (w[i] - t * u[i]);
  return sum;
}

/* Squared: to the plane where p is over the triangle, else to its sides. */
static double to_triangle(const double p[3], const double *a, const double *b, const double *c) {
  double u[3], v[3], w[3];
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    v[i] = c[i] - a[i];
    w[i] = p[i] - a[i];
  }
  double uu = vec_dot(u, u), uv = vec_dot(u, v), vv = vec_dot(v, v), wu = vec_dot(w, u),
         wv = vec_dot(w, v);
  double det = uu * vv - uv * uv;
  if (det > 0) {
    double x = (wu * vv - wv * uv) / det, y = (wv * uu - wu * uv) / det;
    if (x >= 0 && y >= 0 && x + y <= 1)
      return fmax(0, vec_dot(w, w) - x * wu - y * wv);
  }
  return fmin(to_segment(p, a, b), fmin(to_segment(p, b, c), to_segment(p, c, a)));
}

static double to_box(const double p[3], const struct box *b) {
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    double off = p[i] < b->low[i] ? b->low[i] - p[i] : p[i] > b->high[i] ? p[i] - b->high[i] : 0;
    sum += off * off;
  }
  return sum;
}

static void nearest(const struct box_tree *t, uint32_t at, const double p[3], double *best) {
  const struct box_branch *b = &t->branches[at];
  for (uint32_t k = b->at; k < b->at + b->count; k++) {
    uint32_t i = t->order[k];
    *best = fmin(*best, to_triangle(p, box_tree_corner(t, i, 0), box_tree_corner(t, i, 1),
                                    box_tree_corner(t, i, 2)));
  }
  if (b->count)
    return;
  double one = to_box(p, &t->branches[b->at].box), other = to_box(p, &t->branches[b->at + 1].box);
  uint32_t first = b->at + (other < one);
  if (fmin(one, other) < *best)
    nearest(t, first, p, best);
  if (fmax(one, other) < *best)
    nearest(t, first == b->at ? b->at + 1 : b->at, p, best);
}

double distance_to(const struct distance_tree *t, const double p[3]) {
  double best = INFINITY;
  nearest(&t->tree, 0, p, &best);
  return sqrt(best);
}

static void look_at(const struct distance_tree *t, const double p[3], struct farthest *f) {
  double off = distance_to(t, p);
  if (off <= f->distance)
    return;
  f->distance = off;
  memcpy(f->at, p, sizeof f->at);
}

struct farthest distance_farthest(const struct distance_tree *t, struct surface_of from,
                                  size_t most) {
  struct farthest f = {0};
  size_t stride = from.count / (most / 2) + 1;
  for (size_t i = 0; t && i < from.count; i += stride) {
    const double *corner[3];
    double middle[3];
    for (size_t k = 0; k < 3; k++)
      corner[k] = from.xyz + 3 * (size_t)from.triangles[3 * i + k];
    for (size_t k = 0; k < 3; k++)
      middle[k] = (corner[0][k] + corner[1][k] + corner[2][k]) / 3;
    look_at(t, middle, &f);
    look_at(t, corner[i / stride % 3], &f);
  }
  return f;
}
