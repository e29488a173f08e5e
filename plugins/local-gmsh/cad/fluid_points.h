/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Volumes that the job chooses by a point in each: `fluid_at`, a name and a point for each.
 */
#ifndef CAD_FLUID_POINTS_H
#define CAD_FLUID_POINTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct task;

enum role { ROLE_SOLID, ROLE_OUTSIDE, ROLE_VOID, ROLE_GONE };

struct body {
  int tag;
  enum role role;
  double volume, at[3];
  size_t origin;    /* of a solid: its place in `called` */
  const char *name; /* of a void that the job chose; NULL: it has none */
};

/* Keeps `points` (an object; NULL and an empty one choose nothing) in t->params.  False after
 * task_fail. */
bool fluid_points_read(struct task *t, const json_t *points);
/* Of the first `voids` bodies, those with the points that the job gave come first, in its order;
 * *kept of them.  False after task_fail. */
bool fluid_points_choose(struct task *t, struct body *bodies, size_t voids, size_t *kept);

#endif
