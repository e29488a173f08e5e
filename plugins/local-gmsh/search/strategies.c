/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ladder: what is tried, in which order.  The measurements behind it are in the README.
 */
#include "search/strategies.h"

#include "cad/kernel.h"
#include "search/plan.h"
#include "select/periodic.h"
#include "sizes/size_options.h"
#include "sizes/sizes.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>

#define MESHADAPT 1
#define DELAUNAY  5
#define FRONTAL   6
#define KEEP      (-1) /* as the job asks */

/* Where a step is tried. */
enum {
  SOLIDS = 1,
  SURFACES = 2,
  CAD = 4,
  STL = 8,
  CURVATURE = 16, /* only where the job asks for it */
  SHEETS = 32,    /* a mesh of faces alone */
  QUADS = 64,     /* only where the job asks for them */
  BOTH = SOLIDS | SURFACES | SHEETS,
};

struct ladder_step {
  struct strategy strategy;
  int where; /* of each pair at least one, and CURVATURE or not */
};

#define KEPT           .algorithm_2d = KEEP
#define AROUND(number) .curvature = (number), .circle_points = (number), .after = AFTER_OVERLAP

#define BY_KERNEL(share, points) .kernel = (share), .circle_points = (points)

static const struct ladder_step STEPS[] = {
    {{.name = "as asked", KEPT, .curvature = KEEP}, BOTH | CAD},
    {{.name = "faces one by one", KEPT, .curvature = KEEP, .face_by_face = true}, SURFACES | CAD},
    {{.name = "nearer", KEPT, .curvature = KEEP, .nearer = 0.5, .after = AFTER_OFF},
     SOLIDS | SHEETS | CAD},
    /* Gmsh hangs where it is to measure the curvature of facets. */
    {{.name = "remeshed facets", KEPT}, SOLIDS | STL},
    {{.name = "no curvature", KEPT, .curvature = 0}, BOTH | CAD | CURVATURE},
    {{.name = "Delaunay faces", .algorithm_2d = DELAUNAY}, BOTH | CAD},
    {{.name = "frontal faces", .algorithm_2d = FRONTAL}, SURFACES | CAD},
    {{.name = "MeshAdapt faces", .algorithm_2d = MESHADAPT}, BOTH | CAD},
    /* Chords of faces on both sides of a thin wall cut each other until their height is below it:
     * on a radius r, n edges a turn have one of r (1 - cos(pi / n)). */
    {{.name = "24 edges a turn", KEPT, AROUND(24)}, SOLIDS | CAD},
    {{.name = "48 edges a turn", KEPT, AROUND(48)}, SOLIDS | CAD},
    {{.name = "96 edges a turn", KEPT, AROUND(96)}, SOLIDS | CAD},
    {{.name = "nearer than walls", KEPT, .curvature = KEEP, .under_walls = true}, SOLIDS | CAD},
    {{.name = "facets", KEPT, .facets = true}, SURFACES | STL},
    {{.name = "facets as they are", KEPT, .facets = true, .after = AFTER_FAILURE | AFTER_OFF},
     SOLIDS | STL},
    {{.name = "finer", KEPT, .curvature = KEEP, .finer = 0.5}, SOLIDS | SHEETS | CAD},
    {{.name = "finer", KEPT, .finer = 0.5, .after = AFTER_FAILURE | AFTER_OFF}, SOLIDS | STL},
    {{.name = "triangles", KEPT, .curvature = KEEP, .triangles = true}, SHEETS | CAD | QUADS},
    {{.name = "healed", KEPT, .heal = true}, BOTH | CAD},
    {{.name = "facets of the CAD kernel", KEPT, BY_KERNEL(0.02, 12)}, SOLIDS | CAD},
    {{.name = "finer facets of the CAD kernel", KEPT, BY_KERNEL(0.005, 24)}, SOLIDS | CAD},
};

size_t strategies_list(const struct task *t, struct strategy strategies[STRATEGIES_MAX]) {
  size_t n = 0;
  int kind = t->flat    ? SHEETS
             : t->solid ? SOLIDS
                        : SURFACES,
      file = t->format == FORMAT_STL ? STL : CAD;
  if (t->params.search == SEARCH_NAMED)
    return plan_find(t, t->params.strategy, &strategies[0]);
  for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && n < STRATEGIES_MAX; i++) {
    const struct ladder_step *s = &STEPS[i];
    struct strategy r = s->strategy;
    if (!(s->where & kind) || !(s->where & file) ||
        ((s->where & CURVATURE) && t->params.curvature == 0) ||
        ((s->where & QUADS) && !t->params.quads) || (r.algorithm_2d == t->params.algorithm_2d) ||
        (r.nearer > 0 && t->params.max_deviation == 0) || (r.heal && t->params.heal) ||
        (r.kernel > 0 && !(KERNEL_HERE && plan_takes_kernel(t))))
      continue;
    if (r.algorithm_2d == KEEP)
      r.algorithm_2d = t->params.algorithm_2d;
    if (r.curvature == KEEP || (r.after == AFTER_OVERLAP && r.curvature < t->params.curvature))
      r.curvature = t->params.curvature;
    if (r.after == 0)
      r.after = AFTER_FAILURE;
    if (r.circle_points == 0)
      r.circle_points = t->solid ? 12 : t->params.circle_points;
    r.algorithm_3d = t->params.algorithm_3d;
    r.finish = t->params.optimise ? FINISH_OPTIMISED : FINISH_RAW;
    strategies[n++] = r;
  }
  return n;
}

void strategies_apply(struct task *t, const struct strategy *r) {
  const struct {
    const char *name;
    double value;
  } options[] = {
      {"General.NumThreads", t->params.threads},
      {"Mesh.MaxNumThreads1D", t->params.threads},
      {"Mesh.MaxNumThreads2D", t->params.threads},
      {"Mesh.MaxNumThreads3D", t->params.threads},
      {"Mesh.MeshSizeMax", t->size * (r->finer > 0 ? r->finer : 1)},
      {"Mesh.MeshSizeMin", t->params.min_size},
      {"Mesh.MeshSizeFromCurvature", r->curvature},
      {"Mesh.MinimumCirclePoints", r->circle_points},
      {"Mesh.LcIntegrationPrecision", SIZE_OPTIONS_EDGE_PRECISION},
      {"Mesh.Algorithm", r->algorithm_2d},
      {"Mesh.Smoothing", t->solid}, /* half of the time of the faces, and a viewer sees no gain */
      {"Mesh.Algorithm3D", r->algorithm_3d},
      {"Mesh.Optimize", 0}, /* a step of its own in volume.c */
      {"Mesh.RandomSeed", RANDOM_SEED},
      {"Mesh.ElementOrder", 1},
      {"Mesh.SecondOrderIncomplete", t->flat}, /* quadrangles of eight nodes, not nine */
      {"Mesh.RecombineAll", t->flat && t->params.quads && !r->triangles},
      {"Mesh.Binary", t->params.binary},
      {"Mesh.MshFileVersion", 4.1},
      {"Mesh.SaveAll", 1},
  };
  int e = 0;
  if (t->solid)
    sizes_apply(t, r);
  periodic_apply(t);
  if (!t->solid && t->format != FORMAT_STL)
    size_options_loosen_planes();
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    gmshOptionSetNumber(options[i].name, options[i].value, &e);
}

void strategies_compare(struct task *t, const struct outcome *o, const struct strategy *r) {
  double size = t->size * (r->finer > 0 ? r->finer : 1);
  const char *why = t->attempt_count ? t->attempts[0].text : "";
  unsigned long long elements = t->flat ? o->triangles + o->sheet.quadrangles : o->tetrahedra;
  if (!t->solid || t->params.search != SEARCH_FAST)
    return;
  if (r->finer > 0 && r->finer < 1)
    task_warn(t,
              "elements of %.4g%s instead of %.4g%s, %llu of them, because with the larger ones %s",
              size, task_unit(t), t->size, task_unit(t), elements, why);
  else if (r->kernel > 0)
    task_warn(t,
              "the faces are facets of the CAD kernel, with edges of at most %.4g%s and thinner "
              "triangles than usual, because Gmsh could not mesh them: %s",
              size, task_unit(t), why);
  else if (o->under_walls > 0)
    task_warn(t,
              "finer than asked for: within %.2g%s of curved faces (max_deviation=%.2g), %llu "
              "elements, because with larger ones %s",
              o->under_walls, task_unit(t), o->under_walls, elements, why);
  else if (r->triangles)
    task_warn(t, "triangles alone, because with quadrangles %s", why);
  else if (r->curvature > t->params.curvature)
    task_warn(t, "finer than asked for: %d edges a turn, %llu elements, because with fewer %s",
              r->curvature, (unsigned long long)o->tetrahedra, why);
  else if (t->format == FORMAT_STL && r->curvature < t->params.curvature)
    task_warn(t, "curvature=%d was left out: facets have none that could be measured",
              t->params.curvature);
  else if (r->curvature < t->params.curvature)
    task_warn(t, "curvature=%d was left out, because with it %s", t->params.curvature, why);
}
