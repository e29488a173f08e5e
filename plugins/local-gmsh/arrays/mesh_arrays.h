/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mesh as plain arrays: nodes numbered from 0 without gaps, triangles by CAD face, tetrahedra
 * by solid.
 */
#ifndef ARRAYS_MESH_ARRAYS_H
#define ARRAYS_MESH_ARRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range { /* of triangles or tetrahedra */
  int tag;     /* of the CAD face or solid */
  size_t first, count;
};

struct cells { /* of one kind, by solid */
  size_t count;
  uint32_t *nodes;
  struct range *solids; /* as many as the arrays have; NULL: there are none */
};

struct mesh_arrays {
  size_t node_count;
  double *xyz; /* 3 a node */
  size_t triangle_count;
  uint32_t *triangles; /* 3 a triangle: of a ten-node mesh the corners */
  uint8_t *halves;     /* of each triangle: 1, the other half of the quadrangle that the one before
                          it is of.  NULL: there are no quadrangles */
  struct range *faces;
  size_t face_count;
  size_t tet_count;
  int tet_nodes;  /* 4 or 10; 0: the surface alone */
  uint32_t *tets; /* tet_nodes a tetrahedron, Gmsh's order */
  struct range *solids;
  size_t solid_count;
  struct cells prisms, pyramids; /* of boundary layers: 6 and 5 nodes each, Gmsh's order */
};

/* Takes Gmsh's current mesh; with tet_nodes 0 the surface alone.  False: Gmsh gave none. */
bool mesh_arrays_take(struct mesh_arrays *s, int tet_nodes);
/* The same with prisms and pyramids.  A quadrangle at the end of a layer is two triangles, the
 * second one marked in `halves`. */
bool mesh_arrays_take_layered(struct mesh_arrays *s);
/* The nodes alone.  Returns the table from Gmsh's tags to ours (free it), NULL when there are
 * none. */
uint32_t *mesh_arrays_take_nodes(struct mesh_arrays *s, size_t *max_tag);
/* The triangles of a face; NULL: it has none here. */
const struct range *mesh_arrays_face(const struct mesh_arrays *s, int tag);
void mesh_arrays_free(struct mesh_arrays *s);

/* Volume inside the triangles, by their orientation. */
double mesh_arrays_enclosed(const struct mesh_arrays *s);
double mesh_arrays_tet_volume(const struct mesh_arrays *s, size_t tet);

#endif
