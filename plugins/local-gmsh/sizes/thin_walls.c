/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/thin_walls.h"

#include "arrays/mesh_arrays.h"
#include "arrays/wall_rays.h"
#include "base/out.h"
#include "base/vec.h"
#include "cad/kernel.h"
#include "facets/facets.h"
#include "model/adjacent.h"
#include "model/names.h"
#include "sizes/estimate.h"
#include "sizes/local_sizes.h"
#include "sizes/size_field.h"
#include "sizes/sizes.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPPOSITE   (30 * M_PI / 180) /* walls whose sides differ by more are wedges */
#define PARALLEL   (5 * M_PI / 180)
#define WEDGE      0.1 /* of the size elsewhere: the least in a wedge */
#define TRIES      3   /* of triangulations, each nearer to the faces */
#define HALVES     40  /* of a triangle */
#define POINTS_MAX 1000000
#define FLOOR      0.25 /* of the least size of a first look: at the tip of a wedge walls end */
/* Edges of this part of thickness / number: a line across then passes through that many tetrahedra
 * and more, and for 2 there are nodes halfway all over (of 1.0, under four fifths of the wall). */
#define ACROSS 0.85

struct look {
  struct task *task;
  const struct mesh_arrays *arrays; /* of one solid */
  const struct wall_rays *walls;
  const uint32_t *triangles;
  const signed char *outward; /* of each triangle: 1, or -1 where its normal looks inward */
  const int *face;            /* of each triangle */
  struct size_field *field;   /* NULL: a first look */
  struct thin *thin;
  double floor;
  int across;   /* elements in a wall */
  double least; /* size; of those in walls too */
};

/* ---- one point ---- */

/* *least: of the size there; at the tip of a wedge a wall ends, and no number of elements fits. */
static double thickness_at(const struct look *s, size_t triangle, const double at[3],
                           double *least) {
  double normal[3], inward[3], other[3], dot = 0;
  if (!(wall_rays_normal(s->arrays->xyz, s->triangles + 3 * triangle, normal) > 0))
    return INFINITY;
  for (int k = 0; k < 3; k++)
    inward[k] = -s->outward[triangle] * normal[k];
  struct wall_hit hit = wall_rays_cast(s->walls, at, inward, triangle, 0);
  if (isinf(hit.distance) ||
      !(wall_rays_normal(s->arrays->xyz, s->triangles + 3 * hit.triangle, other) > 0))
    return INFINITY;
  for (int k = 0; k < 3; k++)
    dot += s->outward[hit.triangle] * other[k] * inward[k];
  *least = dot < cos(PARALLEL) ? WEDGE * s->task->size : 0;
  return dot >= cos(OPPOSITE) ? hit.distance : INFINITY;
}

static void note_face(struct thin *thin, int face, double thickness) {
  size_t i = 0;
  while (i < thin->face_count && thin->faces[i].face != face)
    i++;
  if (i == thin->face_count) {
    thin->faces = out_again(thin->faces, i, i + 1, sizeof *thin->faces);
    thin->faces[thin->face_count++] = (struct thin_face){face, thickness};
  }
  thin->faces[i].thickness = fmin(thin->faces[i].thickness, thickness);
}

static void thin_walls_note(struct look *s, size_t triangle, const double at[3], double area,
                            double thickness, double size) {
  struct thin *thin = s->thin;
  if (s->field) {
    size_field_point(s->field, at, fmax(size, s->floor), local_sizes_growth(s->task) - 1);
    return;
  }
  /* Half of the wall is this side's. */
  thin->elements += area * thickness / 2 * estimate_density(size);
  note_face(thin, s->face[triangle], thickness);
  if (thickness >= thin->thinnest)
    return;
  thin->thinnest = thickness;
  memcpy(thin->at, at, sizeof thin->at);
}

/* ---- all over a triangle ---- */

struct piece {
  double corner[3][3];
  int halves;
};

static double longest_side(const struct piece *p, int *from) {
  double longest = 0;
  for (int i = 0; i < 3; i++)
    if (vec_distance2(p->corner[i], p->corner[(i + 1) % 3]) > longest) {
      longest = vec_distance2(p->corner[i], p->corner[(i + 1) % 3]);
      *from = i;
    }
  return longest;
}

static struct piece halve(struct piece *p, int from) {
  double middle[3];
  for (int k = 0; k < 3; k++)
    middle[k] = (p->corner[from][k] + p->corner[(from + 1) % 3][k]) / 2;
  p->halves++;
  struct piece other = *p;
  memcpy(other.corner[from], middle, sizeof middle);
  memcpy(p->corner[(from + 1) % 3], middle, sizeof middle);
  return other;
}

/* Pieces as small as elements; where the wall is thin, as small as elements are to be there. */
static void look_over(struct look *s, size_t triangle, double area) {
  struct piece stack[HALVES + 1];
  const struct task *t = s->task;
  size_t n = 1;
  for (int i = 0; i < 3; i++)
    memcpy(stack[0].corner[i], s->arrays->xyz + 3 * (size_t)s->triangles[3 * triangle + (size_t)i],
           sizeof stack[0].corner[i]);
  stack[0].halves = 0;
  while (n) {
    struct piece p = stack[--n];
    double at[3], size = t->size, thickness = INFINITY;
    int from = 0;
    double longest = longest_side(&p, &from);
    bool can = p.halves < HALVES && (!s->field || size_field_count(s->field) < POINTS_MAX);
    for (int k = 0; k < 3; k++)
      at[k] = (p.corner[0][k] + p.corner[1][k] + p.corner[2][k]) / 3;
    if (longest <= 3 * t->size * t->size) {
      double least = 0;
      thickness = thickness_at(s, triangle, at, &least);
      size = fmax(ACROSS * thickness / s->across, least);
    }
    double wanted = s->field ? fmin(t->size, fmax(size, s->floor)) : t->size;
    if (can && longest > 3 * wanted * wanted) {
      stack[n] = halve(&p, from);
      stack[n + 1] = p;
      n += 2;
    } else if (size < t->size) {
      thin_walls_note(s, triangle, at, area / pow(2, p.halves), thickness, fmax(size, s->least));
    }
  }
}

/* ---- one solid ---- */

/* Which way the normals of a face's triangles look: from some of them rays are cast both ways; the
 * one that crosses the surface an odd number of times began inside. */
static signed char side_of(const struct look *s, size_t first, size_t count) {
  int votes = 0;
  for (size_t i = 0; i < 3; i++) {
    size_t triangle = first + (count - 1) * i / 2;
    double at[3] = {0}, normal[3], back[3];
    if (!(wall_rays_normal(s->arrays->xyz, s->triangles + 3 * triangle, normal) > 0))
      continue;
    for (int k = 0; k < 3; k++) {
      for (size_t c = 0; c < 3; c++)
        at[k] += s->arrays->xyz[3 * (size_t)s->triangles[3 * triangle + c] + (size_t)k] / 3;
      back[k] = -normal[k];
    }
    bool in = wall_rays_cast(s->walls, at, normal, triangle, 1).hits % 2;
    bool out = wall_rays_cast(s->walls, at, back, triangle, 1).hits % 2;
    votes += in == out ? 0 : in ? -1 : 1;
  }
  return votes < 0 ? -1 : 1;
}

struct part { /* the triangles of a solid */
  uint32_t *triangles;
  int *face;
  size_t count;
};

static void take_face(struct part *p, const struct mesh_arrays *arrays, int face) {
  for (size_t f = 0; f < arrays->face_count; f++) {
    const struct range *r = &arrays->faces[f];
    if (r->tag != face || r->count == 0)
      continue;
    p->triangles = out_again(p->triangles, 3 * p->count, 3 * (p->count + r->count),
                             sizeof *p->triangles);
    p->face = out_again(p->face, p->count, p->count + r->count, sizeof *p->face);
    memcpy(p->triangles + 3 * p->count, arrays->triangles + 3 * r->first,
           3 * r->count * sizeof *p->triangles);
    for (size_t i = 0; i < r->count; i++)
      p->face[p->count + i] = face;
    p->count += r->count;
  }
}

static void look_at(struct look *s, const struct part *p, bool outward) {
  signed char *sides = out_alloc(p->count + 1, 1);
  struct wall_rays *walls = wall_rays_new(s->arrays->xyz, p->triangles, p->count);
  s->walls = walls;
  s->triangles = p->triangles;
  s->face = p->face;
  s->outward = sides;
  for (size_t i = 0, n; i < p->count; i += n) {
    for (n = 1; i + n < p->count && p->face[i + n] == p->face[i];)
      n++;
    memset(sides + i, outward ? 1 : side_of(s, i, n), n);
  }
  for (size_t i = 0; i < p->count; i++) {
    double normal[3];
    look_over(s, i, wall_rays_normal(s->arrays->xyz, p->triangles + 3 * i, normal) / 2);
  }
  s->walls = NULL;
  s->outward = NULL;
  wall_rays_free(walls);
  free(sides);
}

static void look_at_all(struct look *s) {
  int *solids = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&solids, &n, 3, &e);
  for (size_t i = 1; i < n; i += 2) {
    size_t face_count = 0;
    struct part p = {0};
    int *faces = adjacent_below(3, solids[i], &face_count);
    for (size_t f = 0; f < face_count; f++)
      take_face(&p, s->arrays, faces[f]);
    look_at(s, &p, false);
    free(p.triangles);
    free(p.face);
    gmshFree(faces);
  }
  gmshFree(solids);
}

/* ---- the part ---- */

/* The facets of an STL look outward of their bodies. */
static void look_at_facets(struct look *s, const struct facets *f) {
  struct mesh_arrays arrays = {.node_count = f->node_count, .xyz = f->xyz};
  struct part p = {.triangles = f->node, .count = f->count};
  p.face = out_alloc(f->count + 1, sizeof *p.face);
  for (size_t i = 0; i < f->count; i++)
    p.face[i] = f->face ? (int)f->face[i] + 1 : 1;
  s->arrays = &arrays;
  look_at(s, &p, true);
  s->arrays = NULL;
  free(p.face);
}

static void thin_walls_forget(struct thin *thin) {
  free(thin->faces);
  *thin = (struct thin){.thinnest = INFINITY};
}

/* Triangles must be much nearer to the faces than these are to each other. */
static bool triangulate(struct task *t, int across, struct mesh_arrays *arrays, struct thin *thin) {
  struct kernel_limits limits = {
      .deflection = t->size / 50, .angle = 0.35, .seconds = 5, .face_seconds = 1};
  for (int i = 0; i < TRIES; i++) {
    mesh_arrays_free(arrays);
    if (!kernel_triangulate(arrays, &limits))
      return false;
    struct look s = {
        .task = t, .arrays = arrays, .thin = thin, .across = across, .least = t->params.min_size};
    thin_walls_forget(thin);
    look_at_all(&s);
    if (!(thin->thinnest < 8 * limits.deflection))
      break;
    limits.deflection = thin->thinnest / 16;
    limits.angle /= 2;
  }
  return true;
}

static int by_face(const void *a, const void *b) {
  int x = ((const struct thin_face *)a)->face, y = ((const struct thin_face *)b)->face;
  return x < y ? -1 : x > y;
}

/* About how many elements the walls take, into s->thin. */
static double count_elements(struct look *s) {
  thin_walls_forget(s->thin);
  if (s->task->facets)
    look_at_facets(s, s->task->facets);
  else
    look_at_all(s);
  return s->thin->elements;
}

/* The walls with no elements under `size`. */
static double elements_at_least(struct task *t, void *context, double size) {
  struct look s = *(struct look *)context;
  struct thin thin = {0};
  (void)t;
  s.thin = &thin;
  s.least = size;
  double elements = count_elements(&s);
  thin_walls_forget(&thin);
  return elements;
}

/* What to ask for where walls take too many elements. */
static void say_instead(char text[INSTEAD], const struct look *s) {
  struct task *t = s->task;
  struct look other = *s;
  double least = ACROSS * s->thin->thinnest / t->params.across;
  double fits = estimate_fitting(t, fmax(least, t->params.min_size), t->size, elements_at_least,
                                 &other);
  if (fits > 0)
    snprintf(text, INSTEAD, "no elements so small (min_size_mm=%.2g)", fits);
  else
    snprintf(text, INSTEAD, "fewer across, or none (elements_across_gap=0)");
}

bool thin_walls_find(struct task *t, struct size_field *field, struct thin *thin) {
  struct mesh_arrays arrays = {0};
  struct look s = {.task = t,
                   .arrays = &arrays,
                   .thin = thin,
                   .across = t->params.across,
                   .least = t->params.min_size};
  *thin = (struct thin){.thinnest = INFINITY};
  if (t->facets)
    look_at_facets(&s, t->facets);
  else if (!triangulate(t, t->params.across, &arrays, thin)) {
    task_fail(t, LATHE_BAD_INPUT,
              "elements_across_gap: the CAD kernel gives no triangles of the faces, from which "
              "walls are measured. Ask for smaller local_sizes on the thin walls instead");
    return false;
  }
  if (thin->face_count)
    qsort(thin->faces, thin->face_count, sizeof *thin->faces, by_face);
  char what[200], instead[INSTEAD] = "";
  snprintf(what, sizeof what, "elements_across_gap=%d in walls of %.3g%s and more",
           t->params.across, thin->thinnest, task_unit(t));
  if (estimate_refuses(t, thin->elements))
    say_instead(instead, &s);
  bool good = estimate_allows(t, thin->elements, what, instead);
  if (good && !isinf(thin->thinnest)) {
    s.field = field;
    s.floor = fmax(FLOOR * thin->thinnest / t->params.across, t->params.min_size);
    if (t->facets)
      look_at_facets(&s, t->facets);
    else
      look_at_all(&s);
  }
  mesh_arrays_free(&arrays);
  return good;
}

double thin_walls_thinnest(struct task *t) {
  struct mesh_arrays arrays = {0};
  struct thin thin = {.thinnest = INFINITY};
  bool known = triangulate(t, 1, &arrays, &thin);
  double thinnest = thin.thinnest;
  thin_walls_forget(&thin);
  mesh_arrays_free(&arrays);
  return known ? thinnest : INFINITY;
}

/* By which users know it, also after a cut. */
static int number_of(const struct task *t, int face) {
  const struct label *l = t->facets ? NULL : names_face(&t->names, face);
  return l ? names_number(l) : face;
}

void thin_walls_json(const struct task *t, struct out *o) {
  const struct thin *thin = sizes_thin(t);
  if (!thin)
    return;
  out_printf(o, "\"thin_walls\":{\"elements_across\":%d,\"thinnest\":", t->params.across);
  if (isinf(thin->thinnest))
    out_text(o, "null");
  else
    out_printf(o, "%.6g,\"at\":[%.9g,%.9g,%.9g]", thin->thinnest, thin->at[0], thin->at[1],
               thin->at[2]);
  out_printf(o, ",\"face_count\":%zu,\"faces\":[", thin->face_count);
  for (size_t i = 0; i < thin->face_count && i < THIN_FACES_TOLD; i++)
    out_printf(o, "%s{\"face\":%d,\"thickness\":%.6g}", i ? "," : "",
               number_of(t, thin->faces[i].face), thin->faces[i].thickness);
  out_text(o, "]},");
}
