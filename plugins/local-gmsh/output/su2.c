/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SU2 in the plane: triangles and quadrangles of z = 0, and a marker for each group of edges that
 * are open.  (A mesh of solids is written by Gmsh.)
 */
#include "output/su2.h"

#include "arrays/mesh_arrays.h"
#include "arrays/sheet.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"

#define LINE     3 /* VTK's numbers */
#define TRIANGLE 5
#define QUAD     9

static void su2_put_element(struct out *o, const struct export *x, int type,
                            const struct sheet_element *e) {
  out_integer(o, (uint64_t)type, 0);
  for (int k = 0; k < e->corners; k++) {
    out_text(o, " ");
    out_integer(o, x->number[e->node[k]], 0);
  }
}

static void su2_put_elements(struct out *o, const struct export *x) {
  const struct sheet *sheet = x->sheet;
  out_printf(o, "NDIME= 2\nNELEM= %zu\n", sheet->element_count);
  for (size_t i = 0; i < sheet->element_count; i++) {
    su2_put_element(o, x, sheet->elements[i].corners == 3 ? TRIANGLE : QUAD, &sheet->elements[i]);
    out_text(o, " ");
    out_integer(o, i, 0);
    out_text(o, "\n");
  }
}

static void put_points(struct out *o, const struct export *x) {
  out_printf(o, "NPOIN= %zu\n", x->node_count);
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (x->number[i] == EXPORT_NO_NODE)
      continue;
    for (size_t k = 0; k < 2; k++) {
      out_real(o, x->xyz[3 * i + k], 24);
      out_text(o, " ");
    }
    out_integer(o, x->number[i], 0);
    out_text(o, "\n");
  }
}

/* Lines of the open curves of a group, counted; written where o is not NULL. */
static size_t put_open_curves(struct out *o, const struct export *x, const struct group *g) {
  size_t count = 0;
  for (size_t i = 0; g->dim == 1 && i < g->count; i++) {
    const struct range *r = export_range(x, 1, g->tags[i]);
    if (!r || !sheet_is_open_curve(x->sheet, r))
      continue;
    count += r->count;
    for (size_t k = r->first; o && k < r->first + r->count; k++) {
      su2_put_element(o, x, LINE, &x->sheet->lines[k]);
      out_text(o, "\n");
    }
  }
  return count;
}

void su2_build(struct out *o, const struct export *x) {
  size_t markers = 0;
  out_room(o, 40 * x->sheet->element_count + 80 * x->node_count + 4096);
  su2_put_elements(o, x);
  put_points(o, x);
  for (size_t i = 0; i < x->groups->count; i++)
    markers += put_open_curves(NULL, x, &x->groups->of[i]) > 0;
  out_printf(o, "NMARK= %zu\n", markers);
  for (size_t i = 0; i < x->groups->count; i++) {
    size_t count = put_open_curves(NULL, x, &x->groups->of[i]);
    if (!count)
      continue;
    out_printf(o, "MARKER_TAG= %s\nMARKER_ELEMS= %zu\n", x->words[i], count);
    put_open_curves(o, x, &x->groups->of[i]);
  }
}
