/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/drawing.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"

#include <math.h>
#include <stdlib.h>

struct builder {
  const struct mesh_arrays *s;
  struct drawing *d;
  uint32_t *node_vertex;        /* per node: its vertex in the face at hand, + 1 */
  uint32_t *vertex_node, *next; /* next: another vertex of the same node, + 1 */
};

void drawing_triangle_normal(const struct mesh_arrays *s, const uint32_t *n, float r[3]) {
  const double *a = s->xyz + 3 * (size_t)n[0], *b = s->xyz + 3 * (size_t)n[1],
               *c = s->xyz + 3 * (size_t)n[2];
  double u[3], v[3];
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    v[i] = c[i] - a[i];
  }
  r[0] = (float)(u[1] * v[2] - u[2] * v[1]);
  r[1] = (float)(u[2] * v[0] - u[0] * v[2]);
  r[2] = (float)(u[0] * v[1] - u[1] * v[0]);
}

static uint32_t add_vertex(struct builder *b, uint32_t node) {
  struct drawing *d = b->d;
  uint32_t at = (uint32_t)d->vertex_count++;
  for (int i = 0; i < 3; i++) {
    float x = (float)b->s->xyz[3 * (size_t)node + (size_t)i];
    d->position[at][i] = x;
    d->low[i] = fminf(d->low[i], x);
    d->high[i] = fmaxf(d->high[i], x);
  }
  b->vertex_node[at] = node;
  b->next[at] = b->node_vertex[node];
  b->node_vertex[node] = at + 1;
  return at;
}

static bool same_side(const float a[3], const float b[3]) {
  float dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  float aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2], bb = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
  return aa == 0 || bb == 0 || dot >= DRAWING_CREASE * sqrtf(aa * bb);
}

/* The vertex of this corner: one of the node whose normal agrees, or a new one. */
static uint32_t corner(struct builder *b, uint32_t node, const float n[3], bool creases) {
  uint32_t at = b->node_vertex[node];
  while (at && creases && !same_side(b->d->normal[at - 1], n))
    at = b->next[at - 1];
  return at ? at - 1 : add_vertex(b, node);
}

static void face_add(struct builder *b, const struct range *face, bool creases) {
  struct drawing *d = b->d;
  size_t first = d->vertex_count;
  for (size_t t = face->first; t < face->first + face->count; t++) {
    float n[3]; /* larger triangles weigh more */
    drawing_triangle_normal(b->s, b->s->triangles + 3 * t, n);
    for (size_t k = 0; k < 3; k++) {
      uint32_t v = corner(b, b->s->triangles[3 * t + k], n, creases);
      for (int i = 0; i < 3; i++)
        d->normal[v][i] += n[i];
      d->index[3 * t + k] = v;
    }
  }
  for (size_t v = first; v < d->vertex_count; v++) {
    float *n = d->normal[v];
    float len = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    b->node_vertex[b->vertex_node[v]] = 0;
    for (int i = 0; i < 3; i++)
      n[i] = len > 0 ? n[i] / len : i == 2;
  }
}

void drawing_make(struct drawing *d, const struct mesh_arrays *s, bool creases) {
  size_t corners = 3 * s->triangle_count; /* there are no more vertices than that */
  *d = (struct drawing){
      .position = out_alloc(corners, sizeof *d->position),
      .normal = out_alloc(corners, sizeof *d->normal),
      .index = out_alloc(corners, sizeof *d->index),
      .low = {INFINITY, INFINITY, INFINITY},
      .high = {-INFINITY, -INFINITY, -INFINITY},
      .creases = creases,
  };
  struct builder b = {
      .s = s,
      .d = d,
      .node_vertex = out_alloc(s->node_count, sizeof *b.node_vertex),
      .vertex_node = out_alloc(corners, sizeof *b.vertex_node),
      .next = out_alloc(corners, sizeof *b.next),
  };
  for (size_t f = 0; f < s->face_count; f++)
    face_add(&b, &s->faces[f], creases);
  free(b.node_vertex);
  free(b.vertex_node);
  free(b.next);
}

void drawing_free(struct drawing *d) {
  free(d->position);
  free(d->normal);
  free(d->index);
  *d = (struct drawing){0};
}
