/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Triangles of a closed surface, turned so that their normals point out of the solid.
 */
#include "layers/layers_turn.h"

#include "base/out.h"
#include "base/vec.h"
#include "layers/layers.h"

#include <stdlib.h>

struct edge { /* of a triangle */
  uint32_t low, high, triangle;
  bool up; /* from low to high */
};

struct shells {
  struct edge *edges;
  uint32_t (*across)[3]; /* of each triangle: the ones behind its edges */
  bool (*same)[3];       /* and whether these are turned alike */
  uint32_t *shell;       /* of each triangle, from 1 */
  uint32_t *stack;
  bool *turned;
};

static int by_nodes(const void *a, const void *b) {
  const struct edge *x = a, *y = b;
  if (x->low != y->low)
    return x->low < y->low ? -1 : 1;
  if (x->high != y->high)
    return x->high < y->high ? -1 : 1;
  return x->triangle < y->triangle ? -1 : x->triangle > y->triangle;
}

static void list_edges(struct shells *h, const struct layers_surface *s) {
  for (size_t i = 0; i < 3 * s->count; i++) {
    uint32_t a = s->triangles[i], b = s->triangles[i % 3 == 2 ? i - 2 : i + 1];
    h->edges[i] = (struct edge){a < b ? a : b, a < b ? b : a, (uint32_t)(i / 3), a < b};
  }
  qsort(h->edges, 3 * s->count, sizeof *h->edges, by_nodes);
}

static void layers_turn_join(struct shells *h, uint8_t *joined, const struct edge *a,
                             const struct edge *b) {
  uint8_t k = joined[a->triangle]++;
  h->across[a->triangle][k] = b->triangle;
  h->same[a->triangle][k] = a->up != b->up;
}

/* False: an edge belongs to one triangle alone, or to more than two. */
static bool find_across(struct shells *h, const struct layers_surface *s) {
  uint8_t *joined = out_alloc(s->count + 1, 1);
  bool closed = s->count > 0;
  for (size_t i = 0; closed && i < 3 * s->count; i += 2) {
    const struct edge *e = h->edges + i;
    closed = e[0].low == e[1].low && e[0].high == e[1].high && e[0].triangle != e[1].triangle &&
             (i + 2 == 3 * s->count || e[1].low != e[2].low || e[1].high != e[2].high);
    if (!closed)
      break;
    layers_turn_join(h, joined, &e[0], &e[1]);
    layers_turn_join(h, joined, &e[1], &e[0]);
  }
  free(joined);
  return closed;
}

static void layers_turn_turn(struct layers_surface *s, uint32_t triangle) {
  uint32_t *n = s->triangles + 3 * (size_t)triangle, swap = n[1];
  n[1] = n[2];
  n[2] = swap;
}

/* From one triangle on, all that hang together.  The order of their edges in `across` does not
 * depend on how they are turned; `same` tells of how they came. */
static void spread(struct shells *h, struct layers_surface *s, uint32_t from, uint32_t shell) {
  size_t n = 0;
  h->stack[n++] = from;
  h->shell[from] = shell;
  while (n) {
    uint32_t t = h->stack[--n];
    for (int k = 0; k < 3; k++) {
      uint32_t other = h->across[t][k];
      if (h->shell[other])
        continue;
      h->shell[other] = shell;
      h->turned[other] = h->turned[t] == h->same[t][k];
      if (h->turned[other])
        layers_turn_turn(s, other);
      h->stack[n++] = other;
    }
  }
}

static double corner_volume(const struct layers_surface *s, size_t triangle) {
  const uint32_t *n = s->triangles + 3 * triangle;
  const double *o = s->xyz + 3 * (size_t)s->triangles[0];
  double a[3], b[3], c[3], up[3];
  vec_sub(a, s->xyz + 3 * (size_t)n[0], o);
  vec_sub(b, s->xyz + 3 * (size_t)n[1], o);
  vec_sub(c, s->xyz + 3 * (size_t)n[2], o);
  vec_cross(up, a, b);
  return vec_dot(up, c) / 6;
}

static void turn_shells(const struct shells *h, struct layers_surface *s, uint32_t count) {
  double *volume = out_alloc(count + 1, sizeof *volume);
  uint32_t outer = 1;
  for (size_t i = 0; i < s->count; i++)
    volume[h->shell[i]] += corner_volume(s, i);
  for (uint32_t k = 1; k <= count; k++)
    if (fabs(volume[k]) > fabs(volume[outer]))
      outer = k;
  for (uint32_t i = 0; i < s->count; i++)
    if ((volume[h->shell[i]] < 0) == (h->shell[i] == outer))
      layers_turn_turn(s, i);
  free(volume);
}

bool layers_turn(struct layers_surface *s) {
  struct shells h = {.edges = out_alloc(3 * s->count + 1, sizeof *h.edges),
                     .across = out_alloc(s->count + 1, sizeof *h.across),
                     .same = out_alloc(s->count + 1, sizeof *h.same),
                     .shell = out_alloc(s->count + 1, sizeof *h.shell),
                     .stack = out_alloc(s->count + 1, sizeof *h.stack),
                     .turned = out_alloc(s->count + 1, sizeof *h.turned)};
  uint32_t count = 0;
  list_edges(&h, s);
  bool closed = find_across(&h, s);
  for (uint32_t i = 0; closed && i < s->count; i++)
    if (!h.shell[i])
      spread(&h, s, i, ++count);
  if (closed)
    turn_shells(&h, s, count);
  free(h.edges);
  free(h.across);
  free(h.same);
  free(h.shell);
  free(h.stack);
  free(h.turned);
  return closed;
}
