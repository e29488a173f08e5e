/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/mesh_builder.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024 /* a power of two */

static size_t wider(size_t cap) {
  return cap ? 2 * cap : 256;
}

void mesh_builder_face(struct mesh_builder *b, int tag) {
  struct mesh_arrays *s = &b->arrays;
  if (s->face_count == b->face_cap) {
    b->face_cap = wider(b->face_cap);
    s->faces = out_again(s->faces, s->face_count, b->face_cap, sizeof *s->faces);
  }
  s->faces[s->face_count++] = (struct range){.tag = tag, .first = s->triangle_count};
}

static bool is_at(const double a[3], const double b[3]) {
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static size_t slot_of(const struct mesh_builder *b, const double at[3]) {
  uint64_t bits[3], hash = 0;
  memcpy(bits, at, sizeof bits);
  for (int i = 0; i < 3; i++)
    hash = (hash ^ bits[i] ^ hash >> 29) * 0x9e3779b97f4a7c15u;
  size_t slot = hash >> 20 & (b->slot_count - 1);
  while (b->slots[slot] && !is_at(b->arrays.xyz + 3 * (size_t)(b->slots[slot] - 1), at))
    slot = (slot + 1) & (b->slot_count - 1);
  return slot;
}

static void widen_table(struct mesh_builder *b) {
  free(b->slots);
  b->slot_count = b->slot_count ? 2 * b->slot_count : SLOTS_FIRST;
  b->slots = out_alloc(b->slot_count, sizeof *b->slots);
  for (size_t i = 0; i < b->arrays.node_count; i++)
    b->slots[slot_of(b, b->arrays.xyz + 3 * i)] = (uint32_t)i + 1;
}

uint32_t mesh_builder_node(struct mesh_builder *b, const double at[3]) {
  struct mesh_arrays *s = &b->arrays;
  double p[3] = {at[0] + 0.0, at[1] + 0.0, at[2] + 0.0}; /* no -0 */
  if (3 * s->node_count >= 2 * b->slot_count)
    widen_table(b);
  size_t slot = slot_of(b, p);
  if (b->slots[slot])
    return b->slots[slot] - 1;
  if (s->node_count == b->node_cap) {
    b->node_cap = wider(b->node_cap);
    s->xyz = out_again(s->xyz, s->node_count, b->node_cap, 3 * sizeof *s->xyz);
  }
  memcpy(s->xyz + 3 * s->node_count, p, sizeof p);
  b->slots[slot] = (uint32_t)++s->node_count;
  return b->slots[slot] - 1;
}

void mesh_builder_triangle(struct mesh_builder *b, const uint32_t c[3]) {
  struct mesh_arrays *s = &b->arrays;
  if (c[0] == c[1] || c[1] == c[2] || c[2] == c[0])
    return;
  if (s->triangle_count == b->triangle_cap) {
    b->triangle_cap = wider(b->triangle_cap);
    s->triangles = out_again(s->triangles, s->triangle_count, b->triangle_cap,
                             3 * sizeof *s->triangles);
  }
  memcpy(s->triangles + 3 * s->triangle_count++, c, 3 * sizeof *c);
  s->faces[s->face_count - 1].count++;
}

static void mesh_builder_free(struct mesh_builder *b) {
  mesh_arrays_free(&b->arrays);
  free(b->slots);
  *b = (struct mesh_builder){0};
}

void mesh_builder_finish(struct mesh_builder *b, struct mesh_arrays *s) {
  *s = b->arrays;
  b->arrays = (struct mesh_arrays){0};
  mesh_builder_free(b);
}
