/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_SHELLS_H
#define FACETS_FACETS_SHELLS_H

#include <stdbool.h>

struct facets;

/* shells: what hangs together, turned one way, outward. */
void facets_find_shells(struct facets *f);
/* Which shells bound a body and which are holes in one.  False: a body that was there twice was
 * dropped; match the edges and find the shells again. */
bool facets_find_bodies(struct facets *f);

#endif
