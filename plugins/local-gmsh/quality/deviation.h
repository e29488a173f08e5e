/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QUALITY_DEVIATION_H
#define QUALITY_DEVIATION_H

struct outcome;
struct mesh_arrays;
struct task;

/* How far the mesh is from the CAD, into o->deviation, o->off and o->warnings. */
void deviation_measure(const struct task *t, const struct mesh_arrays *s, struct outcome *o);
/* The chord error alone, of a mesh of faces. */
void deviation_of_surface(const struct task *t, const struct mesh_arrays *s, struct outcome *o);

#endif
