/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order in which facets are mended, and points that nearly meet.
 */
#include "facets/facets_mend.h"

#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_edges.h"
#include "facets/facets_faces.h"
#include "facets/facets_hash.h"
#include "facets/facets_joints.h"
#include "facets/facets_shells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEAR[] = {FACETS_NEAR, 1e-5, 1e-4}; /* of the diagonal */

#define CELL 4 /* times the reach: most points are near no border of a cell */

struct grid {
  const struct facets *f;
  double reach;
  uint32_t *slots; /* node + 1, of those that stay */
  size_t mask;
};

static size_t cell_slot(const struct grid *g, const int64_t c[3]) {
  return facets_hash((uint64_t)c[0], (uint64_t)c[1], (uint64_t)c[2]) & g->mask;
}

/* The cell of a point that is `off` further along each axis. */
static void cell_of(const struct grid *g, const double *p, double off, int64_t c[3]) {
  for (int i = 0; i < 3; i++)
    c[i] = (int64_t)floor((p[i] + off - g->f->low[i]) / (CELL * g->reach));
}

/* The same in one cell. */
static uint32_t neighbour_in(const struct grid *g, const double *p, const int64_t c[3]) {
  for (size_t s = cell_slot(g, c); g->slots[s]; s = (s + 1) & g->mask) {
    const double *q = g->f->xyz + 3 * ((size_t)g->slots[s] - 1);
    double sum = 0;
    for (int i = 0; i < 3; i++)
      sum += (p[i] - q[i]) * (p[i] - q[i]);
    if (sum <= g->reach * g->reach)
      return g->slots[s] - 1;
  }
  return FACET_NONE;
}

/* A node that stays within reach of `p`; FACET_NONE: none. */
static uint32_t neighbour(const struct grid *g, const double *p) {
  int64_t low[3], high[3], c[3];
  uint32_t found = FACET_NONE;
  cell_of(g, p, -g->reach, low);
  cell_of(g, p, g->reach, high);
  for (c[2] = low[2]; c[2] <= high[2]; c[2]++)
    for (c[1] = low[1]; c[1] <= high[1]; c[1]++)
      for (c[0] = low[0]; c[0] <= high[0] && found == FACET_NONE; c[0]++)
        found = neighbour_in(g, p, c);
  return found;
}

/* to: of each node the one that it becomes.  Returns how many become another. */
static size_t near_nodes(const struct facets *f, double reach, uint32_t *to) {
  bool *open = out_alloc(f->node_count, sizeof *open);
  size_t count = 0, merged = 0;
  for (size_t n = 0; n < f->node_count; n++)
    to[n] = (uint32_t)n;
  for (size_t h = 0; h < 3 * f->count; h++)
    if (f->mate[h] == FACET_NONE)
      open[facets_from(f, h)] = open[facets_to(f, h)] = true;
  for (size_t n = 0; n < f->node_count; n++)
    count += open[n];
  size_t size = facets_table_size(2 * count);
  struct grid g = {f, reach, out_alloc(size, sizeof *g.slots), size - 1};
  for (size_t n = 0; n < f->node_count; n++) {
    int64_t c[3];
    if (!open[n])
      continue;
    uint32_t near = neighbour(&g, f->xyz + 3 * n);
    if (near != FACET_NONE) {
      to[n] = near;
      merged++;
      continue;
    }
    cell_of(&g, f->xyz + 3 * n, 0, c);
    size_t s = cell_slot(&g, c);
    while (g.slots[s])
      s = (s + 1) & g.mask;
    g.slots[s] = (uint32_t)n + 1;
  }
  free(g.slots);
  free(open);
  return merged;
}

/* A facet is narrower than the reach where two of its corners would become one: it is no gap, and
 * its corners stay.  Returns how many nodes do not. */
static size_t spare_facets(const struct facets *f, uint32_t *to, size_t merged) {
  for (size_t spared = 1; spared;) {
    spared = 0;
    for (size_t h = 0; h < 3 * f->count; h++) {
      uint32_t a = facets_from(f, h), b = facets_to(f, h);
      if (to[a] != to[b])
        continue;
      spared += (to[a] != a) + (to[b] != b);
      to[a] = a;
      to[b] = b;
    }
    merged -= spared;
  }
  return merged;
}

/* Merges points on open edges that lie close together, as far as that closes edges. */
static void merge_near(struct facets *f) {
  for (size_t step = 0; f->edges.open && step < sizeof NEAR / sizeof *NEAR; step++) {
    struct edge_census before = f->edges;
    struct repairs repairs = f->repairs;
    size_t count = f->count, halves = 3 * f->count;
    uint32_t *to = out_alloc(f->node_count, sizeof *to);
    size_t merged = f->diagonal > 0 ? near_nodes(f, NEAR[step] * f->diagonal, to) : 0;
    merged = merged ? spare_facets(f, to, merged) : 0;
    uint32_t *node = out_alloc(halves, sizeof *node), *part = out_alloc(count, sizeof *part);
    memcpy(node, f->node, halves * sizeof *node);
    memcpy(part, f->part, count * sizeof *part);
    for (size_t h = 0; merged && h < halves; h++)
      f->node[h] = to[f->node[h]];
    if (merged) {
      facets_drop_extra(f);
      facets_match(f);
      f->repairs.merged += merged;
    }
    if (merged && f->edges.open + f->edges.crowded >= before.open + before.crowded) {
      memcpy(f->node, node, halves * sizeof *node);
      memcpy(f->part, part, count * sizeof *part);
      f->count = count;
      f->repairs = repairs;
      facets_match(f);
    }
    free(to);
    free(node);
    free(part);
  }
}

void facets_mend(struct facets *f) {
  facets_drop_extra(f);
  facets_match(f);
  facets_drop_lines(f);
  facets_join(f, FACETS_NEAR);
  merge_near(f);
  facets_join(f, NEAR[1]);
  facets_find_shells(f);
  while (!facets_find_bodies(f)) { /* there are fewer facets each time */
    facets_match(f);
    facets_find_shells(f);
  }
  for (size_t t = 0; t < f->count; t++)
    f->repairs.turned += f->turned[t];
  facets_find_faces(f);
}
