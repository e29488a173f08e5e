/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ARRAYS_SPLIT_EDGES_H
#define ARRAYS_SPLIT_EDGES_H

#include <stdbool.h>
#include <stddef.h>

struct mesh_arrays;

/* Halves edges until none is over `longest`.  The new nodes lie on the triangles that were there,
 * so that the surface keeps its place, and faces that met without a gap still do.  False, and *s is
 * not to be used but freed, where that would take over `most` triangles. */
bool split_edges(struct mesh_arrays *s, double longest, size_t most);

#endif
