/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the arrays of slivers.c and Gmsh's model.
 */
#include "mesh/slivers_model.h"

#include "arrays/mesh_arrays.h"
#include "base/compare.h"
#include "base/out.h"
#include "mesh/slivers_part.h"
#include "model/entity.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

/* Has a copy elsewhere that its nodes must match, or is one. */
static bool is_paired(int dim, int tag) {
  size_t *own = NULL, *other = NULL, n = 0, m = 0, count = 0;
  double *map = NULL;
  int master = tag, e = 0;
  gmshModelMeshGetPeriodicNodes(dim, tag, &master, &own, &n, &other, &m, &map, &count, 0, &e);
  gmshFree(own);
  gmshFree(other);
  gmshFree(map);
  return e == 0 && master != tag;
}

/* Notes the nodes inside one entity, where it has parameters; else they stay where they are. */
static void read_places(struct work *w, const uint32_t *index, int dim, int tag) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, dim, tag, 0, 1, &e);
  bool bent = dim > 0 && !entity_is(dim, tag, dim == 1 ? "Line" : "Plane"),
       known = e == 0 && params == n * (size_t)dim && !(dim && is_paired(dim, tag));
  for (size_t i = 0; i < n; i++) {
    struct place *p = &w->place[index[tags[i]]];
    *p = (struct place){.dim = known ? dim : 0, .tag = tag, .bent = bent};
    for (int k = 0; known && k < dim; k++)
      p->uv[k] = uv[i * (size_t)dim + (size_t)k];
  }
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
}

static void read_curves(struct work *w, const uint32_t *index) {
  size_t *lines = NULL, *of = NULL, n = 0, m = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(1, &lines, &n, &of, &m, -1, 0, 1, &e);
  w->curve_count = e ? 0 : m / 2;
  w->curves = out_alloc(w->curve_count, sizeof *w->curves);
  for (size_t i = 0; i < w->curve_count; i++)
    w->curves[i] = edge_of(index[of[2 * i]], index[of[2 * i + 1]]);
  qsort(w->curves, w->curve_count, sizeof *w->curves, compare_u64);
  gmshFree(lines);
  gmshFree(of);
}

/* The table from Gmsh's tags to our nodes, which have Gmsh's order; NULL: they do not agree. */
static uint32_t *read_tags(struct work *w) {
  size_t n = 0, coords = 0, params = 0, max = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&w->tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  gmshFree(xyz);
  gmshFree(uv);
  if (e || n != w->s.node_count)
    return NULL;
  for (size_t i = 0; i < n; i++)
    max = w->tags[i] > max ? w->tags[i] : max;
  uint32_t *index = out_alloc(max + 1, sizeof *index);
  for (size_t i = 0; i < n; i++)
    index[w->tags[i]] = (uint32_t)i;
  return index;
}

/* Nodes of what is no tetrahedron: they stay, because nobody looks at its shape here. */
static void read_others(struct work *w, const uint32_t *index) {
  static const int HEXAHEDRON_PRISM_PYRAMID[] = {5, 6, 7};
  for (int i = 0; i < 3; i++) {
    size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
    int e = 0;
    gmshModelMeshGetElementsByType(HEXAHEDRON_PRISM_PYRAMID[i], &tags, &n, &nodes, &m, -1, 0, 1,
                                   &e);
    for (size_t k = 0; e == 0 && k < m; k++)
      w->place[index[nodes[k]]].dim = 0;
    gmshFree(tags);
    gmshFree(nodes);
  }
}

bool slivers_read(struct work *w) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  uint32_t *index = read_tags(w);
  if (!index)
    return false;
  read_curves(w, index);
  for (size_t i = 0; i < w->s.node_count; i++)
    w->place[i].dim = 3;
  gmshModelGetEntities(&entities, &n, -1, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2)
    if (entities[i] < 3)
      read_places(w, index, entities[i], entities[i + 1]);
  read_others(w, index);
  for (size_t i = 0; i < w->s.face_count; i++)
    w->fixed[i] = is_paired(2, w->s.faces[i].tag);
  gmshFree(entities);
  free(index);
  return e == 0;
}

static void write_moves(const struct work *w, int *e) {
  for (size_t i = 0; i < w->s.node_count; i++)
    if (w->moved[i])
      gmshModelMeshSetNode(w->tags[i], w->s.xyz + 3 * i, 3, w->place[i].uv,
                           w->place[i].dim < 3 ? (size_t)w->place[i].dim : 0, e);
}

struct kept { /* of an entity whose elements are put in anew */
  int dim, tag;
  size_t *tags, count, coords, params;
  double *xyz, *uv;
};

static void write_entity(const struct work *w, const struct kept *k, const struct range *r,
                         int *e) {
  size_t corners = k->dim == 3 ? 4 : 3, n = 0;
  const uint32_t *from = k->dim == 3 ? w->s.tets : w->s.triangles;
  size_t *nodes = out_alloc(corners * r->count, sizeof *nodes);
  for (size_t i = r->first; i < r->first + r->count; i++)
    for (size_t c = 0; (k->dim == 2 || w->sicn[i] < DEAD) && c < corners; c++)
      nodes[n++] = w->tags[from[corners * i + c]];
  gmshModelMeshAddNodes(k->dim, k->tag, k->tags, k->count, k->xyz, k->coords, k->uv, k->params, e);
  gmshModelMeshAddElementsByType(k->tag, k->dim == 3 ? 4 : 2, NULL, 0, nodes, n, e);
  free(nodes);
}

/* Solids first out and last in: Gmsh keeps the faces of a solid that has a mesh. */
static void write_peeled(const struct work *w, int *e) {
  const struct mesh_arrays *s = &w->s;
  struct kept *kept = out_alloc(s->solid_count + s->face_count, sizeof *kept);
  const struct range **ranges = out_alloc(s->solid_count + s->face_count, sizeof *ranges);
  size_t n = 0;
  for (size_t i = 0; i < s->solid_count + s->face_count; i++) {
    bool solid = i < s->solid_count;
    const struct range *r = solid ? &s->solids[i] : &s->faces[i - s->solid_count];
    struct kept k = {.dim = solid ? 3 : 2, .tag = r->tag};
    int of[2] = {k.dim, k.tag};
    if (!(solid ? w->emptied[i] : w->changed[i - s->solid_count]))
      continue;
    gmshModelMeshGetNodes(&k.tags, &k.count, &k.xyz, &k.coords, &k.uv, &k.params, k.dim, k.tag, 0,
                          k.dim == 2, e);
    gmshModelMeshClear(of, 2, e);
    ranges[n] = r;
    kept[n++] = k;
  }
  for (size_t i = n; i-- > 0;) {
    write_entity(w, &kept[i], ranges[i], e);
    gmshFree(kept[i].tags);
    gmshFree(kept[i].xyz);
    gmshFree(kept[i].uv);
  }
  free(kept);
  free(ranges);
}

int slivers_write(const struct work *w) {
  int e = 0;
  write_moves(w, &e);
  if (w->peeled)
    write_peeled(w, &e);
  return e;
}
