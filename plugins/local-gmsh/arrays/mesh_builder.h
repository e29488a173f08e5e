/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A surface put together face by face, out of points that say by their coordinates alone where two
 * faces meet: points that agree to the last bit are one node.
 */
#ifndef ARRAYS_MESH_BUILDER_H
#define ARRAYS_MESH_BUILDER_H

#include "arrays/mesh_arrays.h"

#include <stddef.h>
#include <stdint.h>

struct mesh_builder { /* {0} is an empty one */
  struct mesh_arrays arrays;
  size_t node_cap, triangle_cap, face_cap;
  uint32_t *slots; /* node + 1, 0: empty */
  size_t slot_count;
};

/* Triangles that follow are of this face. */
void mesh_builder_face(struct mesh_builder *b, int tag);
uint32_t mesh_builder_node(struct mesh_builder *b, const double at[3]);
/* One with two equal corners is left out. */
void mesh_builder_triangle(struct mesh_builder *b, const uint32_t corners[3]);
/* Moves what was built to *s and empties the builder. */
void mesh_builder_finish(struct mesh_builder *b, struct mesh_arrays *s);

#endif
