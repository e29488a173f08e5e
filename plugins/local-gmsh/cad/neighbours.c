/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/neighbours.h"

#include "base/box.h"
#include "base/out.h"
#include "base/vec.h"
#include "model/adjacent.h"
#include "model/findings.h"
#include "model/names.h"
#include "step/step_parts.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR  1e-3 /* of the smaller solid: what may have been meant to touch */
#define SAME  1e-6 /* of a solid: two in one place */
#define GRID  6    /* points along a face, both ways */
#define SMALL 0.4  /* of the smaller face: such a place may lie between its points */
#define CLOSE 4    /* points along the place where the boxes of two faces meet, each way */

static struct box box_of(int dim, int tag) {
  struct box b = {{0}, {0}};
  int e = 0;
  gmshModelGetBoundingBox(dim, tag, &b.low[0], &b.low[1], &b.low[2], &b.high[0], &b.high[1],
                          &b.high[2], &e);
  return b;
}

static bool in_box(const struct box *b, const double p[3], double within) {
  for (int i = 0; i < 3; i++)
    if (p[i] < b->low[i] - within || p[i] > b->high[i] + within)
      return false;
  return true;
}

/* ---- loose faces ---- */

static void note_loose(struct findings *f, int tag) {
  struct found one = {0};
  struct box b = box_of(2, tag);
  char *name = NULL;
  int e = 0;
  gmshModelGetEntityName(2, tag, &name, &e);
  const char *last = name ? strrchr(name, '/') : NULL;
  last = last ? last + 1 : name;
  if (last && last[0] && !parts_stand_in(last))
    snprintf(one.name[0], FOUND_NAME, "%s", last);
  else
    snprintf(one.name[0], FOUND_NAME, "face %d", tag);
  gmshFree(name);
  gmshModelOccGetMass(2, tag, &one.size, &e);
  for (int i = 0; i < 3; i++)
    one.at[i] = (b.low[i] + b.high[i]) / 2;
  findings_add(f, ODD_LOOSE, &one);
}

/* Those of one dimension that bound nothing. */
static void drop(struct findings *f, int dim, bool kernel) {
  int *entities = NULL, e = 0;
  size_t n = 0, loose = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  for (size_t i = 0; e == 0 && i + 1 < n; i += 2) {
    size_t users = 0;
    users = adjacent_count_above(dim, entities[i + 1]);
    if (users)
      continue;
    if (dim == 2 && f)
      note_loose(f, entities[i + 1]);
    entities[loose++] = dim;
    entities[loose++] = entities[i + 1];
  }
  if (loose) {
    if (kernel)
      gmshModelOccRemove(entities, loose, 1, &e);
    gmshModelRemoveEntities(entities, loose, 1, &e);
  }
  gmshFree(entities);
}

void neighbours_drop_loose(struct findings *f, bool kernel) {
  int *solids = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&solids, &n, 3, &e);
  gmshFree(solids);
  for (int dim = n ? 2 : 1; dim >= 0; dim--)
    drop(f, dim, kernel);
}

/* ---- solids in one place ---- */

struct mass {
  double volume, middle[3];
};

static struct mass mass_of_solid(int tag) {
  struct mass m = {0};
  int e = 0;
  gmshModelOccGetMass(3, tag, &m.volume, &e);
  gmshModelOccGetCenterOfMass(3, tag, &m.middle[0], &m.middle[1], &m.middle[2], &e);
  return m;
}

static bool same_box(const struct box *a, const struct box *b) {
  double limit = SAME * box_diagonal(a);
  for (int i = 0; i < 3; i++)
    if (fabs(a->low[i] - b->low[i]) > limit || fabs(a->high[i] - b->high[i]) > limit)
      return false;
  return true;
}

static bool same_mass(const struct mass *a, const struct mass *b, double size) {
  bool same = fabs(a->volume - b->volume) <= SAME * fabs(a->volume);
  for (int i = 0; i < 3; i++)
    same = same && fabs(a->middle[i] - b->middle[i]) <= SAME * size;
  return same;
}

static struct box *boxes_of(const struct names *n) {
  struct box *boxes = out_alloc(n->solid_count, sizeof *boxes);
  for (size_t i = 0; i < n->solid_count; i++)
    boxes[i] = box_of(3, n->solids[i].tag);
  return boxes;
}

void neighbours_duplicates(struct findings *f, const struct names *n) {
  if (n->solid_count < 2)
    return;
  struct box *boxes = boxes_of(n);
  for (size_t i = 0; i < n->solid_count; i++)
    for (size_t k = i + 1; k < n->solid_count; k++) {
      if (!same_box(&boxes[i], &boxes[k]))
        continue;
      struct mass a = mass_of_solid(n->solids[i].tag), b = mass_of_solid(n->solids[k].tag);
      if (!same_mass(&a, &b, box_diagonal(&boxes[i])))
        continue;
      struct found one = {.size = a.volume};
      findings_name(one.name[0], n, n->solids[i].tag);
      findings_name(one.name[1], n, n->solids[k].tag);
      findings_add(f, ODD_DUPLICATE, &one);
    }
  free(boxes);
}

void neighbours_shared(struct findings *f, const struct names *n) {
  f->shared_faces = 0;
  for (size_t i = 0; n->solid_count > 1 && i < n->face_count; i++) {
    size_t users = 0;
    users = adjacent_count_above(2, n->faces[i].tag);
    f->shared_faces += users > 1;
  }
}

/* ---- gaps ---- */

struct face {
  int tag;
  struct box box;
  double *uv, *xyz; /* GRID * GRID points of its surface, some outside of its edges; NULL: not
                       asked for yet.  xyz is Gmsh's */
  signed char inside[GRID * GRID]; /* of each point: 1 within the edges, -1 not, 0 not known yet */
};

struct faces { /* of a solid */
  int *tags;   /* Gmsh's */
  size_t n;
  struct face *of; /* NULL: not asked for yet */
};

struct nearest {
  double distance, at[3];
};

static void take_points(struct face *f) {
  double *low = NULL, *high = NULL;
  size_t n = 0, m = 0, count = 0;
  int e = 0;
  if (f->uv)
    return;
  f->uv = out_alloc(2 * (size_t)GRID * GRID, sizeof *f->uv);
  gmshModelGetParametrizationBounds(2, f->tag, &low, &n, &high, &m, &e);
  for (int u = 0; e == 0 && n == 2 && m == 2 && u < GRID; u++)
    for (int v = 0; v < GRID; v++) {
      f->uv[count++] = low[0] + (high[0] - low[0]) * (u + 0.5) / GRID;
      f->uv[count++] = low[1] + (high[1] - low[1]) * (v + 0.5) / GRID;
    }
  if (count) {
    gmshModelGetValue(2, f->tag, f->uv, count, &f->xyz, &n, &e);
    if (e || n / 3 != count / 2) {
      gmshFree(f->xyz);
      f->xyz = NULL;
    }
  }
  gmshFree(low);
  gmshFree(high);
}

static bool is_inside(int face, double uv[2]) {
  int e = 0;
#ifdef GMSH_IS_INSIDE_HAS_PARAMETRIC
  return gmshModelIsInside(2, face, uv, 2, 1, &e) && e == 0;
#else
  return gmshModelIsInside(2, face, uv, 2, &e) && e == 0;
#endif
}

/* The closest point's own parameters are 0 with the CAD kernel (Gmsh 4.8). */
bool neighbours_parameters(int face, double foot[3], double uv[2]) {
  double *found = NULL;
  size_t n = 0;
  int e = 0;
  gmshModelGetParametrization(2, face, foot, 3, &found, &n, &e);
  bool known = e == 0 && n == 2;
  if (known)
    memcpy(uv, found, 2 * sizeof *uv);
  gmshFree(found);
  return known && is_inside(face, uv);
}

static bool closest(int face, double p[3], double foot[3]) {
  double *found = NULL, *uv = NULL;
  size_t n = 0, m = 0;
  int e = 0;
  gmshModelGetClosestPoint(2, face, p, 3, &found, &n, &uv, &m, &e);
  bool known = e == 0 && n == 3;
  if (known)
    memcpy(foot, found, 3 * sizeof *foot);
  gmshFree(found);
  gmshFree(uv);
  return known;
}

/* Not beyond the face's edges.  Gmsh alone takes points that are a thousandth off for inside. */
static bool is_on(const struct face *f, double foot[3]) {
  double uv[2];
  return in_box(&f->box, foot, SAME * box_diagonal(&f->box)) &&
         neighbours_parameters(f->tag, foot, uv);
}

/* Of a point of the face. */
static bool point_inside(struct face *f, size_t i) {
  if (!f->inside[i])
    f->inside[i] = is_inside(f->tag, f->uv + 2 * i) ? 1 : -1;
  return f->inside[i] > 0;
}

/* From points of one face to another.  Whether a point is inside of the edges is asked last: it
 * takes the kernel longest. */
static void measure_faces(struct face *from, const struct face *to, struct nearest *best) {
  take_points(from);
  for (size_t i = 0; from->xyz && i < (size_t)GRID * GRID; i++) {
    double *p = from->xyz + 3 * i, foot[3];
    if (!in_box(&to->box, p, best->distance) || !closest(to->tag, p, foot) ||
        !(vec_distance(p, foot) < best->distance) || !is_on(to, foot) || !point_inside(from, i))
      continue;
    best->distance = vec_distance(p, foot);
    memcpy(best->at, p, sizeof best->at);
  }
}

/* Large faces that come near each other in a small place alone: points where their boxes meet. */
static void measure_meeting(const struct face *a, const struct face *b, struct nearest *best) {
  double low[3], step[3], p[3], on[3], foot[3], extent = 0;
  int count[3];
  for (int i = 0; i < 3; i++) {
    double high = fmin(a->box.high[i], b->box.high[i]), wide = best->distance;
    low[i] = fmax(a->box.low[i], b->box.low[i]);
    count[i] = high - low[i] > 2 * wide ? CLOSE : 1;
    step[i] = (high - low[i]) / count[i];
    extent += (high - low[i]) * (high - low[i]);
  }
  /* else the points of the smaller face were dense enough */
  if (sqrt(extent) > SMALL * fmin(box_diagonal(&a->box), box_diagonal(&b->box)))
    return;
  for (int i = 0; i < count[0] * count[1] * count[2]; i++) {
    int at[3] = {i % count[0], i / count[0] % count[1], i / count[0] / count[1]};
    for (int k = 0; k < 3; k++)
      p[k] = low[k] + (at[k] + 0.5) * step[k];
    if (!closest(a->tag, p, on) || !in_box(&b->box, on, best->distance) ||
        !closest(b->tag, on, foot) || !(vec_distance(on, foot) < best->distance) || !is_on(a, on) ||
        !is_on(b, foot))
      continue;
    best->distance = vec_distance(on, foot);
    memcpy(best->at, on, sizeof best->at);
  }
}

static void neighbours_take_faces(struct faces *f) {
  if (f->of)
    return;
  f->of = out_alloc(f->n, sizeof *f->of);
  for (size_t i = 0; i < f->n; i++)
    f->of[i] = (struct face){.tag = f->tags[i], .box = box_of(2, f->tags[i])};
}

static void free_faces(struct faces *f) {
  for (size_t i = 0; f->of && i < f->n; i++) {
    free(f->of[i].uv);
    gmshFree(f->of[i].xyz);
  }
  free(f->of);
  gmshFree(f->tags);
}

static bool share_a_face(const struct faces *a, const struct faces *b) {
  for (size_t i = 0; i < a->n; i++)
    for (size_t k = 0; k < b->n; k++)
      if (a->tags[i] == b->tags[k])
        return true;
  return false;
}

/* Infinite where they are not nearer than `within`. */
static struct nearest measure_solids(struct faces *a, struct faces *b, double within) {
  double above = nextafter(within, INFINITY);
  struct nearest best = {.distance = above};
  neighbours_take_faces(a);
  neighbours_take_faces(b);
  for (size_t i = 0; i < a->n; i++)
    for (size_t k = 0; k < b->n; k++)
      if (box_meet(&a->of[i].box, &b->of[k].box, best.distance)) {
        measure_faces(&a->of[i], &b->of[k], &best);
        measure_faces(&b->of[k], &a->of[i], &best);
      }
  for (size_t i = 0; best.distance >= above && i < a->n; i++)
    for (size_t k = 0; k < b->n; k++)
      if (box_meet(&a->of[i].box, &b->of[k].box, within))
        measure_meeting(&a->of[i], &b->of[k], &best);
  if (best.distance >= above)
    best.distance = INFINITY;
  return best;
}

struct solid_faces {
  size_t count;
  struct box *boxes; /* of solids */
  struct faces *faces;
};

struct solid_faces *neighbours_solid_faces(const struct names *n) {
  struct solid_faces *s = out_alloc(1, sizeof *s);
  *s = (struct solid_faces){n->solid_count, boxes_of(n),
                            out_alloc(n->solid_count, sizeof *s->faces)};
  for (size_t i = 0; i < s->count; i++)
    s->faces[i].tags = adjacent_below(3, n->solids[i].tag, &s->faces[i].n);
  return s;
}

void neighbours_solid_faces_free(struct solid_faces *s) {
  for (size_t i = 0; i < s->count; i++)
    free_faces(&s->faces[i]);
  free(s->faces);
  free(s->boxes);
  free(s);
}

bool neighbours_meet(const struct solid_faces *s, size_t solid, size_t other, double within) {
  return box_meet(&s->boxes[solid], &s->boxes[other], within);
}

void neighbours_gaps(struct findings *f, const struct names *n, double within) {
  size_t count = n->solid_count;
  if (count < 2)
    return;
  struct solid_faces *s = neighbours_solid_faces(n);
  for (size_t i = 0; i < count; i++)
    for (size_t k = i + 1; k < count; k++) {
      double limit = fmax(within,
                          NEAR * fmin(box_diagonal(&s->boxes[i]), box_diagonal(&s->boxes[k])));
      if (!neighbours_meet(s, i, k, limit) || share_a_face(&s->faces[i], &s->faces[k]))
        continue;
      struct nearest best = measure_solids(&s->faces[i], &s->faces[k], limit);
      if (!(best.distance <= limit))
        continue;
      struct found one = {.size = best.distance};
      memcpy(one.at, best.at, sizeof one.at);
      findings_name(one.name[0], n, n->solids[i].tag);
      findings_name(one.name[1], n, n->solids[k].tag);
      findings_add(f, ODD_GAP, &one);
    }
  neighbours_solid_faces_free(s);
}

/* ---- faces in contact ---- */

#define OPPOSITE 0.9 /* cosine between the normals of faces that look at each other */

static bool opposite(const struct face *a, const double *uv, const struct face *b, double foot[3]) {
  double *one = NULL, *other = NULL, own[2];
  size_t n = 0, m = 0;
  int e = 0;
  gmshModelGetNormal(a->tag, (double *)uv, 2, &one, &n, &e);
  if (e == 0 && neighbours_parameters(b->tag, foot, own))
    gmshModelGetNormal(b->tag, own, 2, &other, &m, &e);
  bool so = e == 0 && n == 3 && m == 3 &&
            fabs(one[0] * other[0] + one[1] * other[1] + one[2] * other[2]) > OPPOSITE;
  gmshFree(one);
  gmshFree(other);
  return so;
}

/* How many of a face's points lie so near to another, of how many; the smallest distance. */
static size_t count_near(struct face *from, const struct face *to, double within, size_t *all,
                         double *gap) {
  size_t near = 0;
  take_points(from);
  *all = 0;
  for (size_t i = 0; from->xyz && i < (size_t)GRID * GRID; i++) {
    double *p = from->xyz + 3 * i, foot[3];
    if (!point_inside(from, i))
      continue;
    ++*all;
    if (!in_box(&to->box, p, within) || !closest(to->tag, p, foot) ||
        !(vec_distance(p, foot) <= within) || !is_on(to, foot) ||
        !opposite(from, from->uv + 2 * i, to, foot))
      continue;
    near++;
    *gap = fmin(*gap, vec_distance(p, foot));
  }
  return near;
}

static void add_facing(struct facing **list, size_t *n, struct face *a, struct face *b,
                       double within) {
  size_t all = 0, all_b = 0;
  double gap = INFINITY, area = 0, area_b = 0;
  int e = 0;
  size_t near = count_near(a, b, within, &all, &gap);
  size_t near_b = count_near(b, a, within, &all_b, &gap);
  if (near + near_b == 0)
    return;
  gmshModelOccGetMass(2, a->tag, &area, &e);
  gmshModelOccGetMass(2, b->tag, &area_b, &e);
  double share = all ? fabs(area) * (double)near / (double)all : 0;
  double share_b = all_b ? fabs(area_b) * (double)near_b / (double)all_b : 0;
  *list = out_again(*list, *n, *n + 1, sizeof **list);
  (*list)[(*n)++] = (struct facing){a->tag, b->tag, near ? share : share_b, gap};
}

size_t neighbours_facing(struct solid_faces *s, size_t solid, size_t other, double within,
                         struct facing **list) {
  struct faces *a = &s->faces[solid], *b = &s->faces[other];
  size_t n = 0;
  *list = NULL;
  neighbours_take_faces(a);
  neighbours_take_faces(b);
  for (size_t i = 0; i < a->n; i++)
    for (size_t k = 0; k < b->n; k++)
      if (box_meet(&a->of[i].box, &b->of[k].box, within))
        add_facing(list, &n, &a->of[i], &b->of[k], within);
  return n;
}
