/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edges and faces, and the files of a preview.
 */
#include "files.h"
#include "task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEGLIGIBLE    1e-4 /* of the diagonal: a face so small may stay without triangles */
#define CROWDED_SHARE 0.1

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

bool surface_generate(struct task *t, struct outcome *o) {
  return step(t, o, STAGE_EDGES, 1) && step(t, o, STAGE_FACES, 2) && log_check(o);
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

/* Every face of the CAD must have triangles. */
static bool check_faces(const struct task *t, const struct soup *s, struct outcome *o) {
  if (s->triangle_count == 0)
    return outcome_fail(o, REASON_EMPTY,
                        "the surface mesh came out empty: no face could be triangulated");
  for (size_t f = 0; f < s->face_count; f++) {
    double diagonal, at[3];
    if (s->faces[f].count)
      continue;
    face_box(s->faces[f].tag, &diagonal, at);
    o->missing_faces++;
    if (diagonal > NEGLIGIBLE * t->geometry.diagonal)
      return outcome_fail(o, REASON_EMPTY,
                          "face %d near (%.6g, %.6g, %.6g) could not be triangulated",
                          s->faces[f].tag, at[0], at[1], at[2]);
  }
  if (o->missing_faces)
    snprintf(o->warnings, sizeof o->warnings, "%zu faces too small to matter have no triangles",
             (size_t)o->missing_faces);
  return true;
}

/* STL: what its facets are worth. */
static bool check_facets(const struct soup *s, struct outcome *o) {
  struct edge_census c;
  soup_edges(s, &c);
  if (c.all == 0)
    return outcome_fail(o, REASON_EMPTY, "none of its facets has an area");
  if ((double)c.crowded > CROWDED_SHARE * (double)c.all)
    return outcome_fail(
        o, REASON_EMPTY,
        "it is no surface: %zu of %zu edges belong to more than two facets, one near "
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

static bool write_preview(struct task *t, const struct soup *s, struct outcome *o) {
  struct out glb = {0}, json = {0};
  glb_build(&glb, s, t->format == FORMAT_STL);
  preview_json_build(&json, s, &t->geometry, o->volume);
  bool ok = files_put(t, o, &glb, "preview.glb");
  return files_put(t, o, &json, "preview.json") && ok;
}

bool surface_mesh(struct task *t, const struct rung *r, struct outcome *o) {
  struct soup s;
  struct quality q;
  if (!r->facets && !surface_generate(t, o))
    return false;
  if (!soup_take(&s, 0))
    return outcome_fail(o, REASON_EMPTY, "the surface mesh came out empty");
  bool ok = check_faces(t, &s, o) && (t->format != FORMAT_STL || check_facets(&s, o));
  if (ok) {
    double began = task_now();
    task_stage(t, STAGE_WRITE);
    o->nodes = s.node_count;
    o->triangles = s.triangle_count;
    o->volume = t->geometry.volumes || t->format == FORMAT_STL ? soup_enclosed(&s) : 0;
    quality_of(&q, &s, false);
    quality_summary(&q, o);
    quality_free(&q);
    ok = write_preview(t, &s, o);
    o->seconds[STAGE_WRITE] = task_now() - began;
  }
  soup_free(&s);
  return ok;
}
