/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the CAD is curved, and how large elements may be there.
 */
#ifndef SIZES_CURVATURE_H
#define SIZES_CURVATURE_H

#include <stddef.h>

struct curvature; /* samples of the radius of curvature; they stay until the process ends */

struct curvature *curvature_take(void); /* of Gmsh's model */
/* The size that keeps chords within a distance at a point of this entity; 1e22 where it is straight
 * or plane. */
double curvature_size(const struct curvature *all, double chord, int dim, int tag,
                      const double at[3]);
/* The same of a radius. */
double bends_length(double radius, double chord);

/* Layers of prisms want the faces below them round.  Those of the chosen faces that turn by more
 * than a right angle are wanted so, and here is the size that has so many edges a turn on them and
 * on the curves that bound them; 1e22 elsewhere. */
void curvature_choose(struct curvature *all, int face);
double curvature_turn(const struct curvature *all, int edges, int dim, int tag, const double at[3]);

/* radius may be infinite. */
typedef void curvature_visit(void *context, int dim, int tag, const double at[3], double radius);
void curvature_each(const struct curvature *all, curvature_visit *visit, void *context);

#endif
