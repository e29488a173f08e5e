/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facets/facets.h"

#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void facets_measure(struct facets *f) {
  double sum = 0;
  for (size_t i = 0; i < 3; i++) {
    f->low[i] = INFINITY;
    f->high[i] = -INFINITY;
  }
  for (size_t n = 0; n < 3 * f->node_count; n++) {
    f->low[n % 3] = fmin(f->low[n % 3], f->xyz[n]);
    f->high[n % 3] = fmax(f->high[n % 3], f->xyz[n]);
  }
  for (size_t i = 0; i < 3; i++)
    sum += (f->high[i] - f->low[i]) * (f->high[i] - f->low[i]);
  f->diagonal = sqrt(sum);
}

void facets_normal(const struct facets *f, size_t facet, double n[3]) {
  const uint32_t *of = f->node + 3 * facet;
  vec_normal(n, f->xyz + 3 * (size_t)of[0], f->xyz + 3 * (size_t)of[1], f->xyz + 3 * (size_t)of[2]);
}

size_t facets_compact(struct facets *f, const bool *drop) {
  size_t kept = 0;
  for (size_t i = 0; i < f->count; i++) {
    if (drop[i])
      continue;
    memmove(f->node + 3 * kept, f->node + 3 * i, 3 * sizeof *f->node);
    if (f->turned)
      f->turned[kept] = f->turned[i];
    f->part[kept++] = f->part[i];
  }
  size_t gone = f->count - kept;
  f->count = kept;
  return gone;
}

void facets_free(struct facets *f) {
  for (size_t i = 0; i < f->part_count; i++)
    free(f->part_names[i]);
  free(f->part_names);
  free(f->xyz);
  free(f->node);
  free(f->part);
  free(f->mate);
  free(f->shell);
  free(f->turned);
  free(f->shells);
  free(f->body_names);
  free(f->body_volumes);
  free(f->face);
  free(f->faces);
  *f = (struct facets){0};
}
