/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the tetrahedra of a solid fill it: their outer sides must be the triangles of its faces,
 * no more and no fewer.  That holds for any size of elements, unlike a comparison of volumes.
 */
#include "out.h"
#include "soup.h"
#include "task.h"

#include <gmshc.h>
#include <stdlib.h>

/* Equal for the same three nodes in any order; others differ but for one case in 2^64. */
static uint64_t key_of(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t low = a < b ? a : b, high = a < b ? b : a;
  uint32_t first = low < c ? low : c, last = high > c ? high : c;
  uint32_t middle = low < c ? (high < c ? high : c) : low;
  uint64_t h = ((uint64_t)first << 32 | middle) * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 32 ^ last) * 0xd6e8feb86659fd93u;
  h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
  return h ^ h >> 32;
}

static const uint8_t SIDES[4][3] = {{0, 1, 2}, {0, 1, 3}, {0, 2, 3}, {1, 2, 3}};

static uint64_t side_key(const struct soup *s, size_t tet, int side) {
  const uint32_t *n = s->tets + tet * (size_t)s->tet_nodes;
  return key_of(n[SIDES[side][0]], n[SIDES[side][1]], n[SIDES[side][2]]);
}

static uint64_t triangle_key(const struct soup *s, size_t triangle) {
  const uint32_t *n = s->triangles + 3 * triangle;
  return key_of(n[0], n[1], n[2]);
}

static const struct range *face_of(const struct soup *s, int tag) {
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

/* Sides between two tetrahedra cancel out. */
static uint64_t outside_of(const struct soup *s, const struct range *solid) {
  uint64_t sum = 0;
  for (size_t i = 0; i < solid->count; i++)
    for (int k = 0; k < 4; k++)
      sum ^= side_key(s, solid->first + i, k);
  return sum;
}

static uint64_t skin_of(const struct soup *s, const int *faces, size_t count) {
  uint64_t sum = 0;
  for (size_t f = 0; f < count; f++) {
    const struct range *r = face_of(s, faces[2 * f + 1]);
    for (size_t i = 0; r && i < r->count; i++)
      sum ^= triangle_key(s, r->first + i);
  }
  return sum;
}

static int by_key(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static bool among(const uint64_t *sorted, size_t count, uint64_t key) {
  return bsearch(&key, sorted, count, sizeof *sorted, by_key) != NULL;
}

/* Sorted, to be freed. */
static uint64_t *triangle_keys(const struct soup *s, const int *faces, size_t count, size_t *n) {
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
  qsort(keys, at, sizeof *keys, by_key);
  *n = at;
  return keys;
}

static uint64_t *side_keys(const struct soup *s, const struct range *solid) {
  uint64_t *keys = out_alloc(4 * solid->count, sizeof *keys);
  for (size_t i = 0; i < 4 * solid->count; i++)
    keys[i] = side_key(s, solid->first + i / 4, (int)(i % 4));
  qsort(keys, 4 * solid->count, sizeof *keys, by_key);
  return keys;
}

/* The long way, for a solid that has faces within it, which tetrahedra touch from both sides.
 * Returns how many sides are open or shared by more than two. */
static size_t count_wrong(const struct soup *s, const struct range *solid, const int *faces,
                          size_t count) {
  size_t n = 0, wrong = 0, run;
  uint64_t *skin = triangle_keys(s, faces, count, &n), *sides = side_keys(s, solid);
  for (size_t i = 0; i < 4 * solid->count; i += run) {
    for (run = 1; i + run < 4 * solid->count && sides[i + run] == sides[i];)
      run++;
    wrong += run > 2 || (run == 1 && !among(skin, n, sides[i]));
  }
  for (size_t i = 0; i < n; i++)
    wrong += !among(sides, 4 * solid->count, skin[i]);
  free(skin);
  free(sides);
  return wrong;
}

static bool solid_closed(const struct soup *s, const struct range *solid, struct outcome *o) {
  int of[2] = {3, solid->tag}, *faces = NULL, e = 0;
  size_t n = 0, wrong = 0;
  gmshModelGetBoundary(of, 2, &faces, &n, 0, 0, 0, &e);
  if (e == 0 && outside_of(s, solid) != skin_of(s, faces, n / 2))
    wrong = count_wrong(s, solid, faces, n / 2);
  gmshFree(faces);
  if (wrong)
    return outcome_fail(o, REASON_OPEN,
                        "solid %d is not filled up to its faces: %zu sides of its tetrahedra are "
                        "open, or cross a face",
                        solid->tag, wrong);
  return true;
}

bool closed_check(const struct soup *s, struct outcome *o) {
  for (size_t i = 0; i < s->solid_count; i++)
    if (!solid_closed(s, &s->solids[i], o))
      return false;
  return true;
}
