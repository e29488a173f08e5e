/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "layers/layers.h"

#include "arrays/prism_validity.h"
#include "arrays/wall_rays.h"
#include "base/out.h"
#include "base/vec.h"
#include "layers/layers_directions.h"
#include "layers/layers_slide.h"
#include "layers/layers_surface.h"

#include <stdlib.h>
#include <string.h>

/* Of the way to what lies across: a chosen face, which has layers too. */
#define AGAINST_LAYER 0.35
#define AGAINST_BARE  0.6
#define SLOPE         0.8 /* of the length between neighbours: what their heights differ by */
#define LEAN_MOST     2.5 /* heights along a direction, of those along the normal */
#define SHARE_LEAST   0.1 /* of the height: below, there is no layer */
#define LESS          0.7 /* what a height that is too much is taken times */
#define ROUNDS        40
#define ROUNDS_SLOW   28   /* after these, what is too much is taken away */
#define VALID         0.08 /* prism_validity of a prism */
#define AREA_KEPT     0.12 /* of a triangle that makes room */
#define PARALLEL      1e-7 /* cosine */
#define NEAR          0.2  /* of the heights on both sides: what must be left between them */
#define APART         1e-6 /* of an edge: what it meets there is its own end */

/* ---- heights ---- */

/* Where two specs meet, the lower one is followed. */
static void take_specs(struct layers *l, const struct layers_surface *s) {
  for (size_t i = 0; i < 3 * s->count; i++) {
    const struct layers_spec *w = s->faces[s->face[i / 3]].spec, **have = &l->spec[s->triangles[i]];
    if (w && (!*have || layers_total(w) < layers_total(*have)))
      *have = w;
  }
}

static void take_balls(struct layers *l, const struct layers_surface *s) {
  for (size_t i = 0; i < 3 * s->count; i++) {
    const struct layers_face *f = &s->faces[s->face[i / 3]];
    if (f->shape == LAYERS_BALL && !f->spec)
      l->ball[s->triangles[i]] = f;
  }
}

static void take_full(struct layers *l) {
  for (size_t i = 0; i < l->node_count; i++)
    if (l->spec[i] && l->sees[i] > 0)
      l->height[i] = l->full[i] = layers_total(l->spec[i]) * fmin(LEAN_MOST, 1 / l->sees[i]);
}

/* Whether the node lies in the face of the triangle, which was not chosen: what goes along that
 * face meets it by rounding alone. */
static bool lies_in_its_face(const struct layers_surface *s, const struct layers_around *a,
                             uint32_t node, size_t triangle) {
  uint32_t face = s->face[triangle];
  for (size_t i = a->first[node]; !s->faces[face].spec && i < a->first[node + 1]; i++)
    if (s->face[a->triangle[i]] == face)
      return true;
  return false;
}

static void limit_across(struct layers *l, const struct layers_surface *s,
                         const struct layers_around *a) {
  struct wall_rays *w = wall_rays_new(s->xyz, s->triangles, s->count);
  for (uint32_t i = 0; i < l->node_count; i++) {
    if (!(l->height[i] > 0))
      continue;
    struct wall_hit hit = wall_rays_cast(w, s->xyz + 3 * (size_t)i, l->direction[i], SIZE_MAX, 0);
    if (isinf(hit.distance) || lies_in_its_face(s, a, i, hit.triangle))
      continue;
    bool layers = s->faces[s->face[hit.triangle]].spec != NULL;
    l->height[i] = fmin(l->height[i], hit.distance * (layers ? AGAINST_LAYER : AGAINST_BARE));
  }
  wall_rays_free(w);
}

/* Neighbours on chosen faces differ by no more than the slope; too little is none. */
static void limit_slopes(struct layers *l, const struct layers_surface *s) {
  bool changed = true;
  for (int times = 0; changed && times < 100; times++) {
    changed = false;
    for (size_t i = 0; i < 3 * s->count; i++) {
      uint32_t a = s->triangles[i], b = s->triangles[i % 3 == 2 ? i - 2 : i + 1];
      if (!s->faces[s->face[i / 3]].spec)
        continue;
      double most = SLOPE * vec_distance(s->xyz + 3 * (size_t)a, s->xyz + 3 * (size_t)b);
      for (int side = 0; side < 2; side++) {
        uint32_t low = side ? a : b, high = side ? b : a;
        if (!(l->height[high] > l->height[low] + most * (1 + 1e-9)))
          continue;
        l->height[high] = l->height[low] + most;
        changed = true;
      }
    }
  }
  for (size_t i = 0; i < l->node_count; i++)
    if (l->height[i] < SHARE_LEAST * l->full[i])
      l->height[i] = 0;
}

static void place(struct layers *l, const struct layers_surface *s, struct layers_slide *slide) {
  memcpy(l->inner, s->xyz, 3 * l->node_count * sizeof *l->inner);
  for (uint32_t i = 0; i < l->node_count; i++)
    if (l->height[i] > 0) {
      vec_add(l->inner + 3 * (size_t)i, l->height[i], l->direction[i]);
      layers_round(l, s, i, l->inner + 3 * (size_t)i);
    }
  layers_slide_run(slide, s, l);
}

/* ---- what is too much ---- */

static void mark(bool *low, const uint32_t *triangle) {
  for (int k = 0; k < 3; k++)
    low[triangle[k]] = true;
}

static void find_inverted(const struct layers *l, const struct layers_surface *s, bool *low) {
  for (size_t i = 0; i < s->count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    const double *outer[3], *inner[3];
    if (!s->faces[s->face[i]].spec)
      continue;
    for (int k = 0; k < 3; k++) {
      outer[k] = s->xyz + 3 * (size_t)n[k];
      inner[k] = l->inner + 3 * (size_t)n[k];
    }
    if (prism_validity(outer, inner) < VALID)
      mark(low, n);
  }
}

/* The nodes with layers in the face that are not much farther than the nearest of them. */
static void mark_near(const struct layers *l, const struct layers_surface *s, bool *low,
                      uint32_t face, const double *at) {
  double nearest = INFINITY, most = 0;
  for (int times = 0; times < 2; times++)
    for (size_t i = 0; i < 3 * s->count; i++) {
      uint32_t n = s->triangles[i];
      if (s->face[i / 3] != face || !(l->height[n] > 0))
        continue;
      double d = vec_distance(s->xyz + 3 * (size_t)n, at);
      if (times == 0 && d < nearest) {
        nearest = d;
        most = d + l->full[n];
      } else if (times == 1 && d <= most) {
        low[n] = true;
      }
    }
}

static void doubled_area(const double *xyz, const uint32_t *n, double area[3]) {
  double u[3], v[3];
  vec_sub(u, xyz + 3 * (size_t)n[1], xyz + 3 * (size_t)n[0]);
  vec_sub(v, xyz + 3 * (size_t)n[2], xyz + 3 * (size_t)n[0]);
  vec_cross(area, u, v);
}

static void find_squeezed(const struct layers *l, const struct layers_surface *s, bool *low) {
  for (size_t i = 0; i < s->count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    double before[3], after[3];
    if (s->faces[s->face[i]].spec)
      continue;
    doubled_area(s->xyz, n, before);
    doubled_area(l->inner, n, after);
    if (vec_dot(after, before) < AREA_KEPT * vec_dot(before, before))
      mark_near(l, s, low, s->face[i], s->xyz + 3 * (size_t)n[0]);
  }
}

/* Ends of layers that come near to what is inside on their way. */
static void find_near(const struct layers *l, const struct layers_surface *s,
                      const struct layers_around *a, const struct wall_rays *w, bool *low) {
  for (uint32_t i = 0; i < l->node_count; i++) {
    double from[3], high = 0;
    if (!(l->height[i] > 0))
      continue;
    memcpy(from, l->inner + 3 * (size_t)i, sizeof from);
    vec_add(from, APART * l->height[i], l->direction[i]);
    struct wall_hit hit = wall_rays_cast(w, from, l->direction[i], SIZE_MAX, 0);
    if (isinf(hit.distance) || lies_in_its_face(s, a, i, hit.triangle))
      continue;
    const uint32_t *n = s->triangles + 3 * hit.triangle;
    for (int k = 0; k < 3; k++)
      high = fmax(high, l->height[n[k]]);
    if (hit.distance >= NEAR * (l->height[i] + high))
      continue;
    low[i] = true;
    mark(low, n);
  }
}

/* Edges of the mesh inside that pass through its triangles. */
static void find_crossed(const struct layers *l, const struct layers_surface *s,
                         const struct wall_rays *w, bool *low) {
  for (size_t i = 0; i < 3 * s->count; i++) {
    uint32_t a = s->triangles[i], b = s->triangles[i % 3 == 2 ? i - 2 : i + 1];
    double from[3], direction[3], normal[3];
    if (a > b) /* the triangle behind it has it the other way round */
      continue;
    memcpy(from, l->inner + 3 * (size_t)a, sizeof from);
    vec_sub(direction, l->inner + 3 * (size_t)b, from);
    double length = vec_unit(direction);
    vec_add(from, APART * length, direction);
    struct wall_hit hit = wall_rays_cast(w, from, direction, i / 3, 0);
    if (!(hit.distance < length * (1 - 2 * APART)))
      continue;
    const uint32_t *n = s->triangles + 3 * hit.triangle;
    if (n[0] == a || n[1] == a || n[2] == a || n[0] == b || n[1] == b || n[2] == b)
      continue; /* it starts or ends there */
    wall_rays_normal(l->inner, n, normal);
    if (fabs(vec_dot(direction, normal)) < PARALLEL)
      continue; /* both lie in one plane face */
    mark(low, s->triangles + i / 3 * 3);
    mark(low, n);
  }
}

/* Lowers what was marked, and what is next to it where that has no layer itself.  False: nothing
 * was. */
static bool lower_marked(struct layers *l, const struct layers_surface *s,
                         const struct layers_around *a, bool *low, bool away) {
  bool any = false;
  for (uint32_t i = 0; i < l->node_count; i++) {
    if (!low[i])
      continue;
    if (l->height[i] > 0) {
      l->height[i] = away ? 0 : l->height[i] * LESS;
      any = true;
      continue;
    }
    for (size_t k = a->first[i]; k < a->first[i + 1]; k++)
      for (int c = 0; c < 3; c++) {
        uint32_t other = s->triangles[3 * (size_t)a->triangle[k] + (size_t)c];
        if (low[other] || !(l->height[other] > 0))
          continue;
        l->height[other] = away ? 0 : l->height[other] * LESS;
        any = true;
      }
  }
  return any;
}

/* False: the mesh inside is as it should be. */
static bool lower_bad(struct layers *l, const struct layers_surface *s,
                      const struct layers_around *a, bool away) {
  bool *low = out_alloc(l->node_count + 1, sizeof *low);
  find_inverted(l, s, low);
  find_squeezed(l, s, low);
  struct wall_rays *w = wall_rays_new(l->inner, s->triangles, s->count);
  find_near(l, s, a, w, low);
  find_crossed(l, s, w, low);
  wall_rays_free(w);
  bool any = lower_marked(l, s, a, low, away);
  free(low);
  return any;
}

static void count_heights(struct layers *l, const struct layers_surface *s) {
  l->least = 1;
  for (size_t i = 0; i < l->node_count; i++) {
    if (!l->spec[i])
      continue;
    l->chosen++;
    if (!(l->height[i] > 0)) {
      if (l->none++ == 0)
        memcpy(l->none_at, s->xyz + 3 * i, sizeof l->none_at);
      continue;
    }
    double share = l->height[i] / l->full[i];
    l->thinner += share < 0.999;
    if (share < l->least) {
      l->least = share;
      memcpy(l->least_at, s->xyz + 3 * i, sizeof l->least_at);
    }
  }
}

void layers_find(struct layers *l, const struct layers_surface *s) {
  size_t n = s->node_count;
  struct layers_around a;
  *l = (struct layers){.node_count = n,
                       .spec = out_alloc(n + 1, sizeof *l->spec),
                       .direction = out_alloc(n + 1, sizeof *l->direction),
                       .sees = out_alloc(n + 1, sizeof *l->sees),
                       .full = out_alloc(n + 1, sizeof *l->full),
                       .height = out_alloc(n + 1, sizeof *l->height),
                       .inner = out_alloc(3 * n + 1, sizeof *l->inner),
                       .slides = out_alloc(n + 1, sizeof *l->slides),
                       .ball = out_alloc(n + 1, sizeof *l->ball)};
  layers_around_make(&a, s);
  struct layers_plane *planes = layers_planes(s);
  take_specs(l, s);
  take_balls(l, s);
  layers_directions(l, s, &a, planes);
  take_full(l);
  struct layers_slide *slide = layers_slide_new(l, s, &a, planes);
  limit_across(l, s, &a);
  limit_slopes(l, s);
  place(l, s, slide);
  for (int i = 0; i < ROUNDS && lower_bad(l, s, &a, i >= ROUNDS_SLOW); i++) {
    limit_slopes(l, s);
    place(l, s, slide);
  }
  count_heights(l, s);
  layers_slide_free(slide);
  free(planes);
  layers_around_free(&a);
}

void layers_free(struct layers *l) {
  free(l->spec);
  free(l->direction);
  free(l->sees);
  free(l->full);
  free(l->height);
  free(l->inner);
  free(l->slides);
  free(l->ball);
  *l = (struct layers){0};
}
