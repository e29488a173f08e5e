/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VTK XML unstructured grid with the arrays appended as raw bytes: each is its length (UInt64),
 * then its data.  The XML names the offsets.
 *
 * VTK before 9.1 reads no cells where connectivity and offsets differ in type.  32 bits count the
 * corners of 214 million ten-node tetrahedra.
 */
#include "output/vtu.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "output/export.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "task/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VTK_TETRA           10
#define VTK_QUADRATIC_TETRA 24
#define VTK_WEDGE           13
#define VTK_PYRAMID         14

struct array {
  const char *name, *type;
  int components;
  size_t bytes;
  const void *data;
  void *owned;
};

/* VTK and Gmsh disagree about the last two middle nodes. */
static uint32_t *connectivity(const struct mesh_arrays *s) {
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

static int32_t *offsets(const struct mesh_arrays *s) {
  int32_t *o = out_alloc(s->tet_count, sizeof *o);
  for (size_t i = 0; i < s->tet_count; i++)
    o[i] = (int32_t)((i + 1) * (size_t)s->tet_nodes);
  return o;
}

static int32_t *solids(const struct mesh_arrays *s) {
  int32_t *o = out_alloc(s->tet_count, sizeof *o);
  for (size_t r = 0; r < s->solid_count; r++)
    for (size_t i = 0; i < s->solids[r].count; i++)
      o[s->solids[r].first + i] = s->solids[r].tag;
  return o;
}

/* 1 for the elements of the poor set. */
static uint8_t *poor(const struct export *x) {
  uint8_t *flags = out_alloc(cells_count(x->arrays), 1);
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

/* ---- a mesh of faces alone ---- */

static uint8_t *sheet_types(const struct sheet *sheet) {
  static const uint8_t TYPES[2][2] = {{5, 22}, {9, 23}}; /* [quadrangle][with middle nodes] */
  uint8_t *types = out_alloc(sheet->element_count, 1);
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    types[i] = TYPES[e->corners == 4][e->count > e->corners];
  }
  return types;
}

static uint32_t *sheet_connectivity(const struct sheet *sheet, int32_t *ends, size_t *count) {
  uint32_t *c = out_alloc(8 * sheet->element_count, sizeof *c);
  *count = 0;
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    memcpy(c + *count, e->node, e->count * sizeof *c);
    *count += e->count;
    ends[i] = (int32_t)*count;
  }
  return c;
}

static int32_t *sheet_faces(const struct sheet *sheet) {
  int32_t *o = out_alloc(sheet->element_count, sizeof *o);
  for (size_t r = 0; r < sheet->face_count; r++)
    for (size_t i = 0; i < sheet->faces[r].count; i++)
      o[sheet->faces[r].first + i] = sheet->faces[r].tag;
  return o;
}

/* The first five arrays; how many cells there are. */
static size_t take_sheet(const struct export *x, struct array arrays[5]) {
  size_t n = x->sheet->element_count, corners = 0;
  int32_t *ends = out_alloc(n, sizeof *ends);
  uint32_t *c = sheet_connectivity(x->sheet, ends, &corners);
  arrays[0] = (struct array){"points", "Float64", 3, 24 * x->arrays->node_count, x->xyz, NULL};
  arrays[1] = (struct array){"connectivity", "Int32", 1, 4 * corners, NULL, c};
  arrays[2] = (struct array){"offsets", "Int32", 1, 4 * n, NULL, ends};
  arrays[3] = (struct array){"types", "UInt8", 1, n, NULL, sheet_types(x->sheet)};
  arrays[4] = (struct array){"face", "Int32", 1, 4 * n, NULL, sheet_faces(x->sheet)};
  return n;
}

/* ---- a mesh with boundary layers: tetrahedra, prisms, pyramids ---- */

static uint32_t *cells_connectivity(const struct mesh_arrays *s, int32_t *ends, uint8_t *types,
                                    size_t *count) {
  static const uint8_t TYPES[CELL_KINDS] = {
      [CELL_TET] = VTK_TETRA, [CELL_PRISM] = VTK_WEDGE, [CELL_PYRAMID] = VTK_PYRAMID};
  uint32_t *c = out_alloc(6 * cells_count(s), sizeof *c);
  *count = 0;
  for (size_t i = 0; i < cells_count(s); i++) {
    struct cell cell = cells_get(s, i);
    for (int k = 0; k < cells_nodes(cell.kind); k++)
      c[(*count)++] = cell.node[k];
    ends[i] = (int32_t)*count;
    types[i] = TYPES[cell.kind];
  }
  return c;
}

static int32_t *cells_solid(const struct mesh_arrays *s) {
  int32_t *o = out_alloc(cells_count(s), sizeof *o);
  for (enum cell_kind kind = CELL_TET; kind < CELL_KINDS; kind++) {
    const struct range *r = cells_solids(s, kind);
    for (size_t k = 0; r && k < s->solid_count; k++)
      for (size_t i = 0; i < r[k].count; i++)
        o[cells_first(s, kind) + r[k].first + i] = s->solids[k].tag;
  }
  return o;
}

static size_t take_cells(const struct export *x, struct array arrays[5]) {
  const struct mesh_arrays *s = x->arrays;
  size_t n = cells_count(s), corners = 0;
  int32_t *ends = out_alloc(n, sizeof *ends);
  uint8_t *types = out_alloc(n, 1);
  uint32_t *c = cells_connectivity(s, ends, types, &corners);
  arrays[0] = (struct array){"points", "Float64", 3, 24 * s->node_count, x->xyz, NULL};
  arrays[1] = (struct array){"connectivity", "Int32", 1, 4 * corners, NULL, c};
  arrays[2] = (struct array){"offsets", "Int32", 1, 4 * n, NULL, ends};
  arrays[3] = (struct array){"types", "UInt8", 1, n, NULL, types};
  arrays[4] = (struct array){"solid", "Int32", 1, 4 * n, NULL, cells_solid(s)};
  return n;
}

/* Of all cells: SICN is known of each kind, the others of tetrahedra alone. */
static double *cells_measure(const struct export *x, enum measure m) {
  size_t tets = x->arrays->tet_count, n = cells_count(x->arrays);
  double *values = out_alloc(n + 1, sizeof *values);
  memcpy(values, x->quality->values[m], tets * sizeof *values);
  for (size_t i = tets; i < n; i++)
    values[i] = m == MEASURE_SICN ? x->layer_sicn[i - tets] : NAN;
  return values;
}

static size_t take_tets(const struct export *x, struct array arrays[5]) {
  const struct mesh_arrays *s = x->arrays;
  size_t n = s->tet_count;
  uint8_t *types = out_alloc(n, 1);
  memset(types, s->tet_nodes == 10 ? VTK_QUADRATIC_TETRA : VTK_TETRA, n);
  arrays[0] = (struct array){"points", "Float64", 3, 24 * s->node_count, x->xyz, NULL};
  arrays[1] = (struct array){"connectivity", "Int32",        1, 4 * n * (size_t)s->tet_nodes,
                             NULL,           connectivity(s)};
  arrays[2] = (struct array){"offsets", "Int32", 1, 4 * n, NULL, offsets(s)};
  arrays[3] = (struct array){"types", "UInt8", 1, n, NULL, types};
  arrays[4] = (struct array){"solid", "Int32", 1, 4 * n, NULL, solids(s)};
  return n;
}

void vtu_build(struct out *o, const struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  int count = 5 + MEASURES + (x->poor_word ? 1 : 0);
  struct array arrays[6 + MEASURES];
  size_t n = (x->sheet        ? take_sheet
              : x->layer_sicn ? take_cells
                              : take_tets)(x, arrays),
         offset = 0;
  for (int m = 0; m < MEASURES; m++)
    arrays[5 + m] = (struct array){quality_name((enum measure)m, !x->sheet),
                                   "Float64",
                                   1,
                                   8 * n,
                                   x->quality->values[m],
                                   x->layer_sicn ? cells_measure(x, (enum measure)m) : NULL};
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
