/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quality/checked_mesh.h"

#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "quality/quality.h"

#include <stdlib.h>

void checked_mesh_free(struct checked_mesh *m) {
  quality_free(&m->quality);
  mesh_arrays_free(&m->arrays);
  sheet_free(&m->sheet);
  free(m->pairs.of);
  m->pairs = (struct node_pairs){0};
}
