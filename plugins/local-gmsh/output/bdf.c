/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nastran bulk data, without executive and case control: a deck includes it between BEGIN BULK and
 * ENDDATA.  Coordinates are in large field format, 16 columns a number; eight hold too few digits.
 *
 * Faces are skins of triangles and quadrangles, because that is what pre-processors make loads and
 * supports from. Nothing of a skin is stiff or heavy enough to be seen in a result: its material is
 * 1e-9 of steel.
 */
#include "output/bdf.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"

#include <stdlib.h>

#define SOLID_MATERIAL 1
#define SKIN_MATERIAL  2
#define POOR_SET       1
#define STEEL          210000. /* N/mm^2 */

/* Field `at` of a card in small field format; the continuation of a card begins after its eighth.
 */
static void put_field(struct out *o, size_t at, uint64_t value) {
  if (at > 1 && at % 8 == 1)
    out_text(o, "\n        ");
  out_integer(o, value, 8);
}

static void put_padded(struct out *o, double value, size_t width) {
  size_t from = o->len;
  out_real(o, value, (int)width);
  while (o->len - from < width)
    out_text(o, " ");
}

static void put_grids(struct out *o, const struct export *x) {
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (x->number[i] == EXPORT_NO_NODE)
      continue;
    out_text(o, "GRID*   ");
    out_integer(o, x->number[i] + 1u, 16);
    out_text(o, "                ");
    for (size_t k = 0; k < 3; k++) {
      if (k == 2)
        out_text(o, "\n*       ");
      put_padded(o, x->xyz[3 * i + k], 16);
    }
    out_text(o, "\n");
  }
}

static void put_cell(struct out *o, const struct export *x, size_t cell, size_t property) {
  static const char *const CARDS[CELL_KINDS] = {
      [CELL_TET] = "CTETRA  ", [CELL_PRISM] = "CPENTA  ", [CELL_PYRAMID] = "CPYRAM  "};
  struct cell c = cells_get(x->arrays, cell);
  bool tet = c.kind == CELL_TET;
  size_t nodes = (size_t)(tet ? x->arrays->tet_nodes : cells_nodes(c.kind));
  out_text(o, CARDS[c.kind]);
  put_field(o, 1, cell + 1);
  put_field(o, 2, property);
  for (size_t k = 0; k < nodes; k++)
    put_field(o, 3 + k, x->number[c.node[tet ? EXPORT_TET_ORDER[k] : k]] + 1u);
  out_text(o, "\n");
}

static void put_skin(struct out *o, const struct export *x, size_t triangle, size_t property) {
  static const char *const CARDS[] = {[3] = "CTRIA3  ", [4] = "CQUAD4  ", [6] = "CTRIA6  "};
  uint32_t nodes[6];
  int n = export_side_nodes(x, x->sides[triangle], nodes);
  out_text(o, CARDS[n]);
  put_field(o, 1, cells_count(x->arrays) + triangle + 1);
  put_field(o, 2, property);
  for (int k = 0; k < n; k++)
    put_field(o, 3 + (size_t)k, x->number[nodes[k]] + 1u);
  out_text(o, "\n");
}

/* The name as Femap and HyperMesh read it from comments. */
static void put_name(struct out *o, size_t property, const char *word) {
  out_printf(o, "$ Femap Property %zu : %s\n$HMNAME PROP        %8zu\"%s\"\n", property, word,
             property, word);
}

static void put_property(struct out *o, int dim, const char *word, size_t property) {
  put_name(o, property, word);
  if (dim == 3)
    out_printf(o, "PSOLID  %8zu%8d\n", property, SOLID_MATERIAL);
  else
    out_printf(o, "PSHELL  %8zu%8d   1.E-3\n", property, SKIN_MATERIAL);
}

/* Marks the cells that it writes. */
static void put_solid(struct out *o, const struct export *x, int tag, size_t property,
                      bool *written) {
  for (enum cell_kind kind = CELL_TET; kind < CELL_KINDS; kind++) {
    struct range r = export_cells(x, kind, tag);
    for (size_t k = r.first; k < r.first + r.count; k++) {
      put_cell(o, x, k, property);
      written[k] = true;
    }
  }
}

static void put_group(struct out *o, const struct export *x, size_t group, bool *written) {
  const struct group *g = &x->groups->of[group];
  if (g->count)
    put_property(o, g->dim, x->words[group], group + 1);
  for (size_t i = 0; i < g->count; i++) {
    if (g->dim == 3) {
      put_solid(o, x, g->tags[i], group + 1, written);
      continue;
    }
    const struct range *r = export_range(x, g->dim, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++)
      if (export_is_element(x, k))
        put_skin(o, x, k, group + 1);
  }
}

/* Elements of a solid that is in no group. */
static void put_rest(struct out *o, const struct export *x, const bool *written) {
  size_t property = x->groups->count + 1;
  bool named = false;
  for (size_t i = 0; i < cells_count(x->arrays); i++) {
    if (written[i])
      continue;
    if (!named)
      put_property(o, 3, "other-solids", property);
    named = true;
    put_cell(o, x, i, property);
  }
}

static void put_materials(struct out *o, const struct export *x) {
  double mm = export_unit_mm(x->unit), steel = STEEL * (mm > 0 ? mm * mm : 1);
  out_printf(
      o,
      "$ Mesh by lathe, unit of length: %s\n"
      "$ Material %d stands for yours: steel, E in N by the square of that unit, no density\n"
      "$ Material %d is that of the faces, which are skins to put loads and supports on\n",
      mm > 0 ? x->unit : "that of the CAD file, taken for mm", SOLID_MATERIAL, SKIN_MATERIAL);
  for (int k = SOLID_MATERIAL; k <= SKIN_MATERIAL; k++) {
    out_printf(o, "MAT1    %8d", k);
    put_padded(o, k == SOLID_MATERIAL ? steel : 1e-9 * steel, 8);
    out_text(o, "              .3\n");
  }
}

/* A set in bulk data: SET alone would be case control, which the deck that includes this brings. */
static void bdf_put_poor(struct out *o, const struct export *x) {
  if (!x->poor_word)
    return;
  out_printf(o, "$ Set %d : %s\nSET3    %8d    ELEM", POOR_SET, x->poor_word, POOR_SET);
  for (size_t i = 0; i < x->poor_count; i++)
    put_field(o, 3 + i, x->poor[i] + 1u);
  out_text(o, "\n");
}

/* ---- a mesh of faces alone ---- */

static void put_sheet_element(struct out *o, const struct export *x, size_t at, size_t property) {
  static const char *const CARDS[2][2] = {{"CTRIA3  ", "CTRIA6  "}, {"CQUAD4  ", "CQUAD8  "}};
  const struct sheet_element *e = &x->sheet->elements[at];
  out_text(o, CARDS[e->corners == 4][e->count > e->corners]);
  put_field(o, 1, at + 1);
  put_field(o, 2, property);
  for (size_t k = 0; k < e->count; k++)
    put_field(o, 3 + k, x->number[e->node[k]] + 1u);
  out_text(o, "\n");
}

/* A thickness of 1 stands for yours; the third material gives it stiffness in bending. */
static void put_sheet_face(struct out *o, const struct export *x, size_t group) {
  const struct group *g = &x->groups->of[group];
  size_t property = group + 1;
  put_name(o, property, x->words[group]);
  out_printf(o, "PSHELL  %8zu%8d      1.%8d        %8d\n", property, SOLID_MATERIAL, SOLID_MATERIAL,
             SOLID_MATERIAL);
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 2, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++)
      put_sheet_element(o, x, k, property);
  }
}

/* A set of nodes. */
static void put_sheet_edge(struct out *o, const struct export *x, size_t group) {
  const struct group *g = &x->groups->of[group];
  bool *marked = out_alloc(x->arrays->node_count, sizeof *marked);
  size_t at = 2, set = group + 1;
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 1, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++)
      for (int c = 0; c < x->sheet->lines[k].count; c++)
        marked[x->sheet->lines[k].node[c]] = true;
  }
  out_printf(o, "$ Set %zu : %s\n$HMSET          %8zu       1 \"%s\"\nSET1    ", set,
             x->words[group], set, x->words[group]);
  put_field(o, 1, set);
  for (size_t i = 0; i < x->arrays->node_count; i++)
    if (marked[i])
      put_field(o, at++, x->number[i] + 1u);
  out_text(o, "\n");
  free(marked);
}

static void build_sheet(struct out *o, const struct export *x) {
  double mm = export_unit_mm(x->unit), steel = STEEL * (mm > 0 ? mm * mm : 1);
  out_printf(
      o,
      "$ Mesh by lathe, unit of length: %s\n"
      "$ Material %d stands for yours: steel, E in N by the square of that unit, no density\n"
      "$ A thickness of 1 stands for yours in each PSHELL\n",
      mm > 0 ? x->unit : "that of the CAD file, taken for mm", SOLID_MATERIAL);
  out_printf(o, "MAT1    %8d", SOLID_MATERIAL);
  put_padded(o, steel, 8);
  out_text(o, "              .3\n");
  put_grids(o, x);
  for (size_t i = 0; i < x->groups->count; i++)
    if (x->groups->of[i].count)
      (x->groups->of[i].dim == 2 ? put_sheet_face : put_sheet_edge)(o, x, i);
}

void bdf_build(struct out *o, const struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  if (x->sheet) {
    build_sheet(o, x);
    return;
  }
  bool *written = out_alloc(cells_count(s), sizeof *written);
  out_room(o, 96 * x->node_count + 128 * cells_count(s) + 80 * s->triangle_count + 4096);
  put_materials(o, x);
  put_grids(o, x);
  for (size_t i = 0; i < x->groups->count; i++)
    put_group(o, x, i, written);
  put_rest(o, x, written);
  bdf_put_poor(o, x);
  free(written);
}
