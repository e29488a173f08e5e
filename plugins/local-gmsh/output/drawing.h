/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A surface as viewers want it: float vertices with normals, shared inside a CAD face and split
 * between faces, so that rounds are smooth and edges sharp.
 */
#ifndef OUTPUT_DRAWING_H
#define OUTPUT_DRAWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mesh_arrays;

struct drawing {
  size_t vertex_count;
  float (*position)[3], (*normal)[3]; /* normals of unit length */
  uint32_t *index;                    /* 3 a triangle, in the arrays' order */
  float low[3], high[3];
  bool creases; /* as drawing_make was asked */
};

/* creases: split normals where facets meet at over 40 degrees (for STL, whose solids are one face).
 */
void drawing_make(struct drawing *d, const struct mesh_arrays *s, bool creases);
void drawing_free(struct drawing *d);

/* Not of unit length: twice the area. */
void drawing_triangle_normal(const struct mesh_arrays *s, const uint32_t *nodes, float r[3]);

#define DRAWING_CREASE 0.766f /* cosine of 40 degrees */

#endif
