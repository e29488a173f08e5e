/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The set of poor elements in a .msh file.  A group there is made of whole faces and solids, so the
 * set is a view: its elements with their SICN.  It is $ElementNodeData, which meshio passes over;
 * a file with $ElementData is refused by meshio 5.3 (2.2 always, 4.1 unless elements are numbered
 * from 1 and have all a value).
 */
#include "files.h"

#include <gmshc.h>
#include <stdio.h>
#include <stdlib.h>

#define TET4    4 /* Gmsh's element types */
#define TET10   11
#define CORNERS 4

/* A value for each corner of one element. */
static void put_element(struct out *o, int32_t tag, double value, bool text) {
  int32_t corners = CORNERS;
  if (!text) {
    out_put(o, &tag, sizeof tag);
    out_put(o, &corners, sizeof corners);
    for (int k = 0; k < CORNERS; k++)
      out_put(o, &value, sizeof value);
    return;
  }
  out_printf(o, "%d %d", tag, corners);
  for (int k = 0; k < CORNERS; k++)
    out_printf(o, " %.9g", value);
  out_text(o, "\n");
}

/* Gmsh's number of each tetrahedron of the soup.  NULL: it does not say. */
static size_t *take_tags(const struct export *x) {
  const struct soup *s = x->soup;
  size_t *all = out_alloc(s->tet_count, sizeof *all), taken = 0;
  for (size_t i = 0; i < s->solid_count; i++) {
    size_t *tags = NULL, *nodes = NULL, n = 0, node_count = 0;
    int e = 0;
    gmshModelMeshGetElementsByType(s->tet_nodes == 10 ? TET10 : TET4, &tags, &n, &nodes,
                                   &node_count, s->solids[i].tag, 0, 1, &e);
    for (size_t k = 0; e == 0 && n == s->solids[i].count && k < n; k++)
      all[s->solids[i].first + k] = tags[k];
    taken += e == 0 && n == s->solids[i].count ? n : 0;
    gmshFree(tags);
    gmshFree(nodes);
  }
  if (taken == s->tet_count)
    return all;
  free(all);
  return NULL;
}

/* How many elements a file of version 2.2 has before the tetrahedra: it numbers what it saves anew,
 * by dimension, solid and kind. */
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
  else if (!(tags = take_tags(x)))
    return false;
  out_printf(&o, "$ElementNodeData\n1\n\"%s\"\n1\n0\n3\n0\n1\n%zu\n", x->poor_word, x->poor_count);
  for (size_t i = 0; i < x->poor_count; i++) {
    size_t tet = x->poor[i];
    put_element(&o, (int32_t)(old ? before + tet + 1 : tags[tet]),
                x->quality->values[MEASURE_SICN][tet], text);
  }
  out_text(&o, text ? "$EndElementNodeData\n" : "\n$EndElementNodeData\n");
  free(tags);
  FILE *file = fopen(path, "ab");
  bool ok = file && fwrite(o.data, 1, o.len, file) == o.len;
  ok = file && fclose(file) == 0 && ok;
  out_free(&o);
  return ok;
}
