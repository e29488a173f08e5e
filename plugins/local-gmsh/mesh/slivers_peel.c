/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A flat tetrahedron with two sides on one face of the CAD is taken away.
 */
#include "mesh/slivers_peel.h"

#include "arrays/mesh_arrays.h"
#include "base/compare.h"
#include "base/vec.h"
#include "mesh/slivers_part.h"
#include "quality/quality.h"
#include "task/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLAT  0.97 /* cosine: a face may turn by this much where a diagonal is changed */
#define WORSE 0.5  /* a new triangle may be this much worse than the old ones, in SICN */

static const uint8_t SIDES[4][3] = {{0, 2, 1}, {0, 1, 3}, {0, 3, 2}, {1, 2, 3}};

static bool among(const uint64_t *sorted, size_t count, uint64_t edge) {
  return bsearch(&edge, sorted, count, sizeof *sorted, compare_u64) != NULL;
}

static bool has(const uint32_t *tet, uint32_t node) {
  return tet[0] == node || tet[1] == node || tet[2] == node || tet[3] == node;
}

/* Tetrahedra with these three nodes. */
static size_t sharing(const struct work *w, uint32_t a, uint32_t b, uint32_t c) {
  size_t count = 0;
  for (size_t i = w->first[a]; i < w->first[a + 1]; i++) {
    const uint32_t *n = nodes_of(w, w->around[i]);
    count += has(n, b) && has(n, c);
  }
  return count;
}

static size_t triangle_of(const struct work *w, uint32_t a, uint32_t b, uint32_t c) {
  struct key key = slivers_key(a, b, c),
             *found = bsearch(&key, w->keys, w->s.triangle_count, sizeof key, slivers_by_nodes);
  return found ? found->triangle : SIZE_MAX;
}

static size_t face_of(const struct mesh_arrays *s, size_t triangle) {
  size_t i = 0;
  while (i < s->face_count && triangle >= s->faces[i].first + s->faces[i].count)
    i++;
  return i;
}

static double normal_of(const struct work *w, const uint32_t n[3], double normal[3]) {
  vec_normal(normal, at(w, n[0]), at(w, n[1]), at(w, n[2]));
  return vec_length(normal);
}

static double shape_of(const struct work *w, const uint32_t n[3]) {
  const double *const p[3] = {at(w, n[0]), at(w, n[1]), at(w, n[2])};
  double q[MEASURES];
  quality_triangle(p, q);
  return q[MEASURE_SICN];
}

/* Whether two triangles may take the place of two others: about as flat, and not much worse. */
static bool may_replace(const struct work *w, const uint32_t before[2][3],
                        const uint32_t after[2][3]) {
  double mean[3] = {0}, length = 0, n[4][3], size[4];
  for (int i = 0; i < 4; i++)
    size[i] = normal_of(w, i < 2 ? before[i] : after[i - 2], n[i]);
  for (int i = 0; i < 3; i++) {
    mean[i] = n[0][i] + n[1][i];
    length += mean[i] * mean[i];
  }
  length = sqrt(length);
  for (int i = 0; i < 4; i++)
    if (!(n[i][0] * mean[0] + n[i][1] * mean[1] + n[i][2] * mean[2] > FLAT * size[i] * length))
      return false;
  return fmin(shape_of(w, after[0]), shape_of(w, after[1])) >=
         WORSE * fmin(shape_of(w, before[0]), shape_of(w, before[1]));
}

/* The edge a b of two triangles in the tetrahedron gives way to c d.  a b c turns as `one` does. */
static bool flip(struct work *w, size_t one, size_t other) {
  uint32_t *t = w->s.triangles + 3 * one, *u = w->s.triangles + 3 * other;
  for (size_t k = 0; k < 3; k++) {
    uint32_t a = t[k], b = t[(k + 1) % 3], c = t[(k + 2) % 3];
    for (size_t m = 0; m < 3; m++) {
      uint32_t d = u[(m + 2) % 3];
      if (u[m] != b || u[(m + 1) % 3] != a)
        continue;
      const uint32_t before[2][3] = {{a, b, c}, {b, a, d}}, after[2][3] = {{c, a, d}, {d, b, c}};
      if (among(w->curves, w->curve_count, edge_of(a, b)) ||
          among(w->edges, w->edge_count, edge_of(c, d)) || !may_replace(w, before, after))
        return false;
      memcpy(t, after[0], sizeof after[0]);
      memcpy(u, after[1], sizeof after[1]);
      return true;
    }
  }
  return false;
}

bool slivers_peel(struct work *w, size_t tet) {
  const uint32_t *n = nodes_of(w, tet);
  size_t skin[2], count = 0;
  for (int i = 0; i < 4; i++)
    if (w->touched[n[i]])
      return false;
  for (int i = 0; i < 4; i++) {
    uint32_t a = n[SIDES[i][0]], b = n[SIDES[i][1]], c = n[SIDES[i][2]];
    size_t shared = sharing(w, a, b, c), triangle = triangle_of(w, a, b, c);
    if (shared > 1 && triangle == SIZE_MAX)
      continue;
    if (shared > 1 || triangle == SIZE_MAX || count == 2)
      return false; /* a face between two solids, or inside of one; or a corner */
    skin[count++] = triangle;
  }
  if (count != 2)
    return false;
  size_t face = face_of(&w->s, skin[0]);
  if (face != face_of(&w->s, skin[1]) || w->fixed[face] || !flip(w, skin[0], skin[1]))
    return false;
  w->changed[face] = true;
  for (size_t i = 0; i < w->s.solid_count; i++)
    w->emptied[i] |= tet >= w->s.solids[i].first &&
                     tet < w->s.solids[i].first + w->s.solids[i].count;
  for (int i = 0; i < 4; i++)
    w->touched[n[i]] = true;
  w->sicn[tet] = DEAD;
  w->peeled++;
  return true;
}
