/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter `periodic`: faces (of a mesh of faces alone: edges) whose meshes are copies of
 * those of others, shifted or turned.  {"flow": {"from": selector, "to": selector, "translation":
 * [x, y, z]}}, or "rotation": {"point", "axis", "angle"}; without either the shift from one to the
 * other.
 *
 *   periodic_read -> periodic_find -> periodic_apply -> (mesh) -> periodic_check -> periodic.json
 */
#ifndef SELECT_PERIODIC_H
#define SELECT_PERIODIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;
struct task;

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
/* "periodic":[...], where there are some. */
void periodic_json(const struct task *t, struct out *o);
/* {"name":, "from_faces":, ... of one of them, without its end. */
void periodic_put_set(struct out *o, const struct periodic_set *s);

#endif
