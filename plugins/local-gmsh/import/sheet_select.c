/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a mesh of faces is made of: solids go out of Gmsh's model, their faces stay, and of these
 * the ones that were chosen.
 */
#include "import/sheet_select.h"

#include "import/import.h"
#include "model/adjacent.h"
#include "model/entity.h"
#include "model/names.h"
#include "select/selector.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdlib.h>

/* Those of one dimension that are not among the tags. */
static void remove_others(int dim, const int *tags, size_t count) {
  int *entities = NULL, e = 0;
  size_t n = 0, gone = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  for (size_t i = 0; i + 1 < n; i += 2)
    if (!entity_is_among(tags, count, entities[i + 1])) {
      entities[gone++] = dim;
      entities[gone++] = entities[i + 1];
    }
  if (gone)
    gmshModelRemoveEntities(entities, gone, dim < 3, &e);
  gmshFree(entities);
}

/* Curves and points that bound nothing. */
static void remove_loose(int dim) {
  int *entities = NULL, e = 0;
  size_t n = 0, gone = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  for (size_t i = 0; i + 1 < n; i += 2) {
    if (adjacent_count_above(dim, entities[i + 1]))
      continue;
    entities[gone++] = dim;
    entities[gone++] = entities[i + 1];
  }
  if (gone)
    gmshModelRemoveEntities(entities, gone, 0, &e);
  gmshFree(entities);
}

int32_t sheet_select(struct task *t) {
  int *tags = NULL;
  size_t count = 0;
  int32_t rc = LATHE_OK;
  if (t->params.faces)
    rc = selector_faces(t, "dimension=2", "faces", t->params.faces, &tags, &count);
  if (rc != LATHE_OK)
    return rc;
  remove_others(3, NULL, 0);
  if (t->params.faces)
    remove_others(2, tags, count);
  free(tags);
  remove_loose(1);
  remove_loose(0);
  names_keep_faces(&t->names);
  import_measure(t, &t->geometry);
  return LATHE_OK;
}
