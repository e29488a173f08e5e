/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Measures of an element's shape, computed here because Gmsh's C API has them only from 4.13 on.
 *
 *   sicn          signed inverse condition number of the map from the ideal element: 1 ideal,
 *                 <= 0 inverted
 *   gamma         inscribed to circumscribed radius, scaled: 1 ideal, 0 flat
 *   angle         smallest dihedral angle (tetrahedra) or corner angle (triangles), degrees:
 *                 70.53 or 60 ideal
 *   skewness      what is missing to the ideal element: 0 ideal, 1 flat.  Tetrahedra: by the
 *                 volume of the regular one in the same sphere.  Triangles: by the angles
 *   aspect_ratio  longest edge to inscribed radius, scaled: 1 ideal, larger is worse
 */
#ifndef QUALITY_QUALITY_H
#define QUALITY_QUALITY_H

#include "task/outcome.h"

#include <stdbool.h>
#include <stddef.h>

struct sheet;
struct mesh_arrays;

struct quality { /* values[measure][element] */
  size_t count;
  double *values[MEASURES];
  bool tets;
  const struct sheet
      *sheet; /* whose elements they are; NULL: tetrahedra, or the arrays' triangles */
  /* SICN of prisms and pyramids, as cells.h numbers them behind the tetrahedra.  Owned; NULL: a
   * mesh without boundary layers */
  double *layers;
  size_t layer_count;
};

double quality_sicn(const double *const p[4]); /* of a tetrahedron, alone: quicker */
void quality_triangle(const double *const p[3], double q[MEASURES]);

/* Of all tetrahedra (by their corner nodes), or of all triangles where tets is false. */
void quality_of(struct quality *q, const struct mesh_arrays *s, bool tets);
/* Of the elements of a sheet, which must outlive it. */
void quality_of_sheet(struct quality *q, const struct sheet *sheet, const struct mesh_arrays *s);
void quality_free(struct quality *q);

#endif
