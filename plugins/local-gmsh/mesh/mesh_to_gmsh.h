/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_MESH_TO_GMSH_H
#define MESH_MESH_TO_GMSH_H

#include <stdbool.h>

struct mesh_arrays;

/* Makes the triangles of *s the mesh of the faces of Gmsh's model, which are those of s->faces and
 * have no mesh.  Nodes and lines where faces meet go to the model's points and curves; where solids
 * touch and share no curve, *s gets nodes for each.  False: Gmsh refused. */
bool mesh_to_gmsh(struct mesh_arrays *s);

#endif
