/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boundary layers in Gmsh's model.
 *
 *   shrink:  nodes of the chosen faces, and those of faces that make room, go to where the mesh
 *            inside has them; Gmsh fills and improves what is within, as ever
 *   grow:    nodes of the chosen faces go back to the CAD, which keeps its faces' meshes; new nodes
 *            take their places in the tetrahedra, and prisms come between.  Faces in which layers
 *            end get the ends: quadrangles
 */
#include "layers/layers_model.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/vec.h"
#include "layers/layers.h"
#include "layers/layers_cells.h"
#include "layers/layers_params.h"
#include "layers/layers_turn.h"
#include "model/adjacent.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIANGLE   2 /* Gmsh's element types */
#define QUADRANGLE 3
#define TET        4
#define PRISM      6
#define PYRAMID    7

#define PARALLEL 1e-6 /* square of a sine */
#define MEET     1e-6 /* of the distance to where lines meet */

struct solid_work {
  int tag;
  struct layers_surface s;
  uint32_t *triangles, *face;
  struct layers_face *faces;
  int *face_tags;
  bool *turned; /* of each face: its triangles are turned the other way round in the model */
  struct layers l;
};

struct layers_work {
  struct mesh_arrays arrays; /* the faces' mesh as it was */
  size_t *tags;              /* Gmsh's, of each node */
  uint32_t *index;           /* of each of Gmsh's tags */
  size_t max_tag;
  bool *pinned; /* nodes of two solids */
  struct solid_work *solids;
  size_t count;
};

static void work_free(struct layers_work *w) {
  for (size_t i = 0; w && i < w->count; i++) {
    struct solid_work *v = &w->solids[i];
    free(v->triangles);
    free(v->face);
    free(v->faces);
    free(v->face_tags);
    free(v->turned);
    layers_free(&v->l);
  }
  if (!w)
    return;
  mesh_arrays_free(&w->arrays);
  free(w->tags);
  free(w->index);
  free(w->pinned);
  free(w->solids);
  free(w);
}

/* ---- the mesh of the faces ---- */

static const struct layers_spec *spec_of(const struct boundary_layers *all, int face) {
  for (size_t i = 0; i < all->count; i++)
    for (size_t k = 0; k < all->of[i].count; k++)
      if (all->of[i].tags[k] == face)
        return &all->of[i].as;
  return NULL;
}

/* Two points of a face a quarter of its first parameter apart, and a direction at each. */
struct pair {
  double point[2][3], direction[2][3];
};

/* A cylinder's or cone's direction is that of its second parameter, a ball's the normal. */
static bool take_pair(int face, bool normals, struct pair *p) {
  double *low = NULL, *high = NULL, *xyz = NULL, *d = NULL;
  size_t n = 0, m = 0, points = 0, count = 0;
  int e = 0;
  gmshModelGetParametrizationBounds(2, face, &low, &n, &high, &m, &e);
  bool ok = e == 0 && n == 2 && m == 2;
  if (ok) {
    double u = low[0] + (high[0] - low[0]) / 4, v = (low[1] + high[1]) / 2;
    double uv[4] = {u, v, u + (high[0] - low[0]) / 4, v};
    gmshModelGetValue(2, face, uv, 4, &xyz, &points, &e);
    if (normals)
      gmshModelGetNormal(face, uv, 4, &d, &count, &e);
    else
      gmshModelGetDerivative(2, face, uv, 4, &d, &count, &e);
    ok = e == 0 && points == 6 && count == (normals ? 6 : 12);
  }
  for (size_t i = 0; ok && i < 2; i++) {
    memcpy(p->point[i], xyz + 3 * i, sizeof p->point[i]);
    memcpy(p->direction[i], d + (normals ? 3 * i : 6 * i + 3), sizeof p->direction[i]);
    ok = vec_unit(p->direction[i]) > 0;
  }
  gmshFree(low);
  gmshFree(high);
  gmshFree(xyz);
  gmshFree(d);
  return ok;
}

/* Where the two lines meet.  False: they do not. */
static bool find_meeting(const struct pair *p, double at[3]) {
  double between[3], other[3];
  vec_sub(between, p->point[0], p->point[1]);
  double b = vec_dot(p->direction[0], p->direction[1]), d = vec_dot(p->direction[0], between),
         e = vec_dot(p->direction[1], between), sine = 1 - b * b;
  if (!(sine > PARALLEL))
    return false;
  memcpy(at, p->point[0], sizeof p->point[0]);
  memcpy(other, p->point[1], sizeof other);
  vec_add(at, (b * e - d) / sine, p->direction[0]);
  vec_add(other, (e - b * d) / sine, p->direction[1]);
  return vec_distance(at, other) <= MEET * vec_distance(at, p->point[0]);
}

static enum layers_shape shape_of(int face) {
  static const struct {
    const char *type;
    enum layers_shape shape;
  } SHAPES[] = {{"Cylinder", LAYERS_CYLINDER}, {"Cone", LAYERS_CONE}, {"Sphere", LAYERS_BALL}};
  enum layers_shape shape = LAYERS_OTHER;
  char *type = NULL;
  int e = 0;
  gmshModelGetType(2, face, &type, &e);
  for (size_t i = 0; e == 0 && type && i < sizeof SHAPES / sizeof *SHAPES; i++)
    if (strcmp(type, SHAPES[i].type) == 0)
      shape = SHAPES[i].shape;
  gmshFree(type);
  return shape;
}

static void find_shape(int face, struct layers_face *f) {
  enum layers_shape shape = shape_of(face);
  struct pair p;
  if (shape == LAYERS_OTHER || !take_pair(face, shape == LAYERS_BALL, &p))
    return;
  if (shape == LAYERS_CYLINDER)
    memcpy(f->at, p.direction[0], sizeof f->at);
  else if (!find_meeting(&p, f->at))
    return;
  f->shape = shape;
}

/* Boundary faces of a solid, each once, and their triangles. */
static void take_solid(const struct layers_work *w, const struct boundary_layers *all, int tag,
                       struct solid_work *v) {
  int of[2] = {3, tag}, *bound = NULL, e = 0;
  size_t n = 0, count = 0;
  gmshModelGetBoundary(of, 2, &bound, &n, 0, 0, 0, &e);
  *v = (struct solid_work){.tag = tag,
                           .faces = out_alloc(n / 2 + 1, sizeof *v->faces),
                           .face_tags = out_alloc(n / 2 + 1, sizeof *v->face_tags),
                           .turned = out_alloc(n / 2 + 1, sizeof *v->turned)};
  for (size_t f = 0; e == 0 && f < n / 2; f++) {
    const struct range *r = mesh_arrays_face(&w->arrays, bound[2 * f + 1]);
    count += r ? r->count : 0;
  }
  v->triangles = out_alloc(3 * count + 1, sizeof *v->triangles);
  v->face = out_alloc(count + 1, sizeof *v->face);
  v->s = (struct layers_surface){.xyz = w->arrays.xyz,
                                 .node_count = w->arrays.node_count,
                                 .triangles = v->triangles,
                                 .face = v->face,
                                 .faces = v->faces,
                                 .pinned = w->pinned};
  for (size_t f = 0; e == 0 && f < n / 2; f++) {
    int face = bound[2 * f + 1];
    const struct range *r = mesh_arrays_face(&w->arrays, face);
    v->face_tags[f] = face;
    v->faces[f] = (struct layers_face){.spec = spec_of(all, face),
                                       .fixed = adjacent_count_above(2, face) != 1};
    find_shape(face, &v->faces[f]);
    for (size_t i = 0; r && i < r->count; i++) {
      memcpy(v->triangles + 3 * v->s.count, w->arrays.triangles + 3 * (r->first + i),
             3 * sizeof *v->triangles);
      v->face[v->s.count++] = (uint32_t)f;
    }
    v->s.face_count = f + 1;
  }
  gmshFree(bound);
}

/* Nodes that lie on faces of two solids. */
static void pin_shared(struct layers_work *w, const int *solids, size_t count) {
  int *first = out_alloc(w->arrays.node_count + 1, sizeof *first);
  for (size_t i = 0; i < count; i++) {
    int of[2] = {3, solids[i]}, *bound = NULL, e = 0;
    size_t n = 0;
    gmshModelGetBoundary(of, 2, &bound, &n, 0, 0, 0, &e);
    for (size_t f = 0; e == 0 && f < n / 2; f++) {
      const struct range *r = mesh_arrays_face(&w->arrays, bound[2 * f + 1]);
      for (size_t k = 0; r && k < 3 * r->count; k++) {
        uint32_t node = w->arrays.triangles[3 * r->first + k];
        w->pinned[node] |= first[node] && first[node] != solids[i];
        first[node] = solids[i];
      }
    }
    gmshFree(bound);
  }
  free(first);
}

static bool layers_model_take_tags(struct layers_work *w) {
  size_t n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  size_t *tags = NULL;
  int e = 0;
  if (!mesh_arrays_take(&w->arrays, 0))
    return false;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  bool same = e == 0 && n == w->arrays.node_count;
  w->tags = out_alloc(w->arrays.node_count + 1, sizeof *w->tags);
  for (size_t i = 0; same && i < n; i++) {
    w->tags[i] = tags[i];
    w->max_tag = tags[i] > w->max_tag ? tags[i] : w->max_tag;
  }
  w->index = out_alloc(w->max_tag + 1, sizeof *w->index);
  for (size_t i = 0; same && i < n; i++)
    w->index[tags[i]] = (uint32_t)i;
  w->pinned = out_alloc(w->arrays.node_count + 1, sizeof *w->pinned);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return same;
}

/* ---- shrink ---- */

static bool has_layers(const struct solid_work *v) {
  for (size_t f = 0; f < v->s.face_count; f++)
    if (v->faces[f].spec)
      return true;
  return false;
}

/* The first triangle of a face, before and after, says whether it was turned. */
static bool turn_out(const struct layers_work *w, struct solid_work *v) {
  if (!layers_turn(&v->s))
    return false;
  for (size_t i = v->s.count; i-- > 0;) {
    uint32_t f = v->face[i];
    const struct range *r = mesh_arrays_face(&w->arrays, v->face_tags[f]);
    if (i == 0 || v->face[i - 1] != f)
      v->turned[f] = w->arrays.triangles[3 * r->first + 1] != v->triangles[3 * i + 1];
  }
  return true;
}

static int move_nodes(const struct layers_work *w, const struct layers *l) {
  int e = 0;
  for (size_t i = 0; i < l->node_count; i++)
    if (l->height[i] > 0 || l->slides[i])
      gmshModelMeshSetNode(w->tags[i], l->inner + 3 * i, 3, NULL, 0, &e);
  return e;
}

static void add_up(struct outcome *o, const struct layers *l) {
  o->layers.nodes += l->chosen;
  o->layers.thinner += l->thinner;
  o->layers.none += l->none;
  o->layers.least = fmin(o->layers.least, l->least);
  if (l->thinner)
    outcome_warn(o,
                 "boundary_layers: at %zu of %zu nodes of the chosen faces the layers are thinner "
                 "than asked, for want of room; the thinnest have %.0f%% of the height, near "
                 "(%.6g, %.6g, %.6g)",
                 l->thinner, l->chosen, 100 * l->least, l->least_at[0], l->least_at[1],
                 l->least_at[2]);
  if (l->none)
    outcome_warn(
        o,
        "boundary_layers: %zu of %zu nodes of the chosen faces have no layers: the face next "
        "to them is bent, begins where the solid reaches around an edge, or is another "
        "solid's as well, or there is no room; one is near (%.6g, %.6g, %.6g)",
        l->none, l->chosen, l->none_at[0], l->none_at[1], l->none_at[2]);
}

bool boundary_layers_shrink(struct task *t, struct outcome *o) {
  int *solids = NULL, e = 0;
  size_t n = 0;
  struct layers_work *w = out_alloc(1, sizeof *w);
  bool ok = true;
  work_free(t->layers->work);
  t->layers->work = w;
  memset(&o->layers, 0, sizeof o->layers);
  o->layers.least = 1;
  if (!layers_model_take_tags(w))
    return outcome_fail(o, REASON_EMPTY, "the faces came out without a mesh");
  gmshModelGetEntities(&solids, &n, 3, &e);
  w->solids = out_alloc(n / 2 + 1, sizeof *w->solids);
  int *tags = out_alloc(n / 2 + 1, sizeof *tags);
  for (size_t i = 0; i < n / 2; i++)
    tags[i] = solids[2 * i + 1];
  pin_shared(w, tags, n / 2);
  for (size_t i = 0; ok && i < n / 2; i++) {
    struct solid_work *v = &w->solids[w->count++];
    take_solid(w, t->layers, tags[i], v);
    if (!has_layers(v))
      continue;
    if (!turn_out(w, v)) {
      ok = outcome_fail(o, REASON_OPEN,
                        "boundary_layers: the faces of solid %d do not close, so it has no inside "
                        "for layers",
                        v->tag);
      break;
    }
    layers_find(&v->l, &v->s);
    e = move_nodes(w, &v->l);
    add_up(o, &v->l);
  }
  free(tags);
  gmshFree(solids);
  return ok && (e == 0 || outcome_fail(o, REASON_LOG, "nodes could not be moved for the layers"));
}

/* ---- grow ---- */

struct kept { /* of an entity that is put in anew */
  int dim, tag;
  size_t *tags, count, *elements, element_count, *nodes, node_count;
  double *xyz;
};

static void take_entity(struct kept *k, int dim, int tag, int type, int *e) {
  size_t coords = 0, params = 0;
  double *uv = NULL;
  *k = (struct kept){.dim = dim, .tag = tag};
  gmshModelMeshGetNodes(&k->tags, &k->count, &k->xyz, &coords, &uv, &params, dim, tag, 0, 0, e);
  gmshModelMeshGetElementsByType(type, &k->elements, &k->element_count, &k->nodes, &k->node_count,
                                 tag, 0, 1, e);
  gmshFree(uv);
}

static void kept_free(struct kept *k) {
  gmshFree(k->tags);
  gmshFree(k->xyz);
  gmshFree(k->elements);
  gmshFree(k->nodes);
}

struct growing {
  const struct layers_work *w;
  const struct solid_work *v;
  struct layers_cells c;
  size_t tag_base; /* of new node k, counted from c.first_node: tag_base + k */
  int e;
};

static size_t tag_of(const struct growing *g, uint32_t node) {
  return node < g->w->arrays.node_count ? g->w->tags[node]
                                        : g->tag_base + (node - g->w->arrays.node_count);
}

/* Where an element of the mesh inside has a node that went back to the wall. */
static void to_ends(const struct growing *g, size_t *nodes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (nodes[i] <= g->w->max_tag)
      nodes[i] = tag_of(g, g->c.ends[g->w->index[nodes[i]]]);
}

static void add_new_nodes(struct growing *g, int dim, int tag, uint32_t on) {
  size_t *tags = out_alloc(g->c.node_count + 1, sizeof *tags), n = 0;
  double *xyz = out_alloc(3 * g->c.node_count + 1, sizeof *xyz);
  for (size_t i = 0; i < g->c.node_count; i++)
    if (g->c.on[i] == on) {
      memcpy(xyz + 3 * n, g->c.xyz + 3 * i, 3 * sizeof *xyz);
      tags[n++] = g->tag_base + i;
    }
  if (n)
    gmshModelMeshAddNodes(dim, tag, tags, n, xyz, 3 * n, NULL, 0, &g->e);
  free(tags);
  free(xyz);
}

static void add_elements(struct growing *g, int tag, int type, const uint32_t *nodes,
                         size_t count) {
  size_t *tags = out_alloc(count + 1, sizeof *tags);
  for (size_t i = 0; i < count; i++)
    tags[i] = tag_of(g, nodes[i]);
  if (count)
    gmshModelMeshAddElementsByType(tag, type, NULL, 0, tags, count, &g->e);
  free(tags);
}

/* The ends of layers in a face, turned as its triangles are. */
static void add_sides(struct growing *g, uint32_t face) {
  const struct layers_cells *c = &g->c;
  uint32_t *quads = out_alloc(4 * c->side_count + 1, sizeof *quads);
  uint32_t *triangles = out_alloc(3 * c->side_count + 1, sizeof *triangles);
  size_t n = 0, m = 0;
  for (size_t i = 0; i < c->side_count; i++) {
    if (c->side_face[i] != face)
      continue;
    const uint32_t *q = c->sides[i];
    size_t corners = q[2] == q[3] ? 3 : 4;
    for (size_t k = 0; k < corners; k++) {
      uint32_t node = q[g->v->turned[face] ? corners - 1 - k : k];
      if (corners == 4)
        quads[n++] = node;
      else
        triangles[m++] = node;
    }
  }
  add_elements(g, g->v->face_tags[face], QUADRANGLE, quads, n);
  add_elements(g, g->v->face_tags[face], TRIANGLE, triangles, m);
  free(quads);
  free(triangles);
}

/* Faces that were not chosen and have a node with a layer. */
static bool *faces_at_ends(const struct solid_work *v) {
  bool *ends = out_alloc(v->s.face_count + 1, sizeof *ends);
  for (size_t i = 0; i < 3 * v->s.count; i++)
    ends[v->face[i / 3]] |= !v->faces[v->face[i / 3]].spec && v->l.height[v->triangles[i]] > 0;
  return ends;
}

static void write_face_nodes(struct growing *g, uint32_t face, const struct kept *k) {
  if (k->count)
    gmshModelMeshAddNodes(2, k->tag, k->tags, k->count, k->xyz, 3 * k->count, NULL, 0, &g->e);
  add_new_nodes(g, 2, k->tag, face);
}

static void write_face(struct growing *g, uint32_t face, struct kept *k) {
  to_ends(g, k->nodes, k->node_count);
  gmshModelMeshAddElementsByType(k->tag, TRIANGLE, NULL, 0, k->nodes, k->node_count, &g->e);
  add_sides(g, face);
}

static void write_solid(struct growing *g, struct kept *k) {
  const struct layers_cells *c = &g->c;
  if (k->count)
    gmshModelMeshAddNodes(3, k->tag, k->tags, k->count, k->xyz, 3 * k->count, NULL, 0, &g->e);
  add_new_nodes(g, 3, k->tag, LAYERS_INSIDE);
  to_ends(g, k->nodes, k->node_count);
  gmshModelMeshAddElementsByType(k->tag, TET, NULL, 0, k->nodes, k->node_count, &g->e);
  add_elements(g, k->tag, TET, c->tets, 4 * c->tet_count);
  add_elements(g, k->tag, PRISM, c->prisms, 6 * c->prism_count);
  add_elements(g, k->tag, PYRAMID, c->pyramids, 5 * c->pyramid_count);
}

static void move_back(const struct growing *g) {
  int e = 0;
  for (size_t i = 0; i < g->v->l.node_count; i++)
    if (g->v->l.height[i] > 0)
      gmshModelMeshSetNode(g->w->tags[i], g->w->arrays.xyz + 3 * i, 3, NULL, 0, &e);
}

/* Solids first out and last in: Gmsh keeps the faces of a solid that has a mesh. */
static void grow_solid(struct growing *g) {
  const struct solid_work *v = g->v;
  struct kept solid, *faces = out_alloc(v->s.face_count + 1, sizeof *faces);
  bool *ends = faces_at_ends(v);
  int of[2] = {3, v->tag};
  layers_cells_make(&g->c, &v->s, &v->l, g->w->arrays.node_count);
  move_back(g);
  take_entity(&solid, 3, v->tag, TET, &g->e);
  gmshModelMeshClear(of, 2, &g->e);
  for (uint32_t f = 0; f < v->s.face_count; f++) {
    int face[2] = {2, v->face_tags[f]};
    if (!ends[f])
      continue;
    take_entity(&faces[f], 2, face[1], TRIANGLE, &g->e);
    gmshModelMeshClear(face, 2, &g->e);
  }
  for (uint32_t f = 0; f < v->s.face_count; f++)
    if (ends[f]) /* first all of them: where two faces meet, a node is one's alone */
      write_face_nodes(g, f, &faces[f]);
  for (uint32_t f = 0; f < v->s.face_count; f++)
    if (ends[f]) {
      write_face(g, f, &faces[f]);
      kept_free(&faces[f]);
    }
  write_solid(g, &solid);
  kept_free(&solid);
  free(faces);
  free(ends);
}

static size_t greatest_tag(void) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0, greatest = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  for (size_t i = 0; e == 0 && i < n; i++)
    greatest = tags[i] > greatest ? tags[i] : greatest;
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return greatest;
}

bool boundary_layers_grow(struct task *t, struct outcome *o) {
  struct layers_work *w = t->layers->work;
  size_t next = greatest_tag();
  int e = 0;
  for (size_t i = 0; e == 0 && i < w->count; i++) {
    struct growing g = {.w = w, .v = &w->solids[i], .tag_base = next + 1};
    if (g.v->l.node_count == 0)
      continue;
    grow_solid(&g);
    next += g.c.node_count;
    e = g.e;
    layers_cells_free(&g.c);
  }
  work_free(w);
  t->layers->work = NULL;
  return e == 0 || outcome_fail(o, REASON_LOG, "the layers could not be put into Gmsh's model");
}
