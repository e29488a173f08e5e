/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Middle nodes of ten-node tetrahedra on the CAD's curves and faces.
 *
 * Gmsh puts each there by the CAD kernel's search for the nearest point, which begins anew for
 * every node and takes most of the time on free-form faces.  Here the search begins half way
 * between the parameters of the two corners, which Gmsh keeps, and so needs two or three steps.
 */
#ifndef MESH_MIDDLE_NODES_H
#define MESH_MIDDLE_NODES_H

#include <stdbool.h>
#include <stddef.h>

/* The largest distance of a curve or face from the parabolas of the edges on it, half way to their
 * middle nodes; model units. */
struct middle_nodes_chord {
  double distance, at[3];
  double mean; /* of all edges on what is curved, each looked at twice: */
  size_t count;
};

/* Gmsh's model of four-node tetrahedra becomes one of ten nodes.  Where no near point is found on
 * the face by steps, the kernel is asked; where it has none either, the node stays in the middle of
 * its straight edge.  False: Gmsh refused, or its model is not as this file expects. */
bool middle_nodes_raise(struct middle_nodes_chord *worst);

#endif
