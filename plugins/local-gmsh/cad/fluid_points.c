/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/fluid_points.h"

#include "base/out.h"
#include "cad/fluid.h"
#include "select/selector.h"
#include "task/task.h"

#include <gmshc.h>
#include <string.h>

#define NAME_BYTES 60
#define VOIDS_TOLD 8

bool fluid_points_read(struct task *t, const json_t *points) {
  const char *name;
  json_t *v;
  if (json_object_size(points) > FLUID_LISTED) {
    task_fail(t, LATHE_BAD_INPUT, "fluid_at: there can be %d points at most", FLUID_LISTED);
    return false;
  }
  json_object_foreach((json_t *)points, name, v) {
    size_t len = strlen(name);
    bool plain = len > 0 && len <= NAME_BYTES;
    for (size_t i = 0; i < len; i++)
      plain = plain && (unsigned char)name[i] > ' ' && name[i] != '"' && name[i] != 0x7f;
    if (!plain)
      return task_refuse(t, "fluid_at", name,
                         "is not a name of 1 to 60 bytes without blanks and quotes");
    if (json_object_size(v) != 1 || !selector_is_numbers(json_object_get(v, "point"), 3))
      return task_refuse(t, "fluid_at", name,
                         "must have a point in the volume, as {\"point\": [10, 0, 5]}");
  }
  if (json_object_size(points))
    t->params.fluid_at = json_incref((json_t *)points);
  return true;
}

/* By the CAD kernel. */
static bool holds_point(int solid, const double at[3]) {
  double low[3], high[3];
  int pair[2] = {3, solid}, *made = NULL, **of = NULL, e = 0;
  size_t n = 0, *of_n = NULL, lists = 0;
  gmshModelGetBoundingBox(3, solid, &low[0], &low[1], &low[2], &high[0], &high[1], &high[2], &e);
  for (int i = 0; i < 3; i++)
    if (e || at[i] < low[i] || at[i] > high[i])
      return false;
  int point[2] = {0, gmshModelOccAddPoint(at[0], at[1], at[2], 0, -1, &e)};
  gmshModelOccIntersect(point, 2, pair, 2, &made, &n, &of, &of_n, &lists, -1, 1, 0, &e);
  bool holds = e == 0 && n > 0;
  if (holds)
    gmshModelOccRemove(made, n, 0, &e);
  for (size_t i = 0; i < lists; i++)
    gmshFree(of[i]);
  gmshFree(of);
  gmshFree(of_n);
  gmshFree(made);
  return holds;
}

/* The voids, the largest first, as far as a sentence has room. */
static void list_voids(const struct body *bodies, size_t voids, struct out *o) {
  for (size_t i = 0; i < voids && i < VOIDS_TOLD; i++)
    out_printf(o, "%s%.4g near (%.4g, %.4g, %.4g)", i ? ", " : "", bodies[i].volume,
               bodies[i].at[0], bodies[i].at[1], bodies[i].at[2]);
  if (voids > VOIDS_TOLD)
    out_printf(o, " and %zu more", voids - VOIDS_TOLD);
}

static bool refuse_point(struct task *t, const struct body *bodies, size_t voids, const char *name,
                         const double at[3], const char *taken) {
  struct out list = {0};
  list_voids(bodies, voids, &list);
  task_fail(t, LATHE_BAD_INPUT,
            "fluid_at: the point (%.6g, %.6g, %.6g) of \"%s\" lies in %s%s%s. The volumes inside "
            "are %.*s: give a point in one of them, and one point for each",
            at[0], at[1], at[2], name, taken ? "the volume of \"" : "none of the volumes inside",
            taken ? taken : "", taken ? "\"" : "", (int)list.len, list.data);
  out_free(&list);
  return false;
}

bool fluid_points_choose(struct task *t, struct body *bodies, size_t voids, size_t *kept) {
  const char *name;
  json_t *v;
  *kept = 0;
  json_object_foreach(t->params.fluid_at, name, v) {
    double at[3];
    size_t i = 0;
    selector_numbers(json_object_get(v, "point"), at, 3);
    while (i < voids && !holds_point(bodies[i].tag, at))
      i++;
    if (i == voids || bodies[i].name)
      return refuse_point(t, bodies, voids, name, at, i < voids ? bodies[i].name : NULL);
    struct body chosen = bodies[i];
    chosen.name = name;
    memmove(&bodies[*kept + 1], &bodies[*kept], (i - *kept) * sizeof chosen);
    bodies[(*kept)++] = chosen;
  }
  return true;
}
