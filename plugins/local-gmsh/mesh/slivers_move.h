/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_SLIVERS_MOVE_H
#define MESH_SLIVERS_MOVE_H

#include <stdint.h>

struct work;

/* Moves the node to where the worst tetrahedron around it is best. */
void slivers_move(struct work *w, uint32_t node);

#endif
