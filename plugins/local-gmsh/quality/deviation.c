/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How far the mesh is from the CAD: the volume of each solid, and the largest distance between the
 * surface and its triangles (the chord error).
 *
 *   on an edge of the CAD   the point of the curve in the middle of each mesh edge, to that edge
 *   inside a curved face    by the angle between two triangles: an arc that turns by a over a
 *                           chord of h rises to tan(a / 4) h / 2 over it
 *   from facets             points of the STL's facets, to the nearest triangle of the mesh
 */
#include "quality/deviation.h"

#include "arrays/cells.h"
#include "arrays/curved.h"
#include "arrays/distance.h"
#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/vec.h"
#include "cad/mass.h"
#include "facets/facets.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VOLUME_TOLD  0.01 /* from here on the volume is worth a warning */
#define POINTS       5000 /* of an STL's facets that are looked at */
#define POOR_SHARE   0.5
#define CHORD_MARGIN 1.05 /* a distance that was asked for is met when it is met about */

static void note_chord(struct deviation *d, double chord, const double *at) {
  if (!(chord > d->chord) || !isfinite(chord))
    return;
  d->chord = chord;
  memcpy(d->chord_at, at, sizeof d->chord_at);
}

/* ---- edges of the CAD ---- */

struct station { /* a node on a curve */
  double t, at[3];
};

static int by_parameter(const void *a, const void *b) {
  double x = ((const struct station *)a)->t, y = ((const struct station *)b)->t;
  return x < y ? -1 : x > y;
}

/* The nodes of a curve from end to end; NULL where it has none.  To be freed. */
static struct station *stations_of(int tag, size_t *count) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0, lows = 0, highs = 0, ends = 0;
  double *xyz = NULL, *t = NULL, *low = NULL, *high = NULL, *end = NULL;
  struct station *list = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &t, &params, 1, tag, 0, 1, &e);
  gmshModelGetParametrizationBounds(1, tag, &low, &lows, &high, &highs, &e);
  if (e == 0 && params == n && lows == 1 && highs == 1) {
    double both[2] = {*low, *high};
    gmshModelGetValue(1, tag, both, 2, &end, &ends, &e);
    *count = n + 2;
    list = out_alloc(*count, sizeof *list);
    for (size_t i = 0; i < n; i++) {
      list[i].t = t[i];
      memcpy(list[i].at, xyz + 3 * i, sizeof list[i].at);
    }
    for (size_t i = 0; e == 0 && ends == 6 && i < 2; i++) {
      list[n + i].t = both[i];
      memcpy(list[n + i].at, end + 3 * i, sizeof list[n + i].at);
    }
    qsort(list, *count, sizeof *list, by_parameter);
  }
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(t);
  gmshFree(low);
  gmshFree(high);
  gmshFree(end);
  return list;
}

static void measure_curve(int tag, struct deviation *d) {
  size_t n = 0, m = 0;
  int e = 0;
  double *xyz = NULL;
  struct station *s = stations_of(tag, &n);
  if (!s)
    return;
  double *t = out_alloc(n, sizeof *t);
  for (size_t i = 0; i + 1 < n; i++)
    t[i] = (s[i].t + s[i + 1].t) / 2;
  gmshModelGetValue(1, tag, t, n - 1, &xyz, &m, &e);
  for (size_t i = 0; e == 0 && m == 3 * (n - 1) && i + 1 < n; i++) {
    double a = vec_distance(s[i].at, xyz + 3 * i), b = vec_distance(s[i + 1].at, xyz + 3 * i),
           c = vec_distance(s[i].at, s[i + 1].at), p = (a + b + c) / 2;
    double square = p * (p - a) * (p - b) * (p - c);
    note_chord(d, c > 0 && square > 0 ? 2 * sqrt(square) / c : 0, xyz + 3 * i);
  }
  gmshFree(xyz);
  free(t);
  free(s);
}

static void measure_curves(struct deviation *d) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&tags, &n, 1, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2) {
    char *type = NULL;
    gmshModelGetType(1, tags[i + 1], &type, &e);
    bool curved = e == 0 && type && strcmp(type, "Line") != 0 &&
                  strcmp(type, "Discrete curve") != 0;
    gmshFree(type);
    if (curved)
      measure_curve(tags[i + 1], d);
    e = 0;
  }
  gmshFree(tags);
}

/* ---- faces of the CAD ---- */

struct side { /* of a triangle */
  uint32_t low, high, triangle;
};

static int by_nodes(const void *a, const void *b) {
  const struct side *x = a, *y = b;
  if (x->low != y->low)
    return x->low < y->low ? -1 : 1;
  return x->high < y->high ? -1 : x->high > y->high;
}

/* Twice the area as a vector. */
static double normal_of(const struct mesh_arrays *s, size_t triangle, double normal[3]) {
  const uint32_t *n = s->triangles + 3 * triangle;
  vec_normal(normal, s->xyz + 3 * (size_t)n[0], s->xyz + 3 * (size_t)n[1],
             s->xyz + 3 * (size_t)n[2]);
  return vec_length(normal);
}

static void measure_pair(const struct mesh_arrays *s, const struct side *one,
                         const struct side *other, struct deviation *d) {
  double n[3], m[3], at[3], dot = 0;
  double area = normal_of(s, one->triangle, n), area_2 = normal_of(s, other->triangle, m);
  const double *a = s->xyz + 3 * (size_t)one->low, *b = s->xyz + 3 * (size_t)one->high;
  double length = vec_distance(a, b);
  if (!(area > 0 && area_2 > 0 && length > 0))
    return;
  for (int i = 0; i < 3; i++) {
    dot += n[i] * m[i];
    at[i] = (a[i] + b[i]) / 2;
  }
  double angle = acos(fmax(-1, fmin(1, dot / area / area_2)));
  note_chord(d, tan(angle / 4) * (area + area_2) / 2 / length / 2, at);
}

static void measure_face(const struct mesh_arrays *s, const struct range *face,
                         struct deviation *d) {
  size_t n = 3 * face->count;
  struct side *sides = out_alloc(n, sizeof *sides);
  for (size_t i = 0; i < n; i++) {
    uint32_t triangle = (uint32_t)(face->first + i / 3);
    const uint32_t *nodes = s->triangles + 3 * (size_t)triangle;
    uint32_t a = nodes[i % 3], b = nodes[(i + 1) % 3];
    sides[i] = (struct side){a < b ? a : b, a < b ? b : a, triangle};
  }
  qsort(sides, n, sizeof *sides, by_nodes);
  for (size_t i = 0; i + 1 < n; i++)
    if (by_nodes(&sides[i], &sides[i + 1]) == 0)
      measure_pair(s, &sides[i], &sides[i + 1], d);
  free(sides);
}

/* Its elements are flat along the layers, and the angles between them say too much; its nodes went
 * along the face, so it is as near as its edges are. */
static bool has_ends_of_layers(const struct mesh_arrays *s, const struct range *face) {
  for (size_t i = face->first; s->halves && i < face->first + face->count; i++)
    if (s->halves[i])
      return true;
  return false;
}

static void measure_faces(const struct mesh_arrays *s, struct deviation *d) {
  for (size_t i = 0; i < s->face_count; i++) {
    char *type = NULL;
    int e = 0;
    gmshModelGetType(2, s->faces[i].tag, &type, &e);
    bool curved = e == 0 && type && strcmp(type, "Plane") != 0 &&
                  strcmp(type, "Discrete surface") != 0;
    gmshFree(type);
    if (curved && !has_ends_of_layers(s, &s->faces[i]))
      measure_face(s, &s->faces[i], d);
  }
}

/* ---- facets of an STL ---- */

/* How far its facets are from the mesh. */
static void measure_facets(const struct task *t, const struct mesh_arrays *s, struct deviation *d) {
  const struct facets *f = t->facets;
  struct distance_tree *mesh =
      distance_tree_new((struct surface_of){s->xyz, s->triangles, s->triangle_count});
  struct farthest far = distance_farthest(mesh, (struct surface_of){f->xyz, f->node, f->count},
                                          POINTS);
  d->chord = far.distance;
  memcpy(d->chord_at, far.at, sizeof far.at);
  distance_tree_free(mesh);
}

/* ---- volumes ---- */

static double volume_of(const struct mesh_arrays *s, size_t tet) {
  const double *node[10];
  if (s->tet_nodes == 4)
    return fabs(mesh_arrays_tet_volume(s, tet));
  for (size_t k = 0; k < 10; k++)
    node[k] = s->xyz + 3 * (size_t)s->tets[10 * tet + k];
  return curved_volume(node);
}

/* Of the prisms and pyramids of a solid. */
static double layers_volume(const struct mesh_arrays *s, size_t solid) {
  double sum = 0;
  for (enum cell_kind kind = CELL_PRISM; kind < CELL_KINDS; kind++) {
    const struct range *r = cells_solids(s, kind);
    for (size_t k = 0; r && k < r[solid].count; k++)
      sum += cells_volume(s, cells_get(s, cells_first(s, kind) + r[solid].first + k));
  }
  return sum;
}

static void measure_volumes(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  struct deviation *d = &o->deviation;
  double sum = 0;
  o->cad_volume = mass_of(t);
  for (size_t i = 0; i < s->solid_count; i++) {
    const struct range *r = &s->solids[i];
    double volume = 0;
    for (size_t k = 0; k < r->count; k++)
      volume += volume_of(s, r->first + k);
    volume += layers_volume(s, i);
    sum += volume;
    if (d->count < SOLIDS_TOLD) {
      d->solid[d->count].tag = r->tag;
      d->solid[d->count].volume = volume;
      d->solid[d->count++].cad = s->solid_count == 1 ? o->cad_volume : mass_of_solid(t, r->tag);
    }
  }
  o->volume = sum;
}

static double area_of(const struct mesh_arrays *s) {
  double sum = 0, normal[3];
  for (size_t i = 0; i < s->triangle_count; i++)
    sum += normal_of(s, i, normal) / 2;
  return sum;
}

/* ---- what is told ---- */

/* The solid that is furthest off; the share of its volume. */
static double worst_solid(const struct deviation *d, int *tag) {
  double worst = 0;
  for (size_t i = 0; i < d->count; i++) {
    double cad = d->solid[i].cad, off = cad > 0 ? (d->solid[i].volume - cad) / cad : 0;
    if (fabs(off) > fabs(worst)) {
      worst = off;
      *tag = d->solid[i].tag;
    }
  }
  return worst;
}

/* Why the volume is `off`, a share of it, and what helps. */
static void tell_why(const struct task *t, const struct outcome *o, double explained, double off,
                     char *text, size_t size) {
  double chord = o->deviation.chord, asked = t->params.max_deviation;
  if (t->format == FORMAT_STL)
    snprintf(text, size,
             "the facets': elements of this size cut its bends and corners; a smaller "
             "max_size_mm keeps them");
  else if (chord >= 0 && 2 * explained < fabs(off))
    snprintf(
        text, size,
        "the CAD's, though the mesh lies within %.2g%s of the CAD's faces, and far nearer on the "
        "whole: the CAD kernel's own volume of this part is not exact",
        chord, task_unit(t));
  else if (chord > 0)
    snprintf(text, size,
             "the CAD's: %s elements of this size leave curved faces by up to %.2g%s; "
             "max_deviation=%.2g refines there",
             t->params.order == 2 ? "even ten-node" : "flat", chord, task_unit(t),
             fmin(chord, asked > 0 ? asked : chord) * fmin(0.5, 0.8 * VOLUME_TOLD / fabs(off)));
  else
    snprintf(text, size, "the CAD's: elements of this size leave curved faces");
}

static void tell_volume(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  const struct deviation *d = &o->deviation;
  int tag = 0;
  char which[40] = "the mesh's volume", why[300];
  double worst = worst_solid(d, &tag), explained = INFINITY;
  double off = o->cad_volume > 0 ? (o->volume - o->cad_volume) / o->cad_volume : 0;
  if (fabs(off) > VOLUME_TOLD) {
    explained = area_of(s) * (d->mean_chord > 0 ? 2 * d->mean_chord : d->chord) / o->cad_volume;
  } else if (fabs(worst) > VOLUME_TOLD) {
    snprintf(which, sizeof which, "the volume of solid %d", tag);
    off = worst;
  } else {
    return;
  }
  o->off |= t->format == FORMAT_STL;
  tell_why(t, o, explained, off, why, sizeof why);
  outcome_warn(o, "%s is %.2f%% %s %s", which, 100 * fabs(off), off < 0 ? "below" : "above", why);
}

static void tell_chord(const struct task *t, struct outcome *o) {
  const struct deviation *d = &o->deviation;
  double asked = t->params.max_deviation;
  if (!(asked > 0) || o->under_walls > 0 || d->chord <= asked * CHORD_MARGIN)
    return;
  o->off = true;
  outcome_warn(o, "max_deviation=%g was missed: %.3g%s near (%.6g, %.6g, %.6g)", asked, d->chord,
               task_unit(t), d->chord_at[0], d->chord_at[1], d->chord_at[2]);
}

static void tell_shapes(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  double area = area_of(s);
  if ((double)o->poor < POOR_SHARE * (double)o->tetrahedra || !(area > 0))
    return;
  double thick = 2 * o->volume / area;
  outcome_warn(o,
               "%llu of %llu elements are poor (SICN under 0.1): the wall is about %.2g%s thick. "
               "Shell elements suit such a part, or max_size_mm near that",
               (unsigned long long)o->poor, (unsigned long long)o->tetrahedra, thick, task_unit(t));
}

void deviation_of_surface(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  o->deviation = (struct deviation){.chord = 0};
  measure_curves(&o->deviation);
  measure_faces(s, &o->deviation);
  tell_chord(t, o);
}

void deviation_measure(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  if (s->tet_nodes == 4) /* else second_order.c measured the chord */
    o->deviation = (struct deviation){0};
  o->deviation.count = 0;
  measure_volumes(t, s, o);
  if (!(o->cad_volume > 0))
    outcome_warn(o, "the CAD kernel gives no volume to compare the mesh with");
  if (t->facets && s->tet_nodes == 4) {
    measure_facets(t, s, &o->deviation);
  } else if (s->tet_nodes == 4) {
    measure_curves(&o->deviation);
    measure_faces(s, &o->deviation);
  }
  tell_volume(t, s, o);
  tell_chord(t, o);
  tell_shapes(t, s, o);
}
