/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/mesh_arrays.h"

#include "base/out.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIANGLE   2 /* Gmsh's element types */
#define QUADRANGLE 3
#define TET4       4
#define PRISM      6
#define PYRAMID    7
#define TET10      11
#define TRIANGLE6  9

uint32_t *mesh_arrays_take_nodes(struct mesh_arrays *s, size_t *max_tag) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  uint32_t *index = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  if (e == 0 && n > 0 && n < UINT32_MAX) {
    for (size_t i = 0; i < n; i++)
      if (tags[i] > *max_tag)
        *max_tag = tags[i];
    index = out_alloc(*max_tag + 1, sizeof *index);
    for (size_t i = 0; i < n; i++)
      index[tags[i]] = (uint32_t)i;
    s->xyz = out_alloc(3 * n, sizeof *s->xyz);
    memcpy(s->xyz, xyz, 3 * n * sizeof *xyz);
    s->node_count = n;
  }
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return index;
}

/* Elements of one type, entity by entity; of each the first `keep` of its nodes. */
static void take_elements(int dim, int type, size_t nodes, size_t keep, const uint32_t *index,
                          uint32_t **elements, size_t *count, struct range **ranges,
                          size_t *range_count) {
  int *entities = NULL, e = 0;
  size_t n = 0, cap = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  *range_count = n / 2;
  *ranges = out_alloc(*range_count, sizeof **ranges);
  for (size_t i = 0; i < *range_count; i++) {
    size_t *tags = NULL, *of = NULL, tag_count = 0, of_count = 0;
    struct range *r = &(*ranges)[i];
    r->tag = entities[2 * i + 1];
    r->first = *count;
    gmshModelMeshGetElementsByType(type, &tags, &tag_count, &of, &of_count, r->tag, 0, 1, &e);
    if (e == 0 && tag_count) {
      struct out grow = {(char *)*elements, *count * keep * sizeof(uint32_t), cap};
      uint32_t *to = (uint32_t *)(void *)out_room(&grow, tag_count * keep * sizeof(uint32_t));
      for (size_t k = 0; k < tag_count * keep; k++)
        to[k] = index[of[k / keep * nodes + k % keep]];
      *elements = (uint32_t *)(void *)grow.data;
      cap = grow.cap;
      r->count = tag_count;
      *count += tag_count;
    }
    gmshFree(tags);
    gmshFree(of);
  }
  gmshFree(entities);
}

bool mesh_arrays_take(struct mesh_arrays *s, int tet_nodes) {
  size_t max_tag = 0;
  *s = (struct mesh_arrays){.tet_nodes = tet_nodes};
  uint32_t *index = mesh_arrays_take_nodes(s, &max_tag);
  if (!index)
    return false;
  if (tet_nodes)
    take_elements(3, tet_nodes == 10 ? TET10 : TET4, (size_t)tet_nodes, (size_t)tet_nodes, index,
                  &s->tets, &s->tet_count, &s->solids, &s->solid_count);
  take_elements(2, tet_nodes == 10 ? TRIANGLE6 : TRIANGLE, tet_nodes == 10 ? 6 : 3, 3, index,
                &s->triangles, &s->triangle_count, &s->faces, &s->face_count);
  free(index);
  return true;
}

/* Puts the quadrangles of each face behind its triangles, as two each. */
static void add_quads(struct mesh_arrays *s, const uint32_t *index) {
  uint32_t *quads = NULL, *to;
  size_t count = 0, range_count = 0, n = 0;
  struct range *ranges = NULL;
  take_elements(2, QUADRANGLE, 4, 4, index, &quads, &count, &ranges, &range_count);
  s->halves = out_alloc(s->triangle_count + 2 * count + 1, 1);
  to = out_alloc(3 * (s->triangle_count + 2 * count) + 1, sizeof *to);
  for (size_t f = 0; f < s->face_count; f++) {
    struct range *r = &s->faces[f];
    memcpy(to + 3 * n, s->triangles + 3 * r->first, 3 * r->count * sizeof *to);
    r->first = n;
    n += r->count;
    for (size_t i = 0; i < ranges[f].count; i++, n += 2) {
      const uint32_t *q = quads + 4 * (ranges[f].first + i);
      const uint32_t halves[6] = {q[0], q[1], q[2], q[2], q[3], q[0]};
      memcpy(to + 3 * n, halves, sizeof halves);
      s->halves[n + 1] = 1;
    }
    r->count += 2 * ranges[f].count;
  }
  free(s->triangles);
  s->triangles = to;
  s->triangle_count = n;
  free(quads);
  free(ranges);
}

bool mesh_arrays_take_layered(struct mesh_arrays *s) {
  size_t max_tag = 0, count = 0;
  struct mesh_arrays nodes = {0};
  if (!mesh_arrays_take(s, 4))
    return false;
  uint32_t *index = mesh_arrays_take_nodes(&nodes, &max_tag); /* the same once more */
  if (!index)
    return false;
  take_elements(3, PRISM, 6, 6, index, &s->prisms.nodes, &s->prisms.count, &s->prisms.solids,
                &count);
  take_elements(3, PYRAMID, 5, 5, index, &s->pyramids.nodes, &s->pyramids.count,
                &s->pyramids.solids, &count);
  add_quads(s, index);
  free(index);
  mesh_arrays_free(&nodes);
  return true;
}

void mesh_arrays_free(struct mesh_arrays *s) {
  free(s->xyz);
  free(s->triangles);
  free(s->halves);
  free(s->faces);
  free(s->tets);
  free(s->solids);
  free(s->prisms.nodes);
  free(s->prisms.solids);
  free(s->pyramids.nodes);
  free(s->pyramids.solids);
  *s = (struct mesh_arrays){0};
}

double mesh_arrays_enclosed(const struct mesh_arrays *s) {
  double sum = 0;
  for (size_t i = 0; i < s->triangle_count; i++) {
    const double *a = s->xyz + 3 * (size_t)s->triangles[3 * i];
    const double *b = s->xyz + 3 * (size_t)s->triangles[3 * i + 1];
    const double *c = s->xyz + 3 * (size_t)s->triangles[3 * i + 2];
    const double *o = s->xyz; /* any point will do; a near one loses fewer digits */
    double ax = a[0] - o[0], ay = a[1] - o[1], az = a[2] - o[2];
    double bx = b[0] - o[0], by = b[1] - o[1], bz = b[2] - o[2];
    double cx = c[0] - o[0], cy = c[1] - o[1], cz = c[2] - o[2];
    sum += ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx);
  }
  return fabs(sum) / 6;
}

double mesh_arrays_tet_volume(const struct mesh_arrays *s, size_t tet) {
  const uint32_t *n = s->tets + tet * (size_t)s->tet_nodes;
  const double *o = s->xyz + 3 * (size_t)n[0], *a = s->xyz + 3 * (size_t)n[1],
               *b = s->xyz + 3 * (size_t)n[2], *c = s->xyz + 3 * (size_t)n[3];
  double ax = a[0] - o[0], ay = a[1] - o[1], az = a[2] - o[2];
  double bx = b[0] - o[0], by = b[1] - o[1], bz = b[2] - o[2];
  double cx = c[0] - o[0], cy = c[1] - o[1], cz = c[2] - o[2];
  return (ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)) / 6;
}

const struct range *mesh_arrays_face(const struct mesh_arrays *s, int tag) {
  for (size_t i = 0; i < s->face_count; i++)
    if (s->faces[i].tag == tag)
      return &s->faces[i];
  return NULL;
}
