/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/cut.h"

#include "base/out.h"
#include "model/adjacent.h"
#include "model/names.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 1e-5 /* of the diagonal of a face: what its box may move by when others are cut */

/* Where a face lies.  Those of two faces of a solid differ. */
#define MARKS 9
struct place {
  double at[MARKS]; /* its box, and the middle of the boxes of its curves */
};

static void box_of(int dim, int tag, double box[6]) {
  int e = 0;
  memset(box, 0, 6 * sizeof *box);
  gmshModelGetBoundingBox(dim, tag, &box[0], &box[1], &box[2], &box[3], &box[4], &box[5], &e);
}

static struct place place_of(int face) {
  struct place p = {{0}};
  size_t count = 0;
  double box[6];
  box_of(2, face, p.at);
  int *curves = adjacent_below(2, face, &count);
  for (size_t i = 0; i < count; i++) {
    box_of(1, curves[i], box);
    for (int k = 0; k < 3; k++)
      p.at[6 + k] += (box[k] + box[3 + k]) / 2 / (double)count;
  }
  gmshFree(curves);
  return p;
}

static double apart(const struct place *a, const struct place *b) {
  double most = 0;
  for (int i = 0; i < MARKS; i++)
    most = fmax(most, fabs(a->at[i] - b->at[i]));
  return most;
}

static double diagonal(const struct place *p) {
  return hypot(hypot(p->at[3] - p->at[0], p->at[4] - p->at[1]), p->at[5] - p->at[2]);
}

/* ---- what was cut ---- */

static void list(struct cut *c, const struct names *n, const int *more, size_t count) {
  size_t at = 0;
  c->n = n->solid_count + count + n->face_count;
  c->what = out_alloc(2 * c->n, sizeof *c->what);
  for (size_t i = 0; i < n->solid_count; i++) {
    c->what[at++] = 3;
    c->what[at++] = n->solids[i].tag;
  }
  for (size_t i = 0; i < 2 * count; i++)
    c->what[at++] = more[i];
  for (size_t i = 0; i < n->face_count; i++) {
    c->what[at++] = 2;
    c->what[at++] = n->faces[i].tag;
  }
}

void cut_free(struct cut *c) {
  for (size_t i = 0; c->of && i < c->n; i++)
    gmshFree(c->of[i]);
  gmshFree(c->of);
  gmshFree(c->count);
  free(c->what);
  *c = (struct cut){0};
}

/* ---- names ---- */

/* A piece is called as the first solid that it comes from. */
static void name_solids(const struct cut *c, struct names *to, const struct names *from) {
  bool *done = out_alloc(to->solid_count, sizeof *done);
  for (size_t i = 0; i < from->solid_count; i++)
    for (size_t k = 0; k + 1 < c->count[i]; k += 2) {
      struct label *l = names_find(to->solids, to->solid_count, c->of[i][k + 1]);
      if (c->of[i][k] != 3 || !l || done[l - to->solids])
        continue;
      names_inherit(l, &from->solids[i]);
      l->owner = from->solids[i].owner ? from->solids[i].owner : from->solids[i].tag;
      done[l - to->solids] = true;
    }
  free(done);
}

/* The first origin gives name, number and colour; the second is known beside it. */
static void add_origin(struct label *to, const struct label *from) {
  if (to->number == 0) {
    names_inherit(to, from);
    to->number = names_number(from);
    to->owner = from->owner ? from->owner : from->solid;
    to->other_number = from->other_number;
    to->other_owner = from->other_owner;
    to->other_name = from->other_name ? strdup(from->other_name) : NULL;
  } else if (to->number != names_number(from) && to->other_number == 0) {
    to->other_number = names_number(from);
    to->other_owner = from->owner ? from->owner : from->solid;
    to->other_name = from->name ? strdup(from->name) : NULL;
  }
}

/* The kernel does not tell what became of a face that stayed whole where its solid did not: it is
 * the one in its place. */
static void find_whole(struct names *to, const struct label *face, const struct place *before,
                       const struct place *after, double tolerance) {
  double least = NEAR * diagonal(before) + tolerance;
  struct label *best = NULL;
  for (size_t i = 0; i < to->face_count; i++)
    if (apart(before, &after[i]) <= least) {
      least = apart(before, &after[i]);
      best = &to->faces[i];
    }
  if (best)
    add_origin(best, face);
}

static void name_faces(const struct cut *c, struct names *to, const struct names *from,
                       const struct place *before, double tolerance) {
  size_t first = c->n - from->face_count;
  struct place *after = out_alloc(to->face_count, sizeof *after);
  for (size_t i = 0; i < to->face_count; i++) {
    after[i] = place_of(to->faces[i].tag);
    free(to->faces[i].name); /* Gmsh's labels say less than the names before */
    to->faces[i].name = NULL;
  }
  for (size_t i = 0; i < from->face_count; i++)
    for (size_t k = 0; k + 1 < c->count[first + i]; k += 2) {
      struct label *l = names_find(to->faces, to->face_count, c->of[first + i][k + 1]);
      if (l && c->of[first + i][k] == 2)
        add_origin(l, &from->faces[i]);
    }
  for (size_t i = 0; i < from->face_count; i++)
    if (c->count[first + i] == 0)
      find_whole(to, &from->faces[i], &before[i], after, tolerance);
  to->named_faces = 0;
  for (size_t i = 0; i < to->face_count; i++)
    to->named_faces += to->faces[i].name || to->faces[i].other_name;
  free(after);
}

bool cut_model(struct cut *c, struct names *n, const int *more, size_t count, double tolerance) {
  struct names from = *n;
  struct place *before = out_alloc(n->face_count, sizeof *before);
  int *made = NULL, e = 0;
  size_t made_n = 0, lists = 0;
  *c = (struct cut){0};
  list(c, n, more, count);
  for (size_t i = 0; i < n->face_count; i++)
    before[i] = place_of(n->faces[i].tag);
  gmshOptionSetNumber("Geometry.ToleranceBoolean", tolerance, &e);
  gmshModelOccFragment(c->what, 2 * c->n, NULL, 0, &made, &made_n, &c->of, &c->count, &lists, -1, 1,
                       1, &e);
  bool whole = e == 0 && lists == c->n;
  if (!whole)
    c->n = lists; /* what cut_free() finds there: Gmsh may fail half way without an error */
  if (e == 0)
    gmshModelOccSynchronize(&e);
  gmshFree(made);
  if (e == 0 && whole) {
    names_take(n);
    name_solids(c, n, &from);
    name_faces(c, n, &from, before, tolerance);
    names_group(n);
    names_free(&from);
  }
  free(before);
  return e == 0 && whole;
}

static void cut_keep(struct label *to, size_t count, const struct label *from, size_t from_count) {
  for (size_t i = 0; i < from_count; i++) {
    struct label *l = names_find(to, count, from[i].tag);
    if (!l)
      continue;
    names_inherit(l, &from[i]);
    l->number = from[i].number;
    l->owner = from[i].owner;
    l->other_number = from[i].other_number;
    l->other_owner = from[i].other_owner;
    free(l->other_name);
    l->other_name = from[i].other_name ? strdup(from[i].other_name) : NULL;
  }
}

void cut_refresh(struct names *n) {
  struct names from = *n;
  names_take(n);
  cut_keep(n->solids, n->solid_count, from.solids, from.solid_count);
  cut_keep(n->faces, n->face_count, from.faces, from.face_count);
  n->named_faces = 0;
  for (size_t i = 0; i < n->face_count; i++)
    n->named_faces += n->faces[i].name || n->faces[i].other_name;
  names_free(&from);
  names_group(n);
}
