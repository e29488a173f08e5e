/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The set of poor elements in a .msh file.  A group there is made of whole faces and solids, so the
 * set is a view: its elements with their SICN.  It is $ElementNodeData, which meshio passes over;
 * a file with $ElementData is refused by meshio 5.3 (2.2 always, 4.1 unless elements are numbered
 * from 1 and have all a value).
 */
#include "output/msh_poor.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "output/export.h"
#include "quality/quality.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdio.h>
#include <stdlib.h>

#define TET4    4 /* Gmsh's element types */
#define PRISM6  6
#define PYRAMID 7
#define TET10   11

/* A value for each corner of one element. */
static void msh_poor_put_element(struct out *o, int32_t tag, int32_t corners, double value,
                                 bool text) {
  if (!text) {
    out_put(o, &tag, sizeof tag);
    out_put(o, &corners, sizeof corners);
    for (int k = 0; k < corners; k++)
      out_put(o, &value, sizeof value);
    return;
  }
  out_printf(o, "%d %d", tag, corners);
  for (int k = 0; k < corners; k++)
    out_printf(o, " %.9g", value);
  out_text(o, "\n");
}

/* Those of one kind in a solid; how many. */
static size_t take_solid(const struct export *x, enum cell_kind kind, int solid, size_t *all) {
  const int types[CELL_KINDS] = {[CELL_TET] = x->arrays->tet_nodes == 10 ? TET10 : TET4,
                                 [CELL_PRISM] = PRISM6,
                                 [CELL_PYRAMID] = PYRAMID};
  struct range r = export_cells(x, kind, solid);
  size_t *tags = NULL, *nodes = NULL, n = 0, node_count = 0;
  int e = 0;
  if (r.count == 0)
    return 0;
  gmshModelMeshGetElementsByType(types[kind], &tags, &n, &nodes, &node_count, solid, 0, 1, &e);
  bool same = e == 0 && n == r.count;
  for (size_t k = 0; same && k < n; k++)
    all[r.first + k] = tags[k];
  gmshFree(tags);
  gmshFree(nodes);
  return same ? n : 0;
}

/* Gmsh's number of each cell of the arrays.  NULL: it does not say. */
static size_t *msh_poor_take_tags(const struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  size_t *all = out_alloc(cells_count(s), sizeof *all), taken = 0;
  for (size_t i = 0; i < s->solid_count; i++)
    for (enum cell_kind kind = CELL_TET; kind < CELL_KINDS; kind++)
      taken += take_solid(x, kind, s->solids[i].tag, all);
  if (taken == cells_count(s))
    return all;
  free(all);
  return NULL;
}

/* How many elements a file of version 2.2 has before the tetrahedra: it numbers what it saves anew,
 * by dimension, kind and solid. */
static size_t count_before(void) {
  int *types = NULL, e = 0;
  size_t **tags = NULL, **nodes = NULL, *tag_counts = NULL, *node_counts = NULL;
  size_t type_count = 0, tags_n = 0, nodes_n = 0, count = 0;
  gmshModelMeshGetElements(&types, &type_count, &tags, &tag_counts, &tags_n, &nodes, &node_counts,
                           &nodes_n, 2, -1, &e);
  for (size_t k = 0; e == 0 && k < tags_n; k++)
    count += tag_counts[k];
  for (size_t k = 0; k < tags_n; k++)
    gmshFree(tags[k]);
  for (size_t k = 0; k < nodes_n; k++)
    gmshFree(nodes[k]);
  gmshFree(types);
  gmshFree(tags);
  gmshFree(tag_counts);
  gmshFree(nodes);
  gmshFree(node_counts);
  return count;
}

bool msh_poor_append(const struct export *x, bool old, const char *path) {
  bool text = old || !x->task->params.binary;
  size_t *tags = NULL, before = 0;
  struct out o = {0};
  if (!x->poor_word)
    return true;
  if (old)
    before = count_before();
  else if (!(tags = msh_poor_take_tags(x)))
    return false;
  out_printf(&o, "$ElementNodeData\n1\n\"%s\"\n1\n0\n3\n0\n1\n%zu\n", x->poor_word, x->poor_count);
  for (size_t i = 0; i < x->poor_count; i++) {
    size_t cell = x->poor[i], tets = x->arrays->tet_count;
    msh_poor_put_element(
        &o, (int32_t)(old ? before + cell + 1 : tags[cell]),
        cells_nodes(cells_get(x->arrays, cell).kind),
        cell < tets ? x->quality->values[MEASURE_SICN][cell] : x->layer_sicn[cell - tets], text);
  }
  out_text(&o, text ? "$EndElementNodeData\n" : "\n$EndElementNodeData\n");
  free(tags);
  FILE *file = fopen(path, "ab");
  bool ok = file && fwrite(o.data, 1, o.len, file) == o.len;
  ok = file && fclose(file) == 0 && ok;
  out_free(&o);
  return ok;
}
