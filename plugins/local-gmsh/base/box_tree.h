/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Triangles in a tree of boxes: those that are near a point or a ray are found without a look at
 * the others.
 */
#ifndef BASE_BOX_TREE_H
#define BASE_BOX_TREE_H

#include "base/box.h"

#include <stddef.h>
#include <stdint.h>

struct box_branch { /* count 0: two branches, at `at` and `at + 1`; else triangles: order[at] on */
  struct box box;
  uint32_t at, count;
};

#define BOX_TREE_DEPTH 128 /* of a stack that walks down it: more than it takes */

struct box_tree {
  const double *xyz; /* 3 a node.  Borrowed, like triangles */
  const uint32_t *triangles;
  uint32_t *order;
  struct box_branch *branches; /* the first is the root; a branch comes before its own */
  uint32_t branch_count;       /* 0: there are no triangles */
};

/* Halves by the middles of the triangles, along the longest side, down to at most `leaf` of them. */
void box_tree_build(struct box_tree *t, const double *xyz, const uint32_t *triangles, size_t count,
                    size_t leaf);
void box_tree_free(struct box_tree *t);

static inline const double *box_tree_corner(const struct box_tree *t, size_t triangle, size_t k) {
  return t->xyz + 3 * (size_t)t->triangles[3 * triangle + k];
}

#endif
