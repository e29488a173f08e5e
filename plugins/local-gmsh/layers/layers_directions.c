/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The direction of each node: the one whose least cosine to the normals of its chosen triangles is
 * the largest.  It is the middle of the smallest cap of the unit sphere that holds all normals,
 * which two or three of them touch: all pairs and triples are tried (Aubry and Loehner, "On the
 * most normal normal", 2008).
 */
#include "layers/layers_directions.h"

#include "base/out.h"
#include "base/vec.h"
#include "layers/layers.h"
#include "layers/layers_surface.h"

#include <stdlib.h>
#include <string.h>

#define SAME        (1 - 1e-9) /* cosine of two normals that count as one */
#define ALONG       1e-6       /* cosine: a plane along a line */
#define NORMALS_MAX 24         /* that are tried in pairs and triples */
#define FLAT        1e-7       /* of a face's extent */
#define SMOOTHINGS  10
#define SEES_LEAST  0.3    /* a direction that sees less is none */
#define SMOOTH      0.97   /* a direction that sees as much is on no edge */
#define ACROSS      0.05   /* cosine: normals that are across an edge */
#define SEES_KEPT   0.85   /* of what the best one sees, when directions are smoothed */
#define OUTSIDE     (-0.2) /* of a direction: how far it may be out of a triangle's corner */

/* ---- what a node may not leave ---- */

struct layers_plane *layers_planes(const struct layers_surface *s) {
  struct layers_plane *planes = out_alloc(s->face_count + 1, sizeof *planes);
  const double **at = out_alloc(s->face_count + 1, sizeof *at);
  double *extent = out_alloc(s->face_count + 1, sizeof *extent);
  for (size_t i = 0; i < s->count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    double u[3], v[3], normal[3];
    at[s->face[i]] = s->xyz + 3 * (size_t)n[0];
    vec_sub(u, s->xyz + 3 * (size_t)n[1], at[s->face[i]]);
    vec_sub(v, s->xyz + 3 * (size_t)n[2], at[s->face[i]]);
    vec_cross(normal, u, v);
    vec_add(planes[s->face[i]].normal, 1, normal);
  }
  for (size_t f = 0; f < s->face_count; f++)
    planes[f].flat = vec_unit(planes[f].normal) > 0;
  for (size_t i = 0; i < 3 * s->count; i++) {
    uint32_t f = s->face[i / 3];
    extent[f] = fmax(extent[f], vec_distance(s->xyz + 3 * (size_t)s->triangles[i], at[f]));
  }
  for (size_t i = 0; i < 3 * s->count; i++) {
    uint32_t f = s->face[i / 3];
    double d[3];
    vec_sub(d, s->xyz + 3 * (size_t)s->triangles[i], at[f]);
    planes[f].flat = planes[f].flat && fabs(vec_dot(d, planes[f].normal)) <= FLAT * extent[f];
  }
  free(at);
  free(extent);
  return planes;
}

struct hold {
  uint32_t faces[4];
  int face_count, planes;
  bool ball;  /* a ball is among them, and nothing else */
  bool lined; /* a cylinder or cone is among them; its line: */
  double line[3];
};

/* The line through a point of a cylinder or cone.  False: it is the tip. */
static bool line_of(const struct layers_face *f, const double *point, double line[3]) {
  memcpy(line, f->at, sizeof f->at);
  if (f->shape == LAYERS_CONE)
    vec_sub(line, point, f->at);
  return vec_unit(line) > 0;
}

static bool hold_on_line(struct hold *h, const struct layers_face *f, const double *point) {
  double line[3];
  if (!line_of(f, point, line) || (h->lined && fabs(vec_dot(h->line, line)) <= SAME))
    return false;
  h->lined = true;
  memcpy(h->line, line, sizeof line);
  return true;
}

/* False: the node cannot move. */
static bool hold_in(struct hold *h, const struct layers_face *f, const struct layers_plane *p,
                    const double *point, double normals[2][3]) {
  if (h->ball)
    return false; /* it would go along a curve */
  if (f->shape == LAYERS_CYLINDER || f->shape == LAYERS_CONE)
    return hold_on_line(h, f, point);
  if (f->shape == LAYERS_BALL) {
    h->ball = true;
    vec_sub(normals[0], point, f->at);
    return !h->lined && h->planes++ == 0 && vec_unit(normals[0]) > 0;
  }
  if (!p->flat || h->planes == 2)
    return false;
  if (h->planes == 1 && fabs(vec_dot(normals[0], p->normal)) > SAME)
    return false; /* the edge between two faces in one plane must stay */
  memcpy(normals[h->planes++], p->normal, sizeof normals[0]);
  return true;
}

/* Two planes whose line it is. */
static void planes_of_line(const double line[3], double normals[2][3]) {
  int least = fabs(line[0]) < fabs(line[1]) ? 0 : 1;
  double axis[3] = {0};
  least = fabs(line[2]) < fabs(line[least]) ? 2 : least;
  axis[least] = 1;
  vec_cross(normals[0], line, axis);
  vec_unit(normals[0]);
  vec_cross(normals[1], line, normals[0]);
}

static int held_along(const struct hold *h, double normals[2][3]) {
  for (int i = 0; i < h->planes; i++)
    if (fabs(vec_dot(h->line, normals[i])) > ALONG)
      return -1;
  planes_of_line(h->line, normals);
  return h->planes ? 2 : 3;
}

int layers_held(const struct layers_surface *s, const struct layers_around *a,
                const struct layers_plane *planes, uint32_t node, double normals[2][3]) {
  struct hold h = {.face_count = 0};
  if (s->pinned && s->pinned[node])
    return -1;
  for (size_t i = a->first[node]; i < a->first[node + 1]; i++) {
    uint32_t f = s->face[a->triangle[i]];
    bool known = s->faces[f].spec != NULL;
    for (int k = 0; k < h.face_count; k++)
      known |= h.faces[k] == f;
    if (known)
      continue;
    if (s->faces[f].fixed || h.face_count == 4 ||
        !hold_in(&h, &s->faces[f], &planes[f], s->xyz + 3 * (size_t)node, normals))
      return -1;
    h.faces[h.face_count++] = f;
  }
  return h.lined ? held_along(&h, normals) : h.planes;
}

void layers_hold(int count, double normals[2][3], double v[3]) {
  if (count == 1) {
    vec_add(v, -vec_dot(v, normals[0]), normals[0]);
  } else if (count >= 2) {
    double line[3];
    vec_cross(line, normals[0], normals[1]);
    vec_unit(line);
    double along = vec_dot(v, line);
    for (int k = 0; k < 3; k++)
      v[k] = along * line[k];
  }
}

/* ---- the best direction ---- */

static double least_cosine(double (*normals)[3], size_t count, const double direction[3]) {
  double least = 1;
  for (size_t i = 0; i < count; i++)
    least = fmin(least, vec_dot(normals[i], direction));
  return least;
}

struct search {
  double (*normals)[3];
  size_t count;
  double least, *direction;
};

/* Either side of it is tried. */
static void try_way(struct search *s, const double candidate[3]) {
  for (int side = 1; side >= -1; side -= 2) {
    double direction[3] = {side * candidate[0], side * candidate[1], side * candidate[2]};
    if (!(vec_unit(direction) > 1e-12))
      continue;
    double least = least_cosine(s->normals, s->count, direction);
    if (least > s->least) {
      s->least = least;
      memcpy(s->direction, direction, sizeof direction);
    }
  }
}

static void try_free(struct search *s) {
  for (size_t i = 0; i < s->count; i++) {
    try_way(s, s->normals[i]);
    for (size_t j = 0; j < i; j++) {
      double middle[3], u[3], v[3], up[3];
      memcpy(middle, s->normals[i], sizeof middle);
      vec_add(middle, 1, s->normals[j]);
      try_way(s, middle);
      vec_sub(u, s->normals[j], s->normals[i]);
      for (size_t k = 0; k < j; k++) {
        vec_sub(v, s->normals[k], s->normals[i]);
        vec_cross(up, u, v);
        try_way(s, up);
      }
    }
  }
}

/* In a plane, one normal or two decide. */
static void try_in_plane(struct search *s, double plane[2][3]) {
  for (size_t i = 0; i < s->count; i++) {
    double direction[3];
    memcpy(direction, s->normals[i], sizeof direction);
    layers_hold(1, plane, direction);
    try_way(s, direction);
    for (size_t j = 0; j < i; j++) {
      double between[3];
      vec_sub(between, s->normals[i], s->normals[j]);
      vec_cross(direction, plane[0], between);
      try_way(s, direction);
    }
  }
}

double layers_best_direction(double (*normals)[3], size_t count, int held, double planes[2][3],
                             double direction[3]) {
  struct search s = {normals, count, -2, direction};
  double line[3];
  switch (held) {
  case 0:
    try_free(&s);
    break;
  case 1:
    try_in_plane(&s, planes);
    break;
  case 2:
  case 3:
    vec_cross(line, planes[0], planes[1]);
    try_way(&s, line);
    break;
  default:
    break;
  }
  return s.least;
}

/* ---- into the faces at which a layer ends ---- */

/* How far within the triangle's corner at the node the direction is, at the side nearer to it;
 * below 0: outside. */
static double within_corner(const struct layers_surface *s, const uint32_t *n, uint32_t node,
                            const double direction[3]) {
  int at = n[0] == node ? 0 : n[1] == node ? 1 : 2;
  const double *o = s->xyz + 3 * (size_t)node;
  double u[3], v[3];
  vec_sub(u, s->xyz + 3 * (size_t)n[(at + 1) % 3], o);
  vec_sub(v, s->xyz + 3 * (size_t)n[(at + 2) % 3], o);
  vec_unit(u);
  vec_unit(v);
  double both = vec_dot(u, v), x = vec_dot(direction, u), y = vec_dot(direction, v),
         sine = 1 - both * both;
  return sine > 0 ? fmin(x - both * y, y - both * x) / sine : -1;
}

/* Whether the direction leads into each face around the node that is not chosen.  Where the solid
 * reaches around an edge, a face that begins there goes the other way: a layer that ended in the
 * plane of that face would leave a crack in the solid. */
static bool leads_into_faces(const struct layers_surface *s, const struct layers_around *a,
                             uint32_t node, const double direction[3]) {
  for (size_t i = a->first[node]; i < a->first[node + 1]; i++) {
    uint32_t face = s->face[a->triangle[i]];
    double best = -1;
    for (size_t k = a->first[node]; !s->faces[face].spec && k < a->first[node + 1]; k++)
      if (s->face[a->triangle[k]] == face)
        best = fmax(best,
                    within_corner(s, s->triangles + 3 * (size_t)a->triangle[k], node, direction));
    if (!s->faces[face].spec && best < OUTSIDE)
      return false;
  }
  return true;
}

/* ---- of all nodes ---- */

static void inward(const struct layers_surface *s, uint32_t triangle, double normal[3]) {
  const uint32_t *n = s->triangles + 3 * (size_t)triangle;
  const double *at = s->xyz + 3 * (size_t)n[0];
  double u[3], v[3];
  vec_sub(u, s->xyz + 3 * (size_t)n[2], at);
  vec_sub(v, s->xyz + 3 * (size_t)n[1], at);
  vec_cross(normal, u, v);
  vec_unit(normal);
}

/* Inward normals of the chosen triangles around, those that differ. */
static size_t normals_at(const struct layers_surface *s, const struct layers_around *a,
                         uint32_t node, double (*normals)[3]) {
  size_t count = 0;
  for (size_t i = a->first[node]; i < a->first[node + 1]; i++) {
    double normal[3];
    bool known = !s->faces[s->face[a->triangle[i]]].spec || count == NORMALS_MAX;
    inward(s, a->triangle[i], normal);
    for (size_t k = 0; !known && k < count; k++)
      known = vec_dot(normals[k], normal) > SAME;
    if (!known)
      memcpy(normals[count++], normal, sizeof normal);
  }
  return count;
}

struct best {
  double direction[3], sees;
};

/* On an edge between two faces a direction may lean along the edge alone, or it would be nearer to
 * one of them: then the layers' ends would leave the plane in which they are over a plane face.  In
 * a corner it stays.  False: it stays. */
static bool keep_middle(double (*normals)[3], size_t n, const struct best *best,
                        double direction[3]) {
  double along[3] = {0}, widest = 1;
  if (best->sees > SMOOTH)
    return true;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < i; k++)
      if (vec_dot(normals[i], normals[k]) < widest) {
        widest = vec_dot(normals[i], normals[k]);
        vec_cross(along, normals[i], normals[k]);
      }
  if (!(vec_unit(along) > 0))
    return false;
  for (size_t i = 0; i < n; i++)
    if (fabs(vec_dot(normals[i], along)) > ACROSS)
      return false;
  double lean = vec_dot(direction, along);
  memcpy(direction, best->direction, sizeof best->direction);
  vec_add(direction, lean, along);
  vec_unit(direction);
  return true;
}

/* The mean of a node's and its neighbours' directions, where it sees nearly as much. */
static void smooth_one(struct layers *l, const struct layers_surface *s,
                       const struct layers_around *a, const struct layers_plane *planes,
                       const struct best *best, uint32_t node) {
  double normals[NORMALS_MAX][3], held[2][3], direction[3] = {0};
  int count = layers_held(s, a, planes, node, held);
  size_t n = normals_at(s, a, node, normals);
  if (count < 0 || count >= 2)
    return;
  for (size_t i = a->first[node]; i < a->first[node + 1]; i++)
    for (int k = 0; k < 3; k++) {
      uint32_t other = s->triangles[3 * (size_t)a->triangle[i] + (size_t)k];
      if (l->spec[other] && l->sees[other] > 0)
        vec_add(direction, 1, l->direction[other]);
    }
  layers_hold(count, held, direction);
  if (!(vec_unit(direction) > 0) || !keep_middle(normals, n, &best[node], direction))
    return;
  double sees = least_cosine(normals, n, direction);
  if (sees < SEES_KEPT * best[node].sees || !leads_into_faces(s, a, node, direction))
    return;
  memcpy(l->direction[node], direction, sizeof direction);
  l->sees[node] = sees;
}

/* The thicker the layers are by the edges of the triangles, the farther a corner is felt. */
static int smoothings(const struct layers *l, const struct layers_surface *s) {
  double most = 0;
  for (size_t i = 0; i < s->count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    const struct layers_spec *w = s->faces[s->face[i]].spec;
    double edge = vec_distance(s->xyz + 3 * (size_t)n[0], s->xyz + 3 * (size_t)n[1]);
    if (w && l->sees[n[0]] > 0)
      most = fmax(most, layers_total(w) / edge);
  }
  return (int)fmin(SMOOTHINGS, ceil(4 * most) - 1);
}

void layers_directions(struct layers *l, const struct layers_surface *s,
                       const struct layers_around *a, const struct layers_plane *planes) {
  double normals[NORMALS_MAX][3], held[2][3];
  struct best *best = out_alloc(l->node_count + 1, sizeof *best);
  for (uint32_t i = 0; i < l->node_count; i++) {
    if (!l->spec[i])
      continue;
    int count = layers_held(s, a, planes, i, held);
    size_t n = normals_at(s, a, i, normals);
    l->sees[i] = count < 0 ? 0 : layers_best_direction(normals, n, count, held, l->direction[i]);
    if (l->sees[i] < SEES_LEAST || !leads_into_faces(s, a, i, l->direction[i]))
      l->sees[i] = 0;
    best[i].sees = l->sees[i];
    memcpy(best[i].direction, l->direction[i], sizeof best[i].direction);
  }
  for (int times = smoothings(l, s); times > 0; times--)
    for (uint32_t i = 0; i < l->node_count; i++)
      if (l->spec[i] && l->sees[i] > 0)
        smooth_one(l, s, a, planes, best, i);
  free(best);
}
