/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/wall_rays.h"

#include "base/out.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEAF  4 /* triangles */
#define DEPTH 64

struct box {
  double low[3], high[3];
};

struct wall_rays {
  const double *xyz;
  const uint32_t *triangles;
  size_t count, node_count;
  uint32_t *order;   /* triangles, as the leaves have them */
  struct box *nodes; /* node i has the children 2i + 1 and 2i + 2, and half of its triangles each */
  double tiny;       /* a distance that is nothing */
};

static const double *corner(const struct wall_rays *w, size_t triangle, int k) {
  return w->xyz + 3 * (size_t)w->triangles[3 * triangle + (size_t)k];
}

static double middle_of(const struct wall_rays *w, size_t triangle, int axis) {
  return corner(w, triangle, 0)[axis] + corner(w, triangle, 1)[axis] + corner(w, triangle, 2)[axis];
}

/* Quickselect by the middles of the triangles. */
static void split_at(const struct wall_rays *w, uint32_t *list, size_t count, size_t middle,
                     int axis) {
  size_t low = 0, high = count - 1;
  while (low < high) {
    double pivot = middle_of(w, list[low + (high - low) / 2], axis);
    size_t i = low, k = high;
    for (;;) {
      while (middle_of(w, list[i], axis) < pivot)
        i++;
      while (middle_of(w, list[k], axis) > pivot)
        k--;
      if (i >= k)
        break;
      uint32_t other = list[i];
      list[i++] = list[k];
      list[k--] = other;
    }
    if (middle <= k)
      high = k;
    else
      low = k + 1;
  }
}

static int bound(const struct wall_rays *w, struct box *b, const uint32_t *list, size_t count) {
  int widest = 0;
  for (int k = 0; k < 3; k++) {
    b->low[k] = INFINITY;
    b->high[k] = -INFINITY;
    for (size_t i = 0; i < 3 * count; i++) {
      double x = corner(w, list[i / 3], (int)(i % 3))[k];
      b->low[k] = fmin(b->low[k], x);
      b->high[k] = fmax(b->high[k], x);
    }
    if (b->high[k] - b->low[k] > b->high[widest] - b->low[widest])
      widest = k;
  }
  return widest;
}

static void grow(struct wall_rays *w, size_t node, size_t first, size_t count) {
  int axis = bound(w, &w->nodes[node], w->order + first, count);
  if (2 * node + 2 >= w->node_count)
    return;
  split_at(w, w->order + first, count, count / 2, axis);
  grow(w, 2 * node + 1, first, count / 2);
  grow(w, 2 * node + 2, first + count / 2, count - count / 2);
}

struct wall_rays *wall_rays_new(const double *xyz, const uint32_t *triangles, size_t count) {
  struct wall_rays *w = out_alloc(1, sizeof *w);
  size_t leaves = 1;
  double sum = 0;
  w->xyz = xyz;
  w->triangles = triangles;
  w->count = count;
  if (count == 0)
    return w;
  while (leaves * LEAF < count)
    leaves *= 2;
  w->node_count = 2 * leaves - 1;
  w->nodes = out_alloc(w->node_count, sizeof *w->nodes);
  w->order = out_alloc(count, sizeof *w->order);
  for (size_t i = 0; i < count; i++)
    w->order[i] = (uint32_t)i;
  grow(w, 0, 0, count);
  for (int k = 0; k < 3; k++)
    sum += pow(w->nodes[0].high[k] - w->nodes[0].low[k], 2);
  w->tiny = 1e-9 * sqrt(sum);
  return w;
}

void wall_rays_free(struct wall_rays *w) {
  if (!w)
    return;
  free(w->order);
  free(w->nodes);
  free(w);
}

double wall_rays_normal(const double *xyz, const uint32_t *triangle, double normal[3]) {
  double u[3], v[3];
  for (int k = 0; k < 3; k++) {
    u[k] = xyz[3 * (size_t)triangle[1] + (size_t)k] - xyz[3 * (size_t)triangle[0] + (size_t)k];
    v[k] = xyz[3 * (size_t)triangle[2] + (size_t)k] - xyz[3 * (size_t)triangle[0] + (size_t)k];
  }
  for (int k = 0; k < 3; k++)
    normal[k] = u[(k + 1) % 3] * v[(k + 2) % 3] - u[(k + 2) % 3] * v[(k + 1) % 3];
  double length = sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
  for (int k = 0; length > 0 && k < 3; k++)
    normal[k] /= length;
  return length;
}

/* Where the ray enters the box; INFINITY: it does not. */
static double enters(const struct box *b, const double from[3], const double inverse[3],
                     double tiny) {
  double near = 0, far = INFINITY;
  for (int k = 0; k < 3; k++) {
    double low = b->low[k] - tiny - from[k], high = b->high[k] + tiny - from[k];
    if (isinf(inverse[k])) {
      if (low > 0 || high < 0)
        return INFINITY;
      continue;
    }
    double a = low * inverse[k], c = high * inverse[k];
    near = fmax(near, fmin(a, c));
    far = fmin(far, fmax(a, c));
  }
  return near <= far ? near : INFINITY;
}

/* Moeller and Trumbore. */
static double meets(const struct wall_rays *w, size_t triangle, const double from[3],
                    const double d[3]) {
  const double *a = corner(w, triangle, 0), *b = corner(w, triangle, 1),
               *c = corner(w, triangle, 2);
  double e[3], f[3], p[3], q[3], s[3], det = 0, u = 0, v = 0, t = 0;
  for (int k = 0; k < 3; k++) {
    e[k] = b[k] - a[k];
    f[k] = c[k] - a[k];
    s[k] = from[k] - a[k];
  }
  for (int k = 0; k < 3; k++) {
    int m = (k + 1) % 3, n = (k + 2) % 3;
    p[k] = d[m] * f[n] - d[n] * f[m];
    q[k] = s[m] * e[n] - s[n] * e[m];
  }
  for (int k = 0; k < 3; k++) {
    det += e[k] * p[k];
    u += s[k] * p[k];
    v += d[k] * q[k];
    t += f[k] * q[k];
  }
  if (det == 0)
    return INFINITY;
  u /= det;
  v /= det;
  return u >= 0 && v >= 0 && u + v <= 1 ? t / det : INFINITY;
}

static void look(const struct wall_rays *w, size_t first, size_t count, const double from[3],
                 const double d[3], size_t own, struct wall_hit *hit) {
  for (size_t i = first; i < first + count; i++) {
    size_t triangle = w->order[i];
    double t = triangle == own ? INFINITY : meets(w, triangle, from, d);
    if (!(t > w->tiny) || isinf(t))
      continue;
    hit->hits++;
    if (t < hit->distance) {
      hit->distance = t;
      hit->triangle = triangle;
    }
  }
}

struct wall_hit wall_rays_cast(const struct wall_rays *w, const double from[3],
                               const double direction[3], size_t own, int all) {
  struct {
    size_t node, first, count;
  } stack[DEPTH];
  struct wall_hit hit = {.distance = INFINITY};
  double inverse[3];
  int n = 0;
  if (w->count == 0)
    return hit;
  for (int k = 0; k < 3; k++)
    inverse[k] = 1 / direction[k];
  stack[n].node = stack[n].first = 0;
  stack[n++].count = w->count;
  while (n) {
    size_t node = stack[--n].node, first = stack[n].first, count = stack[n].count;
    double near = enters(&w->nodes[node], from, inverse, w->tiny);
    if (isinf(near) || (!all && near > hit.distance))
      continue;
    if (2 * node + 2 >= w->node_count) {
      look(w, first, count, from, direction, own, &hit);
      continue;
    }
    stack[n].node = 2 * node + 1;
    stack[n].first = first;
    stack[n++].count = count / 2;
    stack[n].node = 2 * node + 2;
    stack[n].first = first + count / 2;
    stack[n++].count = count - count / 2;
  }
  return hit;
}
