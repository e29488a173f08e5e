/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/size_field.h"

#include "base/out.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAF   8  /* points */
#define DEPTH  64 /* of the stack of a search: the tree is balanced */
#define HALVES 40 /* of a triangle, at most: 2^20 points along an edge */

struct point {
  double at[3], size, slope;
};

/* Node i has the children 2i + 1 and 2i + 2, and half of its points each. */
struct node {
  double low[3], high[3], size, slope; /* the least of its points */
};

struct size_field {
  struct point *points;
  size_t count, cap;
  struct node *nodes;
  size_t node_count;
};

struct size_field *size_field_new(void) {
  return out_alloc(1, sizeof(struct size_field));
}

void size_field_free(struct size_field *f) {
  if (!f)
    return;
  free(f->points);
  free(f->nodes);
  free(f);
}

size_t size_field_count(const struct size_field *f) {
  return f->count;
}

void size_field_point(struct size_field *f, const double at[3], double size, double slope) {
  if (f->count == f->cap) {
    f->cap = f->cap ? 2 * f->cap : 256;
    f->points = out_again(f->points, f->count, f->cap, sizeof *f->points);
  }
  struct point *p = &f->points[f->count++];
  memcpy(p->at, at, sizeof p->at);
  p->size = size;
  p->slope = slope;
}

struct triangle {
  double corner[3][3];
  int halves; /* how often it was cut in two */
};

/* The triangle is cut in two across its longest side until that is short; the middle of each piece
 * is a point. */
void size_field_triangle(struct size_field *f, const double a[3], const double b[3],
                         const double c[3], double spacing, double size, double slope) {
  struct triangle stack[HALVES + 1];
  size_t n = 1;
  memcpy(stack[0].corner[0], a, 3 * sizeof *a);
  memcpy(stack[0].corner[1], b, 3 * sizeof *b);
  memcpy(stack[0].corner[2], c, 3 * sizeof *c);
  stack[0].halves = 0;
  while (n) {
    struct triangle t = stack[--n], half;
    double longest = 0, middle[3];
    int from = 0;
    for (int i = 0; i < 3; i++)
      if (vec_distance2(t.corner[i], t.corner[(i + 1) % 3]) > longest) {
        longest = vec_distance2(t.corner[i], t.corner[(i + 1) % 3]);
        from = i;
      }
    if (longest <= 3 * spacing * spacing || t.halves == HALVES) {
      for (int i = 0; i < 3; i++)
        middle[i] = (t.corner[0][i] + t.corner[1][i] + t.corner[2][i]) / 3;
      size_field_point(f, middle, size, slope);
      continue;
    }
    for (int i = 0; i < 3; i++)
      middle[i] = (t.corner[from][i] + t.corner[(from + 1) % 3][i]) / 2;
    t.halves++;
    half = t;
    memcpy(half.corner[from], middle, sizeof middle);
    memcpy(t.corner[(from + 1) % 3], middle, sizeof middle);
    stack[n++] = half;
    stack[n++] = t;
  }
}

/* ---- the tree ---- */

static void swap(struct point *a, struct point *b) {
  struct point c = *a;
  *a = *b;
  *b = c;
}

/* Quickselect: the point that belongs at `middle` by this axis comes there, smaller ones before it.
 */
static void split_at(struct point *p, size_t count, size_t middle, int axis) {
  size_t low = 0, high = count - 1;
  while (low < high) {
    double pivot = p[low + (high - low) / 2].at[axis];
    size_t i = low, k = high;
    for (;;) {
      while (p[i].at[axis] < pivot)
        i++;
      while (p[k].at[axis] > pivot)
        k--;
      if (i >= k)
        break;
      swap(&p[i++], &p[k--]);
    }
    if (middle <= k)
      high = k;
    else
      low = k + 1;
  }
}

static int bound(struct node *n, const struct point *p, size_t count) {
  *n = (struct node){.low = {INFINITY, INFINITY, INFINITY},
                     .high = {-INFINITY, -INFINITY, -INFINITY},
                     .size = INFINITY,
                     .slope = INFINITY};
  int widest = 0;
  for (size_t i = 0; i < count; i++) {
    for (int k = 0; k < 3; k++) {
      n->low[k] = fmin(n->low[k], p[i].at[k]);
      n->high[k] = fmax(n->high[k], p[i].at[k]);
    }
    n->size = fmin(n->size, p[i].size);
    n->slope = fmin(n->slope, p[i].slope);
  }
  for (int k = 1; k < 3; k++)
    if (n->high[k] - n->low[k] > n->high[widest] - n->low[widest])
      widest = k;
  return widest;
}

static void size_field_grow(struct size_field *f, size_t node, size_t first, size_t count) {
  int axis = bound(&f->nodes[node], f->points + first, count);
  if (2 * node + 2 >= f->node_count)
    return;
  split_at(f->points + first, count, count / 2, axis);
  size_field_grow(f, 2 * node + 1, first, count / 2);
  size_field_grow(f, 2 * node + 2, first + count / 2, count - count / 2);
}

void size_field_build(struct size_field *f) {
  size_t leaves = 1;
  free(f->nodes);
  f->nodes = NULL;
  if (f->count == 0)
    return;
  while (leaves * LEAF < f->count)
    leaves *= 2;
  f->node_count = 2 * leaves - 1;
  f->nodes = out_alloc(f->node_count, sizeof *f->nodes);
  size_field_grow(f, 0, 0, f->count);
}

static double least_of(const struct node *n, const double at[3]) {
  double sum = 0;
  for (int k = 0; k < 3; k++) {
    double d = fmax(fmax(n->low[k] - at[k], at[k] - n->high[k]), 0);
    sum += d * d;
  }
  return n->size + n->slope * sqrt(sum);
}

double size_field_at(const struct size_field *f, const double at[3], double largest) {
  struct {
    size_t node, first, count;
    double least;
  } stack[DEPTH];
  int n = 0;
  double best = largest;
  if (!f->nodes || least_of(&f->nodes[0], at) >= best)
    return best;
  stack[n].node = stack[n].first = 0;
  stack[n].count = f->count;
  stack[n++].least = 0;
  while (n) {
    size_t node = stack[--n].node, first = stack[n].first, count = stack[n].count;
    if (stack[n].least >= best)
      continue;
    if (2 * node + 2 >= f->node_count) {
      for (size_t i = first; i < first + count; i++)
        best = fmin(best, f->points[i].size +
                              f->points[i].slope * sqrt(vec_distance2(f->points[i].at, at)));
      continue;
    }
    double left = least_of(&f->nodes[2 * node + 1], at);
    double right = least_of(&f->nodes[2 * node + 2], at);
    for (int pass = 0; pass < 2; pass++) { /* the nearer one is looked at first */
      bool second = (left > right) != (pass == 0);
      stack[n].node = 2 * node + (second ? 2 : 1);
      stack[n].first = first + (second ? count / 2 : 0);
      stack[n].count = second ? count - count / 2 : count / 2;
      stack[n++].least = second ? right : left;
    }
  }
  return best;
}

/* ---- regions ---- */

double size_region_distance(const struct size_region *r, const double at[3]) {
  double sum = 0, along = 0, length = 0;
  if (r->shape == SIZE_BALL)
    return fmax(sqrt(vec_distance2(r->a, at)) - r->radius, 0);
  if (r->shape == SIZE_BOX) {
    for (int k = 0; k < 3; k++) {
      double d = fmax(fmax(r->a[k] - at[k], at[k] - r->b[k]), 0);
      sum += d * d;
    }
    return sqrt(sum);
  }
  for (int k = 0; k < 3; k++) {
    along += (at[k] - r->a[k]) * (r->b[k] - r->a[k]);
    length += (r->b[k] - r->a[k]) * (r->b[k] - r->a[k]);
  }
  double share = length > 0 ? fmin(fmax(along / length, 0), 1) : 0, foot[3];
  for (int k = 0; k < 3; k++)
    foot[k] = r->a[k] + share * (r->b[k] - r->a[k]);
  return fmax(sqrt(vec_distance2(foot, at)) - r->radius, 0);
}
