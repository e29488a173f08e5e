/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks for what is odd in Gmsh's current model.  Boxes are compared first; only neighbours are
 * looked at closely.
 */
#ifndef CAD_NEIGHBOURS_H
#define CAD_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>

struct findings;
struct names;

/* Takes what belongs to no solid out of the model, where there are solids, and notes the faces;
 * then curves without a face and points without a curve.  f may be NULL.  kernel: out of the
 * kernel's own list too, else they are back when Gmsh is next synchronised with it. */
void neighbours_drop_loose(struct findings *f, bool kernel);
/* Solids in one place. */
void neighbours_duplicates(struct findings *f, const struct names *n);
/* Counts the faces that bound two solids. */
void neighbours_shared(struct findings *f, const struct names *n);
/* Solids that share no face and are apart by at most `within`, or by a thousandth of the smaller
 * one where that is more.  It is measured at points of their faces. */
void neighbours_gaps(struct findings *f, const struct names *n, double within);
struct facing { /* two faces of two solids */
  int face, other;
  double area, gap; /* of the first face, what lies so near; and the smallest distance found */
};
/* The faces of all solids, by the place of these among the names; what is measured on a face is
 * kept.  Free with neighbours_solid_faces_free. */
struct solid_faces *neighbours_solid_faces(const struct names *n);
void neighbours_solid_faces_free(struct solid_faces *s);
/* Whether the boxes of two solids are at most `within` apart. */
bool neighbours_meet(const struct solid_faces *s, size_t solid, size_t other, double within);
/* Faces of two solids that look at each other and are at most `within` apart, at points of them;
 * how many.  Free *list. */
size_t neighbours_facing(struct solid_faces *s, size_t solid, size_t other, double within,
                         struct facing **list);
/* The parameters of a point of a face's surface.  False: it lies beyond the face's edges. */
bool neighbours_parameters(int face, double foot[3], double uv[2]);

#endif
