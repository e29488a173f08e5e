/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/wall_rays.h"

#include "base/box_tree.h"
#include "base/out.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>

#define LEAF 4 /* triangles */

struct wall_rays {
  struct box_tree tree;
  double tiny; /* a distance that is nothing */
};

struct wall_rays *wall_rays_new(const double *xyz, const uint32_t *triangles, size_t count) {
  struct wall_rays *w = out_alloc(1, sizeof *w);
  box_tree_build(&w->tree, xyz, triangles, count, LEAF);
  w->tiny = count ? 1e-9 * box_diagonal(&w->tree.branches[0].box) : 0;
  return w;
}

void wall_rays_free(struct wall_rays *w) {
  if (w)
    box_tree_free(&w->tree);
  free(w);
}

double wall_rays_normal(const double *xyz, const uint32_t *triangle, double normal[3]) {
  vec_normal(normal, xyz + 3 * (size_t)triangle[0], xyz + 3 * (size_t)triangle[1],
             xyz + 3 * (size_t)triangle[2]);
  return vec_unit(normal);
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
static double meets(const struct box_tree *t, size_t triangle, const double from[3],
                    const double d[3]) {
  const double *a = box_tree_corner(t, triangle, 0), *b = box_tree_corner(t, triangle, 1),
               *c = box_tree_corner(t, triangle, 2);
  double e[3], f[3], p[3], q[3], s[3], det = 0, u = 0, v = 0, along = 0;
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
    along += f[k] * q[k];
  }
  if (det == 0)
    return INFINITY;
  u /= det;
  v /= det;
  return u >= 0 && v >= 0 && u + v <= 1 ? along / det : INFINITY;
}

static void wall_rays_look(const struct wall_rays *w, const struct box_branch *b,
                           const double from[3], const double d[3], size_t own,
                           struct wall_hit *hit) {
  for (uint32_t i = b->at; i < b->at + b->count; i++) {
    size_t triangle = w->tree.order[i];
    double t = triangle == own ? INFINITY : meets(&w->tree, triangle, from, d);
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
  uint32_t stack[BOX_TREE_DEPTH];
  struct wall_hit hit = {.distance = INFINITY};
  double inverse[3];
  int n = 0;
  for (int k = 0; k < 3; k++)
    inverse[k] = 1 / direction[k];
  if (w->tree.branch_count)
    stack[n++] = 0;
  while (n) {
    const struct box_branch *b = &w->tree.branches[stack[--n]];
    double near = enters(&b->box, from, inverse, w->tiny);
    if (isinf(near) || (!all && near > hit.distance))
      continue;
    if (b->count) {
      wall_rays_look(w, b, from, direction, own, &hit);
      continue;
    }
    stack[n++] = b->at;
    stack[n++] = b->at + 1;
  }
  return hit;
}
