/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A surface of ours into Gmsh's model, which then goes on as if Gmsh had meshed the faces.
 *
 *   sides of triangles -> borders, where two faces meet -> which curve of the model each lies on
 *   nodes: of one curve alone -> that curve; where curves meet -> a point; all others -> a face
 */
#include "mesh/mesh_to_gmsh.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/union_find.h"
#include "model/adjacent.h"
#include "model/entity.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE     1 /* Gmsh's element types */
#define TRIANGLE 2
#define HERE     1e-6 /* of the diagonal: a node so near to a point of the model is that point */

struct side {
  uint32_t a, b; /* a < b */
  uint32_t face; /* index into the arrays' */
};

struct curve {
  int tag, *faces; /* to be freed by Gmsh */
  size_t face_count;
};

struct line {
  uint32_t a, b;
  int curve; /* tag */
};

struct place {
  int dim, tag; /* dim 2 and tag 0: not known yet */
};

struct giver {
  const struct mesh_arrays *s;
  struct curve *curves;
  size_t curve_count;
  struct line *lines;
  size_t line_count;
  struct place *places; /* of each node */
  double reach;
};

static int by_nodes(const void *a, const void *b) {
  const struct side *x = a, *y = b;
  if (x->a != y->a)
    return x->a < y->a ? -1 : 1;
  if (x->b != y->b)
    return x->b < y->b ? -1 : 1;
  return (x->face > y->face) - (x->face < y->face);
}

static struct side *sides_of(const struct mesh_arrays *s) {
  struct side *sides = out_alloc(3 * s->triangle_count, sizeof *sides);
  for (size_t f = 0; f < s->face_count; f++)
    for (size_t i = 3 * s->faces[f].first; i < 3 * (s->faces[f].first + s->faces[f].count); i++) {
      uint32_t a = s->triangles[i], b = s->triangles[i % 3 == 2 ? i - 2 : i + 1];
      sides[i] = (struct side){a < b ? a : b, a < b ? b : a, (uint32_t)f};
    }
  qsort(sides, 3 * s->triangle_count, sizeof *sides, by_nodes);
  return sides;
}

/* ---- curves ---- */

static void read_curves(struct giver *g) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 1, &e);
  g->curves = out_alloc(n / 2, sizeof *g->curves);
  g->curve_count = n / 2;
  for (size_t i = 0; i < n / 2; i++) {
    struct curve *c = &g->curves[i];
    c->tag = entities[2 * i + 1];
    c->faces = adjacent_above(1, c->tag, &c->face_count);
  }
  gmshFree(entities);
}

static bool bounds_all(const struct giver *g, const struct curve *c, const struct side *sides,
                       size_t count) {
  bool all = true;
  for (size_t i = 0; i < count && all; i++)
    all = entity_is_among((c)->faces, (c)->face_count, g->s->faces[sides[i].face].tag);
  return all;
}

static double distance_from(const struct giver *g, int curve, const struct side *side) {
  double middle[3], sum = 0, *closest = NULL, *at = NULL;
  size_t n = 0, m = 0;
  int e = 0;
  for (int i = 0; i < 3; i++)
    middle[i] =
        (g->s->xyz[3 * (size_t)side->a + (size_t)i] + g->s->xyz[3 * (size_t)side->b + (size_t)i]) /
        2;
  gmshModelGetClosestPoint(1, curve, middle, 3, &closest, &n, &at, &m, &e);
  for (size_t i = 0; e == 0 && n == 3 && i < 3; i++)
    sum += (closest[i] - middle[i]) * (closest[i] - middle[i]);
  gmshFree(closest);
  gmshFree(at);
  return e == 0 && n == 3 ? sum : INFINITY;
}

/* The curve that the side lies on, where the faces of `sides` meet; 0: none is known. */
static int curve_of(const struct giver *g, const struct side *sides, size_t count) {
  int best = 0;
  double nearest = -1; /* of the best; below 0: it was not measured, there is no other */
  for (size_t i = 0; i < g->curve_count; i++) {
    const struct curve *c = &g->curves[i];
    if (!bounds_all(g, c, sides, count))
      continue;
    if (best == 0) {
      best = c->tag;
      continue;
    }
    if (nearest < 0)
      nearest = distance_from(g, best, sides);
    double d = distance_from(g, c->tag, sides);
    if (d < nearest) {
      best = c->tag;
      nearest = d;
    }
  }
  return best;
}

static void find_lines(struct giver *g) {
  size_t all = 3 * g->s->triangle_count;
  struct side *sides = sides_of(g->s);
  g->lines = out_alloc(all / 2, sizeof *g->lines);
  for (size_t i = 0, run; i < all; i += run) {
    for (run = 1;
         i + run < all && sides[i + run].a == sides[i].a && sides[i + run].b == sides[i].b;)
      run++;
    if (run < 2 || sides[i].face == sides[i + run - 1].face)
      continue;
    int curve = curve_of(g, sides + i, run);
    if (curve)
      g->lines[g->line_count++] = (struct line){sides[i].a, sides[i].b, curve};
  }
  free(sides);
}

/* ---- solids that touch ---- */

static uint32_t index_of(const struct mesh_arrays *s, int tag) {
  uint32_t i = 0;
  while (i < s->face_count && s->faces[i].tag != tag)
    i++;
  return i;
}

/* Of each face the first of those that hang together with it across curves. */
static uint32_t *groups_of(const struct giver *g) {
  const struct mesh_arrays *s = g->s;
  uint32_t *above = union_find_new(s->face_count);
  for (size_t i = 0; i < g->curve_count; i++)
    for (size_t k = 1; k < g->curves[i].face_count; k++) {
      uint32_t a = index_of(s, g->curves[i].faces[0]), b = index_of(s, g->curves[i].faces[k]);
      if (a < s->face_count && b < s->face_count)
        union_find_join(above, a, b);
    }
  for (uint32_t f = 0; f < s->face_count; f++)
    above[f] = union_find_root(above, f);
  return above;
}

struct twins {
  struct mesh_arrays *s;
  uint32_t *owner; /* of each node that was there: the group that came first, + 1 */
  uint32_t *twin;  /* of the group at hand; 0: none yet */
  size_t first, room;
};

static uint32_t twin_of(struct twins *t, uint32_t node, uint32_t group) {
  struct mesh_arrays *s = t->s;
  if (t->owner[node] == 0)
    t->owner[node] = group + 1;
  if (t->owner[node] == group + 1)
    return node;
  if (t->twin[node])
    return t->twin[node];
  if (s->node_count == t->room) {
    t->room *= 2;
    s->xyz = out_again(s->xyz, 3 * s->node_count, 3 * t->room, sizeof *s->xyz);
  }
  memcpy(s->xyz + 3 * s->node_count, s->xyz + 3 * (size_t)node, 3 * sizeof *s->xyz);
  return t->twin[node] = (uint32_t)s->node_count++;
}

static void part_group(struct twins *t, const uint32_t *groups, uint32_t group) {
  memset(t->twin, 0, t->first * sizeof *t->twin);
  for (size_t f = 0; f < t->s->face_count; f++) {
    const struct range *r = &t->s->faces[f];
    for (size_t k = 3 * r->first; groups[f] == group && k < 3 * (r->first + r->count); k++)
      t->s->triangles[k] = twin_of(t, t->s->triangles[k], group);
  }
}

/* Points of solids that only touch are one node by their coordinates, and are to be one each. */
static void part_nodes(const struct giver *g, struct mesh_arrays *s) {
  size_t n = s->node_count;
  uint32_t *groups = groups_of(g);
  struct twins t = {s, out_alloc(n, sizeof *t.owner), out_alloc(n, sizeof *t.twin), n, n};
  for (uint32_t group = 0; group < s->face_count; group++)
    if (groups[group] == group)
      part_group(&t, groups, group);
  free(groups);
  free(t.owner);
  free(t.twin);
}

/* ---- where nodes lie ---- */

/* The node on a curve that is the point of the model. */
static void place_point(struct giver *g, int point) {
  double *at = NULL, nothing[1] = {0}, nearest = INFINITY;
  size_t n = 0, best = 0;
  int e = 0;
  gmshModelGetValue(0, point, nothing, 0, &at, &n, &e);
  for (size_t i = 0; e == 0 && n == 3 && i < g->s->node_count; i++) {
    const double *p = g->s->xyz + 3 * i;
    double d = (p[0] - at[0]) * (p[0] - at[0]) + (p[1] - at[1]) * (p[1] - at[1]) +
               (p[2] - at[2]) * (p[2] - at[2]);
    if (g->places[i].dim < 2 && d < nearest) {
      nearest = d;
      best = i;
    }
  }
  if (nearest <= g->reach * g->reach)
    g->places[best] = (struct place){0, point};
  gmshFree(at);
}

static void place_nodes(struct giver *g) {
  const struct mesh_arrays *s = g->s;
  int *points = NULL, e = 0;
  size_t n = 0;
  g->places = out_alloc(s->node_count, sizeof *g->places);
  for (size_t f = s->face_count; f-- > 0;)
    for (size_t i = 3 * s->faces[f].first; i < 3 * (s->faces[f].first + s->faces[f].count); i++)
      g->places[s->triangles[i]] = (struct place){2, s->faces[f].tag};
  for (size_t i = 0; i < g->line_count; i++)
    g->places[g->lines[i].a] = g->places[g->lines[i].b] = (struct place){1, g->lines[i].curve};
  gmshModelGetEntities(&points, &n, 0, &e);
  for (size_t i = 0; i < n; i += 2)
    place_point(g, points[i + 1]);
  gmshFree(points);
}

/* ---- into the model ---- */

static int by_place(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  if (x->dim != y->dim)
    return x->dim - y->dim;
  return (x->tag > y->tag) - (x->tag < y->tag);
}

struct placed {
  struct place place; /* first: by_place */
  uint32_t node;
};

/* A curve's nodes have a parameter on it, which Gmsh would miss. */
static void give_run(struct place at, size_t *tags, size_t count, double *xyz, int *e) {
  double *uv = NULL;
  size_t n = 0;
  if (at.dim == 1)
    gmshModelGetParametrization(1, at.tag, xyz, 3 * count, &uv, &n, e);
  if (*e == 0)
    gmshModelMeshAddNodes(at.dim, at.tag, tags, count, xyz, 3 * count, uv, n, e);
  gmshFree(uv);
}

static bool give_nodes(const struct giver *g) {
  size_t n = g->s->node_count, *tags = out_alloc(n, sizeof *tags);
  struct placed *order = out_alloc(n, sizeof *order);
  double *xyz = out_alloc(3 * n, sizeof *xyz);
  int e = 0;
  for (size_t i = 0; i < n; i++)
    order[i] = (struct placed){g->places[i], (uint32_t)i};
  qsort(order, n, sizeof *order, by_place);
  for (size_t i = 0; i < n; i++) {
    tags[i] = (size_t)order[i].node + 1;
    memcpy(xyz + 3 * i, g->s->xyz + 3 * (size_t)order[i].node, 3 * sizeof *xyz);
  }
  for (size_t i = 0, run; e == 0 && i < n; i += run) {
    for (run = 1; i + run < n && by_place(&order[i], &order[i + run]) == 0;)
      run++;
    if (order[i].place.tag)
      give_run(order[i].place, tags + i, run, xyz + 3 * i, &e);
  }
  free(tags);
  free(order);
  free(xyz);
  return e == 0;
}

static bool give_elements(int type, int tag, const uint32_t *nodes, size_t count, size_t *next) {
  size_t each = type == LINE ? 2 : 3, *tags = out_alloc(count, sizeof *tags),
         *of = out_alloc(each * count, sizeof *of);
  int e = 0;
  for (size_t i = 0; i < count; i++)
    tags[i] = (*next)++;
  for (size_t i = 0; i < each * count; i++)
    of[i] = (size_t)nodes[i] + 1;
  gmshModelMeshAddElementsByType(tag, type, tags, count, of, each * count, &e);
  free(tags);
  free(of);
  return e == 0;
}

static int by_curve(const void *a, const void *b) {
  const struct line *x = a, *y = b;
  return (x->curve > y->curve) - (x->curve < y->curve);
}

static bool give_lines(struct giver *g, size_t *next) {
  uint32_t *ends = out_alloc(2 * g->line_count, sizeof *ends);
  bool ok = true;
  qsort(g->lines, g->line_count, sizeof *g->lines, by_curve);
  for (size_t i = 0, run; ok && i < g->line_count; i += run) {
    for (run = 0; i + run < g->line_count && g->lines[i + run].curve == g->lines[i].curve; run++) {
      ends[2 * run] = g->lines[i + run].a;
      ends[2 * run + 1] = g->lines[i + run].b;
    }
    ok = give_elements(LINE, g->lines[i].curve, ends, run, next);
  }
  free(ends);
  return ok;
}

bool mesh_to_gmsh(struct mesh_arrays *s) {
  struct giver g = {.s = s};
  double low[3], high[3], sum = 0;
  size_t next = 1;
  int e = 0;
  gmshModelGetBoundingBox(-1, -1, &low[0], &low[1], &low[2], &high[0], &high[1], &high[2], &e);
  for (int i = 0; i < 3; i++)
    sum += (high[i] - low[i]) * (high[i] - low[i]);
  g.reach = HERE * sqrt(sum);
  read_curves(&g);
  part_nodes(&g, s);
  find_lines(&g);
  place_nodes(&g);
  bool ok = give_nodes(&g) && give_lines(&g, &next);
  for (size_t f = 0; ok && f < s->face_count; f++)
    ok = s->faces[f].count == 0 ||
         give_elements(TRIANGLE, s->faces[f].tag, s->triangles + 3 * s->faces[f].first,
                       s->faces[f].count, &next);
  for (size_t i = 0; i < g.curve_count; i++)
    gmshFree(g.curves[i].faces);
  free(g.curves);
  free(g.lines);
  free(g.places);
  return ok;
}
