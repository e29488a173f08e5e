/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume that the solids enclose, in place of them or beside them.
 */
#ifndef FLUID_H
#define FLUID_H

#include "task.h"

/* Changes Gmsh's model and t->names, and fills t->fluid.  Where a void is open to the outside, its
 * openings are closed: by faces of the file that belong to no solid, else by openings_close.
 * False after task_fail. */
bool fluid_extract(struct task *t, bool look);
/* "fluid":{...}, or nothing where none was asked for. */
void fluid_json(const struct task *t, struct out *o);

#endif
