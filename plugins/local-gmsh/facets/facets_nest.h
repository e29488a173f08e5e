/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_NEST_H
#define FACETS_FACETS_NEST_H

#include <stdbool.h>
#include <stdint.h>

struct facets;

/* Which shells lie in others (parent: the smallest of those; FACET_NONE: none) and are holes there,
 * which overlap others, and which are bodies that are there twice (extra).  All shells look
 * outward.  Returns whether any is extra. */
bool facets_find_holes(struct facets *f, uint32_t *parent, bool *extra);

#endif
