/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Smaller elements where the CAD is curved.  A chord of length h on a radius r leaves the arc by
 * h^2 / (8 r), so a distance e wants h <= sqrt(8 r e): unlike a number of edges a turn, that spends
 * little on small rounds and nothing on planes.
 *
 *   curves and curved faces -> samples (place, radius)
 *   sizes.c asks for the size at a point of an entity -> the nearest sample of that entity
 */
#include "sizes/curvature.h"

#include "base/out.h"
#include "base/vec.h"
#include "model/adjacent.h"

#include <gmshc.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ON_CURVE 17 /* samples; of a face ON_FACE in each direction */
#define ON_FACE  9
#define ANY_SIZE 1e22
/* Edges come out up to half as long again as the size, and inside a face the middle of a triangle
 * lies further from it than that of its edges. */
#define SPREAD 0.9
#define TURNED (-0.1) /* cosine: normals more than a right angle apart, as fillets have none */

struct sample {
  double at[3], radius;
};

struct curvature_of { /* an entity; count 0: straight or plane */
  size_t count;
  struct sample *samples;
  bool chosen; /* a face: by curvature_choose */
  int *around; /* of a curve: its faces */
  size_t around_count;
};

struct curvature {
  size_t count[2]; /* of entity: one more than the largest number, of curves and of faces */
  struct curvature_of *entity[2];
};

static bool is_flat(int dim, int tag) {
  char *type = NULL;
  int e = 0;
  gmshModelGetType(dim, tag, &type, &e);
  bool flat = e || !type || strcmp(type, dim == 1 ? "Line" : "Plane") == 0 ||
              strncmp(type, "Discrete", 8) == 0;
  gmshFree(type);
  return flat;
}

/* Points of a curve, or a grid on a face, inside its bounds: the ends may be poles. */
static size_t grid(int dim, const double *low, const double *high, double *params) {
  size_t n = dim == 1 ? ON_CURVE : ON_FACE, m = dim == 1 ? 1 : n;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < m; k++) {
      double *p = params + (i * m + k) * (size_t)dim;
      p[0] = low[0] + (high[0] - low[0]) * ((double)i + 0.5) / (double)n;
      if (dim == 2)
        p[1] = low[1] + (high[1] - low[1]) * ((double)k + 0.5) / (double)m;
    }
  return n * m;
}

static void take_samples(int dim, int tag, struct curvature_of *b) {
  double *low = NULL, *high = NULL, *bent = NULL, *xyz = NULL, params[2 * ON_FACE * ON_FACE];
  size_t lows = 0, highs = 0, bents = 0, coords = 0, n = 0;
  int e = 0;
  gmshModelGetParametrizationBounds(dim, tag, &low, &lows, &high, &highs, &e);
  if (e == 0 && lows == (size_t)dim && highs == (size_t)dim) {
    n = grid(dim, low, high, params);
    gmshModelGetCurvature(dim, tag, params, n * (size_t)dim, &bent, &bents, &e);
    gmshModelGetValue(dim, tag, params, n * (size_t)dim, &xyz, &coords, &e);
  }
  if (e == 0 && bents == n && coords == 3 * n) {
    b->samples = out_alloc(n, sizeof *b->samples);
    for (size_t i = 0; i < n; i++) {
      struct sample *s = &b->samples[b->count++];
      memcpy(s->at, xyz + 3 * i, sizeof s->at);
      s->radius = fabs(bent[i]) > 1e-12 && isfinite(bent[i]) ? 1 / fabs(bent[i]) : INFINITY;
    }
  }
  gmshFree(low);
  gmshFree(high);
  gmshFree(bent);
  gmshFree(xyz);
}

static void take_entities(struct curvature *all, int dim) {
  int *tags = NULL, e = 0;
  size_t n = 0, largest = 0;
  gmshModelGetEntities(&tags, &n, dim, &e);
  for (size_t i = 1; i < n; i += 2)
    if ((size_t)tags[i] > largest)
      largest = (size_t)tags[i];
  all->count[dim - 1] = largest + 1;
  all->entity[dim - 1] = out_alloc(largest + 1, sizeof(struct curvature_of));
  for (size_t i = 1; i < n; i += 2) {
    struct curvature_of *b = &all->entity[dim - 1][tags[i]];
    if (!is_flat(dim, tags[i]))
      take_samples(dim, tags[i], b);
    if (dim == 1)
      b->around = adjacent_above(1, tags[i], &b->around_count);
  }
  gmshFree(tags);
}

/* NULL: there is no such entity. */
static const struct curvature_of *curvature_of_entity(const struct curvature *all, int dim,
                                                      int tag) {
  return (dim == 1 || dim == 2) && tag >= 0 && (size_t)tag < all->count[dim - 1]
             ? &all->entity[dim - 1][tag]
             : NULL;
}

/* Of the nearest sample. */
static double radius_at(const struct curvature_of *b, const double at[3]) {
  double nearest = INFINITY, radius = INFINITY;
  for (size_t i = 0; i < b->count; i++) {
    const struct sample *s = &b->samples[i];
    double x = s->at[0] - at[0], y = s->at[1] - at[1], z = s->at[2] - at[2];
    double square = x * x + y * y + z * z;
    if (square < nearest) {
      nearest = square;
      radius = s->radius;
    }
  }
  return radius;
}

static double size_at(const struct curvature *all, double chord, int dim, int tag,
                      const double at[3]) {
  const struct curvature_of *b = curvature_of_entity(all, dim, tag);
  return b ? fmin(bends_length(radius_at(b, at), chord), ANY_SIZE) : ANY_SIZE;
}

double curvature_size(const struct curvature *all, double chord, int dim, int tag,
                      const double at[3]) {
  double size = ANY_SIZE;
  if (dim != 1 && dim != 2)
    return size;
  size = size_at(all, chord, dim, tag, at);
  if (dim == 1 && tag >= 0 && (size_t)tag < all->count[0])
    for (size_t i = 0; i < all->entity[0][tag].around_count; i++)
      size = fmin(size, size_at(all, chord, 2, all->entity[0][tag].around[i], at));
  return size;
}

/* The least cosine between two normals of a face. */
static double least_cosine(int face) {
  double *low = NULL, *high = NULL, *normals = NULL, params[2 * ON_FACE * ON_FACE], least = 1;
  size_t lows = 0, highs = 0, coords = 0, n = 0;
  int e = 0;
  gmshModelGetParametrizationBounds(2, face, &low, &lows, &high, &highs, &e);
  if (e == 0 && lows == 2 && highs == 2) {
    n = grid(2, low, high, params);
    gmshModelGetNormal(face, params, 2 * n, &normals, &coords, &e);
  }
  for (size_t i = 0; e == 0 && i + 2 < coords; i += 3)
    for (size_t k = 0; k < i; k += 3)
      least = fmin(least, vec_dot(normals + i, normals + k));
  gmshFree(low);
  gmshFree(high);
  gmshFree(normals);
  return least;
}

void curvature_choose(struct curvature *all, int face) {
  const struct curvature_of *b = curvature_of_entity(all, 2, face);
  if (b && b->count && least_cosine(face) < TURNED)
    all->entity[1][face].chosen = true;
}

static double turn_at(const struct curvature_of *b, int edges, const double at[3]) {
  return b && b->chosen ? fmin(2 * M_PI * radius_at(b, at) / edges, ANY_SIZE) : ANY_SIZE;
}

double curvature_turn(const struct curvature *all, int edges, int dim, int tag,
                      const double at[3]) {
  const struct curvature_of *b = curvature_of_entity(all, dim, tag);
  double size = dim == 2 ? turn_at(b, edges, at) : ANY_SIZE;
  for (size_t i = 0; dim == 1 && b && i < b->around_count; i++)
    size = fmin(size, turn_at(curvature_of_entity(all, 2, b->around[i]), edges, at));
  return size;
}

struct curvature *curvature_take(void) {
  struct curvature *all = out_alloc(1, sizeof *all);
  take_entities(all, 1);
  take_entities(all, 2);
  return all;
}

void curvature_each(const struct curvature *all, curvature_visit *visit, void *context) {
  for (int dim = 1; dim <= 2; dim++)
    for (size_t tag = 0; tag < all->count[dim - 1]; tag++)
      for (size_t i = 0; i < all->entity[dim - 1][tag].count; i++) {
        const struct sample *s = &all->entity[dim - 1][tag].samples[i];
        visit(context, dim, (int)tag, s->at, s->radius);
      }
}

double bends_length(double radius, double chord) {
  return SPREAD * sqrt(8 * radius * chord);
}
