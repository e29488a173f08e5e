/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a layer ends in a face that was not chosen, the nodes of that face make room within their
 * plane, along their cylinder or cone, or on their ball: how far they move is a harmonic function,
 * so that all of its triangles give a little.
 */
#include "layers/layers_slide.h"

#include "base/out.h"
#include "base/vec.h"
#include "layers/layers.h"
#include "layers/layers_directions.h"
#include "layers/layers_surface.h"

#include <stdlib.h>
#include <string.h>

#define SWEEPS   100
#define OVER     1.6        /* relaxation */
#define STRAIGHT (1 - 1e-9) /* cosine */

struct neighbour {
  uint32_t node;
  double weight;
};

struct sliding {
  uint32_t node;
  int held;
  double normals[2][3];
  size_t first, count; /* neighbours */
};

struct layers_slide {
  struct sliding *of;
  size_t count;
  struct neighbour *neighbours;
  size_t neighbour_count;
  double (*moves)[3];
};

/* A face matters when a layer ends in it. */
static bool *faces_at_ends(const struct layers *l, const struct layers_surface *s) {
  bool *ends = out_alloc(s->face_count + 1, sizeof *ends);
  for (size_t i = 0; i < 3 * s->count; i++)
    if (!s->faces[s->face[i / 3]].spec && l->full[s->triangles[i]] > 0)
      ends[s->face[i / 3]] = true;
  return ends;
}

/* Half of what an edge weighs in the finite elements of a harmonic function: the cotangent of the
 * corner opposite.  A move that is linear in the plane stays as it is. */
static double cotangent(const struct layers_surface *s, uint32_t a, uint32_t b, uint32_t corner) {
  double u[3], v[3], up[3];
  vec_sub(u, s->xyz + 3 * (size_t)a, s->xyz + 3 * (size_t)corner);
  vec_sub(v, s->xyz + 3 * (size_t)b, s->xyz + 3 * (size_t)corner);
  vec_cross(up, u, v);
  double area = vec_length(up);
  return area > 0 ? vec_dot(u, v) / area : 0;
}

/* On an edge between two planes, only what is on it counts. */
static double along_edge(const struct layers_surface *s, const struct sliding *m, uint32_t other) {
  double line[3], d[3];
  vec_cross(line, m->normals[0], m->normals[1]);
  vec_unit(line);
  vec_sub(d, s->xyz + 3 * (size_t)other, s->xyz + 3 * (size_t)m->node);
  double length = vec_unit(d);
  return length > 0 && fabs(vec_dot(d, line)) > STRAIGHT ? 1 / length : 0;
}

static void add_neighbours(struct layers_slide *slide, struct sliding *m,
                           const struct layers_surface *s, const struct layers_around *a) {
  m->first = slide->neighbour_count;
  for (size_t i = a->first[m->node]; i < a->first[m->node + 1]; i++) {
    const uint32_t *n = s->triangles + 3 * (size_t)a->triangle[i];
    for (int k = 0; k < 3; k++) {
      uint32_t other = n[k], third = n[(k + 1) % 3] == m->node ? n[(k + 2) % 3] : n[(k + 1) % 3];
      double weight = other == m->node ? 0
                      : m->held == 2   ? along_edge(s, m, other)
                                       : cotangent(s, m->node, other, third);
      if (weight != 0)
        slide->neighbours[slide->neighbour_count++] = (struct neighbour){other, weight};
    }
  }
  m->count = slide->neighbour_count - m->first;
}

static bool is_in_one(const struct layers_surface *s, const struct layers_around *a,
                      const bool *ends, uint32_t node) {
  for (size_t i = a->first[node]; i < a->first[node + 1]; i++)
    if (ends[s->face[a->triangle[i]]])
      return true;
  return false;
}

struct layers_slide *layers_slide_new(struct layers *l, const struct layers_surface *s,
                                      const struct layers_around *a,
                                      const struct layers_plane *planes) {
  struct layers_slide *slide = out_alloc(1, sizeof *slide);
  bool *ends = faces_at_ends(l, s);
  slide->of = out_alloc(l->node_count + 1, sizeof *slide->of);
  slide->neighbours = out_alloc(6 * s->count + 1, sizeof *slide->neighbours);
  slide->moves = out_alloc(l->node_count + 1, sizeof *slide->moves);
  for (uint32_t i = 0; i < l->node_count; i++) {
    struct sliding m = {.node = i};
    if (l->spec[i] || !is_in_one(s, a, ends, i))
      continue;
    m.held = layers_held(s, a, planes, i, m.normals);
    if (m.held <= 0)
      continue;
    l->slides[i] = true;
    add_neighbours(slide, &m, s, a);
    slide->of[slide->count++] = m;
  }
  free(ends);
  return slide;
}

static void sweep(struct layers_slide *slide) {
  for (size_t i = 0; i < slide->count; i++) {
    struct sliding *m = &slide->of[i];
    double mean[3] = {0}, sum = 0, *move = slide->moves[m->node];
    for (size_t k = m->first; k < m->first + m->count; k++) {
      vec_add(mean, slide->neighbours[k].weight, slide->moves[slide->neighbours[k].node]);
      sum += slide->neighbours[k].weight;
    }
    for (int k = 0; k < 3; k++)
      mean[k] = sum > 0 ? mean[k] / sum : 0;
    layers_hold(m->held, m->normals, mean);
    for (int k = 0; k < 3; k++)
      move[k] += OVER * (mean[k] - move[k]);
  }
}

void layers_slide_run(struct layers_slide *slide, const struct layers_surface *s,
                      struct layers *l) {
  for (uint32_t i = 0; i < l->node_count; i++)
    for (int k = 0; l->spec[i] && k < 3; k++)
      slide->moves[i][k] = l->height[i] * l->direction[i][k];
  for (int i = 0; i < SWEEPS; i++)
    sweep(slide);
  for (size_t i = 0; i < slide->count; i++) {
    size_t at = 3 * (size_t)slide->of[i].node;
    memcpy(l->inner + at, s->xyz + at, 3 * sizeof *l->inner);
    vec_add(l->inner + at, 1, slide->moves[slide->of[i].node]);
    layers_round(l, s, slide->of[i].node, l->inner + at);
  }
}

void layers_slide_free(struct layers_slide *slide) {
  free(slide->of);
  free(slide->neighbours);
  free(slide->moves);
  free(slide);
}
