/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_SLIVERS_PEEL_H
#define MESH_SLIVERS_PEEL_H

#include <stdbool.h>
#include <stddef.h>

struct work;

/* Takes the tetrahedron away if it is flat on a face of the CAD. */
bool slivers_peel(struct work *w, size_t tet);

#endif
