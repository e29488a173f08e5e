/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quality/periodic_check.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/sort3.h"
#include "base/vec.h"
#include "quality/checked_mesh.h"
#include "select/periodic.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

struct point {
  double at[3];
  uint32_t node;
};

/* By node where that is the same, so that the same mesh gives the same pairs in the same order. */
static int by_x(const void *a, const void *b) {
  const struct point *x = a, *y = b;
  if (x->at[0] != y->at[0])
    return x->at[0] < y->at[0] ? -1 : 1;
  return (x->node > y->node) - (x->node < y->node);
}

/* Nodes of an entity and of what bounds it, sorted by x; to be freed. */
static struct point *points_of(const struct checked_mesh *m, const uint32_t *index, int dim,
                               int tag, size_t *count) {
  size_t *tags = NULL, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, count, &xyz, &coords, &uv, &params, dim, tag, 1, 0, &e);
  struct point *list = out_alloc(*count, sizeof *list);
  for (size_t i = 0; i < *count; i++) {
    list[i].node = index[tags[i]];
    memcpy(list[i].at, m->arrays.xyz + 3 * (size_t)list[i].node, sizeof list[i].at);
  }
  qsort(list, *count, sizeof *list, by_x);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return list;
}

/* The node there; UINT32_MAX: there is none. */
static uint32_t node_at(const struct point *list, size_t count, const double at[3], double within) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (list[middle].at[0] < at[0] - within)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < count && list[low].at[0] <= at[0] + within; low++)
    if (vec_distance(list[low].at, at) <= within)
      return list[low].node;
  return UINT32_MAX;
}

/* The pairs of two entities behind those of m->pairs; partner[] says them too. */
static bool pair_nodes(const struct task *t, struct checked_mesh *m, const uint32_t *index,
                       size_t set, size_t i, uint32_t *partner, struct outcome *o) {
  const struct periodic_set *s = &t->periodic->of[set];
  double within = 1e-6 * t->geometry.diagonal;
  size_t a_count = 0, b_count = 0, lost = 0;
  double at[3], where[3] = {0};
  struct point *a = points_of(m, index, s->dim, s->from[i], &a_count);
  struct point *b = points_of(m, index, s->dim, s->to[i], &b_count);
  m->pairs.of = out_again(m->pairs.of, m->pairs.count, m->pairs.count + a_count + 1,
                          sizeof *m->pairs.of);
  for (size_t k = 0; k < a_count; k++) {
    periodic_image(s, a[k].at, at);
    uint32_t node = node_at(b, b_count, at, within);
    if (node == UINT32_MAX && lost++ == 0)
      memcpy(where, a[k].at, sizeof where);
    if (node == UINT32_MAX || partner[a[k].node] == node)
      continue; /* the second: of the edge between two faces */
    partner[a[k].node] = node;
    m->pairs.of[m->pairs.count++] = (struct node_pair){a[k].node, node, (uint8_t)set};
  }
  free(a);
  free(b);
  if (lost == 0 && a_count == b_count)
    return true;
  return outcome_fail(
      o, REASON_PERIODIC,
      "the meshes of %s %d and %d are not images of each other (periodic \"%.60s\"): "
      "%zu and %zu nodes, of which %zu have no partner, one near (%.6g, %.6g, %.6g)",
      s->dim == 2 ? "faces" : "edges", s->from[i], s->to[i], s->name, a_count, b_count, lost,
      where[0], where[1], where[2]);
}

struct three {
  uint32_t n[3];
};

static int by_nodes(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct three));
}

static struct three sorted(uint32_t a, uint32_t b, uint32_t c) {
  struct three s = {{a, b, c}};
  sort3(s.n);
  return s;
}

/* Each triangle has its image among those of the other face. */
static bool pair_triangles(const struct checked_mesh *m, const struct periodic_set *s, size_t i,
                           const uint32_t *partner, struct outcome *o) {
  const struct mesh_arrays *arrays = &m->arrays;
  const struct range *a = mesh_arrays_face(arrays, s->from[i]),
                     *b = mesh_arrays_face(arrays, s->to[i]);
  size_t n = a && b && a->count == b->count ? a->count : 0, lost = n == 0;
  struct three *list = out_alloc(n, sizeof *list);
  for (size_t k = 0; k < n; k++) {
    const uint32_t *c = arrays->triangles + 3 * (b->first + k);
    list[k] = sorted(c[0], c[1], c[2]);
  }
  qsort(list, n, sizeof *list, by_nodes);
  for (size_t k = 0; k < n; k++) {
    const uint32_t *c = arrays->triangles + 3 * (a->first + k);
    struct three image = sorted(partner[c[0]], partner[c[1]], partner[c[2]]);
    lost += bsearch(&image, list, n, sizeof *list, by_nodes) == NULL;
  }
  free(list);
  return lost == 0 ||
         outcome_fail(o, REASON_PERIODIC,
                      "the triangles of faces %d and %d are not images of each other (periodic "
                      "\"%.60s\"): %zu have no partner",
                      s->from[i], s->to[i], s->name, lost);
}

bool periodic_check(const struct task *t, struct checked_mesh *m, struct outcome *o) {
  size_t last = 0, nodes = m->arrays.node_count;
  bool ok = true;
  if (!t->periodic)
    return true;
  struct mesh_arrays same = {0};
  uint32_t *index = mesh_arrays_take_nodes(&same, &last),
           *partner = out_alloc(nodes, sizeof *partner);
  for (size_t set = 0; set < t->periodic->count && ok; set++) {
    const struct periodic_set *s = &t->periodic->of[set];
    memset(partner, 0xff, nodes * sizeof *partner); /* a node may be periodic in two directions */
    for (size_t i = 0; i < s->count && ok; i++)
      ok = pair_nodes(t, m, index, set, i, partner, o) &&
           (s->dim == 1 || pair_triangles(m, s, i, partner, o));
  }
  free(index);
  free(partner);
  mesh_arrays_free(&same);
  return ok;
}
