/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_SLIVERS_MODEL_H
#define MESH_SLIVERS_MODEL_H

#include <stdbool.h>

struct work;

/* Where the nodes lie, and the curves' edges; false: nothing can be mended. */
bool slivers_read(struct work *w);
/* What was moved and peeled, into Gmsh's model.  0, or Gmsh's error. */
int slivers_write(const struct work *w);

#endif
