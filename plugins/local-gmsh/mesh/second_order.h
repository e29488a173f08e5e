/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ten-node tetrahedra.  Each bool is false after outcome_fail.
 */
#ifndef MESH_SECOND_ORDER_H
#define MESH_SECOND_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct outcome;
struct mesh_arrays;
struct task;

/* Middle nodes in Gmsh's model, on the CAD. */
bool second_order_raise(const struct task *t, struct outcome *o);
/* Middle nodes towards straight, in both, until no element is bent; the volume and what was moved
 * into *o.  The corners' tetrahedra must be valid. */
bool second_order_mend(const struct task *t, struct mesh_arrays *s, struct outcome *o);
/* The nodes that were moved, into Gmsh's model: its nodes come in the arrays' order. */
bool second_order_give_back(const struct mesh_arrays *s, const uint8_t *moved);

#endif
