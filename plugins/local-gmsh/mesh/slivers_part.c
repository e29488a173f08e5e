/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mesh/slivers_part.h"

#include "base/sort3.h"
#include "quality/quality.h"

double slivers_sicn(const struct work *w, size_t tet) {
  const uint32_t *n = nodes_of(w, tet);
  const double *const p[4] = {at(w, n[0]), at(w, n[1]), at(w, n[2]), at(w, n[3])};
  return quality_sicn(p);
}

int slivers_by_nodes(const void *a, const void *b) {
  const struct key *x = a, *y = b;
  for (int i = 0; i < 3; i++)
    if (x->node[i] != y->node[i])
      return x->node[i] < y->node[i] ? -1 : 1;
  return 0;
}

struct key slivers_key(uint32_t a, uint32_t b, uint32_t c) {
  struct key k = {.node = {a, b, c}};
  sort3(k.node);
  return k;
}
