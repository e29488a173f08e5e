/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume of all solids by the CAD kernel, model units; of an STL by its facets.  0: not known.
 */
#ifndef CAD_MASS_H
#define CAD_MASS_H

struct task;

void mass_begin(struct task *t);      /* a mesh, after its import */
double mass_of(const struct task *t); /* waits for it; also in a process that was forked since */
double mass_of_solid(const struct task *t, int tag);

#endif
