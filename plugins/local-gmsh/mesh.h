/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_H
#define MESH_H

#include "quality.h"
#include "sheet.h"
#include "soup.h"

struct mesh { /* a mesh that was checked, as arrays, beside the one in Gmsh's model */
  struct soup soup;
  struct quality quality;
  struct sheet sheet; /* of a mesh of faces alone */
};

void mesh_free(struct mesh *m);

#endif
