/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the meshes of periodic faces (periodic.h) are images of each other.
 */
#ifndef QUALITY_PERIODIC_CHECK_H
#define QUALITY_PERIODIC_CHECK_H

#include <stdbool.h>

struct checked_mesh;
struct outcome;
struct task;

/* Node by node and element by element, of the mesh that is in Gmsh's model and in *m; the pairs
 * into m->pairs.  False after outcome_fail. */
bool periodic_check(const struct task *t, struct checked_mesh *m, struct outcome *o);

#endif
