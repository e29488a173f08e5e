/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/adjacent.h"

#include <gmshc.h>
#include <stdbool.h>
#include <stdlib.h>

static int *adjacent(int dim, int tag, bool up, size_t *n) {
  int *above = NULL, *below = NULL, e = 0;
  size_t above_n = 0, below_n = 0;
  gmshModelGetAdjacencies(dim, tag, &above, &above_n, &below, &below_n, &e);
  *n = e ? 0 : up ? above_n : below_n;
  gmshFree(up ? below : above);
  return up ? above : below;
}

int *adjacent_above(int dim, int tag, size_t *n) {
  return adjacent(dim, tag, true, n);
}

int *adjacent_below(int dim, int tag, size_t *n) {
  int *tags = adjacent(dim, tag, false, n);
  for (size_t i = 0; i < *n; i++)
    tags[i] = abs(tags[i]);
  return tags;
}

size_t adjacent_count_above(int dim, int tag) {
  size_t n = 0;
  gmshFree(adjacent_above(dim, tag, &n));
  return n;
}
