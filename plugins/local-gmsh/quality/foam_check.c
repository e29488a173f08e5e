/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   non-orthogonality   the angle between a face's normal and the line between the middles of its
 *                       two cells
 *   skewness            how far from a face's middle this line passes through it, by the face's own
 *                       reach in that direction; at the boundary the line is along the normal
 *   aspect ratio        the extent of a cell's faces in one direction by that in another, or its
 *                       surface by that of a cube of its volume
 */
#include "quality/foam_check.h"

#include "base/out.h"
#include "base/vec.h"
#include "task/outcome.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_SMALL 1.0e-150 /* OpenFOAM's ROOTVSMALL */

struct shape { /* of a face */
  double middle[3], area[3];
};

struct measuring {
  const double *xyz;
  const struct foam_face *faces;
  size_t count, cells;
  struct shape *shape; /* of each face */
  double (*middle)[3]; /* of each cell */
  double (*closed)[3]; /* of each cell: the sum of its faces' areas, by axis */
  double *volume;
};

static const double *foam_check_at(const struct measuring *m, uint32_t node) {
  return m->xyz + 3 * (size_t)node;
}

static void doubled_area(const double *a, const double *b, const double *c, double area[3]) {
  double u[3], v[3];
  vec_sub(u, b, a);
  vec_sub(v, c, a);
  vec_cross(area, u, v);
}

static void take_triangle(const struct measuring *m, const uint32_t *n, struct shape *s) {
  doubled_area(foam_check_at(m, n[0]), foam_check_at(m, n[1]), foam_check_at(m, n[2]), s->area);
  for (int k = 0; k < 3; k++) {
    s->area[k] /= 2;
    s->middle[k] =
        (foam_check_at(m, n[0])[k] + foam_check_at(m, n[1])[k] + foam_check_at(m, n[2])[k]) / 3;
  }
}

/* Four triangles around the mean of the corners. */
static void take_quadrangle(const struct measuring *m, const uint32_t *n, struct shape *s) {
  double mean[3], moment[3] = {0}, sum = 0;
  memset(s, 0, sizeof *s);
  for (int k = 0; k < 3; k++)
    mean[k] = (foam_check_at(m, n[0])[k] + foam_check_at(m, n[1])[k] + foam_check_at(m, n[2])[k] +
               foam_check_at(m, n[3])[k]) /
              4;
  for (int i = 0; i < 4; i++) {
    const double *a = foam_check_at(m, n[i]), *b = foam_check_at(m, n[(i + 1) % 4]);
    double area[3];
    doubled_area(mean, a, b, area);
    double size = vec_length(area);
    vec_add(s->area, 0.5, area);
    sum += size;
    for (int k = 0; k < 3; k++)
      moment[k] += size * (a[k] + b[k] + mean[k]) / 3;
  }
  for (int k = 0; k < 3; k++)
    s->middle[k] = sum > 0 ? moment[k] / sum : mean[k];
}

static void foam_check_take_faces(struct measuring *m) {
  for (size_t i = 0; i < m->count; i++) {
    const uint32_t *n = m->faces[i].corner;
    (n[2] == n[3] ? take_triangle : take_quadrangle)(m, n, &m->shape[i]);
  }
}

/* ---- cells ---- */

/* Calls with each face of each cell; `out`: its normal points out of it. */
static void each(struct measuring *m,
                 void (*with)(struct measuring *m, size_t face, uint32_t cell, double out,
                              void *arg),
                 void *arg) {
  for (size_t i = 0; i < m->count; i++) {
    with(m, i, m->faces[i].owner, 1, arg);
    if (m->faces[i].neighbour != FOAM_OUTSIDE)
      with(m, i, m->faces[i].neighbour, -1, arg);
  }
}

struct estimate { /* of a cell's middle */
  double sum[3], count;
};

static void add_estimate(struct measuring *m, size_t face, uint32_t cell, double out, void *arg) {
  struct estimate *e = (struct estimate *)arg + cell;
  (void)out;
  vec_add(e->sum, 1, m->shape[face].middle);
  e->count++;
}

/* The pyramid of a face over the estimate, with its volume and centre. */
static void add_pyramid(struct measuring *m, size_t face, uint32_t cell, double out, void *arg) {
  const struct estimate *e = (const struct estimate *)arg + cell;
  const struct shape *s = &m->shape[face];
  double up[3];
  vec_sub(up, s->middle, e->sum);
  double volume = out * vec_dot(s->area, up);
  for (int k = 0; k < 3; k++) {
    m->middle[cell][k] += volume * (0.75 * s->middle[k] + 0.25 * e->sum[k]);
    m->closed[cell][k] += fabs(s->area[k]);
  }
  m->volume[cell] += volume;
}

static void take_cells(struct measuring *m) {
  struct estimate *e = out_alloc(m->cells + 1, sizeof *e);
  each(m, add_estimate, e);
  for (size_t c = 0; c < m->cells; c++)
    for (int k = 0; k < 3; k++)
      e[c].sum[k] /= e[c].count;
  each(m, add_pyramid, e);
  for (size_t c = 0; c < m->cells; c++) {
    for (int k = 0; k < 3; k++)
      m->middle[c][k] = fabs(m->volume[c]) > DBL_MIN ? m->middle[c][k] / m->volume[c] : e[c].sum[k];
    m->volume[c] /= 3;
  }
  free(e);
}

/* ---- measures ---- */

static void foam_check_note(struct foam_worst *w, double value, double limit, const double *place) {
  w->past += value > limit;
  if (!(value > w->value))
    return;
  w->value = value;
  memcpy(w->at, place, sizeof w->at);
}

static double skewness(const struct measuring *m, size_t face) {
  const struct foam_face *f = &m->faces[face];
  const struct shape *s = &m->shape[face];
  bool inner = f->neighbour != FOAM_OUTSIDE;
  double from[3], way[3] = {0}, off[3], corner[3];
  vec_sub(from, s->middle, m->middle[f->owner]);
  if (inner) {
    vec_sub(way, m->middle[f->neighbour], m->middle[f->owner]);
  } else {
    double size = vec_length(s->area);
    vec_add(way, vec_dot(s->area, from) / (size * size + ROOT_SMALL), s->area);
  }
  memcpy(off, from, sizeof off);
  vec_add(off, -vec_dot(s->area, from) / (vec_dot(s->area, way) + ROOT_SMALL), way);
  double length = vec_unit(off), reach = (inner ? 0.2 : 0.4) * vec_length(way) + ROOT_SMALL;
  for (int k = 0; k < 4; k++) {
    vec_sub(corner, foam_check_at(m, f->corner[k]), s->middle);
    reach = fmax(reach, fabs(vec_dot(off, corner)));
  }
  return length / reach;
}

/* Degrees. */
static double orthogonality(const struct measuring *m, size_t face) {
  const struct foam_face *f = &m->faces[face];
  double way[3];
  vec_sub(way, m->middle[f->neighbour], m->middle[f->owner]);
  double size = vec_length(way) * vec_length(m->shape[face].area);
  double cosine = vec_dot(way, m->shape[face].area) / (size + ROOT_SMALL);
  return acos(fmax(-1, fmin(1, cosine))) * 180 / M_PI;
}

static double aspect(const struct measuring *m, size_t cell) {
  const double *c = m->closed[cell];
  double most = fmax(fmax(c[0], c[1]), c[2]), least = fmin(fmin(c[0], c[1]), c[2]);
  double cube = pow(fmax(m->volume[cell], ROOT_SMALL), 2 / 3.0);
  return fmax(most / (least + ROOT_SMALL), (c[0] + c[1] + c[2]) / 6 / cube);
}

static void foam_check_measure(const struct measuring *m, struct foam_shapes *shapes) {
  size_t inner = 0;
  for (size_t i = 0; i < m->count; i++) {
    foam_check_note(&shapes->skewness, skewness(m, i), FOAM_SKEW, m->shape[i].middle);
    if (m->faces[i].neighbour == FOAM_OUTSIDE)
      continue;
    double angle = orthogonality(m, i);
    foam_check_note(&shapes->orthogonality, angle, FOAM_ORTHOGONAL, m->shape[i].middle);
    shapes->orthogonality_mean += cos(angle * M_PI / 180);
    inner++;
  }
  for (size_t c = 0; c < m->cells; c++)
    foam_check_note(&shapes->aspect, aspect(m, c), FOAM_ASPECT, m->middle[c]);
  if (inner) /* the angle of the mean cosine */
    shapes->orthogonality_mean = acos(fmin(1, shapes->orthogonality_mean / (double)inner)) * 180 /
                                 M_PI;
}

void foam_check(const double *xyz, const struct foam_face *faces, size_t count, size_t cells,
                struct foam_shapes *shapes) {
  struct measuring m = {.xyz = xyz,
                        .faces = faces,
                        .count = count,
                        .cells = cells,
                        .shape = out_alloc(count + 1, sizeof *m.shape),
                        .middle = out_alloc(cells + 1, sizeof *m.middle),
                        .closed = out_alloc(cells + 1, sizeof *m.closed),
                        .volume = out_alloc(cells + 1, sizeof *m.volume)};
  *shapes = (struct foam_shapes){.faces = count};
  foam_check_take_faces(&m);
  take_cells(&m);
  foam_check_measure(&m, shapes);
  free(m.shape);
  free(m.middle);
  free(m.closed);
  free(m.volume);
}

/* ---- what is told ---- */

void foam_check_warn(struct outcome *o, const struct foam_shapes *shapes) {
  const struct foam_worst *k = &shapes->skewness, *a = &shapes->aspect;
  if (k->past)
    outcome_warn(o,
                 "polyMesh.tar: checkMesh will fail for skewness: %zu faces are past its limit of "
                 "%g, the worst (%.3g) near (%.6g, %.6g, %.6g). Make elements smaller there "
                 "(local_sizes), or layers thinner",
                 (size_t)k->past, FOAM_SKEW, k->value, k->at[0], k->at[1], k->at[2]);
  if (a->past)
    outcome_warn(o,
                 "polyMesh.tar: checkMesh will fail for aspect ratio: %zu cells are past its limit "
                 "of %g, the worst (%.4g) near (%.6g, %.6g, %.6g). Flat prisms are sound where a "
                 "flow is along them; else ask for smaller elements or thicker layers",
                 (size_t)a->past, FOAM_ASPECT, a->value, a->at[0], a->at[1], a->at[2]);
}

static void put_worst(struct out *out, const char *name, const struct foam_worst *w, double limit) {
  out_printf(out, "\"%s\":{\"max\":%.6g,\"at\":[%.6g,%.6g,%.6g],\"limit\":%g,\"past_limit\":%zu}",
             name, w->value, w->at[0], w->at[1], w->at[2], limit, (size_t)w->past);
}

void foam_check_json(struct out *out, const struct foam_shapes *shapes) {
  if (shapes->faces == 0)
    return;
  out_text(out, "\"openfoam\":{");
  put_worst(out, "non_orthogonality", &shapes->orthogonality, FOAM_ORTHOGONAL);
  out_printf(out, ",\"non_orthogonality_mean\":%.6g,", shapes->orthogonality_mean);
  put_worst(out, "skewness", &shapes->skewness, FOAM_SKEW);
  out_text(out, ",");
  put_worst(out, "aspect_ratio", &shapes->aspect, FOAM_ASPECT);
  out_text(out, "},");
}
