/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tetrahedra: fill, optimise, check.  A mesh passes only when every solid is filled, nothing
 * is inverted and all of it is closed.  How far it is from the CAD is measured, and is no fault.
 */
#include "mesh/volume.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "import/stl.h"
#include "mesh/second_order.h"
#include "mesh/slivers.h"
#include "mesh/surface.h"
#include "quality/borders.h"
#include "quality/checked_mesh.h"
#include "quality/closed.h"
#include "quality/deviation.h"
#include "quality/periodic_check.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "sizes/local_sizes_json.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAT 1e-9 /* SICN: below, an element is flat but for rounding */

static bool timed(struct task *t, struct outcome *o, enum stage stage,
                  int (*work)(const struct task *)) {
  double began = task_now();
  task_stage(t, stage);
  int e = work(t);
  o->seconds[stage] += task_now() - began;
  if (!log_check(o))
    return false;
  return e == 0 ? true : outcome_fail(o, REASON_LOG, "the mesher stopped with error %d", e);
}

static int volume_generate(const struct task *t) {
  int e = 0;
  (void)t;
  gmshModelMeshGenerate(3, &e);
  return e;
}

static int mend(const struct task *t) {
  if (t->layers) /* faces are not where the CAD has them */
    return slivers_mend(false, false, false);
  return slivers_mend(t->format != FORMAT_STL, !(t->params.max_deviation > 0), true);
}

/* Gmsh improves tetrahedra below this much of gamma; a second and a third pass with a higher mark
 * lift the worst percent by half as much again, and a fourth does nothing more. */
static int optimise(const struct task *t) {
  int e = 0;
  gmshOptionSetNumber("Mesh.OptimizeThreshold", 0.3, &e);
  gmshModelMeshOptimize("", 0, 1, NULL, 0, &e);
  return e ? e : mend(t);
}

static int polish(const struct task *t) {
  static const double MARKS[] = {0.6, 0.7};
  int e = 0;
  for (size_t i = 0; e == 0 && i < sizeof MARKS / sizeof *MARKS; i++) {
    gmshOptionSetNumber("Mesh.OptimizeThreshold", MARKS[i], &e);
    gmshModelMeshOptimize("", 0, 1, NULL, 0, &e);
  }
  return e ? e : mend(t);
}

static bool check_solids(const struct mesh_arrays *s, struct outcome *o) {
  if (s->tet_count == 0)
    return outcome_fail(o, REASON_EMPTY,
                        "the solids stayed empty: the mesher made no tetrahedra and gave no "
                        "reason");
  for (size_t i = 0; i < s->solid_count; i++)
    if (s->solids[i].count == 0)
      return outcome_fail(o, REASON_EMPTY, "solid %d stayed empty", s->solids[i].tag);
  return true;
}

static bool check_shapes(const struct mesh_arrays *s, const struct quality *q, struct outcome *o) {
  size_t bad = 0, worst = 0;
  for (size_t i = 0; i < q->count; i++) {
    bad += !(q->values[MEASURE_SICN][i] > FLAT);
    if (q->values[MEASURE_SICN][i] < q->values[MEASURE_SICN][worst])
      worst = i;
  }
  if (bad == 0)
    return true;
  const double *p = s->xyz + 3 * (size_t)s->tets[worst * (size_t)s->tet_nodes];
  return outcome_fail(
      o, REASON_INVERTED,
      "%zu of %zu tetrahedra are inverted or flat, the worst near (%.6g, %.6g, %.6g)", bad,
      q->count, p[0], p[1], p[2]);
}

/* Of prisms and pyramids, for the fields of a file as well. */
static bool check_layers(struct checked_mesh *m, struct outcome *o) {
  const struct mesh_arrays *s = &m->arrays;
  size_t bad = 0, worst = 0, n = cells_count(s) - s->tet_count;
  double *sicn = m->quality.layers = out_alloc(n + 1, sizeof *sicn);
  m->quality.layer_count = n;
  for (size_t i = 0; i < n; i++) {
    sicn[i] = cells_sicn(s, cells_get(s, s->tet_count + i));
    bad += !(sicn[i] > FLAT);
    worst = sicn[i] < sicn[worst] ? i : worst;
  }
  o->layers.prisms = s->prisms.count;
  o->layers.pyramids = s->pyramids.count;
  o->layers.quadrangles = 0;
  for (size_t i = 0; i < s->triangle_count; i++)
    o->layers.quadrangles += s->halves[i];
  o->layers.sicn_min = sicn[worst];
  o->layers.prism_sicn = quality_stats(sicn, s->prisms.count);
  o->layers.pyramid_sicn = quality_stats(sicn + s->prisms.count, s->pyramids.count);
  if (bad == 0)
    return true;
  const double *p = s->xyz + 3 * (size_t)*cells_get(s, s->tet_count + worst).node;
  return outcome_fail(o, REASON_INVERTED,
                      "%zu of %zu prisms and pyramids are inverted or flat, the worst near (%.6g, "
                      "%.6g, %.6g)",
                      bad, n, p[0], p[1], p[2]);
}

static uint64_t count_triangles(int order) {
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(order == 2 ? 9 : 2, &tags, &n, &nodes, &m, -1, 0, 1, &e);
  gmshFree(tags);
  gmshFree(nodes);
  return e ? 0 : n;
}

bool volume_faces(struct task *t, const struct strategy *r, struct outcome *o) {
  if (t->format == FORMAT_STL && !stl_solids(t, r, o))
    return false;
  bool ok = r->kernel > 0 ? surface_by_kernel(t, r, o) : surface_generate(t, o);
  return ok && (t->format == FORMAT_STL || borders_check(o));
}

/* Gmsh meshes faces anew that it has not meshed itself, unless it does not see them. */
static void show_faces(bool on) {
  int *all = NULL, e = 0;
  size_t n = 0;
  for (int dim = 0; dim < 3; dim++) {
    gmshModelGetEntities(&all, &n, dim, &e);
    gmshModelSetVisibility(all, n, on, 0, &e);
    gmshFree(all);
    all = NULL;
  }
  gmshOptionSetNumber("Mesh.MeshOnlyVisible", !on, &e);
}

bool volume_fill(struct task *t, const struct strategy *r, struct outcome *o) {
  int e = 0;
  gmshOptionSetNumber("Mesh.Algorithm3D", r->algorithm_3d, &e);
  if (r->kernel > 0)
    show_faces(false);
  bool ok = timed(t, o, STAGE_VOLUME, volume_generate);
  if (r->kernel > 0)
    show_faces(true);
  return ok;
}

bool volume_improve(struct task *t, enum finish level, struct outcome *o) {
  return level == FINISH_RAW ||
         timed(t, o, STAGE_OPTIMISE, level == FINISH_POLISHED ? polish : optimise);
}

void volume_reopen(struct task *t, struct checked_mesh *m) {
  int e = 0;
  checked_mesh_free(m);
  if (t->params.order == 2)
    gmshModelMeshSetOrder(1, &e);
}

bool volume_check(struct task *t, struct checked_mesh *m, struct outcome *o) {
  *m = (struct checked_mesh){0};
  bool second = t->params.order == 2;
  if (second && !second_order_raise(t, o))
    return false;
  if (!(t->layers ? mesh_arrays_take_layered(&m->arrays)
                  : mesh_arrays_take(&m->arrays, second ? 10 : 4)))
    return outcome_fail(o, REASON_EMPTY, "the mesh came out empty");
  if (!check_solids(&m->arrays, o))
    return false;
  quality_of(&m->quality, &m->arrays, true);
  o->nodes = m->arrays.node_count;
  o->tetrahedra = m->arrays.tet_count;
  o->triangles = count_triangles(t->params.order);
  if (!check_shapes(&m->arrays, &m->quality, o) || (t->layers && !check_layers(m, o)) ||
      (second && !second_order_mend(t, &m->arrays, o)) || !closed_check(&m->arrays, o) ||
      !periodic_check(t, m, o))
    return false;
  quality_summary(&m->quality, o);
  o->poor_set = quality_poor_set(&m->quality, t->params.poor_below, NULL);
  deviation_measure(t, &m->arrays, o);
  local_sizes_measure(t, &m->arrays, o);
  return true;
}
