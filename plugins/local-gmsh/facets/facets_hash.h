/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tables of edges, facets and cells, by up to three numbers.
 */
#ifndef FACETS_FACETS_HASH_H
#define FACETS_FACETS_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t facets_hash(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t h = a * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 29 ^ b) * 0xbf58476d1ce4e5b9u;
  h = (h ^ h >> 32 ^ c) * 0x94d049bb133111ebu;
  return h ^ h >> 31;
}

/* Slots of a table that is at most half full. */
static inline size_t facets_table_size(size_t entries) {
  size_t size = 64;
  while (size < 2 * entries)
    size *= 2;
  return size;
}

#endif
