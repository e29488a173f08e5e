/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Abaqus and CalculiX.  The file is meant to be included: nodes, solid elements and sets, and
 * nothing that an analysis has to take out again.  A solid is an ELSET and an NSET.  A face is an
 * NSET for supports and a SURFACE for loads; its parts, all elements with the same side on the
 * face, are ELSETs of their own, because *DLOAD takes no surface.  A mesh of faces alone has shells
 * or plane elements, and its edges are what faces are here.
 */
#include "output/inp.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"
#include "task/params.h"
#include "task/task.h"

#include <stdlib.h>
#include <strings.h>

#define PER_LINE 10 /* Abaqus takes 16 */
#define COLUMNS  20 /* CalculiX reads so much of a number, and drops what follows: an exponent */

struct list { /* numbers of a set, as they come */
  struct out *o;
  size_t count;
};

static void list_add(struct list *l, uint64_t number) {
  if (l->count)
    out_text(l->o, l->count % PER_LINE ? "," : ",\n");
  out_integer(l->o, number, 0);
  l->count++;
}

static void list_end(struct list *l) {
  if (l->count)
    out_text(l->o, "\n");
}

/* Sets of one name are one set. */
static bool is_group(const struct export *x, const char *word) {
  for (size_t i = 0; i < x->groups->count; i++)
    if (strcasecmp(x->words[i], word) == 0)
      return true;
  return false;
}

static void inp_put_nodes(struct out *o, const struct export *x) {
  size_t numbers = x->task->params.inp_elements == INP_SHELL ? 3 : 2; /* plane elements: z = 0 */
  out_printf(o, "*NODE%s\n", is_group(x, "Nall") ? "" : ", NSET=Nall");
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (x->number[i] == EXPORT_NO_NODE)
      continue;
    out_integer(o, x->number[i] + 1u, 0);
    for (size_t k = 0; k < numbers; k++) {
      out_text(o, ",");
      out_real(o, x->xyz[3 * i + k], COLUMNS);
    }
    out_text(o, "\n");
  }
}

static void put_kind(struct out *o, const struct export *x, size_t first, size_t count,
                     const uint8_t *order, size_t nodes) {
  if (count == 0)
    return;
  out_printf(o, "*ELEMENT, TYPE=C3D%zu%s\n", nodes, is_group(x, "Eall") ? "" : ", ELSET=Eall");
  for (size_t i = first; i < first + count; i++) {
    const uint32_t *n = cells_get(x->arrays, i).node;
    out_integer(o, i + 1, 0);
    for (size_t k = 0; k < nodes; k++) {
      out_text(o, ",");
      out_integer(o, x->number[n[order[k]]] + 1u, 0);
    }
    out_text(o, "\n");
  }
}

/* CalculiX has no pyramids. */
static void inp_put_elements(struct out *o, const struct export *x) {
  static const uint8_t SAME[6] = {0, 1, 2, 3, 4, 5};
  const struct mesh_arrays *s = x->arrays;
  put_kind(o, x, 0, s->tet_count, EXPORT_TET_ORDER, (size_t)s->tet_nodes);
  put_kind(o, x, cells_first(s, CELL_PRISM), s->prisms.count, SAME, 6);
  put_kind(o, x, cells_first(s, CELL_PYRAMID), s->pyramids.count, EXPORT_PYRAMID_AS_PRISM, 6);
}

/* ---- a mesh of faces alone ---- */

/* S8R: Abaqus has no S8, and CalculiX has both. */
static const struct family {
  const char *triangle, *triangle_2, *quad, *quad_2;
} FAMILIES[] = {[INP_SHELL] = {"S3", "S6", "S4", "S8R"},
                [INP_PLANE_STRESS] = {"CPS3", "CPS6", "CPS4", "CPS8"},
                [INP_PLANE_STRAIN] = {"CPE3", "CPE6", "CPE4", "CPE8"},
                [INP_AXISYMMETRIC] = {"CAX3", "CAX6", "CAX4", "CAX8"}};

static void put_sheet_kind(struct out *o, const struct export *x, int corners) {
  const struct sheet *sheet = x->sheet;
  const struct family *f = &FAMILIES[x->task->params.inp_elements];
  bool second = x->task->params.order == 2, begun = false;
  const char *type = corners == 3 ? (second ? f->triangle_2 : f->triangle)
                                  : (second ? f->quad_2 : f->quad);
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    if (e->corners != corners)
      continue;
    if (!begun)
      out_printf(o, "*ELEMENT, TYPE=%s%s\n", type, is_group(x, "Eall") ? "" : ", ELSET=Eall");
    begun = true;
    out_integer(o, i + 1, 0);
    for (int k = 0; k < e->count; k++) {
      out_text(o, ",");
      out_integer(o, x->number[e->node[k]] + 1u, 0);
    }
    out_text(o, "\n");
  }
}

/* The nodes that are marked, and the marks are gone. */
static void put_nset(struct out *o, const struct export *x, const char *word, bool *marked) {
  struct list l = {o, 0};
  out_printf(o, "*NSET, NSET=%s\n", word);
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (marked[i])
      list_add(&l, x->number[i] + 1u);
    marked[i] = false;
  }
  list_end(&l);
}

/* The cells of one kind of a solid, and marks on their nodes. */
static void put_solid(struct list *l, const struct export *x, enum cell_kind kind, int solid,
                      bool *marked) {
  struct range r = export_cells(x, kind, solid);
  int nodes = kind == CELL_TET ? x->arrays->tet_nodes : cells_nodes(kind);
  for (size_t i = r.first; i < r.first + r.count; i++) {
    const uint32_t *n = cells_get(x->arrays, i).node;
    list_add(l, i + 1);
    for (int c = 0; c < nodes; c++)
      marked[n[c]] = true;
  }
}

static void put_solids(struct out *o, const struct export *x, size_t group, bool *marked) {
  const struct group *g = &x->groups->of[group];
  struct list l = {o, 0};
  out_printf(o, "*ELSET, ELSET=%s\n", x->words[group]);
  for (size_t i = 0; i < g->count; i++)
    for (enum cell_kind kind = CELL_TET; kind < CELL_KINDS; kind++)
      put_solid(&l, x, kind, g->tags[i], marked);
  list_end(&l);
  put_nset(o, x, x->words[group], marked);
}

/* What Abaqus calls the side S1 to S5: 0 to 4. */
static int side_number(const struct export *x, struct side side) {
  bool pyramid = cells_get(x->arrays, side.cell).kind == CELL_PYRAMID;
  return pyramid ? EXPORT_PYRAMID_SIDES[side.number] : side.number;
}

/* The elements of a group of faces with side `number` on it; how many.  Without o: counts. */
static size_t put_part(struct out *o, const struct export *x, const struct group *g, int number) {
  struct list l = {o, 0};
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 2, g->tags[i]);
    for (size_t k = 0; r && k < r->count; k++) {
      struct side side = x->sides[r->first + k];
      if (!export_is_element(x, r->first + k) || side_number(x, side) != number)
        continue;
      if (o)
        list_add(&l, side.cell + 1u);
      else
        l.count++;
    }
  }
  if (o)
    list_end(&l);
  return l.count;
}

static void inp_put_faces(struct out *o, const struct export *x, size_t group, bool *marked) {
  const struct group *g = &x->groups->of[group];
  const char *word = x->words[group];
  size_t counts[CELL_SIDES], all = 0;
  uint32_t nodes[6];
  for (int k = 0; k < CELL_SIDES; k++) {
    all += counts[k] = put_part(NULL, x, g, k);
    if (!counts[k])
      continue;
    out_printf(o, "*ELSET, ELSET=%s-S%d\n", word, k + 1);
    put_part(o, x, g, k);
  }
  if (all == 0)
    return;
  out_printf(o, "*SURFACE, TYPE=ELEMENT, NAME=%s\n", word);
  for (int k = 0; k < CELL_SIDES; k++)
    if (counts[k])
      out_printf(o, "%s-S%d, S%d\n", word, k + 1, k + 1);
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 2, g->tags[i]);
    for (size_t k = 0; r && k < r->count; k++) {
      struct side side = x->sides[r->first + k];
      int n = side.cell == SIDE_NONE ? 0 : export_side_nodes(x, side, nodes);
      for (int c = 0; c < n; c++)
        marked[nodes[c]] = true;
    }
  }
  put_nset(o, x, word, marked);
}

static void inp_put_poor(struct out *o, const struct export *x) {
  struct list l = {o, 0};
  if (!x->poor_word)
    return;
  out_printf(o, "*ELSET, ELSET=%s\n", x->poor_word);
  for (size_t i = 0; i < x->poor_count; i++)
    list_add(&l, x->poor[i] + 1u);
  list_end(&l);
}

static void mark_sheet(const struct sheet_element *e, bool *marked) {
  for (int k = 0; k < e->count; k++)
    marked[e->node[k]] = true;
}

static void put_sheet_face(struct out *o, const struct export *x, size_t group, bool *marked) {
  const struct group *g = &x->groups->of[group];
  struct list l = {o, 0};
  out_printf(o, "*ELSET, ELSET=%s\n", x->words[group]);
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 2, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++) {
      list_add(&l, k + 1);
      mark_sheet(&x->sheet->elements[k], marked);
    }
  }
  list_end(&l);
  if (x->task->params.inp_elements == INP_SHELL)
    out_printf(o, "*SURFACE, TYPE=ELEMENT, NAME=%s\n%s, SPOS\n", x->words[group], x->words[group]);
  put_nset(o, x, x->words[group], marked);
}

/* The elements with side `number` on the edges of the group; how many.  Without o: counts. */
static size_t put_sheet_part(struct out *o, const struct export *x, const struct group *g,
                             int number) {
  struct list l = {o, 0};
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 1, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++) {
      size_t n = 0;
      const struct sheet_side *side = sheet_sides_of(x->sheet, &x->sheet->lines[k], &n);
      if (n == 0 || side->number != number)
        continue;
      if (o)
        list_add(&l, side->element + 1u);
      else
        l.count++;
    }
  }
  if (o)
    list_end(&l);
  return l.count;
}

/* Shells have no SURFACE of an edge: the programs call such sides differently. */
static void put_sheet_edge(struct out *o, const struct export *x, size_t group, bool *marked) {
  const struct group *g = &x->groups->of[group];
  const char *word = x->words[group];
  size_t counts[4];
  for (int k = 0; k < 4; k++) {
    counts[k] = put_sheet_part(NULL, x, g, k);
    if (!counts[k])
      continue;
    out_printf(o, "*ELSET, ELSET=%s-S%d\n", word, k + 1);
    put_sheet_part(o, x, g, k);
  }
  if (x->task->params.inp_elements != INP_SHELL &&
      counts[0] + counts[1] + counts[2] + counts[3] > 0) {
    out_printf(o, "*SURFACE, TYPE=ELEMENT, NAME=%s\n", word);
    for (int k = 0; k < 4; k++)
      if (counts[k])
        out_printf(o, "%s-S%d, S%d\n", word, k + 1, k + 1);
  }
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(x, 1, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++)
      mark_sheet(&x->sheet->lines[k], marked);
  }
  put_nset(o, x, word, marked);
}

static void build_sheet(struct out *o, const struct export *x, bool *marked) {
  for (int corners = 3; corners <= 4; corners++)
    put_sheet_kind(o, x, corners);
  for (size_t i = 0; i < x->groups->count; i++)
    if (x->groups->of[i].count)
      (x->groups->of[i].dim == 2 ? put_sheet_face : put_sheet_edge)(o, x, i, marked);
}

/* As comments: whether two solids are glued, slide or part is for the analysis to say. */
static void put_contacts(struct out *o, const struct export *x) {
  const struct groups *g = x->groups;
  for (size_t i = 0, n = 1; i + 1 < g->count; i++)
    if (g->of[i].kind == GROUP_CONTACT) {
      out_printf(o,
                 "** Two solids in contact; without the \"** \" these lines glue them:\n"
                 "** *TIE, NAME=contact_%zu\n** %s, %s\n",
                 n++, x->words[i + 1], x->words[i]);
      i++; /* master and slave */
    }
}

void inp_build(struct out *o, const struct export *x) {
  bool *marked = out_alloc(x->arrays->node_count, sizeof *marked);
  out_room(o, 96 * x->node_count + 80 * cells_count(x->arrays) + 4096);
  out_printf(o, "*HEADING\nMesh by lathe, unit of length: %s\n", x->unit);
  inp_put_nodes(o, x);
  if (x->sheet)
    build_sheet(o, x, marked);
  else
    inp_put_elements(o, x);
  for (size_t i = 0; !x->sheet && i < x->groups->count; i++)
    if (x->groups->of[i].count)
      (x->groups->of[i].dim == 3 ? put_solids : inp_put_faces)(o, x, i, marked);
  put_contacts(o, x);
  free(marked);
  inp_put_poor(o, x);
}
