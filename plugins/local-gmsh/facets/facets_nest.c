/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which shells lie in others, and which overlap.  Shells whose boxes overlap no other's are left
 * out.  Of the others, points just under some of their facets are looked at with a ray upward: a
 * shell of which all lie in another one is in it; with some it overlaps it.  Two that merely cross,
 * between those points, are found by the edges of one that go through facets of the other.
 */
#include "facets/facets_nest.h"

#include "base/box.h"
#include "base/box_tree.h"
#include "base/compare.h"
#include "base/out.h"
#include "facets/facets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 12   /* points of a shell */
#define TOUCH   1e-7 /* of the diagonal: shells that reach into each other by less touch */

/* ---- a tree of facets ---- */

#define LEAF 8

struct tree {
  struct box_tree boxes;
  uint32_t *shell; /* of all facets of each branch; FACET_NONE: of several */
};

static void tree_build(struct tree *t, const struct facets *f) {
  box_tree_build(&t->boxes, f->xyz, f->node, f->count, LEAF);
  t->shell = out_alloc(t->boxes.branch_count, sizeof *t->shell);
  for (uint32_t i = t->boxes.branch_count; i-- > 0;) { /* a branch comes before its own */
    const struct box_branch *b = &t->boxes.branches[i];
    uint32_t shell = b->count ? f->shell[t->boxes.order[b->at]] : t->shell[b->at];
    for (uint32_t k = 1; k < b->count; k++)
      if (f->shell[t->boxes.order[b->at + k]] != shell)
        shell = FACET_NONE;
    t->shell[i] = b->count || t->shell[b->at + 1] == shell ? shell : FACET_NONE;
  }
}

/* Above 0: p lies left of a-b, seen from above.  The same number for a-b and b-a but for its sign,
 * so that a ray never slips between two facets. */
static double side(const double *a, const double *b, const double *p) {
  bool swap = a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
  const double *c = swap ? b : a, *d = swap ? a : b;
  double s = (d[0] - c[0]) * (p[1] - c[1]) - (d[1] - c[1]) * (p[0] - c[0]);
  return swap ? -s : s;
}

/* Does the ray from p upward meet the facet? */
static bool meets(const struct facets *f, uint32_t facet, const double p[3]) {
  const uint32_t *n = f->node + 3 * (size_t)facet;
  const double *a = f->xyz + 3 * (size_t)n[0], *b = f->xyz + 3 * (size_t)n[1],
               *c = f->xyz + 3 * (size_t)n[2];
  double x = side(a, b, p), y = side(b, c, p), z = side(c, a, p);
  if (!((x > 0 && y > 0 && z > 0) || (x < 0 && y < 0 && z < 0)))
    return false;
  return (y * a[2] + z * b[2] + x * c[2]) / (x + y + z) > p[2];
}

/* ---- shells worth a look ---- */

struct nest {
  const struct facets *f;
  struct tree tree;
  bool *near;        /* of each shell: its box overlaps another's */
  uint32_t *samples; /* of each shell SAMPLES facets */
  uint8_t *sampled;  /* how many those are */
  uint32_t *met;     /* shells that a point lies in */
  size_t met_count, met_room;
  uint64_t *crossings; /* pairs of shells, the lower first, sorted */
  size_t crossing_count, crossing_room;
};

struct place { /* of a shell */
  double low;
  uint32_t shell;
};

static int by_low(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  return x->low != y->low ? (x->low < y->low ? -1 : 1)
                          : (x->shell > y->shell) - (x->shell < y->shell);
}

static bool boxes_overlap(const struct shell *a, const struct shell *b, double touch) {
  bool overlap = a->closed && b->closed;
  for (int i = 0; i < 3; i++)
    overlap = overlap && a->low[i] < b->high[i] - touch && b->low[i] < a->high[i] - touch;
  return overlap;
}

/* By their lower ends along x: those that begin before one ends may overlap it. */
static bool find_near(const struct facets *f, bool *near) {
  struct place *order = out_alloc(f->shell_count, sizeof *order);
  bool any = false;
  for (size_t i = 0; i < f->shell_count; i++)
    order[i] = (struct place){f->shells[i].low[0], (uint32_t)i};
  qsort(order, f->shell_count, sizeof *order, by_low);
  for (size_t i = 0; i < f->shell_count; i++) {
    const struct shell *a = &f->shells[order[i].shell];
    for (size_t k = i + 1; k < f->shell_count && order[k].low < a->high[0]; k++)
      if (boxes_overlap(a, &f->shells[order[k].shell], TOUCH * f->diagonal))
        any = near[order[i].shell] = near[order[k].shell] = true;
  }
  free(order);
  return any;
}

/* Facets all over each shell; its largest is one of them. */
static void take_samples(const struct facets *f, struct nest *n) {
  uint32_t *seen = out_alloc(f->shell_count, sizeof *seen);
  n->samples = out_alloc(SAMPLES * f->shell_count, sizeof *n->samples);
  n->sampled = out_alloc(f->shell_count, sizeof *n->sampled);
  for (size_t s = 0; s < f->shell_count; s++)
    n->samples[SAMPLES * s + n->sampled[s]++] = f->shells[s].sample;
  for (size_t t = 0; t < f->count; t++) {
    uint32_t s = f->shell[t];
    size_t stride = f->shells[s].facets / (SAMPLES - 1) + 1;
    if (seen[s]++ % stride == 0 && t != f->shells[s].sample && n->sampled[s] < SAMPLES)
      n->samples[SAMPLES * s + n->sampled[s]++] = (uint32_t)t;
  }
  free(seen);
}

/* ---- points of a shell in others ---- */

/* Just under the facet, off any line of symmetry. */
static void point_under(const struct facets *f, uint32_t facet, double size, double p[3]) {
  static const double SHARES[] = {0.4142135, 0.3178372, 0.2679493};
  double n[3], len = 0;
  facets_normal(f, facet, n);
  for (int i = 0; i < 3; i++)
    len += n[i] * n[i];
  for (size_t i = 0; i < 3; i++) {
    p[i] = -n[i] / sqrt(len > 0 ? len : 1) * TOUCH * size;
    for (size_t k = 0; k < 3; k++)
      p[i] += SHARES[k] * f->xyz[3 * (size_t)f->node[3 * (size_t)facet + k] + i];
  }
}

static void note_met(struct nest *n, uint32_t shell) {
  if (n->met_count == n->met_room) {
    n->met_room = n->met_room ? 2 * n->met_room : 64;
    n->met = out_again(n->met, n->met_count, n->met_room, sizeof *n->met);
  }
  n->met[n->met_count++] = shell;
}

/* Notes the shell of each facet above p. */
static void cast(struct nest *n, const double p[3]) {
  const struct box_tree *t = &n->tree.boxes;
  uint32_t stack[BOX_TREE_DEPTH];
  size_t height = 1;
  stack[0] = 0;
  while (height) {
    const struct box_branch *b = &t->branches[stack[--height]];
    if (p[0] < b->box.low[0] || p[0] > b->box.high[0] || p[1] < b->box.low[1] ||
        p[1] > b->box.high[1] || p[2] > b->box.high[2])
      continue;
    if (b->count == 0) {
      stack[height++] = b->at;
      stack[height++] = b->at + 1;
      continue;
    }
    for (uint32_t k = b->at; k < b->at + b->count; k++)
      if (meets(n->f, t->order[k], p))
        note_met(n, n->f->shell[t->order[k]]);
  }
}

static int by_number(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* Of met[from..) each shell that is there an odd number of times stays, once. */
static void keep_odd(struct nest *n, size_t from) {
  size_t kept = from;
  if (n->met_count > from)
    qsort(n->met + from, n->met_count - from, sizeof *n->met, by_number);
  for (size_t i = from, run; i < n->met_count; i += run) {
    for (run = 1; i + run < n->met_count && n->met[i + run] == n->met[i];)
      run++;
    if (run % 2)
      n->met[kept++] = n->met[i];
  }
  n->met_count = kept;
}

/* met: the shells that the samples of this one lie in, sorted: one as often as there are samples in
 * it. */
static void facets_nest_look(struct nest *n, uint32_t shell) {
  const struct facets *f = n->f;
  n->met_count = 0;
  for (size_t k = 0; k < n->sampled[shell]; k++) {
    double p[3];
    size_t from = n->met_count;
    point_under(f, n->samples[SAMPLES * (size_t)shell + k], f->diagonal, p);
    cast(n, p);
    keep_odd(n, from);
  }
  if (n->met_count)
    qsort(n->met, n->met_count, sizeof *n->met, by_number);
}

/* ---- edges of a shell through facets of others ---- */

static double apart(const double *from, const double *a, const double *b, const double *c) {
  double u[3], v[3], w[3];
  for (int i = 0; i < 3; i++) {
    u[i] = a[i] - from[i];
    v[i] = b[i] - from[i];
    w[i] = c[i] - from[i];
  }
  return u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) +
         u[2] * (v[0] * w[1] - v[1] * w[0]);
}

/* Do the facet and its neighbour across side k lie in one plane?  Then the side bounds nothing. */
static bool goes_on(const struct facets *f, uint32_t facet, int k) {
  uint32_t mate = f->mate[3 * (size_t)facet + (size_t)k];
  double a[3], b[3], dot = 0, aa = 0, bb = 0;
  if (mate == FACET_NONE)
    return false;
  facets_normal(f, facet, a);
  facets_normal(f, mate / 3, b);
  for (int i = 0; i < 3; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot > 0 && dot * dot >= (1 - 1e-12) * aa * bb;
}

/* Between its corners, or through a side behind which its plane goes on: the corner of one cube may
 * go right through the diagonal of another's face.  turns: of the edge around each side. */
static bool is_between(const struct facets *f, uint32_t facet, const double turns[3]) {
  int left = 0, right = 0, on = -1;
  for (int k = 0; k < 3; k++) {
    left += turns[k] > 0;
    right += turns[k] < 0;
    if (turns[k] == 0)
      on = k;
  }
  return left == 3 || right == 3 || ((left == 2 || right == 2) && on >= 0 && goes_on(f, facet, on));
}

/* Both ends are further from the facet's plane than a touch, on its two sides, and the edge goes
 * through between its corners. */
static bool goes_through(const struct facets *f, const double *p, const double *q, uint32_t facet) {
  const uint32_t *n = f->node + 3 * (size_t)facet;
  const double *a = f->xyz + 3 * (size_t)n[0], *b = f->xyz + 3 * (size_t)n[1],
               *c = f->xyz + 3 * (size_t)n[2];
  double normal[3], least = 0, x = apart(p, a, b, c), y = apart(q, a, b, c);
  facets_normal(f, facet, normal);
  for (int i = 0; i < 3; i++)
    least += normal[i] * normal[i];
  least = TOUCH * f->diagonal * sqrt(least);
  if (fabs(x) <= least || fabs(y) <= least || (x > 0) == (y > 0))
    return false;
  const double turns[3] = {apart(p, q, a, b), apart(p, q, b, c), apart(p, q, c, a)};
  return is_between(f, facet, turns);
}

static void note_crossing(struct nest *n, uint32_t a, uint32_t b) {
  if (n->crossing_count == n->crossing_room) {
    n->crossing_room = n->crossing_room ? 2 * n->crossing_room : 64;
    n->crossings = out_again(n->crossings, n->crossing_count, n->crossing_room,
                             sizeof *n->crossings);
  }
  n->crossings[n->crossing_count++] = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
}

/* Of the edge of a half-edge: the first facet of another shell that it goes through. */
static void cross(struct nest *n, size_t half) {
  const struct box_tree *t = &n->tree.boxes;
  const struct facets *f = n->f;
  const double *p = f->xyz + 3 * (size_t)f->node[half],
               *q = f->xyz + 3 * (size_t)f->node[half % 3 == 2 ? half - 2 : half + 1];
  uint32_t stack[BOX_TREE_DEPTH], own = f->shell[half / 3];
  struct box edge = BOX_EMPTY;
  size_t height = 1;
  stack[0] = 0;
  box_grow(&edge, p);
  box_grow(&edge, q);
  while (height) {
    uint32_t at = stack[--height];
    const struct box_branch *b = &t->branches[at];
    if (n->tree.shell[at] == own || !box_meet(&edge, &b->box, 0))
      continue;
    if (b->count == 0) {
      stack[height++] = b->at;
      stack[height++] = b->at + 1;
      continue;
    }
    for (uint32_t k = b->at; k < b->at + b->count; k++) {
      uint32_t other = f->shell[t->order[k]];
      if (other == own || !f->shells[other].closed || !goes_through(f, p, q, t->order[k]))
        continue;
      note_crossing(n, own, other);
      return;
    }
  }
}

static void find_crossings(struct nest *n) {
  const struct facets *f = n->f;
  size_t kept = 0;
  for (size_t h = 0; h < 3 * f->count; h++)
    if (n->near[f->shell[h / 3]] && f->mate[h] != FACET_NONE && h < f->mate[h])
      cross(n, h);
  if (n->crossing_count)
    qsort(n->crossings, n->crossing_count, sizeof *n->crossings, compare_u64);
  for (size_t i = 0; i < n->crossing_count; i++)
    if (kept == 0 || n->crossings[kept - 1] != n->crossings[i])
      n->crossings[kept++] = n->crossings[i];
  n->crossing_count = kept;
}

static bool cross_each_other(const struct nest *n, uint32_t a, uint32_t b) {
  uint64_t pair = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
  return n->crossing_count &&
         bsearch(&pair, n->crossings, n->crossing_count, sizeof pair, compare_u64) != NULL;
}

static void note_overlap(struct facets *f, uint32_t a, uint32_t b) {
  if (f->shells[a].overlaps == FACET_NONE)
    f->shells[a].overlaps = b;
}

/* ---- which lies in which ---- */

static bool alike(double a, double b, double size) {
  return fabs(a - b) <= 1e-9 * fabs(size);
}

/* Facet for facet in the same places. */
static bool is_copy(const struct shell *a, const struct shell *b, double size) {
  bool same = a->facets == b->facets && alike(a->volume, b->volume, a->volume) &&
              alike(a->area, b->area, a->area);
  for (int i = 0; i < 3; i++)
    same = same && alike(a->low[i], b->low[i], size) && alike(a->high[i], b->high[i], size) &&
           alike(a->middle[i], b->middle[i], a->area * size);
  return same;
}

/* In how many shells this one lies, and the smallest of them; copy: one in the very same places. */
static size_t depth_of(struct facets *f, struct nest *n, uint32_t shell, uint32_t *parent,
                       uint32_t *copy) {
  size_t depth = 0;
  *copy = FACET_NONE;
  facets_nest_look(n, shell);
  for (size_t i = 0, run; i < n->met_count; i += run) {
    uint32_t other = n->met[i];
    for (run = 1; i + run < n->met_count && n->met[i + run] == other;)
      run++;
    if (other == shell || !f->shells[other].closed)
      continue;
    if (is_copy(&f->shells[shell], &f->shells[other], f->diagonal)) {
      *copy = other;
    } else if (run < n->sampled[shell] || cross_each_other(n, shell, other)) {
      note_overlap(f, shell, other);
      note_overlap(f, other, shell);
    } else {
      depth++;
      if (*parent == FACET_NONE || f->shells[other].volume < f->shells[*parent].volume)
        *parent = other;
    }
  }
  return depth;
}

/* Two shells in one place are a hole and the body that fills it, or outside of all others a body
 * that is there twice. */
static bool sort_out(struct facets *f, struct nest *n, uint32_t *parent, bool *extra) {
  bool any = false;
  for (size_t i = 0; i < n->crossing_count; i++) {
    uint32_t a = (uint32_t)(n->crossings[i] >> 32), b = (uint32_t)n->crossings[i];
    note_overlap(f, a, b);
    note_overlap(f, b, a);
  }
  for (uint32_t i = 0; i < f->shell_count; i++) {
    uint32_t copy;
    if (!n->near[i])
      continue;
    bool odd = depth_of(f, n, i, &parent[i], &copy) % 2 == 1, second = copy < i;
    f->shells[i].hole = odd && !second;
    extra[i] = !odd && second;
    any |= extra[i];
  }
  return any;
}

bool facets_find_holes(struct facets *f, uint32_t *parent, bool *extra) {
  struct nest n = {.f = f, .near = out_alloc(f->shell_count, sizeof *n.near)};
  bool any = false;
  for (size_t i = 0; i < f->shell_count; i++)
    parent[i] = FACET_NONE;
  if (find_near(f, n.near)) {
    tree_build(&n.tree, f);
    take_samples(f, &n);
    find_crossings(&n);
    any = sort_out(f, &n, parent, extra);
  }
  box_tree_free(&n.tree.boxes);
  free(n.tree.shell);
  free(n.near);
  free(n.samples);
  free(n.sampled);
  free(n.met);
  free(n.crossings);
  return any;
}
