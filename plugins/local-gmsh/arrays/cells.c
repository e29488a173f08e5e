/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/cells.h"

#include "arrays/mesh_arrays.h"
#include "arrays/prism_validity.h"
#include "base/vec.h"

static const struct {
  int nodes, sides;
  uint8_t side[CELL_SIDES][4]; /* the last one twice: it has three nodes */
} KINDS[CELL_KINDS] = {
    [CELL_TET] = {4, 4, {{0, 2, 1, 1}, {0, 1, 3, 3}, {1, 2, 3, 3}, {2, 0, 3, 3}}},
    [CELL_PRISM] = {6, 5, {{0, 2, 1, 1}, {3, 4, 5, 5}, {0, 1, 4, 3}, {1, 2, 5, 4}, {2, 0, 3, 5}}},
    [CELL_PYRAMID] = {5, 5, {{0, 3, 2, 1}, {0, 1, 4, 4}, {1, 2, 4, 4}, {2, 3, 4, 4}, {3, 0, 4, 4}}},
};

size_t cells_count(const struct mesh_arrays *s) {
  return s->tet_count + s->prisms.count + s->pyramids.count;
}

size_t cells_first(const struct mesh_arrays *s, enum cell_kind kind) {
  return (kind > CELL_TET ? s->tet_count : 0) + (kind > CELL_PRISM ? s->prisms.count : 0);
}

const struct range *cells_solids(const struct mesh_arrays *s, enum cell_kind kind) {
  return kind == CELL_TET ? s->solids : kind == CELL_PRISM ? s->prisms.solids : s->pyramids.solids;
}

struct cell cells_get(const struct mesh_arrays *s, size_t i) {
  if (i < s->tet_count)
    return (struct cell){CELL_TET, s->tets + i * (size_t)s->tet_nodes};
  i -= s->tet_count;
  if (i < s->prisms.count)
    return (struct cell){CELL_PRISM, s->prisms.nodes + 6 * i};
  return (struct cell){CELL_PYRAMID, s->pyramids.nodes + 5 * (i - s->prisms.count)};
}

int cells_nodes(enum cell_kind kind) {
  return KINDS[kind].nodes;
}

int cells_side(struct cell c, int side, uint32_t n[4]) {
  if (side >= KINDS[c.kind].sides)
    return 0;
  const uint8_t *corner = KINDS[c.kind].side[side];
  for (int k = 0; k < 4; k++)
    n[k] = c.node[corner[k]];
  return corner[2] == corner[3] ? 3 : 4;
}

/* ---- measures ---- */

static const double *cells_at(const struct mesh_arrays *s, uint32_t node) {
  return s->xyz + 3 * (size_t)node;
}

/* Of the tetrahedron between three nodes and the first one of all. */
static double under(const struct mesh_arrays *s, const double *o, uint32_t a, uint32_t b,
                    uint32_t c) {
  double u[3], v[3], w[3], up[3];
  vec_sub(u, cells_at(s, a), o);
  vec_sub(v, cells_at(s, b), o);
  vec_sub(w, cells_at(s, c), o);
  vec_cross(up, u, v);
  return vec_dot(up, w) / 6;
}

/* A side of four nodes is bent where they do not lie in a plane: it encloses the mean of what its
 * two halvings do. */
double cells_volume(const struct mesh_arrays *s, struct cell c) {
  const double *o = cells_at(s, c.node[0]);
  double sum = 0;
  uint32_t n[4];
  for (int i = 0, count; (count = cells_side(c, i, n)) > 0; i++) {
    if (count == 3)
      sum += under(s, o, n[0], n[1], n[2]);
    else
      sum += (under(s, o, n[0], n[1], n[2]) + under(s, o, n[0], n[2], n[3]) +
              under(s, o, n[0], n[1], n[3]) + under(s, o, n[1], n[2], n[3])) /
             2;
    if (i + 1 == CELL_SIDES)
      break;
  }
  return sum;
}

/* 3 det J / (|J| |cof J|), by Frobenius norms. */
static double condition(const double *const j[3]) {
  double cof[3][3], norms[2] = {0};
  for (int i = 0; i < 3; i++) {
    vec_cross(cof[i], j[(i + 1) % 3], j[(i + 2) % 3]);
    norms[0] += vec_dot(j[i], j[i]);
    norms[1] += vec_dot(cof[i], cof[i]);
  }
  double product = norms[0] * norms[1];
  return product > 0 ? 3 * vec_dot(j[0], cof[0]) / sqrt(product) : 0;
}

/* The ideal prism is as high as the edges of its regular triangles are long. */
static double prism_sicn(const struct mesh_arrays *s, const uint32_t *n) {
  double least = 1;
  for (int end = 0; end < 6; end += 3)
    for (int i = 0; i < 3; i++) {
      double a[3], b[3], up[3];
      const double *p = cells_at(s, n[end + i]);
      vec_sub(a, cells_at(s, n[end + (i + 1) % 3]), p);
      vec_sub(b, cells_at(s, n[end + (i + 2) % 3]), p);
      vec_sub(up, cells_at(s, n[i + 3]), cells_at(s, n[i]));
      for (int k = 0; k < 3; k++)
        b[k] = (2 * b[k] - a[k]) / sqrt(3);
      least = fmin(least, condition((const double *const[3]){a, b, up}));
    }
  const double *outer[3], *inner[3];
  for (int k = 0; k < 3; k++) {
    outer[k] = cells_at(s, n[k + 3]);
    inner[k] = cells_at(s, n[k]);
  }
  return prism_validity(outer, inner) > 0 ? least : -1;
}

/* All edges of the ideal pyramid are of one length. */
static double pyramid_sicn(const struct mesh_arrays *s, const uint32_t *n) {
  double least = 1;
  for (int i = 0; i < 4; i++) {
    double a[3], b[3], up[3];
    const double *p = cells_at(s, n[i]);
    vec_sub(a, cells_at(s, n[(i + 1) % 4]), p);
    vec_sub(b, cells_at(s, n[(i + 3) % 4]), p);
    vec_sub(up, cells_at(s, n[4]), p);
    for (int k = 0; k < 3; k++)
      up[k] = (up[k] - a[k] / 2 - b[k] / 2) * sqrt(2);
    least = fmin(least, condition((const double *const[3]){a, b, up}));
  }
  return least;
}

double cells_sicn(const struct mesh_arrays *s, struct cell c) {
  return c.kind == CELL_PRISM ? prism_sicn(s, c.node) : pyramid_sicn(s, c.node);
}
