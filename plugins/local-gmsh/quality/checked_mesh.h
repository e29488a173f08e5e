/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QUALITY_CHECKED_MESH_H
#define QUALITY_CHECKED_MESH_H

#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "quality/quality.h"

#include <stddef.h>
#include <stdint.h>

/* Nodes that are images of others (periodic.h): `to` is that of `from`, in the set of that number.
 */
struct node_pairs {
  struct node_pair {
    uint32_t from, to;
    uint8_t set;
  } * of;
  size_t count;
};

struct checked_mesh { /* a mesh that was checked, as arrays, beside the one in Gmsh's model */
  struct mesh_arrays arrays;
  struct quality quality;
  struct sheet sheet; /* of a mesh of faces alone */
  struct node_pairs pairs;
};

void checked_mesh_free(struct checked_mesh *m);

#endif
