/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sets that are joined, two at a time: each member has a parent, and the root stands for the set.
 */
#ifndef BASE_UNION_FIND_H
#define BASE_UNION_FIND_H

#include "base/out.h"

#include <stddef.h>
#include <stdint.h>

/* Parents of `count` sets of one member each; to be freed. */
static inline uint32_t *union_find_new(size_t count) {
  uint32_t *parent = out_alloc(count + 1, sizeof *parent);
  for (uint32_t i = 0; i < count; i++)
    parent[i] = i;
  return parent;
}

static inline uint32_t union_find_root(uint32_t *parent, uint32_t i) {
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}

/* The root of b stands for both. */
static inline void union_find_join(uint32_t *parent, uint32_t a, uint32_t b) {
  uint32_t root = union_find_root(parent, b);
  parent[union_find_root(parent, a)] = root;
}

#endif
