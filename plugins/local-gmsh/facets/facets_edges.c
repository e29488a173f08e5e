/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facets that are there twice or have no area, edges and who is across.
 */
#include "facets/facets_edges.h"

#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROWD 16 /* facets at an edge: with more, nobody can say which belong together */

/* ---- edges ---- */

struct edges { /* by edge: uses, and a list of its half-edges */
  size_t count;
  uint32_t *of;    /* of each half-edge: its edge */
  uint32_t *first; /* of each edge: a half-edge */
  uint32_t *next;  /* of each half-edge: another of its edge; FACET_NONE: no more */
  uint32_t *uses;
};

static uint32_t across_of(const struct facets *f, size_t half) {
  return f->node[half % 3 == 0 ? half + 2 : half - 1];
}

static bool same_edge(const struct facets *f, size_t x, size_t y) {
  uint32_t a = facets_from(f, x), b = facets_to(f, x), c = facets_from(f, y), d = facets_to(f, y);
  return (a == c && b == d) || (a == d && b == c);
}

static size_t edge_hash(const struct facets *f, size_t half) {
  uint32_t a = facets_from(f, half), b = facets_to(f, half);
  return facets_hash(a < b ? a : b, a < b ? b : a, 0);
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
  struct edge_table t = {.size = facets_table_size(halves / 2 + 1)};
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
  size_t size = facets_table_size(f->count), twins = 0;
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
    size_t at = facets_hash(s[0], s[1], s[2]) & (size - 1);
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
  uint32_t first = e->first[edge], a = facets_from(f, first), b = facets_to(f, first);
  double axis[3], base[3] = {0};
  if (e->uses[edge] > CROWD || e->uses[edge] % 2)
    return false;
  for (int i = 0; i < 3; i++)
    axis[i] = f->xyz[3 * (size_t)b + (size_t)i] - f->xyz[3 * (size_t)a + (size_t)i];
  for (uint32_t h = first; h != FACET_NONE; h = e->next[h], n++)
    s[n] = (struct spoke){angle_at(f, h, axis, f->xyz + 3 * (size_t)a, base), h,
                          facets_from(f, h) == a};
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
      const double *a = f->xyz + 3 * (size_t)facets_from(f, x),
                   *b = f->xyz + 3 * (size_t)facets_to(f, x);
      for (int i = 0; c->open + c->crowded == 0 && i < 3; i++)
        c->at[i] = (a[i] + b[i]) / 2;
      c->open += e.uses[edge] == 1;
      c->crowded += e.uses[edge] > 1;
    }
  }
  edges_free(&e);
}
