/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume that the solids enclose, in place of them or beside them.
 */
#ifndef CAD_FLUID_H
#define CAD_FLUID_H

#include "model/findings.h"

#include <stdbool.h>
#include <stddef.h>

struct task;

#define FLUID_LISTED 64 /* of each list */
struct opening {        /* of the volume inside the solids: a face, or several in one hole */
  char name[FOUND_NAME];
  int face; /* the first of them */
  size_t which;
  double area, at[3];
};

struct fluid { /* the volumes inside the solids, where they are what is wanted */
  struct {
    int tag;
    double volume, at[3];
  } regions[FLUID_LISTED], left[FLUID_LISTED]; /* left: too small */
  struct opening openings[FLUID_LISTED];
  size_t region_count, left_count, opening_count;
};

/* Changes Gmsh's model and t->names, and fills t->fluid.  Where a void is open to the outside, its
 * openings are closed: by faces of the file that belong to no solid, else by openings_close.
 * False after task_fail. */
bool fluid_extract(struct task *t, bool look);

#endif
