/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/distance.h"

#include "base/out.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEAF 4

struct branch { /* count 0: two branches, at `at` and `at + 1` */
  double low[3], high[3];
  uint32_t at, count;
};

struct distance_tree {
  struct surface_of s;
  uint32_t *order; /* triangles */
  struct branch *branches;
  uint32_t count;
};

static const double *corner(const struct surface_of *s, size_t triangle, size_t k) {
  return s->xyz + 3 * (size_t)s->triangles[3 * triangle + k];
}

static double centre(const struct surface_of *s, uint32_t triangle, size_t axis) {
  return corner(s, triangle, 0)[axis] + corner(s, triangle, 1)[axis] + corner(s, triangle, 2)[axis];
}

static void box_of(const struct distance_tree *t, struct branch *b, size_t first, size_t count) {
  for (size_t i = 0; i < 3; i++) {
    b->low[i] = INFINITY;
    b->high[i] = -INFINITY;
  }
  for (size_t k = 0; k < 3 * count; k++) {
    const double *p = corner(&t->s, t->order[first + k / 3], k % 3);
    for (size_t i = 0; i < 3; i++) {
      b->low[i] = p[i] < b->low[i] ? p[i] : b->low[i];
      b->high[i] = p[i] > b->high[i] ? p[i] : b->high[i];
    }
  }
}

/* The lower ones by their centre come first: about half of them, or half if all are alike. */
static size_t part(const struct distance_tree *t, size_t first, size_t count, size_t axis,
                   double middle) {
  size_t low = first, high = first + count;
  while (low < high) {
    if (centre(&t->s, t->order[low], axis) < 3 * middle) {
      low++;
      continue;
    }
    uint32_t swap = t->order[low];
    t->order[low] = t->order[--high];
    t->order[high] = swap;
  }
  size_t lower = low - first;
  return lower <= count / 8 || lower >= count - count / 8 ? count / 2 : lower;
}

static void plant(struct distance_tree *t, uint32_t at, size_t first, size_t count) {
  struct branch *b = &t->branches[at];
  size_t axis = 0;
  box_of(t, b, first, count);
  b->at = (uint32_t)first;
  b->count = (uint32_t)count;
  if (count <= LEAF)
    return;
  for (size_t i = 1; i < 3; i++)
    if (b->high[i] - b->low[i] > b->high[axis] - b->low[axis])
      axis = i;
  size_t lower = part(t, first, count, axis, (b->low[axis] + b->high[axis]) / 2);
  b->at = t->count;
  b->count = 0;
  t->count += 2;
  plant(t, b->at, first, lower);
  plant(t, b->at + 1, first + lower, count - lower);
}

struct distance_tree *distance_tree_new(struct surface_of s) {
  if (s.count == 0)
    return NULL;
  struct distance_tree *t = out_alloc(1, sizeof *t);
  *t = (struct distance_tree){.s = s,
                              .order = out_alloc(s.count, sizeof *t->order),
                              .branches = out_alloc(2 * s.count + 1, sizeof *t->branches),
                              .count = 1};
  for (size_t i = 0; i < s.count; i++)
    t->order[i] = (uint32_t)i;
  plant(t, 0, 0, s.count);
  return t;
}

void distance_tree_free(struct distance_tree *t) {
  if (!t)
    return;
  free(t->order);
  free(t->branches);
  free(t);
}

static double dot(const double a[3], const double b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double to_segment(const double p[3], const double *a, const double *b) {
  double u[3], w[3], sum = 0;
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    w[i] = p[i] - a[i];
  }
  double length = dot(u, u), t = length > 0 ? fmin(1, fmax(0, dot(u, w) / length)) : 0;
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
  double uu = dot(u, u), uv = dot(u, v), vv = dot(v, v), wu = dot(w, u), wv = dot(w, v);
  double det = uu * vv - uv * uv;
  if (det > 0) {
    double x = (wu * vv - wv * uv) / det, y = (wv * uu - wu * uv) / det;
    if (x >= 0 && y >= 0 && x + y <= 1)
      return fmax(0, dot(w, w) - x * wu - y * wv);
  }
  return fmin(to_segment(p, a, b), fmin(to_segment(p, b, c), to_segment(p, c, a)));
}

static double to_box(const double p[3], const struct branch *b) {
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    double off = p[i] < b->low[i] ? b->low[i] - p[i] : p[i] > b->high[i] ? p[i] - b->high[i] : 0;
    sum += off * off;
  }
  return sum;
}

static void nearest(const struct distance_tree *t, uint32_t at, const double p[3], double *best) {
  const struct branch *b = &t->branches[at];
  if (b->count) {
    for (uint32_t k = b->at; k < b->at + b->count; k++) {
      uint32_t i = t->order[k];
      *best = fmin(*best,
                   to_triangle(p, corner(&t->s, i, 0), corner(&t->s, i, 1), corner(&t->s, i, 2)));
    }
    return;
  }
  double one = to_box(p, &t->branches[b->at]), other = to_box(p, &t->branches[b->at + 1]);
  uint32_t first = b->at + (other < one);
  if (fmin(one, other) < *best)
    nearest(t, first, p, best);
  if (fmax(one, other) < *best)
    nearest(t, first == b->at ? b->at + 1 : b->at, p, best);
}

double distance_to(const struct distance_tree *t, const double p[3]) {
  double best = INFINITY;
  nearest(t, 0, p, &best);
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
    double middle[3];
    for (size_t k = 0; k < 3; k++)
      middle[k] = centre(&from, (uint32_t)i, k) / 3;
    look_at(t, middle, &f);
    look_at(t, corner(&from, i, i / stride % 3), &f);
  }
  return f;
}
