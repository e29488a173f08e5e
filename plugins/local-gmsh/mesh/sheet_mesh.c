/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mesh of faces (dimension=2): mesh them, turn them to one side, raise the order, check, measure.
 */
#include "mesh/sheet_mesh.h"

#include "arrays/curved.h"
#include "arrays/sheet.h"
#include "arrays/sheet_curved.h"
#include "base/out.h"
#include "mesh/second_order.h"
#include "mesh/surface.h"
#include "quality/checked_mesh.h"
#include "quality/deviation.h"
#include "quality/periodic_check.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "sizes/local_sizes_json.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLAT       1e-9   /* SICN: below, an element is flat but for rounding */
#define FOLDED     (-0.9) /* cosine between two elements of a face: it lies back on itself */
#define AREA_TOLD  0.01
#define NEGLIGIBLE 1e-4 /* of the diagonal: a face so small may stay without elements */

static bool sheet_mesh_take(struct checked_mesh *m, struct outcome *o) {
  checked_mesh_free(m);
  return sheet_take(&m->sheet, &m->arrays) ||
         outcome_fail(o, REASON_EMPTY, "the mesh came out empty");
}

/* Faces that look to the other side than their neighbours are meshed once more, the other way
 * round: Gmsh before 4.10 cannot turn elements. */
static bool sheet_mesh_turn(struct task *t, struct checked_mesh *m, struct outcome *o) {
  size_t count = 0, n = 0;
  int e = 0;
  bool *turned = sheet_turned(&m->sheet, &m->arrays, &count);
  int *entities = out_alloc(2 * count, sizeof *entities);
  for (size_t f = 0; f < m->sheet.face_count; f++) {
    if (!turned[f])
      continue;
    entities[n++] = 2;
    entities[n++] = m->sheet.faces[f].tag;
    gmshModelMeshSetReverse(2, m->sheet.faces[f].tag, 1, &e);
  }
  if (n) {
    gmshModelMeshClear(entities, n, &e);
    gmshOptionSetNumber("Mesh.MeshOnlyEmpty", 1, &e);
  }
  bool ok = n == 0 || (surface_generate(t, o) && sheet_mesh_take(m, o));
  gmshOptionSetNumber("Mesh.MeshOnlyEmpty", 0, &e);
  free(entities);
  free(turned);
  return ok;
}

static bool raise_order(struct checked_mesh *m, struct outcome *o) {
  int e = 0;
  gmshModelMeshSetOrder(2, &e);
  if (e)
    return outcome_fail(o, REASON_LOG, "no middle nodes could be made");
  if (!sheet_mesh_take(m, o))
    return false;
  uint8_t *moved = out_alloc(m->arrays.node_count, 1);
  struct curved_report *r = &o->curved;
  sheet_mend(&m->sheet, &m->arrays, moved, r);
  bool ok = r->moved == 0 || second_order_give_back(&m->arrays, moved);
  free(moved);
  if (!ok)
    return outcome_fail(o, REASON_LOG, "middle nodes could not be moved towards straight");
  if (r->bent)
    outcome_warn(o,
                 "%zu of %zu elements were bent through themselves, or nearly, at curved edges: "
                 "%zu middle node%s moved towards straight, at most %.3g off the CAD",
                 r->bent, m->sheet.element_count, r->moved, r->moved == 1 ? " was" : "s were",
                 r->distance);
  return true;
}

/* ---- check ---- */

static bool check_faces(const struct task *t, const struct checked_mesh *m, struct outcome *o) {
  for (size_t f = 0; f < m->sheet.face_count; f++) {
    double a[3] = {0}, b[3] = {0}, sum = 0;
    int e = 0, tag = m->sheet.faces[f].tag;
    if (m->sheet.faces[f].count)
      continue;
    gmshModelGetBoundingBox(2, tag, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
    for (int i = 0; i < 3; i++)
      sum += (b[i] - a[i]) * (b[i] - a[i]);
    if (sqrt(sum) > NEGLIGIBLE * t->geometry.diagonal)
      return outcome_fail(o, REASON_EMPTY, "face %d stayed empty, near (%.6g, %.6g, %.6g)", tag,
                          (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2);
  }
  return m->sheet.element_count > 0 ||
         outcome_fail(o, REASON_EMPTY, "the faces stayed empty: no element was made");
}

static size_t face_of(const struct sheet *sheet, uint32_t element) {
  size_t f = 0;
  while (element >= sheet->faces[f].first + sheet->faces[f].count)
    f++;
  return f;
}

/* Elements of a face that lie on their neighbour: turned over, or in a fold. */
static size_t count_folded(const struct checked_mesh *m, uint32_t *where) {
  const struct sheet *sheet = &m->sheet;
  size_t folded = 0;
  for (size_t i = 0; i + 1 < sheet->side_count; i++) {
    const struct sheet_side *x = &sheet->sides[i], *y = x + 1;
    double a[3], b[3], dot = 0, aa = 0, bb = 0;
    if (x->low != y->low || x->high != y->high)
      continue;
    sheet_normal(&m->arrays, &sheet->elements[x->element], a);
    sheet_normal(&m->arrays, &sheet->elements[y->element], b);
    for (int k = 0; k < 3; k++) {
      dot += a[k] * b[k];
      aa += a[k] * a[k];
      bb += b[k] * b[k];
    }
    if (dot >= FOLDED * sqrt(aa * bb) || face_of(sheet, x->element) != face_of(sheet, y->element))
      continue;
    *where = y->element;
    folded++;
  }
  return folded;
}

static bool check_shapes(const struct checked_mesh *m, struct outcome *o) {
  const struct quality *q = &m->quality;
  size_t bad = 0;
  uint32_t worst = 0;
  double at[3];
  for (size_t i = 0; i < q->count; i++) {
    bad += !(q->values[MEASURE_SICN][i] > FLAT);
    if (q->values[MEASURE_SICN][i] < q->values[MEASURE_SICN][worst])
      worst = (uint32_t)i;
  }
  if (bad == 0)
    bad = count_folded(m, &worst);
  if (bad == 0)
    return true;
  sheet_middle(&m->arrays, &m->sheet.elements[worst], at);
  return outcome_fail(o, REASON_INVERTED,
                      "%zu of %zu elements are inverted or flat, one near (%.6g, %.6g, %.6g)", bad,
                      q->count, at[0], at[1], at[2]);
}

/* ---- measure ---- */

static double area_of_cad(const struct sheet *sheet) {
  double sum = 0;
  for (size_t f = 0; f < sheet->face_count; f++) {
    double area = 0;
    int e = 0;
    gmshModelOccGetMass(2, sheet->faces[f].tag, &area, &e);
    if (e || !isfinite(area))
      return 0;
    sum += fabs(area);
  }
  return sum;
}

static void count_open_edges(const struct checked_mesh *m, struct outcome *o) {
  struct sheet_open_edges rims = sheet_open_edges(&m->sheet);
  o->sheet.open = rims.open;
  o->sheet.branches = rims.branches;
  o->sheet.pieces = sheet_pieces(&m->sheet, m->arrays.node_count);
  if (rims.crossed)
    outcome_warn(o,
                 "the faces cannot all look to one side: at %zu sides of elements two neighbours "
                 "look to opposite sides",
                 rims.crossed);
  if (o->sheet.pieces > 1)
    outcome_warn(o,
                 "the mesh is %zu pieces that share no node. If they are to hold together where "
                 "they touch, ask for assembly=conformal",
                 (size_t)o->sheet.pieces);
}

static void sheet_mesh_measure(const struct task *t, const struct checked_mesh *m,
                               struct outcome *o) {
  o->nodes = m->arrays.node_count;
  o->sheet.quadrangles = sheet_quads(&m->sheet);
  o->sheet.lines = m->sheet.line_count;
  o->triangles = m->sheet.element_count - o->sheet.quadrangles;
  o->sheet.area = sheet_area(&m->sheet, &m->arrays);
  o->sheet.cad_area = area_of_cad(&m->sheet);
  count_open_edges(m, o);
  if (t->params.order == 1)
    deviation_of_surface(t, &m->arrays, o);
  else
    o->deviation.chord = -1;
  double off = o->sheet.cad_area > 0 ? o->sheet.area / o->sheet.cad_area - 1 : 0;
  if (fabs(off) > AREA_TOLD && t->params.order == 1)
    outcome_warn(o,
                 "the mesh's area is %.2f%% %s the CAD's: flat elements of this size leave curved "
                 "faces and edges by up to %.2g; max_deviation=%.2g refines there",
                 100 * fabs(off), off < 0 ? "below" : "above", o->deviation.chord,
                 o->deviation.chord * fmin(0.5, 0.8 * AREA_TOLD / fabs(off)));
}

bool sheet_mesh(struct task *t, struct checked_mesh *m, struct outcome *o) {
  *m = (struct checked_mesh){0};
  if (!surface_generate(t, o) || !sheet_mesh_take(m, o) || !check_faces(t, m, o) ||
      !sheet_mesh_turn(t, m, o) || (t->params.order == 2 && !raise_order(m, o)))
    return false;
  quality_of_sheet(&m->quality, &m->sheet, &m->arrays);
  if (!check_shapes(m, o) || !periodic_check(t, m, o))
    return false;
  quality_summary(&m->quality, o);
  local_sizes_measure(t, &m->arrays, o);
  sheet_mesh_measure(t, m, o);
  return true;
}
