/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VTK XML unstructured grid with the arrays appended as raw bytes: each is its length (UInt64),
 * then its data.  The XML names the offsets.
 *
 * VTK before 9.1 reads no cells where connectivity and offsets differ in type.  32 bits count the
 * corners of 214 million ten-node tetrahedra.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>

#define VTK_TETRA           10
#define VTK_QUADRATIC_TETRA 24

struct array {
  const char *name, *type;
  int components;
  size_t bytes;
  const void *data;
  void *owned;
};

/* VTK and Gmsh disagree about the last two middle nodes. */
static uint32_t *connectivity(const struct soup *s) {
  size_t n = (size_t)s->tet_nodes;
  uint32_t *c = out_alloc(s->tet_count * n, sizeof *c);
  memcpy(c, s->tets, s->tet_count * n * sizeof *c);
  for (size_t i = 0; n == 10 && i < s->tet_count; i++) {
    uint32_t swap = c[i * n + 8];
    c[i * n + 8] = c[i * n + 9];
    c[i * n + 9] = swap;
  }
  return c;
}

static int32_t *offsets(const struct soup *s) {
  int32_t *o = out_alloc(s->tet_count, sizeof *o);
  for (size_t i = 0; i < s->tet_count; i++)
    o[i] = (int32_t)((i + 1) * (size_t)s->tet_nodes);
  return o;
}

static int32_t *solids(const struct soup *s) {
  int32_t *o = out_alloc(s->tet_count, sizeof *o);
  for (size_t r = 0; r < s->solid_count; r++)
    for (size_t i = 0; i < s->solids[r].count; i++)
      o[s->solids[r].first + i] = s->solids[r].tag;
  return o;
}

/* 1 for the elements of the poor set. */
static uint8_t *poor(const struct export *x) {
  uint8_t *flags = out_alloc(x->soup->tet_count, 1);
  for (size_t i = 0; i < x->poor_count; i++)
    flags[x->poor[i]] = 1;
  return flags;
}

static void declare(struct out *o, const struct array *a, size_t *offset) {
  out_printf(o,
             "<DataArray type=\"%s\" Name=\"%s\" NumberOfComponents=\"%d\" format=\"appended\" "
             "offset=\"%zu\"/>\n",
             a->type, a->name, a->components, *offset);
  *offset += 8 + a->bytes;
}

static void append(struct out *o, const struct array *a) {
  uint64_t bytes = a->bytes;
  out_put(o, &bytes, 8);
  out_put(o, a->data, a->bytes);
}

void vtu_build(struct out *o, const struct export *x) {
  const struct soup *s = x->soup;
  size_t n = s->tet_count, offset = 0;
  int count = 5 + MEASURES + (x->poor_word ? 1 : 0);
  struct array arrays[6 + MEASURES] = {
      {"points", "Float64", 3, 24 * s->node_count, x->xyz, NULL},
      {"connectivity", "Int32", 1, 4 * n * (size_t)s->tet_nodes, NULL, connectivity(s)},
      {"offsets", "Int32", 1, 4 * n, NULL, offsets(s)},
      {"types", "UInt8", 1, n, NULL, out_alloc(n, 1)},
      {"solid", "Int32", 1, 4 * n, NULL, solids(s)},
  };
  memset(arrays[3].owned, s->tet_nodes == 10 ? VTK_QUADRATIC_TETRA : VTK_TETRA, n);
  for (int m = 0; m < MEASURES; m++)
    arrays[5 + m] = (struct array){
        quality_name((enum measure)m, true), "Float64", 1, 8 * n, x->quality->values[m], NULL};
  if (x->poor_word)
    arrays[5 + MEASURES] = (struct array){"poor", "UInt8", 1, n, NULL, poor(x)};
  size_t total = 8192;
  for (int i = 0; i < count; i++) {
    if (arrays[i].owned)
      arrays[i].data = arrays[i].owned;
    total += 8 + arrays[i].bytes;
  }
  out_room(o, total);
  out_printf(o,
             "<?xml version=\"1.0\"?>\n<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" "
             "byte_order=\"LittleEndian\" header_type=\"UInt64\">\n<UnstructuredGrid>\n<Piece "
             "NumberOfPoints=\"%zu\" NumberOfCells=\"%zu\">\n<Points>\n",
             s->node_count, n);
  declare(o, &arrays[0], &offset);
  out_text(o, "</Points>\n<Cells>\n");
  for (int i = 1; i < 4; i++)
    declare(o, &arrays[i], &offset);
  out_text(o, "</Cells>\n<CellData Scalars=\"sicn\">\n");
  for (int i = 4; i < count; i++)
    declare(o, &arrays[i], &offset);
  out_text(o, "</CellData>\n</Piece>\n</UnstructuredGrid>\n<AppendedData encoding=\"raw\">\n_");
  for (int i = 0; i < count; i++) {
    append(o, &arrays[i]);
    free(arrays[i].owned);
  }
  out_text(o, "\n</AppendedData>\n</VTKFile>\n");
}
