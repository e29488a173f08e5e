/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   boxes that meet -> points of one solid in tetrahedra of the other
 *        -> deeper than the chord error, or inside of its faces by the CAD
 *        -> the volume, by the CAD kernel in a process of its own
 */
#include "quality/overlaps.h"

#include "arrays/curved.h"
#include "arrays/mesh_arrays.h"
#include "base/box.h"
#include "base/out.h"
#include "base/vec.h"
#include "cad/common_volume.h"
#include "cad/neighbours.h"
#include "model/findings.h"
#include "model/names.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define APART   1e-4 /* of the smaller solid: what reaches in less only touches */
#define SPOTS   8    /* of a pair, each way */
#define ASKED   2    /* of these, the CAD about the deepest */
#define CELLS   64   /* of the grid, each way, at most */
#define SECONDS 4.0  /* for all volumes */

struct body {
  int tag;
  const struct range *tets;
  struct box box;
};

struct spot { /* a point of one solid that lies in a tetrahedron of the other */
  double at[3];
  bool on_face; /* it lies on the CAD's surface of its solid */
  double depth; /* in the mesh */
};

struct spots {
  struct spot of[SPOTS];
  size_t count, seen, every;
};

struct pair {
  size_t a, b;    /* bodies */
  struct box box; /* where both are */
  double least;   /* how far in counts */
  struct spots in_b, in_a;
};

struct grid { /* lists of tetrahedra, by cell */
  struct box box;
  size_t n[3];
  uint32_t *begin, *tets;
};

struct meeting {
  const struct task *task;
  const struct mesh_arrays *s;
  struct body *bodies;
  struct pair *pairs;
  size_t pair_n;
  struct grid grid;
  size_t *body_of_face; /* by its place in the arrays; SIZE_MAX: none */
  uint32_t *body_of_tet;
  struct box *face_box;
  signed char *turned; /* of each face: 1 its triangles look out, -1 in, 0 not known yet */
};

static bool within(const struct box *b, const double *p) {
  return p[0] >= b->low[0] && p[0] <= b->high[0] && p[1] >= b->low[1] && p[1] <= b->high[1] &&
         p[2] >= b->low[2] && p[2] <= b->high[2];
}

static const uint32_t *corners(const struct mesh_arrays *s, size_t tet) {
  return s->tets + tet * (size_t)s->tet_nodes;
}

static const double *point(const struct mesh_arrays *s, uint32_t node) {
  return s->xyz + 3 * (size_t)node;
}

static struct box box_of_tet(const struct mesh_arrays *s, size_t tet) {
  struct box b = BOX_EMPTY;
  for (int k = 0; k < 4; k++)
    box_grow(&b, point(s, corners(s, tet)[k]));
  return b;
}

/* ---- which tetrahedron a point is in ---- */

static void cells_of(const struct grid *g, const struct box *b, size_t from[3], size_t to[3]) {
  for (int i = 0; i < 3; i++) {
    double step = (g->box.high[i] - g->box.low[i]) / (double)g->n[i];
    double a = floor((b->low[i] - g->box.low[i]) / step);
    double z = floor((b->high[i] - g->box.low[i]) / step);
    from[i] = a <= 0 ? 0 : a >= (double)g->n[i] ? g->n[i] - 1 : (size_t)a;
    to[i] = z <= 0 ? 0 : z >= (double)g->n[i] ? g->n[i] - 1 : (size_t)z;
  }
}

/* Without `tets` it counts; else it puts each where begin says, and moves that on. */
static void overlaps_fill(struct meeting *w, bool *wanted, uint32_t *tets) {
  struct grid *g = &w->grid;
  size_t from[3], to[3];
  for (size_t t = 0; t < w->s->tet_count; t++) {
    if (!wanted[w->body_of_tet[t]])
      continue;
    struct box b = box_of_tet(w->s, t);
    if (!box_meet(&b, &g->box, 0))
      continue;
    cells_of(g, &b, from, to);
    for (size_t x = from[0]; x <= to[0]; x++)
      for (size_t y = from[1]; y <= to[1]; y++)
        for (size_t z = from[2]; z <= to[2]; z++) {
          uint32_t *at = &g->begin[(x * g->n[1] + y) * g->n[2] + z];
          if (tets)
            tets[--*at] = (uint32_t)t;
          else
            ++*at;
        }
  }
}

/* Over all places where two solids may be, of the tetrahedra of these solids. */
static void grid_make(struct meeting *w) {
  struct grid *g = &w->grid;
  bool *wanted = out_alloc(w->s->solid_count, sizeof *wanted);
  size_t cells = 1;
  double widest = 0, most = cbrt((double)w->s->tet_count / 4);
  g->box = BOX_EMPTY;
  for (size_t i = 0; i < w->pair_n; i++) {
    box_grow(&g->box, w->pairs[i].box.low);
    box_grow(&g->box, w->pairs[i].box.high);
    wanted[w->pairs[i].a] = wanted[w->pairs[i].b] = true;
  }
  for (int i = 0; i < 3; i++)
    widest = fmax(widest, g->box.high[i] - g->box.low[i]);
  for (int i = 0; i < 3; i++) {
    g->n[i] = (size_t)ceil(fmin(CELLS, 2 * most) * (g->box.high[i] - g->box.low[i]) / widest);
    g->n[i] = g->n[i] < 1 ? 1 : g->n[i];
    cells *= g->n[i];
  }
  g->begin = out_alloc(cells + 1, sizeof *g->begin);
  overlaps_fill(w, wanted, NULL);
  for (size_t i = 1; i <= cells; i++)
    g->begin[i] += g->begin[i - 1];
  g->tets = out_alloc(g->begin[cells] + 1, sizeof *g->tets);
  overlaps_fill(w, wanted, g->tets);
  free(wanted);
}

static double volume_of(const double *a, const double *b, const double *c, const double *d) {
  double x[3], y[3], z[3], n[3];
  vec_sub(x, b, a);
  vec_sub(y, c, a);
  vec_sub(z, d, a);
  vec_cross(n, x, y);
  return vec_dot(n, z);
}

/* Not on its sides. */
static bool in_tet(const struct mesh_arrays *s, size_t tet, const double *p) {
  const uint32_t *n = corners(s, tet);
  const double *a = point(s, n[0]), *b = point(s, n[1]), *c = point(s, n[2]), *d = point(s, n[3]);
  double all = volume_of(a, b, c, d), least = 1e-9 * all;
  return volume_of(p, b, c, d) > least && volume_of(a, p, c, d) > least &&
         volume_of(a, b, p, d) > least && volume_of(a, b, c, p) > least;
}

/* ---- points ---- */

/* Evenly among those that are found: every second one is dropped where there is no room. */
static void overlaps_keep(struct spots *l, const double *at, bool on_face) {
  l->every = l->every ? l->every : 1;
  if (l->seen++ % l->every)
    return;
  if (l->count == SPOTS) {
    for (size_t i = 0; i < SPOTS / 2; i++)
      l->of[i] = l->of[2 * i];
    l->count = SPOTS / 2;
    l->every *= 2;
  }
  memcpy(l->of[l->count].at, at, sizeof l->of[0].at);
  l->of[l->count++].on_face = on_face;
}

/* A point of a solid: which others it lies in. */
static void overlaps_look(struct meeting *w, size_t body, const double *at, bool on_face) {
  const struct grid *g = &w->grid;
  size_t from[3], to[3], cell = SIZE_MAX;
  struct box b;
  for (size_t i = 0; i < w->pair_n; i++) {
    struct pair *p = &w->pairs[i];
    if ((p->a != body && p->b != body) || !within(&p->box, at))
      continue;
    if (cell == SIZE_MAX) {
      b = (struct box){{at[0], at[1], at[2]}, {at[0], at[1], at[2]}};
      cells_of(g, &b, from, to);
      cell = (from[0] * g->n[1] + from[1]) * g->n[2] + from[2];
    }
    size_t other = p->a == body ? p->b : p->a;
    for (uint32_t k = g->begin[cell]; k < g->begin[cell + 1]; k++)
      if (w->body_of_tet[g->tets[k]] == other && in_tet(w->s, g->tets[k], at)) {
        overlaps_keep(p->a == body ? &p->in_b : &p->in_a, at, on_face);
        break;
      }
  }
}

static void find_spots(struct meeting *w) {
  const struct mesh_arrays *s = w->s;
  bool *seen = out_alloc(s->node_count, sizeof *seen);
  for (size_t f = 0; f < s->face_count; f++)
    for (size_t i = 3 * s->faces[f].first;
         w->body_of_face[f] != SIZE_MAX && i < 3 * (s->faces[f].first + s->faces[f].count); i++)
      if (!seen[s->triangles[i]]) {
        seen[s->triangles[i]] = true;
        overlaps_look(w, w->body_of_face[f], point(s, s->triangles[i]), true);
      }
  free(seen);
  for (size_t t = 0; t < s->tet_count; t++) {
    double middle[3] = {0};
    for (int k = 0; k < 12; k++)
      middle[k % 3] += point(s, corners(s, t)[k / 3])[k % 3] / 4;
    if (within(&w->grid.box, middle))
      overlaps_look(w, w->body_of_tet[t], middle, false);
  }
}

/* ---- how far inside ---- */

struct near {
  double distance;
  size_t triangle, face; /* places in the arrays */
};

static double to_segment(const double *p, const double *a, const double *b) {
  double d[3], v[3];
  vec_sub(d, b, a);
  vec_sub(v, p, a);
  double square = vec_dot(d, d), u = square > 0 ? fmin(1, fmax(0, vec_dot(d, v) / square)) : 0;
  for (int i = 0; i < 3; i++)
    v[i] -= u * d[i];
  return sqrt(vec_dot(v, v));
}

static double to_triangle(const struct mesh_arrays *s, size_t triangle, const double *p) {
  const uint32_t *n = s->triangles + 3 * triangle;
  const double *c[3] = {point(s, n[0]), point(s, n[1]), point(s, n[2])};
  double x[3], y[3], up[3], side[3], v[3], least = INFINITY;
  bool over = true;
  vec_sub(x, c[1], c[0]);
  vec_sub(y, c[2], c[0]);
  vec_cross(up, x, y);
  for (int k = 0; k < 3; k++) {
    vec_sub(x, c[(k + 1) % 3], c[k]);
    vec_sub(v, p, c[k]);
    vec_cross(side, up, x);
    over = over && vec_dot(side, v) >= 0;
    least = fmin(least, to_segment(p, c[k], c[(k + 1) % 3]));
  }
  double length = sqrt(vec_dot(up, up));
  return over && length > 0 ? fabs(vec_dot(up, v)) / length : least;
}

static double to_box(const struct box *b, const double *p) {
  double d[3];
  for (int i = 0; i < 3; i++)
    d[i] = fmax(0, fmax(b->low[i] - p[i], p[i] - b->high[i]));
  return sqrt(vec_dot(d, d));
}

static bool far_away(const struct mesh_arrays *s, size_t triangle, const double *p, double within) {
  const uint32_t *n = s->triangles + 3 * triangle;
  const double *a = point(s, n[0]), *b = point(s, n[1]), *c = point(s, n[2]);
  for (int i = 0; i < 3; i++)
    if ((a[i] > p[i] + within && b[i] > p[i] + within && c[i] > p[i] + within) ||
        (a[i] < p[i] - within && b[i] < p[i] - within && c[i] < p[i] - within))
      return true;
  return false;
}

/* Nearer than `within`. */
static struct near nearest_of(const struct meeting *w, size_t face, const double *at,
                              double within) {
  const struct range *r = &w->s->faces[face];
  struct near best = {.distance = within, .face = face};
  for (size_t i = r->first; i < r->first + r->count; i++) {
    if (far_away(w->s, i, at, best.distance))
      continue;
    double d = to_triangle(w->s, i, at);
    if (d < best.distance) {
      best.distance = d;
      best.triangle = i;
    }
  }
  return best;
}

static struct near nearest(const struct meeting *w, size_t body, const double *at) {
  struct near best = {.distance = INFINITY};
  for (size_t f = 0; f < w->s->face_count; f++) {
    if (w->body_of_face[f] != body || to_box(&w->face_box[f], at) >= best.distance)
      continue;
    struct near own = nearest_of(w, f, at, best.distance);
    if (own.distance < best.distance)
      best = own;
  }
  return best;
}

static void normal_of(const struct mesh_arrays *s, size_t triangle, double up[3]) {
  const uint32_t *n = s->triangles + 3 * triangle;
  vec_normal(up, point(s, n[0]), point(s, n[1]), point(s, n[2]));
}

/* Whether the triangles of a face look out of its solid (1) or into it (-1): all look one way. */
static int look_of(struct meeting *w, size_t face, size_t triangle) {
  const struct mesh_arrays *s = w->s;
  const uint32_t *n = s->triangles + 3 * triangle;
  const struct range *r = w->bodies[w->body_of_face[face]].tets;
  double up[3], x[3];
  for (size_t t = r->first; w->turned[face] == 0 && t < r->first + r->count; t++) {
    const uint32_t *c = corners(s, t);
    int common = 0, last = 0;
    for (int k = 0; k < 4; k++) {
      bool of_it = c[k] == n[0] || c[k] == n[1] || c[k] == n[2];
      common += of_it;
      last = of_it ? last : k;
    }
    if (common != 3)
      continue;
    normal_of(s, triangle, up);
    vec_sub(x, point(s, c[last]), point(s, n[0]));
    w->turned[face] = vec_dot(x, up) > 0 ? -1 : 1;
  }
  return w->turned[face];
}

/* A face of the CAD from a point. */
struct foot {
  double distance; /* INFINITY: its nearest point lies beyond its edges, and says nothing */
  double depth;    /* how far the point lies behind the face; below 0: before it */
};

static struct foot foot_on(struct meeting *w, const double *at, size_t face, size_t triangle) {
  struct foot f = {.distance = INFINITY};
  double *xyz = NULL, *uv = NULL, *normal = NULL, own[2], up[3], v[3], point_at[3];
  size_t n = 0, m = 0, k = 0;
  int tag = w->s->faces[face].tag, out = look_of(w, face, triangle), e = 0;
  memcpy(point_at, at, sizeof point_at);
  gmshModelGetClosestPoint(2, tag, point_at, 3, &xyz, &n, &uv, &m, &e);
  if (e == 0 && n == 3 && neighbours_parameters(tag, xyz, own))
    gmshModelGetNormal(tag, own, 2, &normal, &k, &e);
  if (e == 0 && k == 3 && out) {
    normal_of(w->s, triangle, up);
    vec_sub(v, xyz, at);
    f.distance = sqrt(vec_dot(v, v));
    f.depth = vec_dot(v, normal) * (vec_dot(normal, up) * out < 0 ? -1 : 1);
  }
  gmshFree(xyz);
  gmshFree(uv);
  gmshFree(normal);
  return f;
}

/* How far a point of the CAD's surface lies inside of the other solid: by the nearest of its faces.
 * Triangles say which faces may be that. */
static double depth_of(struct meeting *w, size_t body, const double *at, double chord) {
  struct near near = nearest(w, body, at);
  struct foot best = foot_on(w, at, near.face, near.triangle);
  for (size_t f = 0; f < w->s->face_count; f++) {
    double limit = fmin(best.distance, near.distance + chord) + chord;
    if (w->body_of_face[f] != body || f == near.face || to_box(&w->face_box[f], at) > limit)
      continue;
    struct near own = nearest_of(w, f, at, limit);
    if (own.distance >= limit)
      continue;
    struct foot foot = foot_on(w, at, f, own.triangle);
    if (foot.distance < best.distance)
      best = foot;
  }
  return isfinite(best.distance) ? best.depth : 0;
}

static int by_depth(const void *a, const void *b) {
  double x = ((const struct spot *)a)->depth, y = ((const struct spot *)b)->depth;
  return (x < y) - (x > y);
}

/* Points of one solid in the other, which is `body`. */
static bool reach_in(struct meeting *w, struct spots *l, size_t body, double least, double chord) {
  size_t asked = 0;
  for (size_t i = 0; i < l->count; i++) {
    l->of[i].depth = nearest(w, body, l->of[i].at).distance;
    if (chord >= 0 && l->of[i].depth > 2 * chord + least)
      return true;
  }
  qsort(l->of, l->count, sizeof l->of[0], by_depth);
  for (size_t i = 0; i < l->count && asked < ASKED; i++) {
    if (!l->of[i].on_face)
      continue;
    asked++;
    if (depth_of(w, body, l->of[i].at, chord >= 0 ? chord : l->of[i].depth) > least)
      return true;
  }
  return false;
}

/* ---- all pairs ---- */

static void overlaps_take_bodies(struct meeting *w) {
  const struct mesh_arrays *s = w->s;
  w->bodies = out_alloc(s->solid_count, sizeof *w->bodies);
  w->body_of_tet = out_alloc(s->tet_count, sizeof *w->body_of_tet);
  for (size_t i = 0; i < s->solid_count; i++) {
    const struct range *r = &s->solids[i];
    w->bodies[i] = (struct body){.tag = r->tag, .tets = r, .box = BOX_EMPTY};
    for (size_t t = r->first; t < r->first + r->count; t++) {
      w->body_of_tet[t] = (uint32_t)i;
      for (int k = 0; k < 4; k++)
        box_grow(&w->bodies[i].box, point(s, corners(s, t)[k]));
    }
  }
}

static void overlaps_take_faces(struct meeting *w) {
  const struct mesh_arrays *s = w->s;
  w->body_of_face = out_alloc(s->face_count, sizeof *w->body_of_face);
  w->face_box = out_alloc(s->face_count, sizeof *w->face_box);
  w->turned = out_alloc(s->face_count, sizeof *w->turned);
  for (size_t f = 0; f < s->face_count; f++) {
    const struct range *r = &s->faces[f];
    const struct label *l = names_face(&w->task->names, r->tag);
    w->body_of_face[f] = SIZE_MAX;
    for (size_t i = 0; l && i < s->solid_count; i++)
      if (w->bodies[i].tag == l->solid)
        w->body_of_face[f] = i;
    w->face_box[f] = BOX_EMPTY;
    for (size_t i = 3 * r->first; i < 3 * (r->first + r->count); i++)
      box_grow(&w->face_box[f], point(s, s->triangles[i]));
  }
}

static bool is_known(const struct task *t, int a, int b) {
  char one[FOUND_NAME], other[FOUND_NAME];
  const struct findings *f = &t->findings;
  findings_name(one, &t->names, a);
  findings_name(other, &t->names, b);
  for (size_t i = 0; i < f->count[ODD_DUPLICATE] && i < FOUND_LISTED; i++)
    if (strcmp(f->list[ODD_DUPLICATE][i].name[0], one) == 0 &&
        strcmp(f->list[ODD_DUPLICATE][i].name[1], other) == 0)
      return true;
  return false;
}

static void take_pairs(struct meeting *w) {
  size_t n = w->s->solid_count, cap = 0;
  for (size_t a = 0; a < n; a++)
    for (size_t b = a + 1; b < n; b++) {
      const struct box *x = &w->bodies[a].box, *y = &w->bodies[b].box;
      struct pair p = {.a = a, .b = b, .least = APART * fmin(box_diagonal(x), box_diagonal(y))};
      bool reach = true;
      for (int i = 0; i < 3; i++) {
        p.box.low[i] = fmax(x->low[i], y->low[i]);
        p.box.high[i] = fmin(x->high[i], y->high[i]);
        reach = reach && p.box.high[i] - p.box.low[i] > p.least;
      }
      if (!reach || is_known(w->task, w->bodies[a].tag, w->bodies[b].tag))
        continue;
      if (w->pair_n == cap) {
        cap = cap ? 2 * cap : 16;
        w->pairs = out_again(w->pairs, w->pair_n, cap, sizeof *w->pairs);
      }
      w->pairs[w->pair_n++] = p;
    }
}

static void meeting_free(struct meeting *w) {
  free(w->bodies);
  free(w->pairs);
  free(w->grid.begin);
  free(w->grid.tets);
  free(w->body_of_face);
  free(w->body_of_tet);
  free(w->face_box);
  free(w->turned);
}

static void overlaps_note_pair(struct findings *f, const struct names *n, int a, int b,
                               double volume) {
  struct found one = {.size = volume};
  findings_name(one.name[0], n, a);
  findings_name(one.name[1], n, b);
  findings_add(f, ODD_OVERLAP, &one);
}

static void overlaps_tell(const struct task *t, struct outcome *o) {
  struct findings f = {0};
  struct out text = {0};
  for (size_t i = 0; i < o->overlap_count && i < OVERLAPS_TOLD; i++)
    overlaps_note_pair(&f, &t->names, o->overlaps[i].a, o->overlaps[i].b, o->overlaps[i].volume);
  findings_sentence(&f, ODD_OVERLAP, false, task_unit(t)[0] != 0, &text);
  if (text.len)
    outcome_warn(o, "%.*s", (int)text.len, text.data);
  out_free(&text);
  findings_free(&f);
}

void overlaps_find(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  o->overlap_count = 0;
  if (t->params.conformal || t->params.imprint || t->params.fluid || t->format == FORMAT_STL ||
      s->solid_count < 2)
    return;
  struct meeting w = {.task = t, .s = s};
  /* What is looked at are flat sides, also of a mesh of second order. */
  double chord = s->tet_nodes == 4 ? o->deviation.chord
                                   : curved_sagitta(s->xyz, s->tets, s->tet_count);
  double end = task_now() + SECONDS;
  if (t->end > 0)
    end = fmin(end, task_now() + (t->end - task_now()) / 4);
  overlaps_take_bodies(&w);
  take_pairs(&w);
  if (w.pair_n) {
    overlaps_take_faces(&w);
    grid_make(&w);
    find_spots(&w);
  }
  for (size_t i = 0; i < w.pair_n; i++) {
    struct pair *p = &w.pairs[i];
    if (!reach_in(&w, &p->in_b, p->b, p->least, chord) &&
        !reach_in(&w, &p->in_a, p->a, p->least, chord))
      continue;
    int a = w.bodies[p->a].tag, b = w.bodies[p->b].tag;
    if (o->overlap_count < OVERLAPS_TOLD) {
      o->overlaps[o->overlap_count].a = a;
      o->overlaps[o->overlap_count].b = b;
      o->overlaps[o->overlap_count].volume = common_volume(a, b, end - task_now());
    }
    o->overlap_count++;
  }
  meeting_free(&w);
  overlaps_tell(t, o);
}

void overlaps_note(struct task *t, const struct outcome *o) {
  for (size_t i = 0; i < o->overlap_count && i < OVERLAPS_TOLD; i++)
    overlaps_note_pair(&t->findings, &t->names, o->overlaps[i].a, o->overlaps[i].b,
                       o->overlaps[i].volume);
  if (o->overlap_count > OVERLAPS_TOLD)
    t->findings.count[ODD_OVERLAP] += o->overlap_count - OVERLAPS_TOLD;
}
