/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MED 3, which Salome and Code_Aster read: HDF5 with groups and attributes of French names.
 *
 *   INFOS_GENERALES                    the version
 *   ENS_MAA/mesh/<step>/NOE/COO        coordinates: all x, then all y, then all z
 *                      /MAI/TE4/NOD    nodes of the elements of a kind: all first ones, then ...
 *                      /MAI/TE4/FAM    the family of each
 *   FAS/mesh/ELEME/FAM_-1/GRO/NOM      the groups that a family is in, 80 bytes each
 *
 * A family is one solid, face or edge; the poor elements of a solid are another one.
 */
#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"
#include "output/writer_module.h"
#include "task/task.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 80                                         /* MED_LNAME_SIZE */
#define STEP       "-0000000000000000001-0000000000000000001" /* none */
#define AXES       3
#define AXIS_BYTES 16
#define NODES_MAX  10

/* MED turns the second and third corner of Gmsh's tetrahedra, and the middle nodes with them. */
static const uint8_t TET_ORDER[NODES_MAX] = {0, 2, 1, 3, 6, 5, 4, 7, 8, 9};
static const uint8_t PRISM_ORDER[6] = {0, 2, 1, 3, 5, 4}, PYRAMID_ORDER[5] = {0, 3, 2, 1, 4};

struct block { /* elements of one kind */
  const char *kind;
  size_t nodes, count;
  int32_t *node;   /* `nodes` for each */
  int32_t *family; /* of each; 0: none */
};

struct entity { /* what has a family; they are -1, -2, ... in this order */
  int dim, tag;
  bool poor; /* of the solid's elements those of the poor set */
};

struct med {
  const struct export *x;
  hid_t file;
  struct entity *entities;
  size_t entity_count;
  bool ok;
};

/* ---- HDF5 ---- */

static void med_keep(struct med *m, hid_t id, herr_t (*close)(hid_t)) {
  m->ok = m->ok && id >= 0;
  if (id >= 0)
    m->ok = close(id) >= 0 && m->ok;
}

/* A property list for what is created: no times, so that the same mesh is the same bytes. */
static hid_t timeless(hid_t kind) {
  hid_t list = H5Pcreate(kind);
  if (list >= 0)
    H5Pset_obj_track_times(list, 0);
  return list;
}

static hid_t make_group(struct med *m, hid_t at, const char *name) {
  hid_t list = timeless(H5P_GROUP_CREATE);
  hid_t group = H5Gcreate2(at, name, H5P_DEFAULT, list, H5P_DEFAULT);
  med_keep(m, list, H5Pclose);
  m->ok = m->ok && group >= 0;
  return group;
}

static void put_attribute(struct med *m, hid_t at, const char *name, hid_t file_type,
                          hid_t memory_type, const void *value) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(at, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
  m->ok = m->ok && attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;
  med_keep(m, attribute, H5Aclose);
  med_keep(m, space, H5Sclose);
}

static void put_int(struct med *m, hid_t at, const char *name, int32_t value) {
  put_attribute(m, at, name, H5T_STD_I32LE, H5T_NATIVE_INT32, &value);
}

static void put_real(struct med *m, hid_t at, const char *name, double value) {
  put_attribute(m, at, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

static void put_text(struct med *m, hid_t at, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  m->ok = m->ok && H5Tset_size(type, strlen(text) + 1) >= 0;
  put_attribute(m, at, name, type, type, text);
  med_keep(m, type, H5Tclose);
}

/* A list, with its length in NBR. */
static void put_list(struct med *m, hid_t at, const char *name, hid_t file_type, hid_t memory_type,
                     const void *values, size_t length, size_t count) {
  hsize_t size = length;
  hid_t space = H5Screate_simple(1, &size, NULL), list = timeless(H5P_DATASET_CREATE);
  hid_t set = H5Dcreate2(at, name, file_type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  m->ok = m->ok && set >= 0 &&
          H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
  if (set >= 0) {
    put_int(m, set, "CGT", 1);
    put_int(m, set, "NBR", (int32_t)count);
  }
  med_keep(m, set, H5Dclose);
  med_keep(m, list, H5Pclose);
  med_keep(m, space, H5Sclose);
}

/* ---- families ---- */

static size_t count_of(const struct export *x, int dim) {
  if (x->sheet)
    return dim == 2 ? x->sheet->face_count : dim == 1 ? x->sheet->curve_count : 0;
  return dim == 3 ? x->arrays->solid_count : dim == 2 ? x->arrays->face_count : 0;
}

static const struct range *ranges_of(const struct export *x, int dim) {
  if (x->sheet)
    return dim == 2 ? x->sheet->faces : x->sheet->curves;
  return dim == 3 ? x->arrays->solids : x->arrays->faces;
}

static void list_entities(struct med *m) {
  const struct export *x = m->x;
  size_t all = 2 * count_of(x, 3) + count_of(x, 2) + count_of(x, 1);
  m->entities = out_alloc(all + 1, sizeof *m->entities);
  for (int dim = 3; dim > 0; dim--)
    for (size_t i = 0; i < count_of(x, dim); i++) {
      m->entities[m->entity_count++] = (struct entity){dim, ranges_of(x, dim)[i].tag, false};
      if (dim == 3 && x->poor_word)
        m->entities[m->entity_count++] = (struct entity){dim, ranges_of(x, dim)[i].tag, true};
    }
}

/* The family of elements of the dimension from `first` on: `skip` is how many entities are before
 * the first of them, `step` how many families each has. */
static void fill_families(const struct range *ranges, size_t count, size_t skip, size_t step,
                          int32_t *family) {
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < ranges[i].count; k++)
      family[ranges[i].first + k] = -(int32_t)(skip + step * i + 1);
}

static bool holds(const struct group *g, const struct entity *e) {
  for (size_t i = 0; g->dim == e->dim && i < g->count; i++)
    if (g->tags[i] == e->tag)
      return true;
  return false;
}

/* The names of the groups of one entity, 80 bytes each; how many. */
static size_t take_names(const struct export *x, const struct entity *e, struct out *names) {
  size_t count = 0;
  for (size_t i = 0; i < x->groups->count; i++) {
    char name[NAME_BYTES] = {0};
    if (!holds(&x->groups->of[i], e))
      continue;
    memccpy(name, x->words[i], 0, sizeof name);
    out_put(names, name, sizeof name);
    count++;
  }
  if (e->poor) {
    char name[NAME_BYTES] = {0};
    memccpy(name, x->poor_word, 0, sizeof name);
    out_put(names, name, sizeof name);
    count++;
  }
  return count;
}

static void put_family(struct med *m, hid_t at, size_t number) {
  struct out names = {0};
  char word[32];
  size_t count = take_names(m->x, &m->entities[number], &names);
  snprintf(word, sizeof word, "FAM_-%zu", number + 1);
  hid_t family = make_group(m, at, word);
  put_int(m, family, "NUM", -(int32_t)(number + 1));
  if (count) {
    hsize_t size = NAME_BYTES;
    hid_t file_type = H5Tarray_create2(H5T_STD_I8LE, 1, &size);
    hid_t type = H5Tarray_create2(H5T_NATIVE_INT8, 1, &size);
    hid_t groups = make_group(m, family, "GRO");
    put_int(m, groups, "NBR", (int32_t)count);
    put_list(m, groups, "NOM", file_type, type, names.data, count, count);
    med_keep(m, groups, H5Gclose);
    med_keep(m, type, H5Tclose);
    med_keep(m, file_type, H5Tclose);
  }
  med_keep(m, family, H5Gclose);
  out_free(&names);
}

static void put_families(struct med *m) {
  hid_t all = make_group(m, m->file, "FAS"), mesh = make_group(m, all, "mesh");
  hid_t zero = make_group(m, mesh, "FAMILLE_ZERO"), elements = make_group(m, mesh, "ELEME");
  put_int(m, zero, "NUM", 0);
  for (size_t i = 0; i < m->entity_count && m->ok; i++)
    put_family(m, elements, i);
  med_keep(m, elements, H5Gclose);
  med_keep(m, zero, H5Gclose);
  med_keep(m, mesh, H5Gclose);
  med_keep(m, all, H5Gclose);
}

/* ---- the mesh ---- */

static void med_put_nodes(struct med *m, hid_t step) {
  const struct export *x = m->x;
  size_t n = x->node_count;
  double *xyz = out_alloc(AXES * n, sizeof *xyz);
  for (size_t i = 0; i < x->arrays->node_count; i++)
    for (size_t k = 0; x->number[i] != EXPORT_NO_NODE && k < AXES; k++)
      xyz[k * n + x->number[i]] = x->xyz[AXES * i + k];
  hid_t nodes = make_group(m, step, "NOE");
  put_int(m, nodes, "CGT", 1);
  put_int(m, nodes, "CGS", 1);
  put_text(m, nodes, "PFL", "MED_NO_PROFILE_INTERNAL");
  put_list(m, nodes, "COO", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, xyz, AXES * n, n);
  med_keep(m, nodes, H5Gclose);
  free(xyz);
}

/* Frees the block's lists. */
static void put_block(struct med *m, hid_t at, struct block *b) {
  if (b->count && m->ok) {
    int32_t *by_node = out_alloc(b->nodes * b->count, sizeof *by_node);
    for (size_t i = 0; i < b->count; i++)
      for (size_t k = 0; k < b->nodes; k++)
        by_node[k * b->count + i] = b->node[i * b->nodes + k];
    hid_t kind = make_group(m, at, b->kind);
    put_int(m, kind, "CGT", 1);
    put_int(m, kind, "CGS", 1);
    put_text(m, kind, "PFL", "MED_NO_PROFILE_INTERNAL");
    put_list(m, kind, "NOD", H5T_STD_I32LE, H5T_NATIVE_INT32, by_node, b->nodes * b->count,
             b->count);
    put_list(m, kind, "FAM", H5T_STD_I32LE, H5T_NATIVE_INT32, b->family, b->count, b->count);
    med_keep(m, kind, H5Gclose);
    free(by_node);
  }
  free(b->node);
  free(b->family);
}

/* Of the `count` cells from `first` on: the next family is that of the same solid's poor ones. */
static void mark_poor(const struct med *m, size_t first, size_t count, int32_t *family) {
  const struct export *x = m->x;
  for (size_t i = 0; x->poor_word && i < x->poor_count; i++)
    if (x->poor[i] >= first && x->poor[i] < first + count)
      family[x->poor[i] - first]--;
}

static void put_tets(struct med *m, hid_t at) {
  const struct mesh_arrays *s = m->x->arrays;
  size_t n = (size_t)s->tet_nodes, step = m->x->poor_word ? 2 : 1;
  struct block b = {n == 10 ? "T10" : "TE4", n, s->tet_count,
                    out_alloc(n * s->tet_count, sizeof *b.node),
                    out_alloc(s->tet_count, sizeof *b.family)};
  for (size_t i = 0; i < s->tet_count; i++)
    for (size_t k = 0; k < n; k++)
      b.node[i * n + k] = (int32_t)m->x->number[s->tets[i * n + TET_ORDER[k]]] + 1;
  fill_families(s->solids, s->solid_count, 0, step, b.family);
  mark_poor(m, 0, s->tet_count, b.family);
  put_block(m, at, &b);
}

static void put_layers(struct med *m, hid_t at, enum cell_kind kind) {
  const struct mesh_arrays *s = m->x->arrays;
  const struct cells *cells = kind == CELL_PRISM ? &s->prisms : &s->pyramids;
  const uint8_t *order = kind == CELL_PRISM ? PRISM_ORDER : PYRAMID_ORDER;
  size_t n = (size_t)cells_nodes(kind), step = m->x->poor_word ? 2 : 1;
  struct block b = {kind == CELL_PRISM ? "PE6" : "PY5", n, cells->count,
                    out_alloc(n * cells->count, sizeof *b.node),
                    out_alloc(cells->count, sizeof *b.family)};
  for (size_t i = 0; i < cells->count; i++)
    for (size_t k = 0; k < n; k++)
      b.node[i * n + k] = (int32_t)m->x->number[cells->nodes[i * n + order[k]]] + 1;
  if (cells->solids)
    fill_families(cells->solids, s->solid_count, 0, step, b.family);
  mark_poor(m, cells_first(s, kind), cells->count, b.family);
  put_block(m, at, &b);
}

/* The elements of faces that have `n` nodes: 3, 4 or 6. */
static void med_put_faces(struct med *m, hid_t at, int n) {
  static const char *const KINDS[] = {[3] = "TR3", [4] = "QU4", [6] = "TR6"};
  const struct export *x = m->x;
  const struct mesh_arrays *s = x->arrays;
  size_t skip = (x->poor_word ? 2 : 1) * s->solid_count, nodes = (size_t)n;
  int32_t *family = out_alloc(s->triangle_count, sizeof *family);
  struct block b = {KINDS[n], nodes, 0, out_alloc(nodes * s->triangle_count, sizeof *b.node),
                    out_alloc(s->triangle_count, sizeof *b.family)};
  fill_families(s->faces, s->face_count, skip, 1, family);
  for (size_t i = 0; i < s->triangle_count; i++) {
    uint32_t of[6];
    if (!export_is_element(x, i) || export_side_nodes(x, x->sides[i], of) != n)
      continue;
    for (size_t k = 0; k < nodes; k++)
      b.node[b.count * nodes + k] = (int32_t)x->number[of[k]] + 1;
    b.family[b.count++] = family[i];
  }
  put_block(m, at, &b);
  free(family);
}

/* Those of `count` elements that have so many corners, with or without middle nodes. */
static void med_put_sheet(struct med *m, hid_t at, const struct sheet_element *from, size_t count,
                          const int32_t *family, int corners) {
  static const char *const KINDS[2][5] = {{NULL, NULL, "SE2", "TR3", "QU4"},
                                          {NULL, NULL, "SE3", "TR6", "QU8"}};
  struct block b = {.node = out_alloc(8 * count + 1, sizeof *b.node),
                    .family = out_alloc(count + 1, sizeof *b.family)};
  for (size_t i = 0; i < count; i++) {
    const struct sheet_element *e = &from[i];
    if (e->corners != corners)
      continue;
    b.kind = KINDS[e->count > e->corners][corners];
    b.nodes = e->count;
    for (size_t k = 0; k < e->count; k++)
      b.node[b.count * e->count + k] = (int32_t)m->x->number[e->node[k]] + 1;
    b.family[b.count++] = family[i];
  }
  put_block(m, at, &b);
}

static void put_sheets(struct med *m, hid_t at) {
  const struct sheet *sheet = m->x->sheet;
  int32_t *faces = out_alloc(sheet->element_count + 1, sizeof *faces);
  int32_t *curves = out_alloc(sheet->line_count + 1, sizeof *curves);
  fill_families(sheet->faces, sheet->face_count, 0, 1, faces);
  fill_families(sheet->curves, sheet->curve_count, sheet->face_count, 1, curves);
  med_put_sheet(m, at, sheet->elements, sheet->element_count, faces, 3);
  med_put_sheet(m, at, sheet->elements, sheet->element_count, faces, 4);
  med_put_sheet(m, at, sheet->lines, sheet->line_count, curves, 2);
  free(faces);
  free(curves);
}

/* One name for each axis, in columns of 16. */
static void put_axes(struct med *m, hid_t at, const char *attribute,
                     const char *const names[AXES]) {
  char text[AXES * AXIS_BYTES + 1];
  snprintf(text, sizeof text, "%-16.16s%-16.16s%-16.16s", names[0], names[1], names[2]);
  put_text(m, at, attribute, text);
}

static void put_mesh(struct med *m) {
  const char *unit = strcmp(m->x->unit, "file") == 0 ? "" : m->x->unit;
  hid_t all = make_group(m, m->file, "ENS_MAA"), mesh = make_group(m, all, "mesh");
  put_int(m, mesh, "DIM", m->x->sheet ? 2 : 3);
  put_int(m, mesh, "ESP", AXES);
  put_int(m, mesh, "REP", 0);
  put_int(m, mesh, "SRT", 1);
  put_int(m, mesh, "TYP", 0);
  put_text(m, mesh, "UNT", "");
  put_text(m, mesh, "DES", "Mesh by lathe");
  put_axes(m, mesh, "NOM", (const char *const[]){"X", "Y", "Z"});
  put_axes(m, mesh, "UNI", (const char *const[]){unit, unit, unit});
  hid_t step = make_group(m, mesh, STEP);
  put_int(m, step, "CGT", 1);
  put_int(m, step, "NDT", -1);
  put_int(m, step, "NOR", -1);
  put_real(m, step, "PDT", -1);
  med_put_nodes(m, step);
  hid_t elements = make_group(m, step, "MAI");
  put_int(m, elements, "CGT", 1);
  if (m->x->sheet) {
    put_sheets(m, elements);
  } else {
    put_tets(m, elements);
    put_layers(m, elements, CELL_PRISM);
    put_layers(m, elements, CELL_PYRAMID);
    for (int nodes = 3; nodes <= 6; nodes++)
      if (nodes != 5)
        med_put_faces(m, elements, nodes);
  }
  med_keep(m, elements, H5Gclose);
  med_keep(m, step, H5Gclose);
  med_keep(m, mesh, H5Gclose);
  med_keep(m, all, H5Gclose);
}

static void put_version(struct med *m) {
  static const char *const PARTS[] = {"MAJ", "MIN", "REL"};
  hid_t info = make_group(m, m->file, "INFOS_GENERALES");
  for (int i = 0; i < 3; i++)
    put_int(m, info, PARTS[i], i == 0 ? 3 : 0);
  med_keep(m, info, H5Gclose);
}

static bool write_file(const struct export *x, const char *path) {
  struct med m = {.x = x, .ok = true};
  if (cells_count(x->arrays) > INT32_MAX / NODES_MAX)
    return false;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  m.file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  if (m.file < 0)
    return false;
  list_entities(&m);
  put_version(&m);
  put_mesh(&m);
  put_families(&m);
  med_keep(&m, m.file, H5Fclose);
  free(m.entities);
  return m.ok;
}

extern module_writer *const lathe_local_gmsh_writer;
__attribute__((visibility("default"))) module_writer *const lathe_local_gmsh_writer = write_file;
