/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/box_tree.h"

#include "base/out.h"

#include <stdlib.h>

/* Three times its middle. */
static double middle_of(const struct box_tree *t, size_t triangle, int axis) {
  return box_tree_corner(t, triangle, 0)[axis] + box_tree_corner(t, triangle, 1)[axis] +
         box_tree_corner(t, triangle, 2)[axis];
}

/* Quickselect: the lower half of list[0..count) along the axis comes first. */
static void halve(const struct box_tree *t, uint32_t *list, size_t count, int axis) {
  size_t low = 0, high = count - 1, middle = count / 2;
  while (low < high) {
    double pivot = middle_of(t, list[low + (high - low) / 2], axis);
    size_t i = low, k = high;
    for (;;) {
      while (middle_of(t, list[i], axis) < pivot)
        i++;
      while (middle_of(t, list[k], axis) > pivot)
        k--;
      if (i >= k)
        break;
      uint32_t other = list[i];
      list[i++] = list[k];
      list[k--] = other;
    }
    if (middle <= k)
      high = k;
    else
      low = k + 1;
  }
}

static int longest(const struct box *b) {
  int axis = 0;
  for (int i = 1; i < 3; i++)
    if (b->high[i] - b->low[i] > b->high[axis] - b->low[axis])
      axis = i;
  return axis;
}

static void box_tree_grow(struct box_tree *t, uint32_t at, size_t first, size_t count,
                          size_t leaf) {
  struct box_branch *b = &t->branches[at];
  *b = (struct box_branch){.box = BOX_EMPTY, .at = (uint32_t)first, .count = (uint32_t)count};
  for (size_t k = 0; k < 3 * count; k++)
    box_grow(&b->box, box_tree_corner(t, t->order[first + k / 3], k % 3));
  if (count <= leaf)
    return;
  halve(t, t->order + first, count, longest(&b->box));
  b->at = t->branch_count;
  b->count = 0;
  t->branch_count += 2;
  box_tree_grow(t, b->at, first, count / 2, leaf);
  box_tree_grow(t, b->at + 1, first + count / 2, count - count / 2, leaf);
}

void box_tree_build(struct box_tree *t, const double *xyz, const uint32_t *triangles, size_t count,
                    size_t leaf) {
  *t = (struct box_tree){.xyz = xyz, .triangles = triangles};
  if (count == 0)
    return;
  t->order = out_alloc(count, sizeof *t->order);
  t->branches = out_alloc(2 * count, sizeof *t->branches);
  t->branch_count = 1;
  for (size_t i = 0; i < count; i++)
    t->order[i] = (uint32_t)i;
  box_tree_grow(t, 0, 0, count, leaf);
}

void box_tree_free(struct box_tree *t) {
  free(t->order);
  free(t->branches);
  *t = (struct box_tree){0};
}
