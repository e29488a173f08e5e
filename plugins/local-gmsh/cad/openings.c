/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/openings.h"

#include "base/out.h"
#include "base/union_find.h"
#include "base/vec.h"
#include "model/adjacent.h"
#include "model/entity.h"

#include <gmshc.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SAMPLES  3    /* along each parameter of a face */
#define FLAT     1e-7 /* of a face's extent: how far its points may be off its plane */
#define PARALLEL 1e-7 /* 1 - cosine */
#define SAME     1e-3 /* of a hole: by how much what closes it may be smaller */

struct skin { /* a face of one solid */
  int tag;
  bool flat;
  double at[3], normal[3], extent;
  size_t group; /* the first face of those in its plane that it touches, by itself or by others */
};

struct link { /* of two things: a curve and a face, or a point and a curve */
  int key;
  size_t of;
};

struct loop {
  int *curves;
  size_t count;
  double low[3], high[3];
  bool closed;
};

static int by_key(const void *a, const void *b) {
  const struct link *x = a, *y = b;
  if (x->key != y->key)
    return x->key < y->key ? -1 : 1;
  return (x->of > y->of) - (x->of < y->of);
}

/* ---- flat faces ---- */

static double distance(const struct skin *s, const double *p) {
  return fabs((p[0] - s->at[0]) * s->normal[0] + (p[1] - s->at[1]) * s->normal[1] +
              (p[2] - s->at[2]) * s->normal[2]);
}

static bool parallel(const double *a, const double *b) {
  return fabs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) > 1 - PARALLEL;
}

/* By points of its surface, because a plane may be written as a spline. */
static void openings_measure(struct skin *s) {
  double *low = NULL, *high = NULL, *points = NULL, *normals = NULL, uv[2 * SAMPLES * SAMPLES];
  double box[6] = {0};
  size_t n = 0, m = 0, k = 0;
  int e = 0;
  gmshModelGetBoundingBox(2, s->tag, &box[0], &box[1], &box[2], &box[3], &box[4], &box[5], &e);
  s->extent = vec_distance(box, box + 3);
  gmshModelGetParametrizationBounds(2, s->tag, &low, &n, &high, &m, &e);
  for (int i = 0; e == 0 && n == 2 && m == 2 && i < SAMPLES * SAMPLES; i++) {
    int column = i % SAMPLES, row = i / SAMPLES;
    uv[k++] = low[0] + (high[0] - low[0]) * (column + 0.5) / SAMPLES;
    uv[k++] = low[1] + (high[1] - low[1]) * (row + 0.5) / SAMPLES;
  }
  n = m = 0;
  if (k) {
    gmshModelGetValue(2, s->tag, uv, k, &points, &n, &e);
    gmshModelGetNormal(s->tag, uv, k, &normals, &m, &e);
  }
  s->flat = e == 0 && n == m && n == (size_t)3 * SAMPLES * SAMPLES;
  for (size_t i = 0; s->flat && i < 3; i++) {
    s->at[i] = points[i];
    s->normal[i] = normals[i];
  }
  for (size_t i = 0; s->flat && i < n; i += 3)
    s->flat = parallel(s->normal, normals + i) && distance(s, points + i) <= FLAT * s->extent;
  gmshFree(low);
  gmshFree(high);
  gmshFree(points);
  gmshFree(normals);
}

static size_t first_of(struct skin *s, size_t i) {
  while (s[i].group != i)
    i = s[i].group = s[s[i].group].group;
  return i;
}

static bool in_one_plane(const struct skin *a, const struct skin *b) {
  return a->flat && b->flat && parallel(a->normal, b->normal) &&
         distance(a, b->at) <= FLAT * fmax(a->extent, b->extent) * 10;
}

/* Faces that bound one solid, and which curves bound them (sorted by curve). */
static struct skin *take_skin(size_t *count, struct link **links, size_t *link_count) {
  int *faces = NULL, e = 0;
  size_t n = 0, users, m, cap = 0;
  gmshModelGetEntities(&faces, &n, 2, &e);
  struct skin *skin = out_alloc(n / 2 + 1, sizeof *skin);
  *count = *link_count = 0;
  *links = NULL;
  for (size_t i = 0; i + 1 < n; i += 2) {
    users = adjacent_count_above(2, faces[i + 1]);
    if (users != 1)
      continue;
    struct skin *s = &skin[*count];
    *s = (struct skin){.tag = faces[i + 1], .group = *count};
    openings_measure(s);
    int *curves = adjacent_below(2, s->tag, &m);
    if (*link_count + m > cap) {
      cap = 2 * (*link_count + m);
      *links = out_again(*links, *link_count, cap, sizeof **links);
    }
    for (size_t k = 0; k < m; k++)
      (*links)[(*link_count)++] = (struct link){curves[k], *count};
    gmshFree(curves);
    ++*count;
  }
  gmshFree(faces);
  if (*link_count)
    qsort(*links, *link_count, sizeof **links, by_key);
  return skin;
}

static void join_planes(struct skin *s, const struct link *links, size_t n) {
  for (size_t i = 1; i < n; i++)
    for (size_t k = i; k-- > 0 && links[k].key == links[i].key;)
      if (in_one_plane(&s[links[i].of], &s[links[k].of])) {
        size_t a = first_of(s, links[i].of), b = first_of(s, links[k].of);
        s[a > b ? a : b].group = a > b ? b : a;
      }
}

/* ---- loops ---- */

/* Curves at the border of each group, as links from the group; sorted. */
static struct link *borders(struct skin *s, const struct link *links, size_t n, size_t *count) {
  struct link *border = out_alloc(n + 1, sizeof *border);
  *count = 0;
  for (size_t i = 0; i < n; i++) {
    size_t group = first_of(s, links[i].of), uses = 0;
    bool listed = false;
    for (size_t k = i; k-- > 0 && links[k].key == links[i].key;) {
      bool of_it = first_of(s, links[k].of) == group;
      uses += of_it;
      listed = listed || of_it;
    }
    for (size_t k = i; k < n && links[k].key == links[i].key; k++)
      uses += first_of(s, links[k].of) == group;
    /* a seam is no border, and holds the ends of a round face together */
    if (!listed && (uses == 1 || !s[group].flat))
      border[(*count)++] = (struct link){(int)group, (size_t)links[i].key};
  }
  qsort(border, *count, sizeof *border, by_key);
  return border;
}

/* Which of n curves hang together in their end points: the first of each chain, by curve.  A chain
 * that branches is marked in `branched`. */
static uint32_t *chains(const struct link *curves, size_t n, bool *branched) {
  struct link *ends = out_alloc(2 * n + 1, sizeof *ends);
  uint32_t *parent = union_find_new(n);
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    size_t m = 0;
    int *points = adjacent_below(1, (int)curves[i].of, &m);
    for (size_t k = 0; k < 2 && m > 0; k++) /* a closed curve ends where it begins */
      ends[count++] = (struct link){points[m > 1 ? k : 0], i};
    gmshFree(points);
  }
  qsort(ends, count, sizeof *ends, by_key);
  for (size_t i = 1; i < count; i++)
    if (ends[i].key == ends[i - 1].key)
      union_find_join(parent, (uint32_t)ends[i].of, (uint32_t)ends[i - 1].of);
  for (size_t i = 0, run; i < count; i += run) {
    for (run = 1; i + run < count && ends[i + run].key == ends[i].key;)
      run++;
    if (run != 2)
      branched[union_find_root(parent, (uint32_t)ends[i].of)] = true;
  }
  free(ends);
  return parent;
}

static void add_curve(struct loop *r, int curve) {
  double b[6];
  int e = 0;
  gmshModelGetBoundingBox(1, curve, &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &e);
  for (int i = 0; i < 3; i++) {
    r->low[i] = r->count ? fmin(r->low[i], b[i]) : b[i];
    r->high[i] = r->count ? fmax(r->high[i], b[3 + i]) : b[3 + i];
  }
  r->curves[r->count++] = curve;
}

/* ---- what closes them ---- */

struct caps {
  int *pairs; /* of dimension and tag */
  size_t count, cap;
};

/* The kernel wants each curve to go on from the one before. */
static void put_in_order(struct loop *r) {
  int end = 0;
  for (size_t i = 0; i < r->count; i++) {
    for (size_t k = i; k < r->count; k++) {
      size_t m = 0;
      int *points = adjacent_below(1, r->curves[k], &m);
      int first = m ? points[0] : 0, last = m ? points[m > 1] : 0;
      gmshFree(points);
      if (i > 0 && first != end && last != end)
        continue;
      int next = r->curves[k];
      r->curves[k] = r->curves[i];
      r->curves[i] = next;
      end = first == end ? last : first;
      break;
    }
  }
}

/* A piece of a round surface may come out inside out, with an area below 0. */
static int turned(int face) {
  int pair[2] = {2, face}, *made = NULL, e = 0;
  size_t n = 0;
  double area = 0;
  gmshModelOccGetMass(2, face, &area, &e);
  if (e || area >= 0)
    return face;
  gmshModelOccHealShapes(&made, &n, pair, 2, 1e-8, 0, 0, 1, 0, 0, &e);
  for (size_t i = 0; e == 0 && i + 1 < n; i += 2)
    if (made[i] == 2 && made[i + 1] != face) {
      face = made[i + 1];
      gmshModelOccRemove(pair, 2, 1, &e);
    }
  gmshFree(made);
  return face;
}

static void close_loop(struct caps *c, const struct skin *s, struct loop *r) {
  double low[3], high[3];
  int e = 0, face = 0;
  put_in_order(r);
  int loop = gmshModelOccAddCurveLoop(r->curves, r->count, -1, &e);
  if (e == 0)
    face = s->flat ? gmshModelOccAddPlaneSurface(&loop, 1, -1, &e)
                   : gmshModelOccAddTrimmedSurface(s->tag, &loop, 1, 1, -1, &e);
  if (e)
    return;
  face = turned(face);
  gmshModelOccGetBoundingBox(2, face, &low[0], &low[1], &low[2], &high[0], &high[1], &high[2], &e);
  if (e || vec_distance(low, high) >
               2 * vec_distance(r->low, r->high)) { /* the surface but for the hole */
    int pair[2] = {2, face};
    gmshModelOccRemove(pair, 2, 1, &e);
    return;
  }
  if (c->count == c->cap) {
    c->cap = c->cap ? 2 * c->cap : 16;
    c->pairs = out_again(c->pairs, 2 * c->count, 2 * c->cap, sizeof *c->pairs);
  }
  c->pairs[2 * c->count] = 2;
  c->pairs[2 * c->count++ + 1] = face;
}

/* All but the largest loop of a group are holes in it. */
static void close_group(struct caps *c, const struct skin *s, const struct link *curves, size_t n) {
  bool *branched = out_alloc(n, sizeof *branched);
  uint32_t *parent = chains(curves, n, branched);
  size_t largest = 0;
  struct loop *loops = out_alloc(n, sizeof *loops);
  for (size_t i = 0; i < n; i++) {
    struct loop *r = &loops[union_find_root(parent, (uint32_t)i)];
    if (!r->curves)
      r->curves = out_alloc(n, sizeof *r->curves);
    add_curve(r, (int)curves[i].of);
  }
  for (size_t i = 0; i < n; i++)
    if (loops[i].count &&
        (!loops[largest].count || vec_distance(loops[i].low, loops[i].high) >
                                      vec_distance(loops[largest].low, loops[largest].high)))
      largest = i;
  for (size_t i = 0; i < n; i++) {
    if (loops[i].count && i != largest && !branched[i])
      close_loop(c, s, &loops[i]);
    free(loops[i].curves);
  }
  free(loops);
  free(parent);
  free(branched);
}

static void box_of(const int *pairs, size_t n, double box[6]) {
  for (size_t i = 0; i + 1 < n; i += 2) {
    double b[6];
    int e = 0;
    gmshModelOccGetBoundingBox(pairs[i], pairs[i + 1], &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
                               &e);
    for (int k = 0; k < 3; k++) {
      box[k] = i ? fmin(box[k], b[k]) : b[k];
      box[3 + k] = i ? fmax(box[3 + k], b[3 + k]) : b[3 + k];
    }
  }
}

static void add_once(int *tags, size_t *count, int tag) {
  if (!entity_is_among(tags, *count, tag))
    tags[(*count)++] = tag;
}

/* What lies in the solids is taken off; a cap that lost its loop to them goes as a whole. */
static int *trim(struct caps *c, size_t *count) {
  int *solids = NULL, *made = NULL, **of = NULL, e = 0;
  size_t n = 0, made_n = 0, *of_n = NULL, lists = 0;
  double(*boxes)[6] = out_alloc(c->count, sizeof *boxes);
  for (size_t i = 0; i < c->count; i++)
    box_of(c->pairs + 2 * i, 2, boxes[i]);
  gmshModelOccGetEntities(&solids, &n, 3, &e);
  gmshModelOccCut(c->pairs, 2 * c->count, solids, n, &made, &made_n, &of, &of_n, &lists, -1, 1, 0,
                  &e);
  int *kept = out_alloc(made_n / 2 + 1, sizeof *kept),
      *lost = out_alloc(made_n / 2 + 1, sizeof *lost);
  size_t lost_n = 0;
  *count = 0;
  for (size_t i = 0; e == 0 && i < c->count && i < lists; i++) {
    double box[6] = {0}, off = 0;
    box_of(of[i], of_n[i], box);
    for (int k = 0; k < 6; k++)
      off = fmax(off, fabs(box[k] - boxes[i][k]));
    bool whole = of_n[i] > 0 && off <= SAME * vec_distance(boxes[i], boxes[i] + 3);
    for (size_t k = 0; k + 1 < of_n[i]; k += 2)
      if (of[i][k] == 2 && whole)
        add_once(kept, count, of[i][k + 1]);
      else if (of[i][k] == 2)
        add_once(lost, &lost_n, of[i][k + 1]);
  }
  for (size_t i = 0; i < lost_n; i++) { /* two caps may have a piece in common */
    int pair[2] = {2, lost[i]};
    if (!entity_is_among(kept, *count, lost[i]))
      gmshModelOccRemove(pair, 2, 1, &e);
  }
  free(lost);
  for (size_t i = 0; i < lists; i++)
    gmshFree(of[i]);
  gmshFree(of);
  gmshFree(of_n);
  gmshFree(made);
  gmshFree(solids);
  free(boxes);
  return kept;
}

int *openings_close(size_t *count) {
  struct link *links;
  size_t skin_n, link_n, n, run;
  struct skin *skin = take_skin(&skin_n, &links, &link_n);
  join_planes(skin, links, link_n);
  struct link *border = borders(skin, links, link_n, &n);
  struct caps caps = {0};
  for (size_t i = 0; i < n; i += run) {
    for (run = 1; i + run < n && border[i + run].key == border[i].key;)
      run++;
    close_group(&caps, &skin[border[i].key], border + i, run);
  }
  int *faces = NULL, e = 0;
  *count = 0;
  if (caps.count)
    faces = trim(&caps, count);
  gmshModelOccSynchronize(&e);
  free(caps.pairs);
  free(border);
  free(links);
  free(skin);
  return faces;
}
