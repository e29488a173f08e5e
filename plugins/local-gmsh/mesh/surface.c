/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edges and faces.
 */
#include "mesh/surface.h"

#include "arrays/mesh_arrays.h"
#include "arrays/split_edges.h"
#include "cad/face_by_face.h"
#include "cad/kernel.h"
#include "facets/facets.h"
#include "mesh/mesh_to_gmsh.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEGLIGIBLE    1e-4 /* of the diagonal: a face so small may stay without triangles */
#define MISSING_SHARE 0.02
#define CROWDED_SHARE 0.1

#define KERNEL_DEFLECTION                                                                          \
  (1 / 67.0) /* of the quality step's size: at normal 1/1000 of the diagonal */
#define KERNEL_SECONDS      3
#define KERNEL_FACE_SECONDS 1
#define SOLID_SECONDS       20 /* the same for a mesh, which nobody waits for as for a preview */
#define SOLID_FACE_SECONDS  3
#define TRIANGLES_MAX       5000000 /* a GLB of 200 MB */

static bool step(struct task *t, struct outcome *o, enum stage stage, int dim) {
  double began = task_now();
  int e = 0;
  task_stage(t, stage);
  gmshModelMeshGenerate(dim, &e);
  o->seconds[stage] = task_now() - began;
  if (e)
    return log_check(o) ? outcome_fail(o, REASON_LOG, "the mesher stopped with error %d", e)
                        : false;
  return true;
}

static void face_box(int tag, double *diagonal, double middle[3]) {
  double a[3] = {0}, b[3] = {0}, sum = 0;
  int e = 0;
  gmshModelGetBoundingBox(2, tag, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  for (int i = 0; i < 3; i++) {
    sum += (b[i] - a[i]) * (b[i] - a[i]);
    middle[i] = (a[i] + b[i]) / 2;
  }
  *diagonal = sqrt(sum);
}

/* Notes the faces without triangles that matter; returns how many those are. */
static size_t find_missing(const struct task *t, const struct mesh_arrays *s, struct outcome *o,
                           double at[3]) {
  o->missing_faces = 0;
  for (size_t f = 0; f < s->face_count; f++) {
    double diagonal, middle[3];
    if (s->faces[f].count)
      continue;
    face_box(s->faces[f].tag, &diagonal, middle);
    if (diagonal <= NEGLIGIBLE * t->geometry.diagonal)
      continue;
    if (o->missing_faces == 0)
      memcpy(at, middle, sizeof middle);
    if (o->missing_faces < MISSING_MAX)
      o->missing[o->missing_faces] = s->faces[f].tag;
    o->missing_faces++;
  }
  return o->missing_faces;
}

/* An error that names no place: the first empty face is where. */
static void say_where(struct task *t, struct outcome *o) {
  struct mesh_arrays s;
  double at[3] = {0};
  size_t len = strlen(o->text);
  if (strstr(o->text, " near (") || !mesh_arrays_take(&s, 0))
    return;
  size_t n = find_missing(t, &s, o, at);
  if (n)
    snprintf(o->text + len, sizeof o->text - len,
             "; %zu of %zu faces are missing, face %d near (%.6g, %.6g, %.6g)", n, s.face_count,
             o->missing[0], at[0], at[1], at[2]);
  mesh_arrays_free(&s);
}

bool surface_generate(struct task *t, struct outcome *o) {
  if (step(t, o, STAGE_EDGES, 1) && step(t, o, STAGE_FACES, 2) && log_check(o))
    return true;
  say_where(t, o);
  return false;
}

uint64_t surface_fingerprint(void) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  uint64_t hash = 0xcbf29ce484222325u, bits;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  for (size_t i = 0; e == 0 && i < coords; i++) {
    memcpy(&bits, &xyz[i], sizeof bits);
    hash = (hash ^ bits) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return e || n == 0 ? 0 : hash ? hash : 1;
}

/* Every face of the CAD must have triangles.  After errors a picture may lack a few, if it says
 * which. */
static bool check_faces(const struct task *t, const struct mesh_arrays *s, bool errors,
                        struct outcome *o) {
  double at[3] = {0};
  if (s->triangle_count == 0)
    return outcome_fail(o, REASON_EMPTY,
                        "the surface mesh came out empty: no face could be triangulated");
  size_t n = find_missing(t, s, o, at);
  if (n == 0 && !errors)
    return true;
  if (n > MISSING_MAX || n > MISSING_SHARE * (double)s->face_count)
    return outcome_fail(
        o, REASON_EMPTY,
        "%zu of %zu faces could not be triangulated, face %d near (%.6g, %.6g, %.6g)", n,
        s->face_count, o->missing[0], at[0], at[1], at[2]);
  if (n)
    snprintf(
        o->warnings, sizeof o->warnings,
        "incomplete: %zu of %zu faces could not be triangulated, face %d near (%.6g, %.6g, %.6g)",
        n, s->face_count, o->missing[0], at[0], at[1], at[2]);
  else
    snprintf(o->warnings, sizeof o->warnings, "%.*s", (int)sizeof o->warnings - 1, o->text);
  o->code = LATHE_OK;
  o->reason = REASON_NONE;
  o->text[0] = '\0';
  return true;
}

/* STL: what its facets are worth. */
static bool check_facets(const struct task *t, struct outcome *o) {
  struct edge_census c = t->facets->edges;
  if ((double)c.crowded > CROWDED_SHARE * (double)c.all)
    return outcome_fail(
        o, REASON_PART,
        "it is not a closed surface: %zu of %zu edges belong to more than two facets, one near "
        "(%.6g, %.6g, %.6g)",
        c.crowded, c.all, c.at[0], c.at[1], c.at[2]);
  if (c.open || c.crowded)
    snprintf(o->warnings, sizeof o->warnings,
             "the facets do not close to a solid: %zu edges are open, %zu belong to more than two "
             "facets, "
             "one near (%.6g, %.6g, %.6g)",
             c.open, c.crowded, c.at[0], c.at[1], c.at[2]);
  return true;
}

/* No edge longer than the job asks. */
static bool split_long(const struct task *t, struct mesh_arrays *s, struct outcome *o) {
  return split_edges(s, t->size, TRIANGLES_MAX) ||
         outcome_fail(o, REASON_PART,
                      "edges of at most %.4g on a part %.6g across would take over %d triangles. "
                      "Ask for a larger max_size_mm",
                      t->size, t->geometry.diagonal, TRIANGLES_MAX);
}

/* They keep a distance from the surface.  `quality` says how near they are, `curvature` how many go
 * around, and a size how long their edges may be. */
static struct kernel_limits limits_of(const struct task *t) {
  const struct params *p = &t->params;
  return (struct kernel_limits){.deflection = KERNEL_DEFLECTION * p->step_size *
                                              t->geometry.diagonal,
                                .angle = 4 * M_PI / fmax(p->circle_edges, p->curvature),
                                .seconds = KERNEL_SECONDS,
                                .face_seconds = KERNEL_FACE_SECONDS,
                                .shortest = p->min_size};
}

/* All faces or none: what it lacks is looked for face by face, with Gmsh beside it. */
static bool by_kernel(const struct task *t, const struct kernel_limits *limits, struct outcome *o,
                      struct mesh_arrays *s) {
  double at[3] = {0};
  switch (kernel_watched(s, limits)) {
  case KERNEL_HANGS:
    return outcome_fail(o, REASON_TIME, "the CAD kernel did not come back from one of the faces");
  case KERNEL_NONE:
    return outcome_fail(o, REASON_EMPTY, "the CAD kernel could triangulate no face");
  case KERNEL_DONE:
    break;
  }
  size_t n = find_missing(t, s, o, at);
  return n == 0 || outcome_fail(o, REASON_EMPTY,
                                "the CAD kernel could not triangulate %zu of %zu faces, face %d "
                                "near (%.6g, %.6g, %.6g)",
                                n, s->face_count, o->missing[0], at[0], at[1], at[2]);
}

static bool by_face(const struct kernel_limits *limits, struct outcome *o, struct mesh_arrays *s) {
  return face_by_face_triangulate(s, limits) ||
         outcome_fail(o, REASON_EMPTY, "no face could be triangulated, not even alone");
}

static bool asks_for_size(const struct task *t) {
  return t->params.max_size > 0 || t->params.relative_size > 0;
}

/* The triangles of a preview into *s, to be freed also where it fails. */
static bool take_triangles(struct task *t, const struct strategy *r, struct outcome *o,
                           struct mesh_arrays *s) {
  double began = task_now();
  bool kernel = KERNEL_HERE && t->format != FORMAT_STL && r->algorithm_2d == t->params.algorithm_2d;
  *s = (struct mesh_arrays){0};
  if (r->facets || !(kernel || r->face_by_face)) {
    bool errors = !r->facets && !surface_generate(t, o);
    return mesh_arrays_take(s, 0)
               ? check_faces(t, s, errors, o)
               : outcome_fail(o, REASON_EMPTY, "the surface mesh came out empty");
  }
  task_stage(t, STAGE_FACES);
  const struct kernel_limits limits = limits_of(t);
  bool got = (r->face_by_face ? by_face(&limits, o, s) : by_kernel(t, &limits, o, s)) &&
             check_faces(t, s, false, o) && (!asks_for_size(t) || split_long(t, s, o));
  o->seconds[STAGE_FACES] = task_now() - began;
  return got;
}

bool surface_preview(struct task *t, const struct strategy *r, struct outcome *o,
                     struct mesh_arrays *s) {
  struct quality q;
  if (!take_triangles(t, r, o, s) || (t->format == FORMAT_STL && !check_facets(t, o)))
    return false;
  o->nodes = s->node_count;
  o->triangles = s->triangle_count;
  o->volume = t->geometry.volumes || t->format == FORMAT_STL ? mesh_arrays_enclosed(s) : 0;
  quality_of(&q, s, false);
  quality_summary(&q, o);
  quality_free(&q);
  return true;
}

bool surface_by_kernel(struct task *t, const struct strategy *r, struct outcome *o) {
  double far = t->params.max_deviation > 0 ? t->params.max_deviation : INFINITY;
  const struct kernel_limits limits = {.deflection = fmin(r->kernel * t->size, far),
                                       .angle = 4 * M_PI / r->circle_points,
                                       .seconds = SOLID_SECONDS,
                                       .face_seconds = SOLID_FACE_SECONDS,
                                       .shortest = t->params.min_size};
  struct mesh_arrays s = {0};
  double began = task_now();
  task_stage(t, STAGE_FACES);
  bool ok = by_kernel(t, &limits, o, &s) && split_long(t, &s, o) &&
            (mesh_to_gmsh(&s) ||
             outcome_fail(o, REASON_LOG, "Gmsh did not take the facets of the CAD kernel"));
  o->seconds[STAGE_FACES] = task_now() - began;
  mesh_arrays_free(&s);
  return ok;
}
