/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the entities of Gmsh's model bound, and what bounds them.
 */
#ifndef MODEL_ADJACENT_H
#define MODEL_ADJACENT_H

#include <stddef.h>

/* Tags of those of one dimension more that it bounds; *n of them (0 where Gmsh does not know it),
 * to free with gmshFree. */
int *adjacent_above(int dim, int tag, size_t *n);
/* Tags of those of one dimension less that bound it, without a sign; likewise. */
int *adjacent_below(int dim, int tag, size_t *n);
size_t adjacent_count_above(int dim, int tag);

#endif
