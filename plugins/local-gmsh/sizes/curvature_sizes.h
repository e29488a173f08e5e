/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the CAD is curved, and how large elements may be there.
 */
#ifndef SIZES_CURVATURE_SIZES_H
#define SIZES_CURVATURE_SIZES_H

#include <stddef.h>

struct bends; /* samples of the radius of curvature; they stay until the process ends */

struct bends *bends_take(void); /* of Gmsh's model */
/* The size that keeps chords within a distance at a point of this entity; 1e22 where it is straight
 * or plane. */
double bends_size(const struct bends *all, double chord, int dim, int tag, const double at[3]);
/* The same of a radius. */
double bends_length(double radius, double chord);

/* Layers of prisms want the faces below them round.  Those of the chosen faces that turn by more
 * than a right angle are wanted so, and here is the size that has so many edges a turn on them and
 * on the curves that bound them; 1e22 elsewhere. */
void bends_choose(struct bends *all, int face);
double bends_turn(const struct bends *all, int edges, int dim, int tag, const double at[3]);

/* radius may be infinite. */
typedef void bends_visit(void *context, int dim, int tag, const double at[3], double radius);
void bends_each(const struct bends *all, bends_visit *visit, void *context);

#endif
