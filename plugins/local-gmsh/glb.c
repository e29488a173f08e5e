/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * glTF 2.0 binary.  Vertices are shared inside a CAD face and split between faces, so that rounds
 * are smooth and edges sharp.  The accessors hold model units, Z up; the node turns that into
 * glTF's metres, Y up.
 *
 *   header 12 | JSON chunk | BIN chunk: positions, normals, indices (all faces one after the other)
 */
#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CREASE 0.766f /* cosine of 40 degrees */

struct builder {
  const struct soup *s;
  float (*position)[3], (*normal)[3];
  uint32_t *node_vertex;        /* per node: its vertex in the face at hand, + 1 */
  uint32_t *vertex_node, *next; /* next: another vertex of the same node, + 1 */
  uint32_t *index;
  size_t vertices;
  float low[3], high[3];
};

static void triangle_normal(const struct soup *s, const uint32_t *n, float r[3]) {
  const double *a = s->xyz + 3 * (size_t)n[0], *b = s->xyz + 3 * (size_t)n[1],
               *c = s->xyz + 3 * (size_t)n[2];
  double u[3], v[3];
  for (int i = 0; i < 3; i++) {
    u[i] = b[i] - a[i];
    v[i] = c[i] - a[i];
  }
  /* Not of unit length: larger triangles weigh more. */
  r[0] = (float)(u[1] * v[2] - u[2] * v[1]);
  r[1] = (float)(u[2] * v[0] - u[0] * v[2]);
  r[2] = (float)(u[0] * v[1] - u[1] * v[0]);
}

static uint32_t add_vertex(struct builder *b, uint32_t node) {
  uint32_t at = (uint32_t)b->vertices++;
  for (int i = 0; i < 3; i++) {
    float x = (float)b->s->xyz[3 * (size_t)node + (size_t)i];
    b->position[at][i] = x;
    if (x < b->low[i])
      b->low[i] = x;
    if (x > b->high[i])
      b->high[i] = x;
  }
  b->vertex_node[at] = node;
  b->next[at] = b->node_vertex[node];
  b->node_vertex[node] = at + 1;
  return at;
}

static bool same_side(const float a[3], const float b[3]) {
  float dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  float aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2], bb = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
  return aa == 0 || bb == 0 || dot >= CREASE * sqrtf(aa * bb);
}

/* The vertex of this corner: one of the node whose normal agrees, or a new one. */
static uint32_t corner(struct builder *b, uint32_t node, const float n[3], bool creases) {
  uint32_t at = b->node_vertex[node];
  while (at && creases && !same_side(b->normal[at - 1], n))
    at = b->next[at - 1];
  return at ? at - 1 : add_vertex(b, node);
}

static void face_add(struct builder *b, const struct range *face, bool creases) {
  size_t first = b->vertices;
  for (size_t t = face->first; t < face->first + face->count; t++) {
    float n[3];
    triangle_normal(b->s, b->s->triangles + 3 * t, n);
    for (int k = 0; k < 3; k++) {
      uint32_t v = corner(b, b->s->triangles[3 * t + (size_t)k], n, creases);
      for (int i = 0; i < 3; i++)
        b->normal[v][i] += n[i];
      b->index[3 * t + (size_t)k] = v;
    }
  }
  for (size_t v = first; v < b->vertices; v++) {
    float *n = b->normal[v];
    float len = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    b->node_vertex[b->vertex_node[v]] = 0;
    for (int i = 0; i < 3; i++)
      n[i] = len > 0 ? n[i] / len : i == 2;
  }
}

static void json_head(struct out *o, const struct builder *b) {
  size_t span = 12 * b->vertices;
  out_text(o,
           "{\"asset\":{\"version\":\"2.0\",\"generator\":\"lathe "
           "local-gmsh\"},\"scene\":0,\"scenes\":[{"
           "\"nodes\":[0]}],\"nodes\":[{\"mesh\":0,\"name\":\"part\",\"rotation\":[-0.70710678,0,0,"
           "0.70710678],\"scale\":[0.001,0.001,0.001]}],\"materials\":[{\"pbrMetallicRoughness\":{"
           "\"baseColorFactor\":[0.3,0.6,0.9,1],\"metallicFactor\":0,\"roughnessFactor\":0.7},"
           "\"doubleSided\":true}],");
  out_printf(
      o,
      "\"buffers\":[{\"byteLength\":%zu}],\"bufferViews\":[{\"buffer\":0,\"byteOffset\":0,"
      "\"byteLength\":%zu,\"target\":34962},{\"buffer\":0,\"byteOffset\":%zu,\"byteLength\":%zu,"
      "\"target\":34962},{\"buffer\":0,\"byteOffset\":%zu,\"byteLength\":%zu,\"target\":34963}],",
      2 * span + 12 * b->s->triangle_count, span, span, span, 2 * span, 12 * b->s->triangle_count);
  out_printf(
      o,
      "\"accessors\":[{\"bufferView\":0,\"componentType\":5126,\"count\":%zu,\"type\":\"VEC3\","
      "\"min\":[%.9g,%.9g,%.9g],\"max\":[%.9g,%.9g,%.9g]},{\"bufferView\":1,\"componentType\":5126,"
      "\"count\":%zu,\"type\":\"VEC3\"}",
      b->vertices, (double)b->low[0], (double)b->low[1], (double)b->low[2], (double)b->high[0],
      (double)b->high[1], (double)b->high[2], b->vertices);
}

static void json_faces(struct out *o, const struct soup *s) {
  size_t n = 0;
  for (size_t f = 0; f < s->face_count; f++)
    if (s->faces[f].count)
      out_printf(o,
                 ",{\"bufferView\":2,\"byteOffset\":%zu,\"componentType\":5125,\"count\":%zu,"
                 "\"type\":\"SCALAR\"}",
                 12 * s->faces[f].first, 3 * s->faces[f].count);
  out_text(o, "],\"meshes\":[{\"primitives\":[");
  for (size_t f = 0; f < s->face_count; f++) {
    if (!s->faces[f].count)
      continue;
    out_printf(o,
               "%s{\"attributes\":{\"POSITION\":0,\"NORMAL\":1},\"indices\":%zu,\"material\":0,"
               "\"extras\":{\"face\":%d}}",
               n ? "," : "", n + 2, s->faces[f].tag);
    n++;
  }
  out_text(o, "]}]}");
}

static void chunk(struct out *o, uint32_t length, const char *type) {
  out_put(o, &length, 4);
  out_put(o, type, 4);
}

static void assemble(struct out *o, const struct builder *b) {
  struct out json = {0};
  json_head(&json, b);
  json_faces(&json, b->s);
  while (json.len % 4)
    out_text(&json, " ");
  size_t span = 12 * b->vertices, indices = 12 * b->s->triangle_count, bin = 2 * span + indices;
  uint32_t head[2] = {2, (uint32_t)(12 + 8 + json.len + 8 + bin)};
  out_room(o, head[1]);
  out_put(o, "glTF", 4);
  out_put(o, head, 8);
  chunk(o, (uint32_t)json.len, "JSON");
  out_put(o, json.data, json.len);
  chunk(o, (uint32_t)bin, "BIN");
  out_put(o, b->position, span);
  out_put(o, b->normal, span);
  out_put(o, b->index, indices);
  out_free(&json);
}

void glb_build(struct out *o, const struct soup *s, bool creases) {
  size_t corners = 3 * s->triangle_count; /* there are no more vertices than that */
  struct builder b = {
      .s = s,
      .position = out_alloc(corners, sizeof *b.position),
      .normal = out_alloc(corners, sizeof *b.normal),
      .node_vertex = out_alloc(s->node_count, sizeof *b.node_vertex),
      .vertex_node = out_alloc(corners, sizeof *b.vertex_node),
      .next = out_alloc(corners, sizeof *b.next),
      .index = out_alloc(corners, sizeof *b.index),
      .low = {INFINITY, INFINITY, INFINITY},
      .high = {-INFINITY, -INFINITY, -INFINITY},
  };
  for (size_t f = 0; f < s->face_count; f++)
    face_add(&b, &s->faces[f], creases);
  assemble(o, &b);
  free(b.position);
  free(b.normal);
  free(b.node_vertex);
  free(b.vertex_node);
  free(b.next);
  free(b.index);
}
