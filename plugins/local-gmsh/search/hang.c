/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gmsh asks nobody whether to go on, so that a face on which it turns in circles for ever is told
 * by time alone: far more than its triangles could take.
 */
#include "search/hang.h"

#include "model/adjacent.h"
#include "model/entity.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <string.h>

#define PER_SECOND  1000.0 /* triangles; Gmsh makes 20,000 and more */
#define PER_FACE    500.0  /* triangles that no size says: circles have twelve edges at least */
#define ON_TRIANGLE 0.43   /* area of an equilateral triangle of edge 1 */
#define NO_LENGTH   1e-9   /* of a curve, times the size of elements */

double hang_limit(const struct task *t, const struct strategy *r) {
  double size = t->size * (r->finer > 0 ? r->finer : 1), area = 0;
  int *faces = NULL, e = 0;
  size_t n = 0;
  if (!t->solid || t->local || r->curvature > 0 || r->nearer > 0 || r->under_walls ||
      t->params.max_deviation > 0 || t->params.across > 0 || t->params.region_count ||
      t->format == FORMAT_STL)
    return INFINITY;
  gmshModelGetEntities(&faces, &n, 2, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2) {
    double mass = 0;
    gmshModelOccGetMass(2, faces[i + 1], &mass, &e);
    area += fabs(mass);
  }
  gmshFree(faces);
  if (e)
    return INFINITY;
  return HANG_LEAST + t->import_seconds +
         (area / (ON_TRIANGLE * size * size) + PER_FACE * (double)n / 2) / PER_SECOND;
}

/* One of its curves has no length: its second rim. */
static bool comes_to_point(const struct task *t, int face) {
  size_t n = 0;
  int *curves = adjacent_below(2, face, &n), e = 0;
  bool found = false;
  for (size_t i = 0; i < n && !found; i++) {
    double length = 1;
    gmshModelOccGetMass(1, curves[i], &length, &e);
    found = e == 0 && length <= NO_LENGTH * t->size;
  }
  gmshFree(curves);
  return found;
}

bool hang_is_likely(const struct task *t) {
  int *faces = NULL, e = 0;
  size_t n = 0;
  bool found = false;
  gmshModelGetEntities(&faces, &n, 2, &e);
  for (size_t i = 0; e == 0 && i < n && !found; i += 2)
    found = entity_is(2, faces[i + 1], "Cone") && comes_to_point(t, faces[i + 1]);
  gmshFree(faces);
  return found;
}
