/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a mesh file is written from: the mesh in the unit that was asked for, its groups, and where
 * its faces lie on the tetrahedra.
 */
#ifndef OUTPUT_EXPORT_H
#define OUTPUT_EXPORT_H

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "model/groups.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct foam_shapes;
struct checked_mesh;
struct node_pairs;
struct quality;
struct sheet;
struct task;

/* Of a tetrahedron, in the order of Abaqus: S1 to S4 are 0 to 3.  Those of a prism are S1 to S5 in
 * the order of cells.h. */
#define SIDES 4
/* The corners of each side, so that its normal points out. */
extern const uint8_t SIDE_CORNERS[SIDES][3];

struct side {
  uint32_t cell; /* as cells.h numbers them; SIDE_NONE: the triangle lies on none, and is left
                    out */
  uint8_t number;
  bool shared; /* another cell lies behind it: two solids meet there */
};
#define SIDE_NONE UINT32_MAX

struct export {
  const struct mesh_arrays *arrays;
  const struct sheet *sheet; /* of a mesh of faces alone; NULL: one of tetrahedra */
  const struct quality *quality;
  const struct node_pairs *pairs;
  const double *layer_sicn; /* of prisms and pyramids; NULL: a mesh without boundary layers */
  const struct task *task;
  const struct groups *groups; /* in a format of one group each: split */
  char **words;                /* what each is called in the format */
  const double *xyz;           /* of the arrays, times the factor */
  const char *unit;            /* of these numbers; "file": not known */
  double factor;
  struct side *sides; /* of each triangle, of the first cell that it bounds.  NULL before
                         export_topology */
  /* Of each node, from 0 without gaps; what lies on no cell has none, EXPORT_NO_NODE. */
  uint32_t *number;  /* NULL before export_topology */
  size_t node_count; /* that have a number */
  double *scaled;    /* owned */
  struct groups split;
  uint32_t *poor; /* cells under params.poor_below, ascending: of formats.c.  Owned */
  size_t poor_count;
  const char *poor_word;      /* what their set is called; NULL: there is none */
  struct foam_shapes *shapes; /* of the outcome: what foam.c found, in the model's unit */
};
#define EXPORT_NO_NODE UINT32_MAX

/* Both must outlive it.  A format is written after export_for; one that needs sides and numbers,
 * after export_topology too. */
void export_take(struct export *x, const struct task *t, const struct checked_mesh *m);
/* Groups as `format` has them, and coordinates in the unit `wanted` (NULL: the model's own), times
 * the job's scale. */
void export_for(struct export *x, const char *format, const char *wanted);
void export_free(struct export *x);
void export_topology(struct export *x);
/* What coordinates are multiplied by, and in *unit what they are: `wanted`, or "file" where
 * the model's own unit is not known. */
double export_factor(const struct task *t, const char *wanted, const char **unit);

/* Whether the triangle is an element of its face: it lies on a cell, and is not the other half of a
 * quadrangle. */
bool export_is_element(const struct export *x, size_t triangle);
/* Nodes of a side in the order corners, then middles of 1-2, 2-3, 3-1; 3, 6 or, of a quadrangle, 4,
 * returned. */
int export_side_nodes(const struct export *x, struct side side, uint32_t nodes[6]);
/* The middle nodes 5 to 10 of a tetrahedron in the order of Abaqus, Nastran and VTK. */
extern const uint8_t EXPORT_TET_ORDER[10];

/* A pyramid as a prism whose third edge has no length, for programs without pyramids: five
 * triangles and quadrangles that fit its neighbours, with a field that is linear on the triangles.
 */
extern const uint8_t EXPORT_PYRAMID_AS_PRISM[6];
/* Which side of that prism each side of the pyramid is. */
extern const uint8_t EXPORT_PYRAMID_SIDES[5];

/* The cells of one kind that the solid has, numbered as cells.h does. */
struct range export_cells(const struct export *x, enum cell_kind kind, int solid);

/* Tetrahedra or triangles of one tag, as a range of the arrays; of a mesh of faces alone elements
 * of a face or an edge, as a range of the sheet.  NULL: there are none. */
const struct range *export_range(const struct export *x, int dim, int tag);

/* Millimetres in one of `unit`; 0: the unit is not known. */
double export_unit_mm(const char *unit);

#endif
