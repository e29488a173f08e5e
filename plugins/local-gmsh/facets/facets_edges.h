/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_EDGES_H
#define FACETS_FACETS_EDGES_H

#include "facets/facets.h"

#include <stddef.h>
#include <stdint.h>

struct facets;

/* Drops facets with two equal corners and facets that are there twice. */
void facets_drop_extra(struct facets *f);
/* Fills mate and edges. */
void facets_match(struct facets *f);

/* The nodes at the two ends of a half-edge. */
static inline uint32_t facets_from(const struct facets *f, size_t half) {
  return f->node[half];
}

static inline uint32_t facets_to(const struct facets *f, size_t half) {
  return f->node[half % 3 == 2 ? half - 2 : half + 1];
}

#endif
