/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 *        a0 ------- b0      the wall, seen from inside the solid it is turned clockwise
 *        | \       / |
 *        |   \   /   |      a layer between three columns is a prism; where one has no height, a
 *        a1 --- c0 - b1     pyramid on the other two; where two have none, a tetrahedron
 *          \    |   /
 *             \ c1
 */
#include "layers/layers_cells.h"

#include "base/out.h"
#include "layers/layers.h"
#include "layers/layers_surface.h"

#include <stdlib.h>
#include <string.h>

struct columns {
  const struct layers_surface *s;
  const struct layers *l;
  struct layers_cells *c;
  uint32_t *base; /* of each node: its first new one */
};

static uint32_t node_at(const struct columns *m, uint32_t node, int k) {
  return k == 0 || !(m->l->height[node] > 0) ? node : m->base[node] + (uint32_t)k - 1;
}

/* The layers of a triangle: its face's spec says how many. */
static void add_layer(const struct columns *m, const uint32_t *n, int k) {
  struct layers_cells *c = m->c;
  int tall[3], flat[3], talls = 0, flats = 0;
  for (int i = 0; i < 3; i++)
    if (m->l->height[n[i]] > 0)
      tall[talls++] = i;
    else
      flat[flats++] = i;
  if (talls == 3) {
    uint32_t *to = c->prisms + 6 * c->prism_count++;
    for (int i = 0; i < 3; i++) {
      to[i] = node_at(m, n[i], k + 1);
      to[i + 3] = node_at(m, n[i], k);
    }
  } else if (talls == 2) {
    uint32_t *to = c->pyramids + 5 * c->pyramid_count++;
    uint32_t a = n[(flat[0] + 1) % 3], b = n[(flat[0] + 2) % 3];
    const uint32_t nodes[5] = {node_at(m, a, k + 1), node_at(m, a, k), node_at(m, b, k),
                               node_at(m, b, k + 1), n[flat[0]]};
    memcpy(to, nodes, sizeof nodes);
  } else if (talls == 1) {
    uint32_t *to = c->tets + 4 * c->tet_count++;
    const uint32_t nodes[4] = {node_at(m, n[tall[0]], k + 1), n[(tall[0] + 1) % 3],
                               n[(tall[0] + 2) % 3], node_at(m, n[tall[0]], k)};
    memcpy(to, nodes, sizeof nodes);
  }
}

static void add_side(const struct columns *m, uint32_t a, uint32_t b, int k, uint32_t face) {
  struct layers_cells *c = m->c;
  const uint32_t quad[4] = {node_at(m, b, k), node_at(m, a, k), node_at(m, a, k + 1),
                            node_at(m, b, k + 1)};
  uint32_t *to = c->sides[c->side_count];
  int n = 0;
  for (int i = 0; i < 4; i++)
    if (quad[i] != quad[(i + 3) % 4])
      to[n++] = quad[i];
  if (n < 3)
    return;
  if (n == 3)
    to[3] = to[2];
  c->side_face[c->side_count++] = face;
}

/* The triangle behind an edge has it the other way round. */
static uint32_t triangle_behind(const struct layers_surface *s, const struct layers_around *around,
                                uint32_t a, uint32_t b) {
  for (size_t i = around->first[a]; i < around->first[a + 1]; i++) {
    const uint32_t *n = s->triangles + 3 * (size_t)around->triangle[i];
    for (int k = 0; k < 3; k++)
      if (n[k] == b && n[(k + 1) % 3] == a)
        return around->triangle[i];
  }
  return UINT32_MAX;
}

static void add_sides(const struct columns *m, const struct layers_around *around,
                      const uint32_t *n, int count) {
  const struct layers_surface *s = m->s;
  for (int e = 0; e < 3; e++) {
    uint32_t a = n[e], b = n[(e + 1) % 3], behind = triangle_behind(s, around, a, b);
    if (behind == UINT32_MAX || s->faces[s->face[behind]].spec)
      continue;
    for (int k = 0; k < count; k++)
      add_side(m, a, b, k, s->face[behind]);
  }
}

static void make_columns(const struct columns *m) {
  const struct layers *l = m->l;
  struct layers_cells *c = m->c;
  for (uint32_t i = 0; i < l->node_count; i++) {
    c->ends[i] = i;
    if (!(l->height[i] > 0))
      continue;
    m->base[i] = (uint32_t)(c->first_node + c->node_count);
    for (int k = 1; k <= l->spec[i]->count; k++) {
      double *to = c->xyz + 3 * c->node_count++;
      const double *outer = m->s->xyz + 3 * (size_t)i, *inner = l->inner + 3 * (size_t)i;
      double share = k == l->spec[i]->count ? 1 : layers_share(l->spec[i], k);
      for (int x = 0; x < 3; x++)
        to[x] = outer[x] + share * (inner[x] - outer[x]);
      layers_round(l, m->s, i, to);
    }
    c->ends[i] = (uint32_t)(c->first_node + c->node_count - 1);
  }
}

/* A column at an end lies in the faces that are not chosen. */
static void find_places(const struct columns *m) {
  const struct layers *l = m->l;
  struct layers_cells *c = m->c;
  memset(c->on, 0xff, c->node_count * sizeof *c->on);
  for (size_t i = 0; i < 3 * m->s->count; i++) {
    uint32_t n = m->s->triangles[i], f = m->s->face[i / 3];
    for (int k = 0; l->height[n] > 0 && !m->s->faces[f].spec && k < l->spec[n]->count; k++)
      c->on[m->base[n] - c->first_node + (uint32_t)k] = f;
  }
}

static void allocate(struct layers_cells *c, const struct layers_surface *s,
                     const struct layers *l) {
  size_t nodes = 0, layers = 0;
  for (size_t i = 0; i < l->node_count; i++)
    nodes += l->height[i] > 0 ? (size_t)l->spec[i]->count : 0;
  for (size_t i = 0; i < s->count; i++)
    layers += s->faces[s->face[i]].spec ? (size_t)s->faces[s->face[i]].spec->count : 0;
  c->xyz = out_alloc(3 * nodes + 1, sizeof *c->xyz);
  c->on = out_alloc(nodes + 1, sizeof *c->on);
  c->ends = out_alloc(l->node_count + 1, sizeof *c->ends);
  c->prisms = out_alloc(6 * layers + 1, sizeof *c->prisms);
  c->pyramids = out_alloc(5 * layers + 1, sizeof *c->pyramids);
  c->tets = out_alloc(4 * layers + 1, sizeof *c->tets);
  c->sides = out_alloc(3 * layers + 1, sizeof *c->sides);
  c->side_face = out_alloc(3 * layers + 1, sizeof *c->side_face);
}

void layers_cells_make(struct layers_cells *c, const struct layers_surface *s,
                       const struct layers *l, size_t first_node) {
  struct layers_around around;
  *c = (struct layers_cells){.first_node = first_node};
  struct columns m = {s, l, c, out_alloc(l->node_count + 1, sizeof *m.base)};
  allocate(c, s, l);
  layers_around_make(&around, s);
  make_columns(&m);
  find_places(&m);
  for (size_t i = 0; i < s->count; i++) {
    const struct layers_spec *w = s->faces[s->face[i]].spec;
    for (int k = 0; w && k < w->count; k++)
      add_layer(&m, s->triangles + 3 * i, k);
    if (w)
      add_sides(&m, &around, s->triangles + 3 * i, w->count);
  }
  layers_around_free(&around);
  free(m.base);
}

void layers_cells_free(struct layers_cells *c) {
  free(c->xyz);
  free(c->on);
  free(c->ends);
  free(c->prisms);
  free(c->pyramids);
  free(c->tets);
  free(c->sides);
  free(c->side_face);
  *c = (struct layers_cells){0};
}
