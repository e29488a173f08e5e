/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A size for every point of space: the least of what its sources allow there.  A source is a place
 * with a size; away from it the size grows by `slope` times the distance.  An element of size h
 * then has a neighbour of (1 + slope) h, so that a growth rate g is a slope of g - 1.
 *
 *   points    in a k-d tree whose nodes know the least size and slope in them: a branch that cannot
 *             be below the best so far is passed over.  Exact, and the same in every thread.
 *   regions   balls, rods and boxes, by formula
 *
 * Nothing here knows of Gmsh.  After size_field_build a field is only read.
 */
#ifndef SIZES_SIZE_FIELD_H
#define SIZES_SIZE_FIELD_H

#include <stdbool.h>
#include <stddef.h>

enum size_shape { SIZE_BALL, SIZE_ROD, SIZE_BOX };

struct size_region {
  enum size_shape shape;
  double a[3], b[3]; /* ball: a is its centre.  rod: its axis.  box: its corners */
  double radius;     /* of a ball or rod */
  double size, slope;
};

struct size_field;

struct size_field *size_field_new(void);
void size_field_free(struct size_field *f); /* NULL is fine */
void size_field_point(struct size_field *f, const double at[3], double size, double slope);
/* How far the point is from the region; 0 inside. */
double size_region_distance(const struct size_region *r, const double at[3]);
size_t size_field_count(const struct size_field *f); /* of points */
/* Points all over a triangle, about `spacing` apart. */
void size_field_triangle(struct size_field *f, const double a[3], const double b[3],
                         const double c[3], double spacing, double size, double slope);
void size_field_build(struct size_field *f);
/* The least size that the points allow here, `largest` at most. */
double size_field_at(const struct size_field *f, const double at[3], double largest);

#endif
