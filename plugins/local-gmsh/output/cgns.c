/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CGNS by its own library: one unstructured zone with a section of elements for each solid and each
 * face, and a boundary condition with a family for each group of faces that bounds one solid alone.
 * The conditions' type is left to the solver (FamilySpecified).
 */
#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/cgns_tidy.h"
#include "output/export.h"
#include "output/writer_module.h"
#include "task/task.h"

#include <cgnslib.h>
#include <gmshc.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 33 /* CGNS's 32 and the end */

struct cgns {
  const struct export *x;
  int file, base, zone;
  cgsize_t next;     /* number of the next element */
  cgsize_t *first;   /* of each range of the arrays' faces: its first element; 0: none */
  cgsize_t *count;   /* of each: how many */
  cgsize_t *element; /* of each cell */
};

/* Names that CGNS itself gives the nodes beside the sections. */
static void safe_name(char *to, const char *word) {
  static const char *const TAKEN[] = {"GridCoordinates", "ZoneBC", "ZoneType"};
  snprintf(to, NAME_SIZE, "%s", word);
  for (size_t i = 0; i < sizeof TAKEN / sizeof *TAKEN; i++)
    if (strcmp(word, TAKEN[i]) == 0)
      to[0] = (char)(to[0] | 0x20);
}

static bool write_points(const struct cgns *c) {
  static const char *const NAMES[3] = {"CoordinateX", "CoordinateY", "CoordinateZ"};
  const struct export *x = c->x;
  double *line = out_alloc(x->node_count, sizeof *line);
  bool ok = true;
  for (int k = 0; k < 3 && ok; k++) {
    int at = 0;
    for (size_t i = 0; i < x->arrays->node_count; i++)
      if (x->number[i] != EXPORT_NO_NODE)
        line[x->number[i]] = x->xyz[3 * i + (size_t)k];
    ok = cg_coord_write(c->file, c->base, c->zone, CGNS_ENUMV(RealDouble), NAMES[k], line, &at) ==
         CG_OK;
  }
  free(line);
  return ok;
}

static bool write_section(struct cgns *c, const char *word, CGNS_ENUMT(ElementType_t) type,
                          const cgsize_t *nodes, cgsize_t count) {
  char name[NAME_SIZE];
  int section = 0;
  safe_name(name, word);
  bool ok = count == 0 || cg_section_write(c->file, c->base, c->zone, name, type, c->next,
                                           c->next + count - 1, 0, nodes, &section) == CG_OK;
  c->next += count;
  return ok;
}

/* Prisms or pyramids of a solid: a section of their own, "-prisms" behind the name. */
static bool write_layers(struct cgns *c, const char *word, size_t solid, enum cell_kind kind) {
  const struct mesh_arrays *s = c->x->arrays;
  const struct range *r = cells_solids(s, kind);
  size_t n = (size_t)cells_nodes(kind);
  char name[NAME_SIZE];
  if (!r || r[solid].count == 0)
    return true;
  cgsize_t *nodes = out_alloc(r[solid].count * n, sizeof *nodes);
  for (size_t i = 0; i < r[solid].count; i++) {
    size_t at = cells_first(s, kind) + r[solid].first + i;
    struct cell cell = cells_get(s, at);
    c->element[at] = c->next + (cgsize_t)i;
    for (size_t k = 0; k < n; k++)
      nodes[i * n + k] = (cgsize_t)c->x->number[cell.node[k]] + 1;
  }
  snprintf(name, sizeof name, "%.22s-%s", word, kind == CELL_PRISM ? "prisms" : "pyramids");
  bool ok = write_section(c, name, kind == CELL_PRISM ? CGNS_ENUMV(PENTA_6) : CGNS_ENUMV(PYRA_5),
                          nodes, (cgsize_t)r[solid].count);
  free(nodes);
  return ok;
}

/* Middle nodes in CGNS's order, which is VTK's. */
static bool write_solid(struct cgns *c, const char *word, const struct range *r) {
  const struct mesh_arrays *s = c->x->arrays;
  size_t n = (size_t)s->tet_nodes;
  cgsize_t *nodes = out_alloc(r->count * n, sizeof *nodes);
  for (size_t i = 0; i < r->count; i++)
    for (size_t k = 0; k < n; k++)
      nodes[i * n + k] = (cgsize_t)c->x->number[s->tets[(r->first + i) * n + EXPORT_TET_ORDER[k]]] +
                         1;
  for (size_t i = 0; i < r->count; i++)
    c->element[r->first + i] = c->next + (cgsize_t)i;
  bool ok = write_section(c, word, n == 10 ? CGNS_ENUMV(TETRA_10) : CGNS_ENUMV(TETRA_4), nodes,
                          (cgsize_t)r->count);
  free(nodes);
  size_t solid = (size_t)(r - s->solids);
  return ok && write_layers(c, word, solid, CELL_PRISM) &&
         write_layers(c, word, solid, CELL_PYRAMID);
}

/* The sides of cells in a face that have `corners`, in a section. */
static bool write_sides(struct cgns *c, const char *word, const struct range *r, int corners,
                        size_t *count) {
  const struct export *x = c->x;
  cgsize_t *nodes = out_alloc(4 * r->count, sizeof *nodes);
  size_t n = 0;
  for (size_t i = r->first; i < r->first + r->count; i++) {
    uint32_t of[4];
    if (x->sides[i].cell == SIDE_NONE || x->arrays->halves[i] ||
        cells_side(cells_get(x->arrays, x->sides[i].cell), x->sides[i].number, of) != corners)
      continue;
    for (int k = 0; k < corners; k++)
      nodes[n++] = (cgsize_t)x->number[of[k]] + 1;
  }
  *count += n / (size_t)corners;
  bool ok = write_section(c, word, corners == 3 ? CGNS_ENUMV(TRI_3) : CGNS_ENUMV(QUAD_4), nodes,
                          (cgsize_t)(n / (size_t)corners));
  free(nodes);
  return ok;
}

/* Triangles, and quadrangles where layers end there: "-quads" behind the name. */
static bool write_layered_face(struct cgns *c, const char *word, const struct range *r) {
  size_t index = (size_t)(r - c->x->arrays->faces), count = 0;
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "%.24s-quads", word);
  c->first[index] = c->next;
  bool ok = write_sides(c, word, r, 3, &count) && write_sides(c, name, r, 4, &count);
  c->count[index] = (cgsize_t)count;
  return ok;
}

static bool write_face(struct cgns *c, const char *word, const struct range *r) {
  const struct export *x = c->x;
  size_t n = x->arrays->tet_nodes == 10 ? 6 : 3, count = 0, index = (size_t)(r - x->arrays->faces);
  cgsize_t *nodes = out_alloc(r->count * n, sizeof *nodes);
  for (size_t i = r->first; i < r->first + r->count; i++) {
    uint32_t of[6];
    if (x->sides[i].cell == SIDE_NONE)
      continue;
    export_side_nodes(x, x->sides[i], of);
    for (size_t k = 0; k < n; k++)
      nodes[count * n + k] = (cgsize_t)x->number[of[k]] + 1;
    count++;
  }
  c->first[index] = c->next;
  c->count[index] = (cgsize_t)count;
  bool ok = write_section(c, word, n == 6 ? CGNS_ENUMV(TRI_6) : CGNS_ENUMV(TRI_3), nodes,
                          (cgsize_t)count);
  free(nodes);
  return ok;
}

/* Each solid and face under the name of the first group that it is in. */
static bool write_elements(struct cgns *c, int dim) {
  const struct groups *g = c->x->groups;
  bool ok = true;
  for (size_t i = 0; i < g->count && ok; i++)
    for (size_t k = 0; g->of[i].dim == dim && k < g->of[i].count && ok; k++) {
      const struct range *r = export_range(c->x, dim, g->of[i].tags[k]);
      char word[NAME_SIZE];
      if (!r || (dim == 2 && c->first[r - c->x->arrays->faces]))
        continue;
      snprintf(word, sizeof word, "%s", c->x->words[i]);
      if (g->of[i].count > 1) /* a section's name is its own */
        snprintf(word, sizeof word, "%.20s-%d", c->x->words[i], r->tag);
      ok = dim == 3           ? write_solid(c, word, r)
           : c->x->layer_sicn ? write_layered_face(c, word, r)
                              : write_face(c, word, r);
    }
  return ok;
}

static bool between_solids(int face) {
  int *up = NULL, *down = NULL, e = 0;
  size_t up_n = 0, down_n = 0;
  gmshModelGetAdjacencies(2, face, &up, &up_n, &down, &down_n, &e);
  gmshFree(up);
  gmshFree(down);
  return e == 0 && up_n > 1;
}

static bool write_condition(const struct cgns *c, const struct group *g, const char *word) {
  const struct export *x = c->x;
  const struct range *ranges = x->sheet ? x->sheet->curves : x->arrays->faces;
  size_t n = 0, all = 0;
  for (size_t k = 0; k < g->count; k++) {
    const struct range *r = export_range(x, g->dim, g->tags[k]);
    all += r ? r->count : 0;
  }
  cgsize_t *list = out_alloc(all, sizeof *list);
  for (size_t k = 0; k < g->count; k++) {
    const struct range *r = export_range(x, g->dim, g->tags[k]);
    size_t index = r ? (size_t)(r - ranges) : 0;
    bool inside = !x->sheet && between_solids(g->tags[k]);
    for (cgsize_t i = 0; r && i < c->count[index] && !inside; i++)
      list[n++] = c->first[index] + i;
  }
  int family = 0, boco = 0;
  bool ok = n == 0 || (cg_family_write(c->file, c->base, word, &family) == CG_OK &&
                       cg_boco_write(c->file, c->base, c->zone, word, CGNS_ENUMV(FamilySpecified),
                                     CGNS_ENUMV(PointList), (cgsize_t)n, list, &boco) == CG_OK &&
                       cg_boco_gridlocation_write(c->file, c->base, c->zone, boco,
                                                  x->sheet ? CGNS_ENUMV(EdgeCenter)
                                                           : CGNS_ENUMV(FaceCenter)) == CG_OK &&
                       cg_goto(c->file, c->base, "Zone_t", c->zone, "ZoneBC_t", 1, "BC_t", boco,
                               "end") == CG_OK &&
                       cg_famname_write(word) == CG_OK);
  free(list);
  return ok;
}

static bool write_conditions(const struct cgns *c) {
  const struct groups *g = c->x->groups;
  bool ok = true;
  for (size_t i = 0; i < g->count && ok; i++)
    if (g->of[i].dim == (c->x->sheet ? 1 : 2))
      ok = write_condition(c, &g->of[i], c->x->words[i]);
  return ok;
}

/* A region of the zone: its sections are the solids. */
static bool write_poor(const struct cgns *c) {
  const struct export *x = c->x;
  int region = 0;
  if (!x->poor_word)
    return true;
  cgsize_t *list = out_alloc(x->poor_count, sizeof *list);
  for (size_t i = 0; i < x->poor_count; i++)
    list[i] = c->element[x->poor[i]];
  bool ok = cg_subreg_ptset_write(c->file, c->base, c->zone, x->poor_word, 3,
                                  CGNS_ENUMV(CellCenter), CGNS_ENUMV(PointList),
                                  (cgsize_t)x->poor_count, list, &region) == CG_OK;
  free(list);
  return ok;
}

/* ---- a mesh of faces alone ---- */

/* Elements of one number of corners, of a face or of an edge (2). */
static bool write_kind(struct cgns *c, const char *word, const struct sheet_element *from,
                       size_t count, int corners) {
  static const CGNS_ENUMT(ElementType_t)
      TYPES[5][2] = {[2] = {CGNS_ENUMV(BAR_2), CGNS_ENUMV(BAR_3)},
                     [3] = {CGNS_ENUMV(TRI_3), CGNS_ENUMV(TRI_6)},
                     [4] = {CGNS_ENUMV(QUAD_4), CGNS_ENUMV(QUAD_8)}};
  cgsize_t *nodes = out_alloc(8 * count, sizeof *nodes), n = 0;
  size_t at = 0;
  bool second = c->x->task->params.order == 2;
  for (size_t i = 0; i < count; i++) {
    if (from[i].corners != corners)
      continue;
    for (int k = 0; k < from[i].count; k++)
      nodes[at++] = (cgsize_t)c->x->number[from[i].node[k]] + 1;
    n++;
  }
  bool ok = write_section(c, word, TYPES[corners][second], nodes, n);
  free(nodes);
  return ok;
}

static bool write_sheet_part(struct cgns *c, const char *word, int dim, const struct range *r) {
  const struct sheet *sheet = c->x->sheet;
  char quads[NAME_SIZE];
  if (dim == 1) {
    size_t index = (size_t)(r - sheet->curves);
    c->first[index] = c->next;
    c->count[index] = sheet_is_open_curve(sheet, r) ? (cgsize_t)r->count : 0;
    return write_kind(c, word, sheet->lines + r->first, r->count, 2);
  }
  snprintf(quads, sizeof quads, "%.26s-quads", word);
  return write_kind(c, word, sheet->elements + r->first, r->count, 3) &&
         write_kind(c, quads, sheet->elements + r->first, r->count, 4);
}

/* Each face and edge under the name of the first group that it is in. */
static bool write_sheet(struct cgns *c, int dim) {
  const struct groups *g = c->x->groups;
  const struct sheet *sheet = c->x->sheet;
  bool *done = out_alloc(dim == 2 ? sheet->face_count : sheet->curve_count, sizeof *done);
  bool ok = true;
  for (size_t i = 0; i < g->count && ok; i++)
    for (size_t k = 0; g->of[i].dim == dim && k < g->of[i].count && ok; k++) {
      const struct range *r = export_range(c->x, dim, g->of[i].tags[k]);
      size_t index = r ? (size_t)(r - (dim == 2 ? sheet->faces : sheet->curves)) : 0;
      char word[NAME_SIZE];
      if (!r || done[index])
        continue;
      done[index] = true;
      snprintf(word, sizeof word, "%s", c->x->words[i]);
      if (g->of[i].count > 1) /* a section's name is its own */
        snprintf(word, sizeof word, "%.20s-%d", c->x->words[i], r->tag);
      ok = write_sheet_part(c, word, dim, r);
    }
  free(done);
  return ok;
}

static bool write_unit(const struct cgns *c) {
  static const struct {
    const char *unit;
    CGNS_ENUMT(LengthUnits_t) length;
  } LENGTHS[] = {{"mm", CGNS_ENUMV(Millimeter)},
                 {"m", CGNS_ENUMV(Meter)},
                 {"cm", CGNS_ENUMV(Centimeter)},
                 {"inch", CGNS_ENUMV(Inch)},
                 {"ft", CGNS_ENUMV(Foot)}};
  for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++)
    if (strcmp(c->x->unit, LENGTHS[i].unit) == 0)
      return cg_goto(c->file, c->base, "end") == CG_OK &&
             cg_dataclass_write(CGNS_ENUMV(Dimensional)) == CG_OK &&
             cg_units_write(CGNS_ENUMV(Kilogram), LENGTHS[i].length, CGNS_ENUMV(Second),
                            CGNS_ENUMV(Kelvin), CGNS_ENUMV(Radian)) == CG_OK;
  return true; /* CGNS has no word for it */
}

static bool write_file(const struct export *x, const char *path) {
  struct cgns c = {.x = x, .next = 1};
  size_t cells = x->sheet ? x->sheet->element_count : cells_count(x->arrays);
  size_t ranges = x->sheet ? x->sheet->curve_count : x->arrays->face_count;
  cgsize_t size[3] = {(cgsize_t)x->node_count, (cgsize_t)cells, 0};
  if (cells > INT_MAX / 10) /* the library counts with int */
    return false;
  c.first = out_alloc(ranges, sizeof *c.first);
  c.count = out_alloc(ranges, sizeof *c.count);
  c.element = out_alloc(cells_count(x->arrays), sizeof *c.element);
  bool ok = cg_set_file_type(CG_FILE_HDF5) == CG_OK && cg_open(path, CG_MODE_WRITE, &c.file) == 0;
  bool open = ok;
  ok = ok && cg_base_write(c.file, "Base", x->sheet ? 2 : 3, 3, &c.base) == CG_OK &&
       write_unit(&c) &&
       cg_zone_write(c.file, c.base, "Zone", size, CGNS_ENUMV(Unstructured), &c.zone) == CG_OK &&
       write_points(&c) && (x->sheet ? write_sheet : write_elements)(&c, x->sheet ? 2 : 3) &&
       (x->sheet ? write_sheet : write_elements)(&c, x->sheet ? 1 : 2) && write_conditions(&c) &&
       write_poor(&c);
  if (open)
    ok = cg_close(c.file) == CG_OK && ok && cgns_tidy(path);
  free(c.first);
  free(c.count);
  free(c.element);
  return ok;
}

extern module_writer *const lathe_local_gmsh_writer;
__attribute__((visibility("default"))) module_writer *const lathe_local_gmsh_writer = write_file;
