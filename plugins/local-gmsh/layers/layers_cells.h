/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAYERS_LAYERS_CELLS_H
#define LAYERS_LAYERS_CELLS_H

#include <stddef.h>
#include <stdint.h>

struct layers;
struct layers_surface;

struct layers_cells {
  /* New nodes, numbered from `first_node` on: of each node with a layer the further ones of its
   * column, from the wall inwards. */
  size_t first_node, node_count;
  double *xyz;
  uint32_t *on;   /* of each new node: the face that was not chosen in which it lies; or */
  uint32_t *ends; /* of each node of the surface: its inner end; itself where it has no layer */
  uint32_t *prisms, *pyramids, *tets; /* 6, 5 and 4 nodes each, as Gmsh orders them */
  size_t prism_count, pyramid_count, tet_count;
  /* Where layers end in a face that was not chosen.  Normals point out of the solid.  One of three
   * nodes has the third twice. */
  uint32_t (*sides)[4], *side_face;
  size_t side_count;
};
#define LAYERS_INSIDE UINT32_MAX /* `on`: in none */

/* New nodes are numbered from `first_node`. */
void layers_cells_make(struct layers_cells *c, const struct layers_surface *s,
                       const struct layers *l, size_t first_node);
void layers_cells_free(struct layers_cells *c);

#endif
