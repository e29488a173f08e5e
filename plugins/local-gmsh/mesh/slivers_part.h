/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the parts of slivers.c share: the mesh as plain arrays, with tables of its neighbours.
 */
#ifndef MESH_SLIVERS_PART_H
#define MESH_SLIVERS_PART_H

#include "arrays/mesh_arrays.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BAD  0.1 /* SICN: what the score counts as good enough */
#define DEAD 2.0 /* what stands for the SICN of a tetrahedron that was taken away */

struct key { /* the nodes of a triangle, sorted, and which one it is */
  uint32_t node[3], triangle;
};

struct place { /* the entity that a node lies inside of; 3: a solid, 0: it stays */
  int dim, tag;
  bool bent; /* neither a straight line nor a plane: a move changes the distance from the CAD */
  double uv[2];
};

struct bad {
  double sicn;
  size_t tet;
};

struct work {
  struct mesh_arrays s;
  size_t *tags; /* Gmsh's, of each node */
  double *sicn; /* of each tetrahedron; DEAD: it is no more */
  struct bad *bad;
  size_t bad_count;
  size_t *first;    /* into `around`, of each node of a bad tetrahedron; others have none */
  uint32_t *around; /* tetrahedra at a node */
  struct key *keys; /* of all triangles, sorted */
  uint64_t *edges;  /* of all triangles, sorted */
  size_t edge_count;
  uint64_t *curves; /* mesh edges on curves of the CAD, sorted */
  size_t curve_count;
  struct place *place; /* of each node */
  bool *fixed;         /* of each face: its triangles must stay */
  bool *changed;       /* of each face */
  bool *emptied;       /* of each solid: it lost a tetrahedron */
  bool *moved;         /* of each node */
  bool *touched;       /* of each node: its surroundings are not what the tables say */
  size_t peeled;
  double bend_below; /* SICN: nodes on bent faces and curves move for worse tetrahedra alone */
};

static inline const double *at(const struct work *w, uint32_t node) {
  return w->s.xyz + 3 * (size_t)node;
}

static inline const uint32_t *nodes_of(const struct work *w, size_t tet) {
  return w->s.tets + 4 * tet;
}

static inline uint64_t edge_of(uint32_t a, uint32_t b) {
  return a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
}

int slivers_by_nodes(const void *a, const void *b); /* two struct key */
struct key slivers_key(uint32_t a, uint32_t b, uint32_t c);
double slivers_sicn(const struct work *w, size_t tet);

#endif
