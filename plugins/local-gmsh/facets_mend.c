/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facets that are there twice or have no area, edges and who is across, points that nearly meet.
 */
#include "facets.h"
#include "out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROWD 16 /* facets at an edge: with more, nobody can say which belong together */

static uint64_t mix(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t h = a * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 29 ^ b) * 0xbf58476d1ce4e5b9u;
  h = (h ^ h >> 32 ^ c) * 0x94d049bb133111ebu;
  return h ^ h >> 31;
}

static size_t table_size(size_t entries) {
  size_t size = 64;
  while (size < 2 * entries)
    size *= 2;
  return size;
}

void facets_normal(const struct facets *f, size_t facet, double n[3]) {
  const uint32_t *of = f->node + 3 * facet;
  const double *a = f->xyz + 3 * (size_t)of[0], *b = f->xyz + 3 * (size_t)of[1],
               *c = f->xyz + 3 * (size_t)of[2];
  double u[3], v[3];
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    v[i] = c[i] - a[i];
  }
  n[0] = u[1] * v[2] - u[2] * v[1];
  n[1] = u[2] * v[0] - u[0] * v[2];
  n[2] = u[0] * v[1] - u[1] * v[0];
}

size_t facets_compact(struct facets *f, const bool *drop) {
  size_t kept = 0;
  for (size_t i = 0; i < f->count; i++) {
    if (drop[i])
      continue;
    memmove(f->node + 3 * kept, f->node + 3 * i, 3 * sizeof *f->node);
    if (f->turned)
      f->turned[kept] = f->turned[i];
    f->part[kept++] = f->part[i];
  }
  size_t gone = f->count - kept;
  f->count = kept;
  return gone;
}

/* ---- edges ---- */

struct edges { /* by edge: uses, and a list of its half-edges */
  size_t count;
  uint32_t *of;    /* of each half-edge: its edge */
  uint32_t *first; /* of each edge: a half-edge */
  uint32_t *next;  /* of each half-edge: another of its edge; FACET_NONE: no more */
  uint32_t *uses;
};

static uint32_t from_of(const struct facets *f, size_t half) {
  return f->node[half];
}

static uint32_t to_of(const struct facets *f, size_t half) {
  return f->node[half % 3 == 2 ? half - 2 : half + 1];
}

static uint32_t across_of(const struct facets *f, size_t half) {
  return f->node[half % 3 == 0 ? half + 2 : half - 1];
}

static bool same_edge(const struct facets *f, size_t x, size_t y) {
  uint32_t a = from_of(f, x), b = to_of(f, x), c = from_of(f, y), d = to_of(f, y);
  return (a == c && b == d) || (a == d && b == c);
}

static size_t edge_hash(const struct facets *f, size_t half) {
  uint32_t a = from_of(f, half), b = to_of(f, half);
  return mix(a < b ? a : b, a < b ? b : a, 0);
}

struct edge_table {
  uint32_t *slots; /* edge + 1 */
  size_t size;
};

/* Hardly an edge has a second facet: more room. */
static void table_grow(struct edge_table *t, const struct edges *e, const struct facets *f) {
  free(t->slots);
  t->size *= 4;
  t->slots = out_alloc(t->size, sizeof *t->slots);
  for (size_t edge = 0; edge < e->count; edge++) {
    size_t at = edge_hash(f, e->first[edge]) & (t->size - 1);
    while (t->slots[at])
      at = (at + 1) & (t->size - 1);
    t->slots[at] = (uint32_t)edge + 1;
  }
}

static void edges_make(struct edges *e, const struct facets *f) {
  size_t halves = 3 * f->count;
  struct edge_table t = {.size = table_size(halves / 2 + 1)};
  t.slots = out_alloc(t.size, sizeof *t.slots);
  *e = (struct edges){.of = out_alloc(halves, sizeof *e->of),
                      .first = out_alloc(halves, sizeof *e->first),
                      .next = out_alloc(halves, sizeof *e->next),
                      .uses = out_alloc(halves, sizeof *e->uses)};
  for (size_t h = 0; h < halves; h++) {
    if (2 * e->count >= t.size)
      table_grow(&t, e, f);
    size_t at = edge_hash(f, h) & (t.size - 1);
    while (t.slots[at] && !same_edge(f, e->first[t.slots[at] - 1], h))
      at = (at + 1) & (t.size - 1);
    bool new = !t.slots[at];
    if (new)
      t.slots[at] = (uint32_t)++e->count;
    uint32_t edge = e->of[h] = t.slots[at] - 1;
    e->next[h] = new ? FACET_NONE : e->first[edge];
    e->first[edge] = (uint32_t)h;
    e->uses[edge]++;
  }
  free(t.slots);
}

static void edges_free(struct edges *e) {
  free(e->of);
  free(e->first);
  free(e->next);
  free(e->uses);
}

/* ---- facets that are there twice ---- */

static void sorted(const uint32_t n[3], uint32_t s[3], bool *turned) {
  memcpy(s, n, 3 * sizeof *s);
  *turned = false;
  for (int pass = 0; pass < 3; pass++) {
    int k = pass % 2;
    if (s[k] > s[k + 1]) {
      uint32_t swap = s[k];
      s[k] = s[k + 1];
      s[k + 1] = swap;
      *turned = !*turned;
    }
  }
}

/* Marks flat facets and all but one of those with the same corners in the same turn.  twin: of a
 * facet the one with the same corners in the other turn. */
static size_t mark_extra(struct facets *f, bool *drop, uint32_t *twin) {
  size_t size = table_size(f->count), twins = 0;
  uint32_t *slots = out_alloc(size, sizeof *slots);
  for (size_t i = 0; i < f->count; i++) {
    uint32_t s[3], other[3];
    bool turned, other_turned;
    twin[i] = FACET_NONE;
    sorted(f->node + 3 * i, s, &turned);
    if (s[0] == s[1] || s[1] == s[2]) {
      drop[i] = true;
      f->repairs.flat++;
      continue;
    }
    size_t at = mix(s[0], s[1], s[2]) & (size - 1);
    for (; slots[at]; at = (at + 1) & (size - 1)) {
      sorted(f->node + 3 * ((size_t)slots[at] - 1), other, &other_turned);
      if (memcmp(s, other, sizeof s) == 0)
        break;
    }
    uint32_t first = slots[at] ? slots[at] - 1 : FACET_NONE;
    if (first == FACET_NONE) {
      slots[at] = (uint32_t)i + 1;
    } else if (turned == other_turned || twin[first] != FACET_NONE) {
      drop[i] = true;
      f->repairs.duplicate++;
    } else {
      twin[first] = (uint32_t)i;
      twins++;
    }
  }
  free(slots);
  return twins;
}

struct pile { /* of facets to look at (again) */
  uint32_t *items;
  size_t count;
  bool *waiting;
};

static void pile_add(struct pile *p, size_t facet) {
  if (p->waiting[facet])
    return;
  p->waiting[facet] = true;
  p->items[p->count++] = (uint32_t)facet;
}

/* Two bodies that touch have twins where they do, and every edge there an even number of facets.
 * A facet that was merely written twice makes it odd: its twin goes. */
static void drop_twins(struct facets *f, const uint32_t *twin) {
  struct edges e;
  bool *drop = out_alloc(f->count, sizeof *drop);
  struct pile pile = {.items = out_alloc(f->count, sizeof *pile.items),
                      .waiting = out_alloc(f->count, sizeof *pile.waiting)};
  edges_make(&e, f);
  for (size_t i = 0; i < f->count; i++)
    if (twin[i] != FACET_NONE)
      pile_add(&pile, i);
  while (pile.count) {
    size_t i = pile.items[--pile.count];
    bool odd = false;
    pile.waiting[i] = false;
    for (size_t k = 0; k < 3; k++)
      odd |= e.uses[e.of[3 * i + k]] % 2 != 0;
    if (!odd || drop[twin[i]])
      continue;
    drop[twin[i]] = true;
    f->repairs.duplicate++;
    for (size_t k = 0; k < 3; k++) {
      uint32_t edge = e.of[3 * i + k];
      if (e.uses[edge]-- > CROWD)
        continue;
      for (uint32_t h = e.first[edge]; h != FACET_NONE; h = e.next[h])
        if (twin[h / 3] != FACET_NONE && !drop[twin[h / 3]])
          pile_add(&pile, h / 3);
    }
  }
  facets_compact(f, drop);
  edges_free(&e);
  free(drop);
  free(pile.items);
  free(pile.waiting);
}

void facets_drop_extra(struct facets *f) {
  bool *drop = out_alloc(f->count, sizeof *drop);
  uint32_t *twin = out_alloc(f->count, sizeof *twin);
  size_t twins = mark_extra(f, drop, twin);
  if (twins) { /* after compaction twins have other numbers */
    uint32_t *number = out_alloc(f->count, sizeof *number);
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
      number[i] = (uint32_t)(drop[i] ? n : n++);
    n = 0;
    for (size_t i = 0; i < f->count; i++)
      if (!drop[i])
        twin[n++] = twin[i] == FACET_NONE ? FACET_NONE : number[twin[i]];
    free(number);
  }
  facets_compact(f, drop);
  if (twins)
    drop_twins(f, twin);
  free(drop);
  free(twin);
}

/* ---- who is across ---- */

#define ONE_ANGLE 1e-6 /* radians: two facets so near lie on each other */

struct spoke { /* a facet at an edge with more than two */
  double angle;
  uint32_t half;
  bool forward;
};

static int by_angle(const void *a, const void *b) {
  const struct spoke *x = a, *y = b;
  if (x->angle != y->angle)
    return x->angle < y->angle ? -1 : 1;
  return (x->forward < y->forward) - (x->forward > y->forward);
}

static double angle_at(const struct facets *f, uint32_t half, const double axis[3],
                       const double *origin, double base[3]) {
  const double *c = f->xyz + 3 * (size_t)across_of(f, half);
  double w[3], dot = 0, aa = 0, x = 0, len = 0;
  for (int i = 0; i < 3; i++) {
    w[i] = c[i] - origin[i];
    dot += w[i] * axis[i];
    aa += axis[i] * axis[i];
  }
  for (int i = 0; i < 3; i++)
    w[i] -= axis[i] * dot / aa;
  for (int i = 0; i < 3; i++)
    len += base[i] * base[i];
  if (len == 0)
    memcpy(base, w, sizeof w);
  double y = axis[0] * (base[1] * w[2] - base[2] * w[1]) -
             axis[1] * (base[0] * w[2] - base[2] * w[0]) +
             axis[2] * (base[0] * w[1] - base[1] * w[0]);
  for (int i = 0; i < 3; i++)
    x += base[i] * w[i];
  double angle = atan2(y / sqrt(aa), x);
  return angle < -ONE_ANGLE ? angle + 2 * M_PI : angle;
}

/* Two that lie on each other but for rounding: the one where material ends comes first. */
static void order_pairs(struct spoke *s, size_t n) {
  for (size_t i = 0; i + 1 < n; i++)
    if (!s[i].forward && s[i + 1].forward && s[i + 1].angle - s[i].angle < ONE_ANGLE) {
      struct spoke swap = s[i];
      s[i] = s[i + 1];
      s[i + 1] = swap;
      i++;
    }
}

/* Bodies that touch along an edge: round it, material begins at a facet that runs backward and ends
 * at the next, which runs forward.  False: the facets do not take turns. */
static bool pair_round(struct facets *f, const struct edges *e, uint32_t edge) {
  struct spoke s[CROWD];
  size_t n = 0;
  uint32_t first = e->first[edge], a = from_of(f, first), b = to_of(f, first);
  double axis[3], base[3] = {0};
  if (e->uses[edge] > CROWD || e->uses[edge] % 2)
    return false;
  for (int i = 0; i < 3; i++)
    axis[i] = f->xyz[3 * (size_t)b + (size_t)i] - f->xyz[3 * (size_t)a + (size_t)i];
  for (uint32_t h = first; h != FACET_NONE; h = e->next[h], n++)
    s[n] = (struct spoke){angle_at(f, h, axis, f->xyz + 3 * (size_t)a, base), h,
                          from_of(f, h) == a};
  qsort(s, n, sizeof *s, by_angle);
  order_pairs(s, n);
  for (size_t i = 0; i < n; i++)
    if (s[i].forward == s[(i + 1) % n].forward)
      return false;
  for (size_t i = 0; i < n; i++) {
    size_t other = (i + 1) % n;
    if (s[i].forward)
      continue;
    f->mate[s[i].half] = s[other].half;
    f->mate[s[other].half] = s[i].half;
  }
  return true;
}

void facets_match(struct facets *f) {
  struct edges e;
  struct edge_census *c = &f->edges;
  edges_make(&e, f);
  free(f->mate);
  f->mate = out_alloc(3 * f->count, sizeof *f->mate);
  memset(f->mate, 0xff, 3 * f->count * sizeof *f->mate);
  *c = (struct edge_census){.all = e.count};
  for (uint32_t edge = 0; edge < e.count; edge++) {
    uint32_t x = e.first[edge], y = e.next[x];
    if (e.uses[edge] == 2) {
      f->mate[x] = y;
      f->mate[y] = x;
    } else if (e.uses[edge] == 1 || !pair_round(f, &e, edge)) {
      const double *a = f->xyz + 3 * (size_t)from_of(f, x), *b = f->xyz + 3 * (size_t)to_of(f, x);
      for (int i = 0; c->open + c->crowded == 0 && i < 3; i++)
        c->at[i] = (a[i] + b[i]) / 2;
      c->open += e.uses[edge] == 1;
      c->crowded += e.uses[edge] > 1;
    }
  }
  edges_free(&e);
}

/* ---- points that nearly meet ---- */

static const double NEAR[] = {FACETS_NEAR, 1e-5, 1e-4}; /* of the diagonal */

#define CELL 4 /* times the reach: most points are near no border of a cell */

struct grid {
  const struct facets *f;
  double reach;
  uint32_t *slots; /* node + 1, of those that stay */
  size_t mask;
};

static size_t cell_slot(const struct grid *g, const int64_t c[3]) {
  return mix((uint64_t)c[0], (uint64_t)c[1], (uint64_t)c[2]) & g->mask;
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
      open[from_of(f, h)] = open[to_of(f, h)] = true;
  for (size_t n = 0; n < f->node_count; n++)
    count += open[n];
  size_t size = table_size(2 * count);
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
      uint32_t a = from_of(f, h), b = to_of(f, h);
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

void facets_merge_near(struct facets *f) {
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
  facets_merge_near(f);
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
