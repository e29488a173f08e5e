/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Solids that reach into each other, where nothing cut them along each other.  It is looked for in
 * the mesh, which costs next to nothing: no solid's box reaches into another's in most parts.
 */
#ifndef QUALITY_OVERLAPS_H
#define QUALITY_OVERLAPS_H

struct outcome;
struct mesh_arrays;
struct task;

/* Into o->overlaps and o->warnings.  A wall that the mesh's chords alone reach through is none: the
 * CAD's faces decide. */
void overlaps_find(const struct task *t, const struct mesh_arrays *s, struct outcome *o);
/* Those of the outcome into t->findings. */
void overlaps_note(struct task *t, const struct outcome *o);

#endif
