/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * T-junctions: a facet whose edge is met by the corners of others is split there.  And facets whose
 * three corners lie on a line: without one, the corner between the other two lies on an edge of its
 * neighbour, which is split.
 *
 *        c                          c
 *       / \     a-b is open, and   /|\     a-p and p-b have facets on both sides
 *      a---b    so are a-p, p-b   a-p-b
 */
#include "facets/facets_joints.h"

#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_edges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS   16   /* each splits a facet along one edge */
#define MOST     256  /* corners on one edge and in one round */
#define CROWD    64   /* open edges at a corner; with more, they are spokes and no joint */
#define STRAIGHT 1e-7 /* of the diagonal: a facet that is not higher has its corners on a line */

/* ---- what can be taken back ---- */

struct before {
  size_t count;
  uint32_t *node, *part;
  struct repairs repairs;
  size_t bad; /* edges */
};

static size_t bad_edges(const struct facets *f) {
  return f->edges.open + f->edges.crowded;
}

static struct before facets_joints_keep(const struct facets *f) {
  struct before b = {f->count, out_alloc(3 * f->count, sizeof *b.node),
                     out_alloc(f->count, sizeof *b.part), f->repairs, bad_edges(f)};
  memcpy(b.node, f->node, 3 * f->count * sizeof *b.node);
  memcpy(b.part, f->part, f->count * sizeof *b.part);
  return b;
}

/* Back to that, where it was better.  Frees it. */
static bool facets_joints_settle(struct facets *f, struct before *b, bool better) {
  if (!better) {
    f->count = b->count;
    memcpy(f->node, b->node, 3 * b->count * sizeof *b->node);
    memcpy(f->part, b->part, b->count * sizeof *b->part);
    f->repairs = b->repairs;
    facets_match(f);
  }
  free(b->node);
  free(b->part);
  return better;
}

/* ---- open edges by their ends ---- */

struct end {
  uint32_t node, other;
};

struct ends {
  struct end *list;
  size_t count;
};

static int by_node(const void *a, const void *b) {
  const struct end *x = a, *y = b;
  if (x->node != y->node)
    return x->node < y->node ? -1 : 1;
  return (x->other > y->other) - (x->other < y->other);
}

static uint32_t to_of(const struct facets *f, size_t half) {
  return f->node[half % 3 == 2 ? half - 2 : half + 1];
}

/* The corner that the half edge does not touch. */
static uint32_t third_of(const struct facets *f, size_t half) {
  return f->node[half % 3 == 0 ? half + 2 : half - 1];
}

static struct ends ends_of(const struct facets *f) {
  struct ends e = {NULL, 0};
  size_t open = 0;
  for (size_t h = 0; h < 3 * f->count; h++)
    open += f->mate[h] == FACET_NONE;
  e.list = out_alloc(2 * open, sizeof *e.list);
  for (size_t h = 0; h < 3 * f->count; h++) {
    if (f->mate[h] != FACET_NONE)
      continue;
    e.list[e.count++] = (struct end){f->node[h], to_of(f, h)};
    e.list[e.count++] = (struct end){to_of(f, h), f->node[h]};
  }
  qsort(e.list, e.count, sizeof *e.list, by_node);
  return e;
}

static const struct end *first_of(const struct ends *e, uint32_t node) {
  size_t low = 0, high = e->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (e->list[middle].node < node)
      low = middle + 1;
    else
      high = middle;
  }
  return e->list + low;
}

/* ---- corners on an edge ---- */

struct stop {
  uint32_t node;
  double share; /* of the way */
};

/* Does p lie on a-b, off both ends? */
static bool lies_on(const struct facets *f, uint32_t a, uint32_t b, uint32_t p, double reach,
                    double *share) {
  const double *from = f->xyz + 3 * (size_t)a, *to = f->xyz + 3 * (size_t)b,
               *at = f->xyz + 3 * (size_t)p;
  double length = 0, dot = 0, off = 0;
  for (int i = 0; i < 3; i++) {
    length += (to[i] - from[i]) * (to[i] - from[i]);
    dot += (at[i] - from[i]) * (to[i] - from[i]);
  }
  *share = length > 0 ? dot / length : 0;
  for (int i = 0; i < 3; i++) {
    double d = at[i] - from[i] - *share * (to[i] - from[i]);
    off += d * d;
  }
  double least = reach / sqrt(length > 0 ? length : 1);
  return off <= reach * reach && *share > least && *share < 1 - least;
}

/* Those with an end in `node`: *stop is behind the last.  None where there is a crowd, because to
 * look at all of them from each of them takes their number squared. */
static const struct end *all_of(const struct ends *e, uint32_t node, const struct end **stop) {
  const struct end *first = first_of(e, node), *last = e->list + e->count;
  bool crowd = first + CROWD < last && first[CROWD].node == node;
  for (*stop = first; !crowd && *stop < last && (*stop)->node == node;)
    ++*stop;
  return first;
}

static bool is_corner(const uint32_t corner[3], uint32_t node) {
  return node == corner[0] || node == corner[1] || node == corner[2];
}

/* Along open edges from `from`, as long as they lie on the edge from corner[0] to corner[1].  A
 * facet that is nearly a line has its own third corner there. */
static size_t facets_joints_follow(const struct facets *f, const struct ends *e,
                                   const uint32_t corner[3], uint32_t from, double reach,
                                   struct stop *stops, size_t count) {
  bool up = from == corner[0];
  double last = up ? 0 : 1;
  for (bool found = true; found && count < MOST;) {
    struct stop next = {0, up ? 2 : -1};
    const struct end *stop;
    double share;
    for (const struct end *x = all_of(e, from, &stop); x < stop; x++)
      if (!is_corner(corner, x->other) &&
          lies_on(f, corner[0], corner[1], x->other, reach, &share) &&
          (up ? share > last && share < next.share : share < last && share > next.share))
        next = (struct stop){x->other, share};
    found = next.share >= 0 && next.share <= 1;
    if (found)
      stops[count++] = next;
    last = next.share;
    from = next.node;
  }
  return count;
}

static int by_share(const void *a, const void *b) {
  const struct stop *x = a, *y = b;
  return x->share < y->share ? -1 : x->share > y->share;
}

static size_t stops_on(const struct facets *f, const struct ends *e, size_t half, double reach,
                       struct stop stops[MOST]) {
  uint32_t corner[3] = {f->node[half], to_of(f, half), third_of(f, half)};
  size_t n = facets_joints_follow(f, e, corner, corner[0], reach, stops, 0), kept = 0;
  n = facets_joints_follow(f, e, corner, corner[1], reach, stops, n);
  qsort(stops, n, sizeof *stops, by_share);
  for (size_t i = 0; i < n; i++)
    if (kept == 0 || stops[kept - 1].node != stops[i].node)
      stops[kept++] = stops[i];
  return kept;
}

static void add_facet(struct facets *f, uint32_t a, uint32_t b, uint32_t c, uint32_t part) {
  if (f->count == f->cap) {
    f->node = out_again(f->node, 3 * f->cap, 6 * f->cap + 3, sizeof *f->node);
    f->part = out_again(f->part, f->cap, 2 * f->cap + 1, sizeof *f->part);
    f->cap = 2 * f->cap + 1;
  }
  f->node[3 * f->count] = a;
  f->node[3 * f->count + 1] = b;
  f->node[3 * f->count + 2] = c;
  f->part[f->count++] = part;
}

static void facets_joints_split(struct facets *f, size_t half, const struct stop *stops,
                                size_t count) {
  size_t facet = half / 3;
  uint32_t b = to_of(f, half), c = third_of(f, half);
  f->node[half % 3 == 2 ? half - 2 : half + 1] = stops[0].node;
  for (size_t i = 0; i < count; i++)
    add_facet(f, stops[i].node, i + 1 < count ? stops[i + 1].node : b, c, f->part[facet]);
}

/* Returns how many facets were split. */
static size_t split_all(struct facets *f, double reach) {
  struct ends e = ends_of(f);
  struct stop stops[MOST];
  size_t facets = f->count, done = 0;
  for (size_t facet = 0; facet < facets; facet++)
    for (size_t half = 3 * facet; half < 3 * facet + 3; half++) {
      size_t n = f->mate[half] == FACET_NONE ? stops_on(f, &e, half, reach, stops) : 0;
      if (n == 0)
        continue;
      facets_joints_split(f, half, stops, n);
      done++;
      break; /* its other edges: in the next round */
    }
  free(e.list);
  return done;
}

void facets_join(struct facets *f, double reach) {
  for (int round = 0; f->edges.open && f->count < UINT32_MAX / 8 && round < ROUNDS; round++) {
    struct before b = facets_joints_keep(f);
    size_t done = split_all(f, reach * f->diagonal);
    if (done)
      facets_match(f);
    f->repairs.split += done;
    if (!facets_joints_settle(f, &b, done == 0 || bad_edges(f) < b.bad) || done == 0)
      return;
  }
}

/* ---- facets on a line ---- */

static bool is_line(const struct facets *f, size_t facet) {
  double n[3], longest = 0;
  facets_normal(f, facet, n);
  for (size_t k = 0; k < 3; k++) {
    const double *a = f->xyz + 3 * (size_t)f->node[3 * facet + k],
                 *b = f->xyz + 3 * (size_t)f->node[3 * facet + (k + 1) % 3];
    double sum = 0;
    for (int i = 0; i < 3; i++)
      sum += (a[i] - b[i]) * (a[i] - b[i]);
    longest = fmax(longest, sum);
  }
  double least = STRAIGHT * f->diagonal; /* the area is half of the longest side by the height */
  return n[0] * n[0] + n[1] * n[1] + n[2] * n[2] <= least * least * longest;
}

void facets_drop_lines(struct facets *f) {
  bool *drop = out_alloc(f->count, sizeof *drop);
  size_t lines = 0;
  for (size_t i = 0; i < f->count; i++)
    lines += drop[i] = is_line(f, i);
  if (lines) {
    struct before b = facets_joints_keep(f);
    facets_compact(f, drop);
    f->repairs.flat += lines;
    facets_match(f);
    facets_join(f, FACETS_NEAR);
    facets_joints_settle(f, &b, bad_edges(f) <= b.bad);
  }
  free(drop);
}
