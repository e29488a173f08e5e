/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shells: what hangs together across edges, turned one way.  Bodies: a shell, and the shells inside
 * it that are its holes.
 */
#include "facets/facets_shells.h"

#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_nest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEST_MAX 20000 /* shells: with more, each is taken for a body */
#define EMPTY    1e-12 /* of the diagonal, cubed: less is no volume but rounding */

/* ---- shells ---- */

struct walk {
  struct facets *f;
  uint32_t *stack;
  bool *turn; /* facets to turn round */
  size_t turned, open, conflicts;
};

static void visit(struct walk *w, uint32_t facet, uint32_t shell, bool turn, size_t *height) {
  w->f->shell[facet] = shell;
  w->turn[facet] = turn;
  w->turned += turn;
  w->stack[(*height)++] = facet;
}

/* Whether two facets run along their edge in the same direction. */
static bool same_way(const struct facets *f, size_t x, size_t y) {
  return f->node[x] == f->node[y];
}

static double volume_of(const struct facets *f, size_t facet, const double *o, bool turn) {
  const uint32_t *n = f->node + 3 * facet;
  double p[3][3];
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < 3; i++)
      p[k][i] = f->xyz[3 * (size_t)n[k] + (size_t)i] - o[i];
  double v = p[0][0] * (p[1][1] * p[2][2] - p[2][1] * p[1][2]) -
             p[0][1] * (p[1][0] * p[2][2] - p[2][0] * p[1][2]) +
             p[0][2] * (p[1][0] * p[2][1] - p[2][0] * p[1][1]);
  return (turn ? -v : v) / 6;
}

static void grow_box(struct shell *s, const struct facets *f, size_t facet) {
  for (size_t k = 0; k < 3; k++)
    for (size_t i = 0; i < 3; i++) {
      double x = f->xyz[3 * (size_t)f->node[3 * facet + k] + i];
      s->low[i] = fmin(s->low[i], x);
      s->high[i] = fmax(s->high[i], x);
    }
}

/* One shell, from `seed` on: its facets lie in w->stack, below the number returned. */
static size_t flood(struct walk *w, uint32_t seed, uint32_t number, struct shell *s) {
  struct facets *f = w->f;
  const double *origin = f->xyz + 3 * (size_t)f->node[3 * (size_t)seed];
  size_t height = 0;
  double largest = -1;
  w->turned = w->open = w->conflicts = 0;
  visit(w, seed, number, false, &height);
  for (size_t at = 0; at < height; at++) { /* breadth first: the stack keeps them all */
    size_t t = w->stack[at];
    double n[3];
    facets_normal(f, t, n);
    double area = n[0] * n[0] + n[1] * n[1] + n[2] * n[2];
    if (area > largest) {
      largest = area;
      s->sample = (uint32_t)t;
    }
    grow_box(s, f, t);
    s->area += sqrt(area);
    for (size_t i = 0; i < 9; i++)
      s->middle[i % 3] += sqrt(area) * f->xyz[3 * (size_t)f->node[3 * t + i / 3] + i % 3];
    s->volume += volume_of(f, t, origin, w->turn[t]);
    if (f->part[t] != s->part)
      s->part = FACET_NONE;
    for (size_t h = 3 * t; h < 3 * t + 3; h++) {
      uint32_t m = f->mate[h];
      if (m == FACET_NONE) {
        w->open++;
        continue;
      }
      bool turn = w->turn[t] != same_way(f, h, m);
      if (f->shell[m / 3] == FACET_NONE)
        visit(w, m / 3, number, turn, &height);
      else
        w->conflicts += w->turn[m / 3] != turn;
    }
  }
  return height;
}

/* The half-edge list of a facet that is turned: (a b c) becomes (a c b), so the edges change
 * places. */
static void turn_facet(struct facets *f, size_t t) {
  f->turned[t] = !f->turned[t];
  uint32_t *n = f->node + 3 * t, *m = f->mate + 3 * t, swap = n[1];
  n[1] = n[2];
  n[2] = swap;
  swap = m[0]; /* ab, bc, ca -> ac, cb, ba */
  m[0] = m[2];
  m[2] = swap;
  for (size_t k = 0; k < 3; k++)
    if (m[k] != FACET_NONE)
      f->mate[m[k]] = (uint32_t)(3 * t + k);
}

/* Turns a closed shell outward, and an open one as most of its facets are. */
static void facets_shells_settle(struct walk *w, size_t count, struct shell *s) {
  struct facets *f = w->f;
  s->facets = count;
  s->closed = w->open == 0 && w->conflicts == 0;
  f->edges.crowded += w->conflicts / 2;
  bool all = s->closed ? s->volume < 0 : 2 * w->turned > count;
  if (w->conflicts)
    return; /* one-sided: there is no outside */
  s->volume = s->closed ? fabs(s->volume) : 0;
  for (size_t i = 0; i < count; i++) {
    size_t t = w->stack[i];
    if (w->turn[t] == all)
      continue;
    turn_facet(f, t);
  }
}

struct twin { /* of a node, for one more shell */
  uint32_t node, shell;
};

struct twins {
  struct twin *list;
  size_t count, room;
};

/* The twin of a node that is the shell's, + 1; made where there is none.  last: of the node.
 * Shells come one after the other. */
static uint32_t twin_for(struct twins *t, uint32_t node, uint32_t shell, uint32_t *last) {
  if (*last && t->list[*last - 1].shell == shell)
    return *last;
  if (t->count == t->room) {
    t->room = t->room ? 2 * t->room : 64;
    t->list = out_again(t->list, t->count, t->room, sizeof *t->list);
  }
  t->list[t->count++] = (struct twin){node, shell};
  return *last = (uint32_t)t->count;
}

/* The facets shell by shell, each in the order of the file. */
static uint32_t *by_shell(const struct facets *f) {
  uint32_t *order = out_alloc(f->count, sizeof *order);
  size_t *next = out_alloc(f->shell_count + 1, sizeof *next);
  for (size_t t = 0; t < f->count; t++)
    next[f->shell[t] + 1]++;
  for (size_t s = 0; s < f->shell_count; s++)
    next[s + 1] += next[s];
  for (size_t t = 0; t < f->count; t++)
    order[next[f->shell[t]]++] = (uint32_t)t;
  free(next);
  return order;
}

/* A node that several shells share becomes one for each: they touch there, and are two bodies. */
static void part_nodes(struct facets *f) {
  uint32_t *owner = out_alloc(f->node_count, sizeof *owner); /* shell + 1 */
  uint32_t *lasts = out_alloc(f->node_count, sizeof *lasts), *order = by_shell(f);
  struct twins t = {0};
  size_t first = f->node_count;
  for (size_t i = 0; i < 3 * f->count; i++) {
    size_t h = 3 * (size_t)order[i / 3] + i % 3;
    uint32_t n = f->node[h], s = f->shell[h / 3];
    if (owner[n] && owner[n] != s + 1)
      f->node[h] = (uint32_t)(first + twin_for(&t, n, s, &lasts[n]) - 1);
    else
      owner[n] = s + 1;
  }
  if (t.count)
    f->xyz = out_again(f->xyz, 3 * first, 3 * (first + t.count), sizeof *f->xyz);
  for (size_t i = 0; i < t.count; i++)
    memcpy(f->xyz + 3 * (first + i), f->xyz + 3 * (size_t)t.list[i].node, 3 * sizeof *f->xyz);
  f->node_count = f->node_cap = first + t.count;
  free(owner);
  free(lasts);
  free(order);
  free(t.list);
}

void facets_find_shells(struct facets *f) {
  struct walk w = {.f = f,
                   .stack = out_alloc(f->count, sizeof *w.stack),
                   .turn = out_alloc(f->count, sizeof *w.turn)};
  size_t room = 0;
  free(f->shell);
  free(f->shells);
  f->shells = NULL;
  f->shell_count = 0;
  if (!f->turned)
    f->turned = out_alloc(f->count, sizeof *f->turned);
  f->shell = out_alloc(f->count, sizeof *f->shell);
  memset(f->shell, 0xff, f->count * sizeof *f->shell);
  for (size_t t = 0; t < f->count; t++) {
    if (f->shell[t] != FACET_NONE)
      continue;
    if (f->shell_count == room) {
      room = room ? 2 * room : 4;
      f->shells = out_again(f->shells, f->shell_count, room, sizeof *f->shells);
    }
    struct shell *s = &f->shells[f->shell_count];
    *s = (struct shell){.part = f->part[t],
                        .low = {INFINITY, INFINITY, INFINITY},
                        .high = {-INFINITY, -INFINITY, -INFINITY},
                        .body = FACET_NONE,
                        .overlaps = FACET_NONE};
    facets_shells_settle(&w, flood(&w, (uint32_t)t, (uint32_t)f->shell_count++, s), s);
  }
  free(w.stack);
  free(w.turn);
  if (f->shell_count > 1)
    part_nodes(f);
}

/* ---- bodies ---- */

static void drop_shells(struct facets *f, const bool *extra) {
  bool *drop = out_alloc(f->count, sizeof *drop);
  for (size_t t = 0; t < f->count; t++)
    drop[t] = extra[f->shell[t]];
  f->repairs.duplicate += facets_compact(f, drop);
  free(drop);
}

/* A hole was turned outward with the others, for the search. */
static void turn_holes(struct facets *f) {
  for (size_t t = 0; t < f->count; t++)
    if (f->shells[f->shell[t]].hole)
      turn_facet(f, t);
}

bool facets_find_bodies(struct facets *f) {
  double least = EMPTY * f->diagonal * f->diagonal * f->diagonal;
  uint32_t *parent = out_alloc(f->shell_count, sizeof *parent);
  if (f->shell_count > 1 && f->shell_count <= NEST_MAX) {
    bool *extra = out_alloc(f->shell_count, sizeof *extra),
         any = facets_find_holes(f, parent, extra);
    if (any)
      drop_shells(f, extra);
    else
      turn_holes(f);
    free(extra);
    if (any) {
      free(parent);
      return false;
    }
  }
  for (size_t i = 0; i < f->shell_count; i++) {
    struct shell *s = &f->shells[i];
    if (s->closed && !s->hole && s->volume > least)
      s->body = (uint32_t)f->body_count++;
    f->volume += s->body == FACET_NONE ? 0 : s->volume;
  }
  for (size_t i = 0; i < f->shell_count; i++) {
    struct shell *s = &f->shells[i];
    if (s->hole && parent[i] != FACET_NONE && s->volume > least) {
      s->body = f->shells[parent[i]].body;
      f->volume -= s->body == FACET_NONE ? 0 : s->volume;
    }
  }
  free(parent);
  f->body_names = out_alloc(f->body_count, sizeof *f->body_names);
  f->body_volumes = out_alloc(f->body_count, sizeof *f->body_volumes);
  for (size_t i = 0; i < f->shell_count; i++) {
    const struct shell *s = &f->shells[i];
    if (s->body != FACET_NONE)
      f->body_volumes[s->body] += s->hole ? -s->volume : s->volume;
    if (s->body != FACET_NONE && !s->hole && s->part != FACET_NONE)
      f->body_names[s->body] = f->part_names[s->part];
  }
  return true;
}
