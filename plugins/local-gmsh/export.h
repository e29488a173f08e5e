/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a mesh file is written from: the mesh in the unit that was asked for, its groups, and where
 * its faces lie on the tetrahedra.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "groups.h"
#include "mesh.h"
#include "quality.h"
#include "sheet.h"
#include "soup.h"
#include "task.h"

/* Of a tetrahedron, in the order of Abaqus: S1 to S4 are 0 to 3. */
#define SIDES 4
/* The corners of each side, so that its normal points out. */
extern const uint8_t SIDE_CORNERS[SIDES][3];

struct side {
  uint32_t tet; /* SIDE_NONE: the triangle lies on no tetrahedron, and is left out.  With boundary
                   layers the cell, as cells.h numbers them */
  uint8_t number;
  bool shared; /* another tetrahedron lies behind it: two solids meet there */
};
#define SIDE_NONE UINT32_MAX

struct export {
  const struct soup *soup;
  const struct sheet *sheet; /* of a mesh of faces alone; NULL: one of tetrahedra */
  const struct quality *quality;
  const struct node_pairs *pairs;
  const double *layer_sicn; /* of prisms and pyramids; NULL: a mesh without boundary layers */
  const struct task *task;
  const struct groups *groups; /* in a format of one group each: split */
  char **words;                /* what each is called in the format */
  const double *xyz;           /* of the soup, times the factor */
  const char *unit;            /* of these numbers; "file": not known */
  double factor;
  struct side *sides; /* of each triangle, of the first tetrahedron that it bounds.  NULL before
                         export_topology */
  /* Of each node, from 0 without gaps; what lies on no tetrahedron has none, EXPORT_NO_NODE. */
  uint32_t *number;  /* NULL before export_topology */
  size_t node_count; /* that have a number */
  double *scaled;    /* owned */
  struct groups split;
  uint32_t *poor; /* tetrahedra under params.poor_below, ascending: of formats.c.  Owned */
  size_t poor_count;
  const char *poor_word; /* what their set is called; NULL: there is none */
};
#define EXPORT_NO_NODE UINT32_MAX

/* Both must outlive it.  A format is written after export_for; one that needs sides and numbers,
 * after export_topology too. */
void export_take(struct export *x, const struct task *t, const struct mesh *m);
/* Groups as `format` has them, and coordinates in the unit `wanted` (NULL: the model's own), times
 * the job's scale. */
void export_for(struct export *x, const char *format, const char *wanted);
void export_free(struct export *x);
void export_topology(struct export *x);
/* What coordinates are multiplied by, and in *unit what they are: `wanted`, or "file" where
 * the model's own unit is not known. */
double export_factor(const struct task *t, const char *wanted, const char **unit);

/* Nodes of a side in the order corners, then middles of 1-2, 2-3, 3-1; 3 or 6, returned. */
int export_side_nodes(const struct export *x, struct side side, uint32_t nodes[6]);
/* The middle nodes 5 to 10 of a tetrahedron in the order of Abaqus, Nastran and VTK. */
extern const uint8_t EXPORT_TET_ORDER[10];

/* Tetrahedra or triangles of one tag, as a range of the soup; of a mesh of faces alone elements of
 * a face or an edge, as a range of the sheet.  NULL: there are none. */
const struct range *export_range(const struct export *x, int dim, int tag);

/* Millimetres in one of `unit`; 0: the unit is not known. */
double export_unit_mm(const char *unit);

#endif
