/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All cells of a mesh of solids in one row: its tetrahedra, then its prisms, then its pyramids,
 * each with its corners alone.
 */
#ifndef ARRAYS_CELLS_H
#define ARRAYS_CELLS_H

#include <stddef.h>
#include <stdint.h>

struct range;
struct mesh_arrays;

enum cell_kind { CELL_TET, CELL_PRISM, CELL_PYRAMID, CELL_KINDS };
struct cell {
  enum cell_kind kind;
  const uint32_t *node; /* 4, 6 or 5, Gmsh's order */
};
#define CELL_SIDES 5 /* the most that one has */

size_t cells_count(const struct mesh_arrays *s);
struct cell cells_get(const struct mesh_arrays *s, size_t i);
int cells_nodes(enum cell_kind kind);
/* Nodes of a side, which is seen from outside: 3 or 4; 0: the cell has no such side.  Sides of a
 * tetrahedron come in the order of SIDE_CORNERS. */
int cells_side(struct cell c, int side, uint32_t n[4]);
/* Where the cells of one kind begin. */
size_t cells_first(const struct mesh_arrays *s, enum cell_kind kind);
/* The ranges of the kind's cells by solid, s->solid_count of them; NULL: it has none. */
const struct range *cells_solids(const struct mesh_arrays *s, enum cell_kind kind);

double cells_volume(const struct mesh_arrays *s, struct cell c);
/* SICN of a prism or a pyramid: the least of those at its corners; -1 where a prism is not valid
 * everywhere. */
double cells_sicn(const struct mesh_arrays *s, struct cell c);

#endif
