/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Mends the worst tetrahedra of Gmsh's current mesh, those of SICN under 0.1.
 */
#ifndef MESH_SLIVERS_H
#define MESH_SLIVERS_H

#include <stdbool.h>

/* Of four-node tetrahedra, after Gmsh's own passes.  may_peel: the faces are the CAD's, so that
 * their triangles may be changed.  may_bend: nodes may move on curved faces and edges, which they
 * stay on, while the distance of the flat sides from the CAD changes.  may_slide: nodes may move on
 * faces and edges at all.  0, or Gmsh's error: then the mesh is spoilt. */
int slivers_mend(bool may_peel, bool may_bend, bool may_slide);

#endif
