/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How far points are from a surface of triangles: a tree of boxes.  Pure arithmetic.
 */
#ifndef ARRAYS_DISTANCE_H
#define ARRAYS_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

struct surface_of {  /* borrowed */
  const double *xyz; /* 3 a node */
  const uint32_t *triangles;
  size_t count;
};

struct distance_tree;

/* To be freed.  NULL: there are no triangles. */
struct distance_tree *distance_tree_new(struct surface_of s);
void distance_tree_free(struct distance_tree *t);
/* Of p from the nearest triangle. */
double distance_to(const struct distance_tree *t, const double p[3]);

struct farthest {
  double distance, at[3];
};
/* Of the corners and middles of the triangles, at most `most` points all over them, the one that is
 * farthest from the tree's surface. */
struct farthest distance_farthest(const struct distance_tree *t, struct surface_of from,
                                  size_t most);

#endif
