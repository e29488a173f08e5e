/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mesh/middle_nodes.h"

#include "base/out.h"
#include "base/vec.h"

#include <gmshc.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE      1 /* Gmsh's element types */
#define LINE3     8
#define TRIANGLE  2
#define TRIANGLE6 9
#define STEPS     12
#define NEAR      1e-4 /* of the chord: a middle node may be so far from the middle, along the face */
#define REACH     0.51 /* of the chord: an arc of half a turn rises by 0.5 of it */
#define UNEVEN    0.2  /* of the chord: the distances to both ends may differ by so much */

/* ---- the four-node mesh: only there are parameters of nodes, and the next one has other tags ----
 */

struct entity { /* a curve or face that is curved */
  int dim, tag;
  size_t node_count; /* those on its border included */
  size_t *nodes;
  double *at;          /* dim numbers a node */
  size_t corner_count; /* dim + 1 an element */
  size_t *corners;
};

struct place { /* of a node */
  double at[3];
  double uv[2];  /* on the entity that is worked on */
  uint32_t mark; /* of that entity: uv is its */
};

struct work {
  struct place *node; /* of the four-node mesh, by tag */
  size_t last;
  uint32_t mark;
  struct entity *entities; /* curves first */
  size_t entity_count;
  double *raised; /* the ten-node mesh: 3 a node, by tag */
  size_t raised_last;
  bool *done; /* of those, a middle node that has its place */
};

static bool is_curved(int dim, int tag) {
  static const char *const FLAT[] = {"Line", "Plane", "Discrete curve", "Discrete surface"};
  char *type = NULL;
  int e = 0;
  gmshModelGetType(dim, tag, &type, &e);
  bool curved = e == 0 && type;
  for (size_t i = 0; curved && i < sizeof FLAT / sizeof *FLAT; i++)
    curved = strcmp(type, FLAT[i]) != 0;
  gmshFree(type);
  return curved;
}

static void entity_free(struct entity *x) {
  gmshFree(x->nodes);
  gmshFree(x->at);
  gmshFree(x->corners);
}

static bool take_entity(struct entity *x, int dim, int tag) {
  double *xyz = NULL;
  size_t coords = 0, params = 0, elements = 0, *tags = NULL;
  int e = 0;
  *x = (struct entity){.dim = dim, .tag = tag};
  gmshModelMeshGetNodes(&x->nodes, &x->node_count, &xyz, &coords, &x->at, &params, dim, tag, 1, 1,
                        &e);
  if (e == 0)
    gmshModelMeshGetElementsByType(dim == 1 ? LINE : TRIANGLE, &tags, &elements, &x->corners,
                                   &x->corner_count, tag, 0, 1, &e);
  gmshFree(xyz);
  gmshFree(tags);
  if (e == 0 && elements && params == x->node_count * (size_t)dim)
    return true;
  entity_free(x);
  return false;
}

static void take_entities(struct work *w, int dim) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&tags, &n, dim, &e);
  w->entities = out_again(w->entities, w->entity_count, w->entity_count + n / 2,
                          sizeof *w->entities);
  for (size_t i = 0; e == 0 && i < n; i += 2)
    if (is_curved(dim, tags[i + 1]))
      w->entity_count += take_entity(&w->entities[w->entity_count], dim, tags[i + 1]);
  gmshFree(tags);
}

/* Coordinates by tag, `width` numbers apart, to be freed; the last tag is 0 where there are none.
 */
static double *take_nodes(size_t width, size_t *last) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  *last = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  for (size_t i = 0; e == 0 && i < n; i++)
    *last = tags[i] > *last ? tags[i] : *last;
  double *by_tag = out_alloc(width * (*last + 1), sizeof *by_tag);
  for (size_t i = 0; e == 0 && i < n; i++)
    memcpy(by_tag + width * tags[i], xyz + 3 * i, 3 * sizeof *xyz);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return by_tag;
}

/* ---- the search ---- */

struct middle { /* one that is looked for */
  size_t node;
  const struct place *a, *b; /* the ends of its edge */
  double from[2], to[2];     /* their parameters */
  double goal[3];            /* the point that the nearest on the curve or face is looked for */
  double at[2];              /* where the search is */
  double best[2], point[3];  /* the nearest that it met */
  double off; /* of that, along the curve or face, by the chord; above NEAR: not there */
};

struct search {
  int dim, tag;
  struct middle *list;
  size_t count;
  double low[2], high[2];
  bool closed[2]; /* in this direction the face meets itself */
  bool quarters;  /* not middles are looked for, but what lies half way to them */
};

/* Neither far from the chord nor much nearer to one of its ends. */
static bool is_sound(const struct middle *m, const double *p) {
  double chord = vec_distance(m->a->at, m->b->at);
  return vec_distance(p, m->goal) <= REACH * chord &&
         fabs(vec_distance(p, m->a->at) - vec_distance(p, m->b->at)) <= UNEVEN * chord;
}

/* The parameters go `step` on; kept between the ends of a curve, and on the face. */
static void go(const struct search *s, struct middle *m, const double step[2]) {
  for (int k = 0; k < s->dim; k++) {
    double low = s->dim == 1 ? fmin(m->from[0], m->to[0]) : s->low[k];
    double high = s->dim == 1 ? fmax(m->from[0], m->to[0]) : s->high[k];
    m->at[k] += step[k];
    if (!s->closed[k])
      m->at[k] = fmin(fmax(m->at[k], low), high);
  }
}

/* From a point and its derivatives: how far along the curve or face the goal is, and the step
 * there. On a curve it is the plane through the goal, across the chord, that is looked for: for the
 * middle of the chord the point as far from one end as from the other. */
static double aim(const struct search *s, const struct middle *m, const double *p, const double *d,
                  double step[2]) {
  double r[3], along[3], chord = vec_distance(m->a->at, m->b->at);
  for (int i = 0; i < 3; i++) {
    r[i] = m->goal[i] - p[i];
    along[i] = m->b->at[i] - m->a->at[i];
  }
  step[0] = step[1] = 0;
  if (!(chord > 0))
    return 0;
  if (s->dim == 1) {
    double slope = vec_dot(d, along);
    step[0] = slope != 0 ? vec_dot(r, along) / slope : 0;
    return fabs(vec_dot(r, along)) / chord / chord;
  }
  double uu = vec_dot(d, d), uv = vec_dot(d, d + 3), vv = vec_dot(d + 3, d + 3), ru = vec_dot(r, d),
         rv = vec_dot(r, d + 3);
  double det = uu * vv - uv * uv;
  if (!(det > 1e-12 * uu * vv))
    return INFINITY; /* at a pole */
  step[0] = (ru * vv - rv * uv) / det;
  step[1] = (rv * uu - ru * uv) / det;
  return sqrt(fmax(0, step[0] * ru + step[1] * rv)) / chord;
}

/* One step of those that are not there; returns how many are left. */
static size_t walk(struct search *s, struct middle **on, size_t count) {
  size_t dim = (size_t)s->dim, n = 0, m = 0, left = 0;
  double *at = out_alloc(dim * count, sizeof *at), *xyz = NULL, *slopes = NULL;
  int e = 0;
  for (size_t i = 0; i < count; i++)
    memcpy(at + dim * i, on[i]->at, dim * sizeof *at);
  gmshModelGetValue(s->dim, s->tag, at, dim * count, &xyz, &n, &e);
  if (e == 0)
    gmshModelGetDerivative(s->dim, s->tag, at, dim * count, &slopes, &m, &e);
  for (size_t i = 0; e == 0 && n == 3 * count && m == 3 * dim * count && i < count; i++) {
    double step[2], off = aim(s, on[i], xyz + 3 * i, slopes + 3 * dim * i, step);
    if (off < on[i]->off && (s->quarters || is_sound(on[i], xyz + 3 * i))) {
      on[i]->off = off;
      memcpy(on[i]->best, on[i]->at, sizeof on[i]->best);
      memcpy(on[i]->point, xyz + 3 * i, sizeof on[i]->point);
    }
    if (on[i]->off <= NEAR || !isfinite(step[0]) || !isfinite(step[1]))
      continue;
    go(s, on[i], step);
    on[left++] = on[i];
  }
  gmshFree(xyz);
  gmshFree(slopes);
  free(at);
  return left;
}

static void middle_nodes_follow(struct search *s, struct middle **on, size_t count) {
  for (int step = 0; count && step < STEPS; step++)
    count = walk(s, on, count);
}

/* Where a search begins: shares of the way from one end to the other.  At a pole one of the
 * parameters says nothing, and that of the other end is right. */
static void middle_nodes_begin(const struct search *s, struct middle *m, const double share[2]) {
  for (int k = 0; k < s->dim; k++)
    m->at[k] = m->from[k] + share[k] * (m->to[k] - m->from[k]);
}

/* Of a face that meets itself the shorter way round. */
static void shorten(const struct search *s, struct middle *m) {
  for (int k = 0; k < s->dim && s->dim == 2; k++) {
    double turn = s->high[k] - s->low[k], way = m->to[k] - m->from[k];
    if (s->closed[k] && fabs(way) > turn / 2)
      m->to[k] -= copysign(turn, way);
  }
}

/* The kernel's own search, for what is left. */
static void ask_kernel(const struct search *s, struct middle *m) {
  double *xyz = NULL, *at = NULL;
  size_t n = 0, k = 0;
  int e = 0;
  gmshModelGetClosestPoint(s->dim, s->tag, m->goal, 3, &xyz, &n, &at, &k, &e);
  if (e == 0 && n == 3 && k == (size_t)s->dim && is_sound(m, xyz)) {
    memcpy(m->point, xyz, sizeof m->point);
    memcpy(m->best, at, k * sizeof *at);
    m->off = 0;
  }
  gmshFree(xyz);
  gmshFree(at);
}

static void find_middles(struct search *s) {
  static const double SHARES[][2] = {{0.5, 0.5}, {0, 0.5}, {1, 0.5}, {0.5, 0}, {0.5, 1}};
  struct middle **on = out_alloc(s->count, sizeof *on);
  for (size_t i = 0; i < s->count; i++)
    shorten(s, &s->list[i]);
  for (size_t k = 0; k < (s->dim == 1 ? 1 : sizeof SHARES / sizeof *SHARES); k++) {
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
      if (s->list[i].off > NEAR) {
        middle_nodes_begin(s, &s->list[i], SHARES[k]);
        on[left++] = &s->list[i];
      }
    middle_nodes_follow(s, on, left);
  }
  for (size_t i = 0; i < s->count; i++)
    if (s->list[i].off > NEAR)
      ask_kernel(s, &s->list[i]);
  free(on);
}

/* ---- how near the curved edges are ---- */

/* Half way from an end to its middle node: the point of the edge's parabola is the goal, and the
 * search begins half way between their parameters. */
static void add_quarter(struct search *q, const struct middle *m, bool second) {
  const double *end = second ? m->b->at : m->a->at, *other = second ? m->a->at : m->b->at;
  const double *from = second ? m->to : m->from;
  struct middle *p = &q->list[q->count++];
  *p = *m;
  p->off = INFINITY;
  for (int i = 0; i < 3; i++)
    p->goal[i] = (3 * end[i] + 6 * m->point[i] - other[i]) / 8;
  for (int k = 0; k < q->dim; k++)
    p->at[k] = (from[k] + m->best[k]) / 2;
}

static void middle_nodes_measure(const struct search *s, struct middle_nodes_chord *worst) {
  struct search q = *s;
  struct middle **on = out_alloc(2 * s->count, sizeof *on);
  q.quarters = true;
  q.count = 0;
  q.list = out_alloc(2 * s->count, sizeof *q.list);
  for (size_t i = 0; i < s->count; i++)
    for (int second = 0; isfinite(s->list[i].off) && second < 2; second++)
      add_quarter(&q, &s->list[i], second);
  for (size_t i = 0; i < q.count; i++)
    on[i] = &q.list[i];
  middle_nodes_follow(&q, on, q.count);
  for (size_t i = 0; i < q.count; i++) {
    if (!(q.list[i].off <= NEAR))
      continue;
    double off = vec_distance(q.list[i].point, q.list[i].goal);
    worst->mean += (off - worst->mean) / (double)++worst->count;
    if (off <= worst->distance)
      continue;
    worst->distance = off;
    memcpy(worst->at, q.list[i].point, sizeof worst->at);
  }
  free(q.list);
  free(on);
}

/* ---- all of them ---- */

/* Does the face meet itself in direction k?  Then a node on the seam has two parameters, of which
 * Gmsh gives one. */
static bool is_closed(const struct search *s, int k) {
  double at[12], *xyz = NULL;
  size_t n = 0;
  int e = 0;
  for (int i = 0; i < 3; i++) {
    double other = s->low[!k] + (0.25 + 0.23 * i) * (s->high[!k] - s->low[!k]);
    at[4 * i + k] = s->low[k];
    at[4 * i + 2 + k] = s->high[k];
    at[4 * i + !k] = at[4 * i + 2 + !k] = other;
  }
  gmshModelGetValue(2, s->tag, at, 12, &xyz, &n, &e);
  bool closed = e == 0 && n == 18;
  double width = closed ? vec_distance(xyz, xyz + 6) + vec_distance(xyz, xyz + 12) : 0;
  for (int i = 0; closed && i < 3; i++)
    closed = vec_distance(xyz + 6 * i, xyz + 6 * i + 3) <= 1e-6 * width;
  gmshFree(xyz);
  return closed;
}

static bool search_begin(struct search *s, int dim, int tag, size_t most) {
  double *low = NULL, *high = NULL;
  size_t n = 0, m = 0;
  int e = 0;
  *s = (struct search){.dim = dim, .tag = tag};
  gmshModelGetParametrizationBounds(dim, tag, &low, &n, &high, &m, &e);
  bool ok = e == 0 && n == (size_t)dim && m == n;
  if (ok) {
    memcpy(s->low, low, n * sizeof *low);
    memcpy(s->high, high, n * sizeof *high);
    s->list = out_alloc(most, sizeof *s->list);
  }
  for (int k = 0; ok && dim == 2 && k < 2; k++)
    s->closed[k] = is_closed(s, k);
  gmshFree(low);
  gmshFree(high);
  return ok;
}

/* Edges run up the curve; of a closed one the last ends where the first begins. */
static void close_curve(struct search *s) {
  for (size_t i = 0; i < s->count; i++) {
    struct middle *m = &s->list[i];
    if (m->to[0] <= m->from[0] && m->to[0] <= s->low[0])
      m->to[0] = s->high[0];
  }
}

static void enter(struct work *w, const struct entity *x) {
  size_t dim = (size_t)x->dim;
  w->mark++;
  for (size_t i = 0; i < x->node_count; i++) {
    if (x->nodes[i] > w->last)
      continue;
    struct place *p = &w->node[x->nodes[i]];
    memcpy(p->uv, x->at + dim * i, dim * sizeof *p->uv);
    p->mark = w->mark;
  }
}

/* `a` and `b` are tags of the four-node mesh, `middle` is one of the ten-node mesh. */
static void add_middle(struct search *s, struct work *w, size_t a, size_t b, size_t middle) {
  if (w->done[middle] || w->node[a].mark != w->mark || w->node[b].mark != w->mark)
    return;
  struct middle *m = &s->list[s->count++];
  *m = (struct middle){.node = middle, .a = &w->node[a], .b = &w->node[b], .off = INFINITY};
  memcpy(m->from, m->a->uv, sizeof m->from);
  memcpy(m->to, m->b->uv, sizeof m->to);
  for (int i = 0; i < 3; i++)
    m->goal[i] = (m->a->at[i] + m->b->at[i]) / 2;
  w->done[middle] = true;
}

/* Gmsh keeps the order of the elements of an entity.  False: it does not, or not in this version.
 */
static bool is_same(const struct work *w, const struct entity *x, const size_t *of, size_t count) {
  size_t corners = (size_t)x->dim + 1, nodes = x->dim == 1 ? 3 : 6;
  bool same = count == x->corner_count / corners * nodes;
  for (size_t i = 0; same && i < x->corner_count; i++) {
    size_t before = x->corners[i], after = of[i / corners * nodes + i % corners];
    same = before <= w->last && after <= w->raised_last &&
           vec_distance(w->node[before].at, w->raised + 3 * after) <= 0;
  }
  for (size_t i = 0; same && i < count; i++)
    same = of[i] <= w->raised_last;
  return same;
}

static void add_middles(struct search *s, struct work *w, const struct entity *x,
                        const size_t *of) {
  size_t corners = (size_t)x->dim + 1, nodes = x->dim == 1 ? 3 : 6, edges = nodes - corners;
  enter(w, x);
  for (size_t i = 0; i < x->corner_count / corners; i++)
    for (size_t k = 0; k < edges; k++)
      add_middle(s, w, x->corners[corners * i + k], x->corners[corners * i + (k + 1) % corners],
                 of[nodes * i + corners + k]);
}

static void place(const struct search *s) {
  for (size_t i = 0; i < s->count; i++) {
    double at[3];
    int e = 0;
    if (!isfinite(s->list[i].off))
      continue;
    memcpy(at, s->list[i].point, sizeof at);
    gmshModelMeshSetNode(s->list[i].node, at, 3, NULL, 0, &e);
  }
}

static bool place_on(struct work *w, const struct entity *x, struct middle_nodes_chord *worst) {
  size_t *tags = NULL, *of = NULL, n = 0, count = 0;
  struct search s;
  int e = 0;
  gmshModelMeshGetElementsByType(x->dim == 1 ? LINE3 : TRIANGLE6, &tags, &n, &of, &count, x->tag, 0,
                                 1, &e);
  bool ok = e == 0 && is_same(w, x, of, count);
  if (ok && search_begin(&s, x->dim, x->tag, count)) {
    add_middles(&s, w, x, of);
    if (x->dim == 1)
      close_curve(&s);
    find_middles(&s);
    place(&s);
    middle_nodes_measure(&s, worst);
    free(s.list);
  }
  gmshFree(tags);
  gmshFree(of);
  return ok;
}

bool middle_nodes_raise(struct middle_nodes_chord *worst) {
  struct work w = {0};
  int e = 0;
  w.node = (struct place *)(void *)take_nodes(sizeof *w.node / sizeof(double), &w.last);
  take_entities(&w, 1);
  take_entities(&w, 2);
  gmshOptionSetNumber("Mesh.SecondOrderLinear", 1, &e);
  gmshModelMeshSetOrder(2, &e);
  gmshOptionSetNumber("Mesh.SecondOrderLinear", 0, &e);
  *worst = (struct middle_nodes_chord){0};
  w.raised = take_nodes(3, &w.raised_last);
  w.done = out_alloc(w.raised_last + 1, sizeof *w.done);
  bool ok = e == 0;
  for (size_t i = 0; ok && i < w.entity_count; i++)
    ok = place_on(&w, &w.entities[i], worst);
  for (size_t i = 0; i < w.entity_count; i++)
    entity_free(&w.entities[i]);
  free(w.entities);
  free(w.node);
  free(w.raised);
  free(w.done);
  return ok;
}
