/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * I-DEAS universal file: units (dataset 164), nodes (2411), elements (2412) and groups of elements
 * (2467, 2477).  Faces are shell elements, as OpenFOAM's ideasUnvToFoam and Salome want them.
 */
#include "output/unv.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_UNV 40
#define INSIDE       "-inside"

#define SHELL3 91
#define SHELL6 92
#define QUAD4  94
#define QUAD8  95
#define ROD2   11
#define BEAM3  22
#define TET4   111
#define TET10  118
#define WEDGE6 112

/* Around each triangle: corner, middle, corner, and so on; the tip is last. */
static const uint8_t AROUND_TET[10] = {0, 4, 1, 5, 2, 6, 7, 9, 8, 3};
static const uint8_t AROUND_SHELL[6] = {0, 3, 1, 4, 2, 5};

/* What dataset 164 calls a system of units, and what a number of the file is divided by to have
 * metres and newtons.  9 is the user's own system. */
static const struct {
  const char *unit;
  int code;
  const char *name;
  double length, force;
} SYSTEMS[] = {
    {"mm", 10, "mm (newton)", 1000, 1},
    {"m", 1, "SI: Meter (newton)", 1, 1},
    {"cm", 6, "CM: cm (centinewton)", 100, 100},
    {"inch", 7, "IN: Inch (pound f)", 1 / 0.0254, 0.2248089},
    {"ft", 2, "BG: Foot (pound f)", 1 / 0.3048, 0.2248089},
    {"um", 9, "um (newton)", 1e6, 1},
    {"file", 10, "mm (newton)", 1000, 1}, /* not known: as most CAD means it */
};

/* Fortran's 1PD25.16: its exponent is a D. */
static void put_double(struct out *o, double value) {
  char text[32];
  snprintf(text, sizeof text, "%25.16E", value == 0 ? 0 : value);
  char *e = strchr(text, 'E');
  if (e)
    *e = 'D';
  out_put(o, text, 25);
}

static void unv_begin(struct out *o, int dataset) {
  out_printf(o, "    -1\n%6d\n", dataset);
}

static void end(struct out *o) {
  out_text(o, "    -1\n");
}

static void put_units(struct out *o, const struct export *x) {
  size_t i = 0;
  while (strcmp(SYSTEMS[i].unit, x->unit) != 0)
    i++;
  unv_begin(o, 164);
  out_printf(o, "%10d%-20s%10d\n", SYSTEMS[i].code, SYSTEMS[i].name, 2);
  put_double(o, SYSTEMS[i].length);
  put_double(o, SYSTEMS[i].force);
  put_double(o, 1);
  out_text(o, "\n");
  put_double(o, 273.15);
  out_text(o, "\n");
  end(o);
}

static void unv_put_nodes(struct out *o, const struct export *x) {
  unv_begin(o, 2411);
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (x->number[i] == EXPORT_NO_NODE)
      continue;
    out_integer(o, x->number[i] + 1u, 10);
    out_text(o, "         1         1        11\n");
    for (size_t k = 0; k < 3; k++)
      put_double(o, x->xyz[3 * i + k]);
    out_text(o, "\n");
  }
  end(o);
}

static void unv_put_element(struct out *o, const struct export *x, size_t label, int kind,
                            const uint32_t *nodes, size_t n, const uint8_t *around) {
  out_integer(o, label, 10);
  out_integer(o, (uint64_t)kind, 10);
  out_text(o, "         1         1         7");
  out_integer(o, n, 10);
  for (size_t k = 0; k < n; k++) {
    if (k % 8 == 0)
      out_text(o, "\n");
    out_integer(o, x->number[nodes[around ? around[k] : k]] + 1u, 10);
  }
  out_text(o, "\n");
}

/* The format's readers do not agree on a number for pyramids, so they are wedges too. */
static void put_layers(struct out *o, const struct export *x) {
  for (size_t i = x->arrays->tet_count; i < cells_count(x->arrays); i++) {
    struct cell c = cells_get(x->arrays, i);
    unv_put_element(o, x, i + 1, WEDGE6, c.node, 6,
                    c.kind == CELL_PYRAMID ? EXPORT_PYRAMID_AS_PRISM : NULL);
  }
}

static void unv_put_elements(struct out *o, const struct export *x) {
  static const int SHELLS[] = {[3] = SHELL3, [4] = QUAD4, [6] = SHELL6};
  const struct mesh_arrays *s = x->arrays;
  size_t n = (size_t)s->tet_nodes;
  uint32_t nodes[6];
  unv_begin(o, 2412);
  for (size_t i = 0; i < s->triangle_count; i++) {
    if (!export_is_element(x, i))
      continue;
    size_t m = (size_t)export_side_nodes(x, x->sides[i], nodes);
    unv_put_element(o, x, cells_count(s) + i + 1, SHELLS[m], nodes, m,
                    m == 6 ? AROUND_SHELL : NULL);
  }
  for (size_t i = 0; i < s->tet_count; i++)
    unv_put_element(o, x, i + 1, n == 10 ? TET10 : TET4, s->tets + i * n, n,
                    n == 10 ? AROUND_TET : NULL);
  put_layers(o, x);
  end(o);
}

static void put_member(struct out *o, size_t label, size_t count) {
  out_text(o, "         8");
  out_integer(o, label, 10);
  out_text(o, count % 2 ? "         0         0" : "         0         0\n");
}

static void put_group_head(struct out *o, size_t number, size_t count, const char *word) {
  out_integer(o, number, 10);
  out_text(o, "         0         0         0         0         0         0");
  out_integer(o, count, 10);
  out_printf(o, "\n%s\n", word);
}

/* ---- a mesh of faces alone ---- */

static void put_sheet_element(struct out *o, const struct export *x, size_t label,
                              const struct sheet_element *e) {
  static const int KINDS[5][2] = {
      [2] = {ROD2, BEAM3}, [3] = {SHELL3, SHELL6}, [4] = {QUAD4, QUAD8}};
  static const uint8_t AROUND[5][8] = {
      [2] = {0, 2, 1}, [3] = {0, 3, 1, 4, 2, 5}, [4] = {0, 4, 1, 5, 2, 6, 3, 7}};
  bool second = e->count > e->corners;
  out_integer(o, label, 10);
  out_integer(o, (uint64_t)KINDS[e->corners][second], 10);
  out_text(o, "         1         1         7");
  out_integer(o, e->count, 10);
  out_text(o, e->corners == 2 ? "\n         0         1         1\n" : "\n"); /* a beam's section */
  for (int k = 0; k < e->count; k++)
    out_integer(o, x->number[e->node[second ? AROUND[e->corners][k] : k]] + 1u, 10);
  out_text(o, "\n");
}

static void unv_put_sheet(struct out *o, const struct export *x) {
  const struct sheet *sheet = x->sheet;
  unv_begin(o, 2412);
  for (size_t i = 0; i < sheet->element_count; i++)
    put_sheet_element(o, x, i + 1, &sheet->elements[i]);
  for (size_t i = 0; i < sheet->line_count; i++)
    put_sheet_element(o, x, sheet->element_count + i + 1, &sheet->lines[i]);
  end(o);
}

/* Elements of a dimension are numbered after those of the next higher one. */
static size_t labels_before(const struct export *x, int dim) {
  if (x->sheet)
    return dim == 1 ? x->sheet->element_count : 0;
  return dim == 2 ? cells_count(x->arrays) : 0;
}

/* The elements in the range; count goes on, and they are written where o is not NULL. */
static void put_range(struct out *o, const struct export *x, int dim, bool inside,
                      const struct range *r, size_t *count) {
  for (size_t k = r->first; k < r->first + r->count; k++) {
    bool solids = !x->sheet && dim == 2; /* a face between two, or of one */
    if (solids ? !export_is_element(x, k) || x->sides[k].shared != inside : inside)
      continue;
    ++*count;
    if (o)
      put_member(o, labels_before(x, dim) + k + 1, *count);
  }
}

/* Elements of the group, or of its faces those that lie between two solids (`inside`) or do not;
 * counted, and written where o is not NULL. */
static size_t put_members(struct out *o, const struct export *x, const struct group *g,
                          bool inside) {
  size_t count = 0;
  for (size_t i = 0; i < g->count; i++) {
    for (enum cell_kind kind = CELL_TET; g->dim == 3 && kind < CELL_KINDS; kind++) {
      struct range cells = export_cells(x, kind, g->tags[i]);
      put_range(o, x, 3, inside, &cells, &count);
    }
    const struct range *r = g->dim < 3 ? export_range(x, g->dim, g->tags[i]) : NULL;
    if (r)
      put_range(o, x, g->dim, inside, r, &count);
  }
  if (o && count % 2)
    out_text(o, "\n");
  return count;
}

/* What the part of a group that lies inside is called where another part does not: a name that no
 * group has, because plain names hold no "-" but before a number. */
static void inside_word(char *to, size_t size, const char *word, size_t number) {
  if (strlen(word) + sizeof INSIDE <= size)
    snprintf(to, size, "%s" INSIDE, word);
  else
    snprintf(to, size, "group-%zu" INSIDE, number);
}

static void unv_put_poor(struct out *o, const struct export *x) {
  put_group_head(o, x->groups->count + 1, x->poor_count, x->poor_word);
  for (size_t i = 0; i < x->poor_count; i++)
    put_member(o, x->poor[i] + 1u, i + 1);
  if (x->poor_count % 2)
    out_text(o, "\n");
}

/* ideasUnvToFoam takes a group of 2467 for a patch where all of its faces bound one cell.  Where
 * some lie between two, it makes a zone of the whole group: of faces, and fails, or even of cells,
 * with the numbers of faces, on which checkMesh crashes.  So faces between solids are groups of
 * their own, in 2477: it passes over that, and others read it as they read 2467. */
static void put_groups(struct out *o, const struct export *x, int dataset, bool inside) {
  bool begun = false;
  for (size_t i = 0; i < x->groups->count; i++) {
    const struct group *g = &x->groups->of[i];
    char word[NAME_MAX_UNV + 1];
    size_t count = put_members(NULL, x, g, inside);
    if (!count)
      continue;
    if (!begun)
      unv_begin(o, dataset);
    begun = true;
    bool split = inside && put_members(NULL, x, g, false) > 0;
    if (split)
      inside_word(word, sizeof word, x->words[i], i + 1);
    else
      snprintf(word, sizeof word, "%s", x->words[i]);
    put_group_head(o, split ? x->groups->count + 2 + i : i + 1, count, word);
    put_members(o, x, g, inside);
  }
  if (inside && x->poor_word) {
    if (!begun)
      unv_begin(o, dataset);
    begun = true;
    unv_put_poor(o, x);
  }
  if (begun)
    end(o);
}

void unv_build(struct out *o, const struct export *x) {
  out_room(o,
           128 * x->node_count + 190 * (cells_count(x->arrays) + x->arrays->triangle_count) + 4096);
  put_units(o, x);
  unv_put_nodes(o, x);
  if (x->sheet)
    unv_put_sheet(o, x);
  else
    unv_put_elements(o, x);
  put_groups(o, x, 2467, false);
  put_groups(o, x, 2477, true);
}
