/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether the mesh of each face reaches the edges of the face: each line of the mesh on such an
 * edge must be a side of a triangle of the face.
 *
 * Where a hole is far narrower than the elements Gmsh may close its two mouths, and leave the face
 * between them without triangles.  The tetrahedra then fill the hole; they end at the triangles all
 * the same, and the volume hardly tells.
 */
#include "quality/borders.h"

#include "base/out.h"
#include "model/adjacent.h"
#include "task/outcome.h"

#include <gmshc.h>
#include <stdlib.h>

struct lines {    /* of the mesh, on the edges of one face: a table by their nodes */
  uint64_t *keys; /* 0: free */
  bool *met;      /* it is a side of a triangle */
  int *curves;
  size_t room, count; /* room: a power of two, at least twice the count */
};

static uint64_t key_of(size_t a, size_t b) {
  return a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
}

/* Where the key is, or would be. */
static size_t slot_of(const struct lines *l, uint64_t key) {
  uint64_t h = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
  size_t at = (size_t)(h >> 32) & (l->room - 1);
  while (l->keys[at] && l->keys[at] != key)
    at = (at + 1) & (l->room - 1);
  return at;
}

static void lines_open(struct lines *l, size_t count) {
  *l = (struct lines){.room = 16};
  while (l->room < 2 * count)
    l->room *= 2;
  l->keys = out_alloc(l->room, sizeof *l->keys);
  l->met = out_alloc(l->room, sizeof *l->met);
  l->curves = out_alloc(l->room, sizeof *l->curves);
}

static void lines_close(struct lines *l) {
  free(l->keys);
  free(l->met);
  free(l->curves);
}

/* The corners of a curve's lines (dim 1) or a face's triangles (dim 2); free with gmshFree. */
static size_t *corners_of(int dim, int tag, size_t *n) {
  size_t *tags = NULL, *nodes = NULL, tag_count = 0;
  int e = 0;
  *n = 0;
  gmshModelMeshGetElementsByType(dim, &tags, &tag_count, &nodes, n, tag, 0, 1, &e);
  gmshFree(tags);
  if (e)
    *n = 0;
  return nodes;
}

struct curve_lines {
  size_t *nodes, n;
};

/* The lines of all edges of the face, to be closed. */
static void take_lines(struct lines *l, const int *curves, size_t curve_count) {
  struct curve_lines *of = out_alloc(curve_count + 1, sizeof *of);
  size_t all = 0;
  for (size_t c = 0; c < curve_count; c++) {
    of[c].nodes = corners_of(1, curves[c], &of[c].n);
    all += of[c].n / 2;
  }
  lines_open(l, all);
  for (size_t c = 0; c < curve_count; c++) {
    for (size_t i = 0; i + 1 < of[c].n; i += 2) {
      const size_t *n = of[c].nodes + i;
      size_t at = slot_of(l, key_of(n[0], n[1]));
      if (n[0] == n[1] || l->keys[at])
        continue;
      l->keys[at] = key_of(n[0], n[1]);
      l->curves[at] = curves[c];
      l->count++;
    }
    gmshFree(of[c].nodes);
  }
  free(of);
}

/* True when all lines are met. */
static bool meet(struct lines *l, const size_t *corners, size_t n) {
  size_t left = l->count;
  for (size_t i = 0; i + 2 < n && left > 0; i += 3)
    for (size_t k = 0; k < 3; k++) {
      size_t at = slot_of(l, key_of(corners[i + k], corners[i + (k + 1) % 3]));
      if (l->keys[at] && !l->met[at]) {
        l->met[at] = true;
        left--;
      }
    }
  return left == 0;
}

static bool fail_at(int face, const struct lines *l, struct outcome *o) {
  size_t at = 0, unmet = 0;
  double a[3] = {0}, b[3] = {0};
  int e = 0;
  for (size_t i = 0; i < l->room; i++)
    if (l->keys[i] && !l->met[i]) {
      at = i;
      unmet++;
    }
  gmshModelGetBoundingBox(1, l->curves[at], &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  return outcome_fail(o, REASON_OPEN,
                      "the elements are too large for face %d: its triangles do not reach its edge "
                      "%d near (%.6g, %.6g, %.6g), %zu of %zu lines on its edges have none",
                      face, l->curves[at], (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2,
                      unmet, l->count);
}

static bool face_check(int face, struct outcome *o) {
  size_t curve_count = 0, n = 0;
  size_t *corners = corners_of(2, face, &n);
  int *curves = n ? adjacent_below(2, face, &curve_count) : NULL;
  struct lines l;
  take_lines(&l, curves, curve_count);
  bool ok = n == 0 || meet(&l, corners, n) || fail_at(face, &l, o);
  lines_close(&l);
  gmshFree(curves);
  gmshFree(corners);
  return ok;
}

bool borders_check(struct outcome *o) {
  int *faces = NULL, e = 0;
  size_t n = 0;
  bool ok = true;
  gmshModelGetEntities(&faces, &n, 2, &e);
  for (size_t i = 0; e == 0 && ok && i + 1 < n; i += 2)
    ok = face_check(faces[i + 1], o);
  gmshFree(faces);
  return ok;
}
