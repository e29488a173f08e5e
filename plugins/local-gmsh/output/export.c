/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/export.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "base/sort3.h"
#include "model/groups.h"
#include "quality/checked_mesh.h"
#include "task/task.h"

#include <stdlib.h>
#include <string.h>

const uint8_t SIDE_CORNERS[SIDES][3] = {{0, 2, 1}, {0, 1, 3}, {1, 2, 3}, {2, 0, 3}};
/* The last two are the other way round with Gmsh. */
const uint8_t EXPORT_TET_ORDER[10] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 8};
const uint8_t EXPORT_PYRAMID_AS_PRISM[6] = {0, 3, 4, 1, 2, 4};
const uint8_t EXPORT_PYRAMID_SIDES[5] = {2, 4, 1, 3, 0};
/* Gmsh's middle node between two corners. */
static const uint8_t MIDDLE[4][4] = {{0, 4, 6, 7}, {4, 0, 5, 9}, {6, 5, 0, 8}, {7, 9, 8, 0}};

static const struct {
  const char *word;
  double mm;
} UNITS[] = {{"mm", 1}, {"m", 1000}, {"cm", 10}, {"um", 0.001}, {"inch", 25.4}, {"ft", 304.8}};

double export_unit_mm(const char *unit) {
  for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
    if (strcmp(unit, UNITS[i].word) == 0)
      return UNITS[i].mm;
  return 0;
}

/* ---- on which side of which tetrahedron a triangle lies: an open hash table of triangles ---- */

struct table {
  uint32_t (*key)[3]; /* of each triangle, sorted */
  uint32_t *slot;     /* 1 + triangle; 0: empty */
  size_t mask;
};

/* The slot of the triangle, or the empty one where it belongs. */
static uint32_t *slot_of(const struct table *t, const uint32_t key[3]) {
  uint64_t h = key[0] * 0x9e3779b97f4a7c15u ^ key[1] * 0xc2b2ae3d27d4eb4fu ^ key[2];
  size_t at = (h * 0x9e3779b97f4a7c15u) >> 24 & t->mask;
  while (t->slot[at] && memcmp(t->key[t->slot[at] - 1], key, sizeof t->key[0]) != 0)
    at = (at + 1) & t->mask;
  return &t->slot[at];
}

static void fill_table(struct table *t, const struct mesh_arrays *s, bool *on_face) {
  size_t size = 64;
  while (size < 2 * s->triangle_count)
    size *= 2;
  t->mask = size - 1;
  t->slot = out_alloc(size, sizeof *t->slot);
  t->key = out_alloc(s->triangle_count, sizeof *t->key);
  for (size_t i = 0; i < s->triangle_count; i++) {
    memcpy(t->key[i], s->triangles + 3 * i, sizeof t->key[i]);
    for (int k = 0; k < 3; k++)
      on_face[t->key[i][k]] = true;
    sort3(t->key[i]);
    uint32_t *slot = slot_of(t, t->key[i]);
    if (!*slot)
      *slot = (uint32_t)i + 1;
  }
}

static void note_side(struct export *x, const struct table *t, const uint32_t n[3],
                      struct side found) {
  uint32_t key[3] = {n[0], n[1], n[2]};
  sort3(key);
  uint32_t slot = *slot_of(t, key);
  struct side *side = slot ? &x->sides[slot - 1] : NULL;
  if (side && side->cell == SIDE_NONE)
    *side = found;
  else if (side)
    side->shared = true;
}

/* Of prisms and pyramids: a quadrangle is two triangles of the surface, halved either way. */
static void find_layer_sides(struct export *x, const struct table *t) {
  static const uint8_t HALVES[4][3] = {{0, 1, 2}, {0, 2, 3}, {0, 1, 3}, {1, 2, 3}};
  const struct mesh_arrays *s = x->arrays;
  for (size_t i = s->tet_count; i < cells_count(s); i++) {
    struct cell c = cells_get(s, i);
    for (uint8_t k = 0; k < CELL_SIDES; k++) {
      uint32_t n[4];
      int count = cells_side(c, k, n);
      for (int h = 0; h < (count == 4 ? 4 : 1); h++) {
        const uint32_t half[3] = {n[HALVES[h][0]], n[HALVES[h][1]], n[HALVES[h][2]]};
        note_side(x, t, half, (struct side){(uint32_t)i, k, false});
      }
    }
  }
}

static void export_find_sides(struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  struct table t;
  bool *on_face = out_alloc(s->node_count, sizeof *on_face);
  x->sides = out_alloc(s->triangle_count, sizeof *x->sides);
  for (size_t i = 0; i < s->triangle_count; i++)
    x->sides[i].cell = SIDE_NONE;
  fill_table(&t, s, on_face);
  for (size_t i = 0; i < s->tet_count; i++) {
    const uint32_t *n = s->tets + i * (size_t)s->tet_nodes;
    for (uint8_t k = 0; k < SIDES; k++) {
      uint32_t key[3];
      for (int c = 0; c < 3; c++)
        key[c] = n[SIDE_CORNERS[k][c]];
      if (!on_face[key[0]] || !on_face[key[1]] || !on_face[key[2]])
        continue;
      note_side(x, &t, key, (struct side){(uint32_t)i, k, false});
    }
  }
  find_layer_sides(x, &t);
  free(on_face);
  free(t.slot);
  free(t.key);
}

static void number_nodes(struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  x->number = out_alloc(s->node_count, sizeof *x->number);
  memset(x->number, 0xff, s->node_count * sizeof *x->number);
  for (size_t i = 0; i < s->tet_count * (size_t)s->tet_nodes; i++)
    x->number[s->tets[i]] = 0;
  for (size_t i = 0; i < 6 * s->prisms.count; i++)
    x->number[s->prisms.nodes[i]] = 0;
  for (size_t i = 0; i < 5 * s->pyramids.count; i++)
    x->number[s->pyramids.nodes[i]] = 0;
  for (size_t i = 0; x->sheet && i < x->sheet->element_count; i++)
    for (int k = 0; k < x->sheet->elements[i].count; k++)
      x->number[x->sheet->elements[i].node[k]] = 0;
  for (size_t i = 0; i < s->node_count; i++)
    if (x->number[i] != EXPORT_NO_NODE)
      x->number[i] = (uint32_t)x->node_count++;
}

void export_take(struct export *x, const struct task *t, const struct checked_mesh *m) {
  *x = (struct export){.arrays = &m->arrays,
                       .quality = &m->quality,
                       .pairs = &m->pairs,
                       .layer_sicn = m->quality.layers,
                       .sheet = m->sheet.faces ? &m->sheet : NULL,
                       .task = t};
}

void export_topology(struct export *x) {
  if (x->number)
    return;
  if (!x->sheet)
    export_find_sides(x);
  number_nodes(x);
}

void export_free(struct export *x) {
  groups_free(&x->split);
  free(x->words);
  free(x->sides);
  free(x->number);
  free(x->scaled);
  free(x->poor);
  *x = (struct export){0};
}

double export_factor(const struct task *t, const char *wanted, const char **unit) {
  double model = export_unit_mm(t->unit), file = wanted ? export_unit_mm(wanted) : 0;
  bool converted = model > 0 && file > 0;
  *unit = converted ? wanted : t->unit;
  return t->params.scale * (converted ? model / file : 1);
}

static void take_unit(struct export *x, const char *wanted) {
  size_t n = 3 * x->arrays->node_count;
  double before = x->factor;
  x->factor = export_factor(x->task, wanted, &x->unit);
  if (x->factor == before)
    return;
  free(x->scaled);
  x->scaled = NULL;
  x->xyz = x->arrays->xyz;
  if (x->factor == 1)
    return;
  x->xyz = x->scaled = out_alloc(n, sizeof *x->scaled);
  for (size_t i = 0; i < n; i++)
    x->scaled[i] = x->arrays->xyz[i] * x->factor;
}

void export_for(struct export *x, const char *format, const char *wanted) {
  groups_free(&x->split);
  free(x->words);
  x->groups = &x->task->names.groups;
  x->words = groups_words(x->groups, format);
  x->poor_word = x->poor_count ? groups_poor_word(x->groups, x->words) : NULL;
  if (groups_one_each(format)) {
    x->split = groups_split(x->groups);
    x->groups = &x->split;
  }
  take_unit(x, wanted);
}

bool export_is_element(const struct export *x, size_t triangle) {
  return x->sides[triangle].cell != SIDE_NONE &&
         !(x->arrays->halves && x->arrays->halves[triangle]);
}

int export_side_nodes(const struct export *x, struct side side, uint32_t nodes[6]) {
  const struct mesh_arrays *s = x->arrays;
  if (x->layer_sicn)
    return cells_side(cells_get(s, side.cell), side.number, nodes);
  const uint32_t *n = s->tets + side.cell * (size_t)s->tet_nodes;
  const uint8_t *corner = SIDE_CORNERS[side.number];
  for (int k = 0; k < 3; k++) {
    nodes[k] = n[corner[k]];
    if (s->tet_nodes == 10)
      nodes[3 + k] = n[MIDDLE[corner[k]][corner[(k + 1) % 3]]];
  }
  return s->tet_nodes == 10 ? 6 : 3;
}

struct range export_cells(const struct export *x, enum cell_kind kind, int solid) {
  const struct range *of = cells_solids(x->arrays, kind);
  for (size_t i = 0; of && i < x->arrays->solid_count; i++)
    if (x->arrays->solids[i].tag == solid)
      return (struct range){solid, cells_first(x->arrays, kind) + of[i].first, of[i].count};
  return (struct range){solid, 0, 0};
}

const struct range *export_range(const struct export *x, int dim, int tag) {
  const struct sheet *sheet = x->sheet;
  const struct range *list = dim == 3   ? x->arrays->solids
                             : !sheet   ? x->arrays->faces
                             : dim == 2 ? sheet->faces
                                        : sheet->curves;
  size_t count = dim == 3   ? x->arrays->solid_count
                 : !sheet   ? x->arrays->face_count
                 : dim == 2 ? sheet->face_count
                            : sheet->curve_count;
  for (size_t i = 0; i < count; i++)
    if (list[i].tag == tag)
      return &list[i];
  return NULL;
}
