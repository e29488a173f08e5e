/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a mesh is worth, and which of several is taken.  Pure functions of numbers: no Gmsh, no
 * clock.  A score depends on its own mesh alone, so candidates can be compared across jobs.
 */
#ifndef QUALITY_SCORE_H
#define QUALITY_SCORE_H

#include "task/params.h"

#include <stdbool.h>
#include <stddef.h>

struct attempt;
struct outcome;

/* How near to the target counts as reached, and where the part for it has fallen to 0. */
#define TARGET_TOLERANCE 0.15

/* Fills a->score, a->part and the measures beside them out of a mesh that passed its check. */
void score_attempt(struct attempt *a, const struct outcome *o, const struct score_options *w);

/* The original service's mark of the same mesh: 0 best, 20 for a bad worst element, and more the
 * larger the mesh. */
double score_original(const struct attempt *a);

/* Good enough to stop the search. */
bool score_enough(const struct attempt *a, const struct score_options *w);

/* The attempt to take: the best class of the worst element, of those the best score, of those the
 * first; (size_t)-1 when none is valid.
 * Where `in_order` is true the first that is good enough is taken instead, if there is one. */
size_t score_choose(const struct attempt *a, size_t n, const struct score_options *w,
                    bool in_order);

extern const char *const SCORE_NAMES[SCORE_PARTS];

#endif
