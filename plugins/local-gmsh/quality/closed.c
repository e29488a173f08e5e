/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the tetrahedra of a solid fill it: their outer sides must be the triangles of its faces,
 * no more and no fewer.  That holds for any size of elements, unlike a comparison of volumes.
 */
#include "quality/closed.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "base/compare.h"
#include "base/out.h"
#include "base/sort3.h"
#include "task/outcome.h"

#include <gmshc.h>
#include <stdlib.h>

/* Equal for the same three nodes in any order; others differ but for one case in 2^64. */
static uint64_t key_of(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t n[3] = {a, b, c};
  sort3(n);
  uint64_t h = ((uint64_t)n[0] << 32 | n[1]) * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 32 ^ n[2]) * 0xd6e8feb86659fd93u;
  h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
  return h ^ h >> 32;
}

static uint64_t mixed(uint64_t h) {
  h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
  h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
  return h ^ h >> 32;
}

/* The same of four nodes. */
static uint64_t quad_key(const uint32_t n[4]) {
  uint64_t sum = 1;
  for (int k = 0; k < 4; k++)
    sum += mixed(n[k] + 0x9e3779b97f4a7c15u);
  return mixed(sum);
}

static uint64_t side_key(struct cell c, int side) {
  uint32_t n[4];
  return cells_side(c, side, n) == 3 ? key_of(n[0], n[1], n[2]) : quad_key(n);
}

/* Of a triangle, or of the quadrangle whose first half it is: the second half has none, 0. */
static uint64_t triangle_key(const struct mesh_arrays *s, size_t triangle) {
  const uint32_t *n = s->triangles + 3 * triangle;
  if (s->halves && s->halves[triangle])
    return 0;
  if (s->halves && triangle + 1 < s->triangle_count && s->halves[triangle + 1])
    return quad_key((const uint32_t[4]){n[0], n[1], n[2], n[4]});
  return key_of(n[0], n[1], n[2]);
}

/* The quick way for what nearly all cells are. */
static uint64_t tet_side_key(const struct mesh_arrays *s, size_t tet, int side) {
  static const uint8_t SIDES[4][3] = {{0, 1, 2}, {0, 1, 3}, {0, 2, 3}, {1, 2, 3}};
  const uint32_t *n = s->tets + tet * (size_t)s->tet_nodes;
  return key_of(n[SIDES[side][0]], n[SIDES[side][1]], n[SIDES[side][2]]);
}

/* Sides of a solid's prisms or pyramids, five of each. */
static uint64_t layer_side_key(const struct mesh_arrays *s, enum cell_kind kind, size_t solid,
                               size_t i) {
  const struct range *r = &cells_solids(s, kind)[solid];
  return side_key(cells_get(s, cells_first(s, kind) + r->first + i / 5), (int)(i % 5));
}

static size_t layer_sides(const struct mesh_arrays *s, enum cell_kind kind, size_t solid) {
  const struct range *r = cells_solids(s, kind);
  return r ? 5 * r[solid].count : 0;
}

static const struct range *face_of(const struct mesh_arrays *s, int tag) {
  size_t low = 0, high = s->face_count; /* Gmsh lists entities by their number */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (s->faces[middle].tag < tag)
      low = middle + 1;
    else
      high = middle;
  }
  return low < s->face_count && s->faces[low].tag == tag ? &s->faces[low] : NULL;
}

/* Sides between two cells cancel out. */
static uint64_t outside_of(const struct mesh_arrays *s, size_t solid) {
  const struct range *r = &s->solids[solid];
  uint64_t sum = 0;
  for (size_t i = 0; i < r->count; i++)
    for (int k = 0; k < 4; k++)
      sum ^= tet_side_key(s, r->first + i, k);
  for (enum cell_kind kind = CELL_PRISM; kind < CELL_KINDS; kind++)
    for (size_t i = 0; i < layer_sides(s, kind, solid); i++)
      sum ^= layer_side_key(s, kind, solid, i);
  return sum;
}

static uint64_t skin_of(const struct mesh_arrays *s, const int *faces, size_t count) {
  uint64_t sum = 0;
  for (size_t f = 0; f < count; f++) {
    const struct range *r = face_of(s, faces[2 * f + 1]);
    for (size_t i = 0; r && i < r->count; i++)
      sum ^= triangle_key(s, r->first + i);
  }
  return sum;
}

static bool among(const uint64_t *sorted, size_t count, uint64_t key) {
  return bsearch(&key, sorted, count, sizeof *sorted, compare_u64) != NULL;
}

/* Sorted, to be freed. */
static uint64_t *triangle_keys(const struct mesh_arrays *s, const int *faces, size_t count,
                               size_t *n) {
  size_t all = 0, at = 0;
  for (size_t f = 0; f < count; f++) {
    const struct range *r = face_of(s, faces[2 * f + 1]);
    all += r ? r->count : 0;
  }
  uint64_t *keys = out_alloc(all, sizeof *keys);
  for (size_t f = 0; f < count; f++) {
    const struct range *r = face_of(s, faces[2 * f + 1]);
    for (size_t i = 0; r && i < r->count; i++)
      keys[at++] = triangle_key(s, r->first + i);
  }
  qsort(keys, at, sizeof *keys, compare_u64);
  *n = at;
  return keys;
}

static uint64_t *side_keys(const struct mesh_arrays *s, size_t solid, size_t *count) {
  const struct range *r = &s->solids[solid];
  size_t n = 0, room = 4 * r->count + layer_sides(s, CELL_PRISM, solid) +
                       layer_sides(s, CELL_PYRAMID, solid);
  uint64_t *keys = out_alloc(room, sizeof *keys);
  for (; n < 4 * r->count; n++)
    keys[n] = tet_side_key(s, r->first + n / 4, (int)(n % 4));
  for (enum cell_kind kind = CELL_PRISM; kind < CELL_KINDS; kind++)
    for (size_t i = 0; i < layer_sides(s, kind, solid); i++)
      keys[n++] = layer_side_key(s, kind, solid, i);
  qsort(keys, n, sizeof *keys, compare_u64);
  *count = n;
  return keys;
}

/* The long way, for a solid that has faces within it, which tetrahedra touch from both sides.
 * Returns how many sides are open or shared by more than two. */
static size_t count_wrong(const struct mesh_arrays *s, size_t solid, const int *faces,
                          size_t count) {
  size_t n = 0, m = 0, wrong = 0, run;
  uint64_t *skin = triangle_keys(s, faces, count, &n), *sides = side_keys(s, solid, &m);
  for (size_t i = 0; i < m; i += run) {
    for (run = 1; i + run < m && sides[i + run] == sides[i];)
      run++;
    wrong += run > 2 || (run == 1 && !among(skin, n, sides[i]));
  }
  for (size_t i = 0; i < n; i++)
    wrong += skin[i] != 0 && !among(sides, m, skin[i]);
  free(skin);
  free(sides);
  return wrong;
}

static bool solid_closed(const struct mesh_arrays *s, size_t solid, struct outcome *o) {
  int of[2] = {3, s->solids[solid].tag}, *faces = NULL, e = 0;
  size_t n = 0, wrong = 0;
  gmshModelGetBoundary(of, 2, &faces, &n, 0, 0, 0, &e);
  if (e == 0 && outside_of(s, solid) != skin_of(s, faces, n / 2))
    wrong = count_wrong(s, solid, faces, n / 2);
  gmshFree(faces);
  if (wrong)
    return outcome_fail(o, REASON_OPEN,
                        "solid %d is not filled up to its faces: %zu sides of its %s are open, or "
                        "cross a face",
                        of[1], wrong, s->prisms.count ? "elements" : "tetrahedra");
  return true;
}

bool closed_check(const struct mesh_arrays *s, struct outcome *o) {
  for (size_t i = 0; i < s->solid_count; i++)
    if (!solid_closed(s, i, o))
      return false;
  return true;
}
