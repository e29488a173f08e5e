/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter `periodic`: faces (of a mesh of faces alone: edges) whose meshes are copies of
 * those of others, shifted or turned.  {"flow": {"from": selector, "to": selector, "translation":
 * [x, y, z]}}, or "rotation": {"point", "axis", "angle"}; without either the shift from one to the
 * other.
 *
 *   periodic_read -> periodic_find -> periodic_apply -> (mesh) -> periodic_check -> periodic.json
 */
#ifndef PERIODIC_H
#define PERIODIC_H

#include "mesh.h"
#include "out.h"
#include "task.h"

#define PERIODIC_MAX 16

struct periodic_set {
  const char *name; /* of the request */
  int dim;          /* 2: faces.  1: edges */
  int *from, *to;   /* to[i] is the image of from[i] */
  size_t count;
  double affine[16]; /* by rows, from a point of `from` to its image */
  bool turns;
  double shift[3], point[3], axis[3], angle; /* the same in words; axis of length 1, degrees */
  size_t group_from, group_to;               /* in t->names.groups */
};

struct periodic {
  struct periodic_set of[PERIODIC_MAX];
  size_t count;
};

/* Where a point of `from` comes to lie. */
void periodic_image(const struct periodic_set *s, const double p[3], double at[3]);
/* Checks the form and keeps the parameter.  False after task_fail. */
bool periodic_read(struct task *t, const json_t *periodic);
/* Which face is the image of which, and two groups of each pair, "flow-from" and "flow-to".
 * LATHE_OK or a class: what does not fit is refused with its numbers. */
int32_t periodic_find(struct task *t);
void periodic_apply(const struct task *t); /* to Gmsh's model, before it is meshed */
/* Node by node and element by element, of the mesh that is in Gmsh's model and in *m; the pairs
 * into m->pairs.  False after outcome_fail. */
bool periodic_check(const struct task *t, struct mesh *m, struct outcome *o);
/* periodic.json: numbers of nodes as in mesh.inp, mesh.bdf and mesh.unv. */
void periodic_build(struct out *o, const struct task *t, const struct mesh *m);
void periodic_json(const struct task *t,
                   struct out *o); /* "periodic":[...], where there are some */

#endif
