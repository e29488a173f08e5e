/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * STL of a mesh of faces alone, binary or as text: Gmsh counts a quadrangle with middle nodes as
 * two triangles, and writes none.
 */
#include "output/stl_file.h"

#include "base/out.h"
#include "output/drawing.h"
#include "output/export.h"
#include "task/task.h"

#include <math.h>
#include <string.h>

static void normal_of(const struct export *x, size_t triangle, float n[3]) {
  drawing_triangle_normal(x->arrays, x->arrays->triangles + 3 * triangle, n);
  float length = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  for (int i = 0; i < 3; i++)
    n[i] = length > 0 ? n[i] / length : 0;
}

static void put_binary(struct out *o, const struct export *x) {
  char head[80] = "mesh by lathe";
  uint32_t count = (uint32_t)x->arrays->triangle_count;
  uint16_t attribute = 0;
  out_room(o, 84 + 50 * (size_t)count);
  out_put(o, head, sizeof head);
  out_put(o, &count, sizeof count);
  for (size_t t = 0; t < count; t++) {
    float f[12];
    normal_of(x, t, f);
    for (size_t k = 0; k < 9; k++)
      f[3 + k] = (float)x->xyz[3 * (size_t)x->arrays->triangles[3 * t + k / 3] + k % 3];
    out_put(o, f, sizeof f);
    out_put(o, &attribute, sizeof attribute);
  }
}

static void put_text(struct out *o, const struct export *x) {
  out_text(o, "solid mesh\n");
  for (size_t t = 0; t < x->arrays->triangle_count; t++) {
    float n[3];
    normal_of(x, t, n);
    out_printf(o, "facet normal %.9g %.9g %.9g\n  outer loop\n", (double)n[0], (double)n[1],
               (double)n[2]);
    for (size_t k = 0; k < 3; k++) {
      const double *p = x->xyz + 3 * (size_t)x->arrays->triangles[3 * t + k];
      out_printf(o, "    vertex %.9g %.9g %.9g\n", p[0], p[1], p[2]);
    }
    out_text(o, "  endloop\nendfacet\n");
  }
  out_text(o, "endsolid mesh\n");
}

void stl_file_build(struct out *o, const struct export *x) {
  (x->task->params.binary ? put_binary : put_text)(o, x);
}
