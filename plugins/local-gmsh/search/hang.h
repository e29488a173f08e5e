/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_HANG_H
#define SEARCH_HANG_H

#include <stdbool.h>

struct strategy;
struct task;

#define HANG_LEAST 3.0 /* seconds of processor time: before that nothing hangs */

/* The processor time, in seconds, that edges and faces of a strategy may take, import included;
 * beyond it Gmsh turns in circles on one of them.  INFINITY where the number of triangles cannot be
 * foreseen.  Looks at all faces of Gmsh's model, so ask once HANG_LEAST is over. */
double hang_limit(const struct task *t, const struct strategy *r);

/* Has the model a cone that comes to a point?  Gmsh 4.8 never ends on some of them, whatever its
 * algorithm. */
bool hang_is_likely(const struct task *t);

#endif
