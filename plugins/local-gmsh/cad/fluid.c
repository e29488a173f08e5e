/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A box around all is cut along the solids and along what closes their openings.  The piece that
 * reaches the sides of the box is the outside; other pieces that lie in no solid are voids.  A face
 * between two voids closed nothing, so these become one.
 */
#include "cad/fluid.h"

#include "base/out.h"
#include "base/union_find.h"
#include "base/vec.h"
#include "cad/cut.h"
#include "cad/fluid_points.h"
#include "cad/kernel.h"
#include "cad/neighbours.h"
#include "cad/openings.h"
#include "model/adjacent.h"
#include "model/findings.h"
#include "model/names.h"
#include "step/step_parts.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 0.1 /* of the diagonal: around the box */
#define SHARE  0.1 /* of the largest void: what is smaller is left out unless it was asked for */
#define EQUAL  1e-6

struct work {
  struct task *t;
  size_t solids;              /* before the cut */
  char (*called)[FOUND_NAME]; /* what the walls of each are called */
  int *more;                  /* pairs: the box, and what of ours closes openings */
  size_t more_n;              /* in pairs */
  size_t *caps;               /* what closes openings, by its place in cut.what: ours first */
  size_t cap_n, ours;
  struct cut cut;
  double low[3], high[3]; /* of the box */
  struct body *bodies;
  size_t body_n;
  size_t *place; /* of the body of each tag up to last_tag, and 1; 0: there is none */
  int last_tag;
};

static struct label *face_label(const struct work *w, int face) {
  return names_find(w->t->names.faces, w->t->names.face_count, face);
}

/* After the bodies changed their places or their tags. */
static void note_places(struct work *w) {
  w->last_tag = 0;
  for (size_t i = 0; i < w->body_n; i++)
    w->last_tag = w->bodies[i].tag > w->last_tag ? w->bodies[i].tag : w->last_tag;
  free(w->place);
  w->place = out_alloc((size_t)w->last_tag + 1, sizeof *w->place);
  for (size_t i = 0; i < w->body_n; i++)
    if (w->bodies[i].role != ROLE_GONE)
      w->place[w->bodies[i].tag] = i + 1;
}

/* NULL: the solid is none of them. */
static struct body *body_of(const struct work *w, int tag) {
  size_t place = tag > 0 && tag <= w->last_tag ? w->place[tag] : 0;
  return place && w->bodies[place - 1].role != ROLE_GONE ? &w->bodies[place - 1] : NULL;
}

/* The (at most two) bodies that a face bounds, by their place; how many. */
static size_t sides_of(const struct work *w, int face, size_t sides[2]) {
  size_t n = 0, count = 0;
  int *above = adjacent_above(2, face, &n);
  for (size_t i = 0; i < n && count < 2; i++) {
    const struct body *b = body_of(w, above[i]);
    if (b)
      sides[count++] = (size_t)(b - w->bodies);
  }
  gmshFree(above);
  return count;
}

/* Calls with each piece of what closes an opening that is still there; `which` counts these. */
static void each_cap(struct work *w,
                     void (*with)(struct work *w, size_t which, int face, void *arg), void *arg) {
  for (size_t i = 0; i < w->cap_n; i++)
    for (size_t at = w->caps[i], k = 0; k + 1 < w->cut.count[at]; k += 2)
      if (w->cut.of[at][k] == 2 && face_label(w, w->cut.of[at][k + 1]))
        with(w, i, w->cut.of[at][k + 1], arg);
}

/* ---- the cut ---- */

/* Ours where they are wanted, and the file's faces without a solid. */
static void take_caps(struct work *w, bool close) {
  const struct names *n = &w->t->names;
  int *faces = close ? openings_close(&w->ours) : NULL;
  w->ours = close ? w->ours : 0;
  w->more_n = 1 + w->ours;
  w->more = out_alloc(2 * w->more_n, sizeof *w->more);
  w->caps = out_alloc(w->ours + n->face_count + 1, sizeof *w->caps);
  for (size_t i = 0; i < w->ours; i++) {
    w->more[2 * i + 2] = 2;
    w->more[2 * i + 3] = faces[i];
    w->caps[w->cap_n++] = n->solid_count + 1 + i;
  }
  for (size_t i = 0; i < n->face_count; i++)
    if (n->faces[i].solid == 0)
      w->caps[w->cap_n++] = n->solid_count + w->more_n + i;
  free(faces);
}

static void add_box(struct work *w) {
  double *a = w->low, *b = w->high;
  int e = 0;
  gmshModelGetBoundingBox(-1, -1, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  double margin = MARGIN * vec_distance(a, b);
  for (int i = 0; i < 3; i++) {
    a[i] -= margin;
    b[i] += margin;
  }
  w->more[0] = 3;
  w->more[1] = gmshModelOccAddBox(a[0], a[1], a[2], b[0] - a[0], b[1] - a[1], b[2] - a[2], -1, &e);
}

static void name_walls(struct work *w) {
  const struct names *n = &w->t->names;
  w->solids = n->solid_count;
  free(w->called);
  w->called = out_alloc(n->solid_count + 1, sizeof *w->called);
  for (size_t i = 0; i < n->solid_count; i++) {
    const struct label *l = &n->solids[i];
    if (n->solid_count == 1)
      snprintf(w->called[i], FOUND_NAME, "wall");
    else if (l->name)
      snprintf(w->called[i], FOUND_NAME, "wall_%.80s", l->name);
    else
      snprintf(w->called[i], FOUND_NAME, "wall_%d", l->tag);
  }
}

static bool at_box(const struct work *w, const double low[3]) {
  return fabs(low[0] - w->low[0]) < EQUAL * vec_distance(w->low, w->high);
}

static void fluid_take_bodies(struct work *w) {
  const struct names *n = &w->t->names;
  free(w->bodies);
  w->bodies = out_alloc(n->solid_count + 1, sizeof *w->bodies);
  w->body_n = n->solid_count;
  for (size_t i = 0; i < w->body_n; i++) {
    struct body *b = &w->bodies[i];
    double low[3], high[3];
    int e = 0;
    *b = (struct body){.tag = n->solids[i].tag, .role = ROLE_VOID};
    gmshModelGetBoundingBox(3, b->tag, &low[0], &low[1], &low[2], &high[0], &high[1], &high[2], &e);
    if (at_box(w, low))
      b->role = ROLE_OUTSIDE;
  }
  note_places(w);
  for (size_t k = 0; k < w->solids; k++)
    for (size_t i = 0; i + 1 < w->cut.count[k]; i += 2) {
      struct body *b = w->cut.of[k][i] == 3 ? body_of(w, w->cut.of[k][i + 1]) : NULL;
      if (b && b->role == ROLE_VOID) {
        b->role = ROLE_SOLID;
        b->origin = k;
      }
    }
}

static bool cut_all(struct work *w) {
  name_walls(w);
  add_box(w);
  if (!cut_model(&w->cut, &w->t->names, w->more, w->more_n, w->t->params.tolerance)) {
    task_fail(w->t, LATHE_BAD_INPUT,
              "fluid: the CAD kernel failed to cut the inside of %s off the outside. Repair where "
              "its solids touch, or draw the volume in the CAD program",
              w->t->name);
    return false;
  }
  fluid_take_bodies(w);
  return true;
}

/* ---- voids ---- */

static void note_pair(struct work *w, size_t which, int face, void *arg) {
  size_t sides[2] = {0};
  (void)which;
  if (sides_of(w, face, sides) < 2 || w->bodies[sides[0]].role != ROLE_VOID ||
      w->bodies[sides[1]].role != ROLE_VOID)
    return;
  uint32_t a = union_find_root(arg, (uint32_t)sides[0]);
  uint32_t b = union_find_root(arg, (uint32_t)sides[1]);
  union_find_join(arg, a > b ? a : b, a > b ? b : a); /* the first stands for all */
}

/* Makes one void of those with a face between them that closes nothing. */
static bool merge(struct work *w) {
  uint32_t *parent = union_find_new(w->body_n);
  int *tags = out_alloc(2 * w->body_n + 2, sizeof *tags), e = 0;
  each_cap(w, note_pair, parent);
  for (size_t i = 0; e == 0 && i < w->body_n; i++) {
    int *made = NULL, **of = NULL;
    size_t n = 0, made_n = 0, *of_n = NULL, lists = 0;
    for (size_t k = i; k < w->body_n; k++) {
      if (union_find_root(parent, (uint32_t)k) != i || w->bodies[k].role != ROLE_VOID)
        continue;
      tags[n++] = 3;
      tags[n++] = w->bodies[k].tag;
      w->bodies[k].role = k == i ? ROLE_VOID : ROLE_GONE;
    }
    if (n < 4)
      continue;
    gmshOptionSetNumber("Geometry.OCCUnionUnify", 0, &e);
    gmshModelOccFuse(tags, 2, tags + 2, n - 2, &made, &made_n, &of, &of_n, &lists, -1, 1, 1, &e);
    if (e == 0 && made_n == 2)
      w->bodies[i].tag = made[1];
    else
      e = 1;
    for (size_t k = 0; k < lists; k++)
      gmshFree(of[k]);
    gmshFree(of);
    gmshFree(of_n);
    gmshFree(made);
  }
  gmshModelOccSynchronize(&e);
  cut_refresh(&w->t->names);
  note_places(w);
  free(tags);
  free(parent);
  return e == 0;
}

static int by_volume(const void *a, const void *b) {
  const struct body *x = a, *y = b;
  if ((x->role == ROLE_VOID) != (y->role == ROLE_VOID))
    return x->role == ROLE_VOID ? -1 : 1;
  if (fabs(x->volume - y->volume) > EQUAL * fmax(x->volume, y->volume))
    return x->volume > y->volume ? -1 : 1;
  for (int i = 0; i < 3; i++)
    if (x->at[i] != y->at[i])
      return x->at[i] < y->at[i] ? -1 : 1;
  return 0;
}

/* The voids first, the largest before the others; how many there are. */
static size_t sort_voids(struct work *w) {
  size_t n = 0;
  for (size_t i = 0; i < w->body_n; i++) {
    struct body *b = &w->bodies[i];
    int e = 0;
    if (b->role != ROLE_VOID)
      continue;
    n++;
    gmshModelOccGetMass(3, b->tag, &b->volume, &e);
    gmshModelOccGetCenterOfMass(3, b->tag, &b->at[0], &b->at[1], &b->at[2], &e);
  }
  qsort(w->bodies, w->body_n, sizeof *w->bodies, by_volume);
  note_places(w);
  return n;
}

/* How many of the voids are wanted, which then come first.  False after task_fail. */
static bool fluid_choose(struct work *w, size_t voids, size_t *kept) {
  size_t wanted = (size_t)w->t->params.fluid_regions;
  *kept = 0;
  if (w->t->params.fluid_at)
    return fluid_points_choose(w->t, w->bodies, voids, kept);
  if (wanted > 0)
    *kept = wanted < voids ? wanted : voids;
  while (!wanted && *kept < voids && w->bodies[*kept].volume >= SHARE * w->bodies[0].volume)
    ++*kept;
  return true;
}

/* ---- names ---- */

/* A wall is called as its face is, else after the solid; beside a solid it has both names. */
static void call_walls(struct work *w) {
  struct names *n = &w->t->names;
  for (size_t i = 0; i < n->face_count; i++) {
    size_t sides[2] = {0};
    struct label *l = &n->faces[i];
    if (sides_of(w, l->tag, sides) < 2)
      continue;
    size_t solid = w->bodies[sides[0]].role == ROLE_SOLID;
    if (w->bodies[sides[!solid]].role != ROLE_SOLID || w->bodies[sides[solid]].role != ROLE_VOID)
      continue;
    const char *name = w->called[w->bodies[sides[!solid]].origin];
    if (w->t->params.fluid_solids) {
      free(l->other_name);
      l->other_name = strdup(name);
    } else if (!l->name) {
      l->name = strdup(name);
    }
  }
}

static void add_opening(struct work *w, size_t which, int face, void *arg) {
  struct fluid *f = arg;
  size_t sides[2] = {0}, i = 0;
  double area = 0, at[3] = {0};
  int e = 0;
  size_t n = sides_of(w, face, sides);
  if (n == 0 || n > 2 || w->bodies[sides[0]].role != ROLE_VOID)
    return;
  while (i < f->opening_count && f->openings[i].which != which)
    i++;
  if (i == FLUID_LISTED)
    return;
  struct opening *o = &f->openings[i];
  if (i == f->opening_count) {
    *o = (struct opening){.which = which, .face = face};
    f->opening_count++;
  }
  gmshModelOccGetMass(2, face, &area, &e);
  gmshModelOccGetCenterOfMass(2, face, &at[0], &at[1], &at[2], &e);
  for (int k = 0; k < 3; k++)
    o->at[k] = (o->at[k] * o->area + at[k] * area) / (o->area + area);
  o->area += area;
  struct label *l = face_label(w, face);
  if (l && !parts_stand_in(l->name))
    snprintf(o->name, sizeof o->name, "%.*s", (int)sizeof o->name - 1, l->name);
}

static int by_area(const void *a, const void *b) {
  const struct opening *x = a, *y = b;
  if (fabs(x->area - y->area) > EQUAL * fmax(x->area, y->area))
    return x->area > y->area ? -1 : 1;
  for (int i = 0; i < 3; i++)
    if (fabs(x->at[i] - y->at[i]) > EQUAL * sqrt(x->area))
      return x->at[i] < y->at[i] ? -1 : 1;
  return 0;
}

static void name_piece(struct work *w, size_t which, int face, void *arg) {
  struct fluid *f = arg;
  struct label *l = face_label(w, face);
  for (size_t i = 0; l && i < f->opening_count; i++)
    if (f->openings[i].which == which) {
      free(l->name);
      l->name = strdup(f->openings[i].name);
    }
}

static void call_openings(struct work *w, struct fluid *f) {
  size_t unnamed = 0;
  each_cap(w, add_opening, f);
  qsort(f->openings, f->opening_count, sizeof *f->openings, by_area);
  for (size_t i = 0; i < f->opening_count; i++)
    unnamed += f->openings[i].name[0] == '\0';
  bool pair = f->opening_count == 2 && unnamed == 2;
  for (size_t i = 0; i < f->opening_count; i++)
    if (!f->openings[i].name[0])
      snprintf(f->openings[i].name, FOUND_NAME, pair ? (i ? "outlet" : "inlet") : "opening_%zu",
               i + 1);
  each_cap(w, name_piece, f);
}

static void call_voids(struct work *w, size_t kept) {
  struct names *n = &w->t->names;
  for (size_t i = 0; i < kept; i++) {
    struct label *l = names_find(n->solids, n->solid_count, w->bodies[i].tag);
    char name[FOUND_NAME];
    if (!l)
      continue;
    if (w->bodies[i].name)
      snprintf(name, sizeof name, "%.60s", w->bodies[i].name);
    else
      snprintf(name, sizeof name, kept == 1 ? "fluid" : "fluid_%zu", i + 1);
    free(l->name);
    free(l->path);
    l->name = strdup(name);
    l->path = NULL;
    l->coloured = false;
  }
}

/* ---- what stays ---- */

/* Our caps that closed nothing go without a word, unlike faces of the file. */
static void drop_ours(struct work *w, size_t which, int face, void *arg) {
  size_t sides[2] = {0};
  int pair[2] = {2, face}, e = 0;
  (void)arg;
  if (which < w->ours && sides_of(w, face, sides) == 0)
    gmshModelRemoveEntities(pair, 2, 1, &e);
}

/* Takes the solids (unless they are wanted too), the outside and voids past the first `kept` out of
 * the model, and faces that bound nothing then.  The kernel keeps them: it looks at all faces for
 * each that it drops, which takes minutes with a thousand solids.  So nothing may be synchronised
 * with it from here on. */
static void remove_rest(struct work *w, size_t kept, struct findings *f) {
  int *tags = out_alloc(2 * w->body_n + 2, sizeof *tags), e = 0;
  size_t n = 0;
  for (size_t i = 0; i < w->body_n; i++) {
    struct body *b = &w->bodies[i];
    bool stays = b->role == ROLE_VOID ? i < kept
                                      : b->role == ROLE_SOLID && w->t->params.fluid_solids;
    if (stays || b->role == ROLE_GONE)
      continue;
    tags[n++] = 3;
    tags[n++] = b->tag;
    b->role = ROLE_GONE;
  }
  gmshModelRemoveEntities(tags, n, 1, &e);
  cut_refresh(&w->t->names);
  each_cap(w, drop_ours, NULL);
  neighbours_drop_loose(f, false);
  cut_refresh(&w->t->names);
  free(tags);
}

static void tell_left(struct task *t, const struct work *w, size_t kept, size_t voids, bool look) {
  struct fluid *f = t->fluid;
  for (size_t i = kept; i < voids; i++) {
    if (f->left_count < FLUID_LISTED) {
      f->left[f->left_count].volume = w->bodies[i].volume;
      memcpy(f->left[f->left_count].at, w->bodies[i].at, sizeof w->bodies[i].at);
    }
    f->left_count++;
  }
  if (look && voids > kept && !t->params.fluid_at) /* else the job knows which it wants */
    task_warn(t,
              "fluid: %zu smaller volume%s left out, the largest of %.4g near (%.4g, %.4g, %.4g); "
              "fluid_regions=%zu takes all",
              voids - kept, voids - kept == 1 ? " is" : "s are", w->bodies[kept].volume,
              w->bodies[kept].at[0], w->bodies[kept].at[1], w->bodies[kept].at[2], voids);
}

/* Gmsh's faces are still as the solids around had them.  One between a volume and a solid stays so.
 */
static void look_outward(int solid) {
  size_t n = 0, own = 0;
  int *faces = adjacent_below(3, solid, &n);
  for (size_t i = 0; i < n; i++)
    if (adjacent_count_above(2, faces[i]) == 1)
      faces[own++] = faces[i];
  kernel_look_outward(solid, faces, own);
  gmshFree(faces);
}

static bool fluid_settle(struct work *w, size_t voids, bool look) {
  struct task *t = w->t;
  size_t kept;
  if (!fluid_choose(w, voids, &kept))
    return false;
  note_places(w);
  free(t->fluid);
  t->fluid = out_alloc(1, sizeof *t->fluid);
  t->fluid->region_count = kept;
  for (size_t i = 0; i < kept && i < FLUID_LISTED; i++) {
    t->fluid->regions[i].tag = w->bodies[i].tag;
    t->fluid->regions[i].volume = w->bodies[i].volume;
    memcpy(t->fluid->regions[i].at, w->bodies[i].at, sizeof w->bodies[i].at);
  }
  tell_left(t, w, kept, voids, look);
  call_walls(w);
  remove_rest(w, kept, look ? &t->findings : NULL);
  call_openings(w, t->fluid);
  call_voids(w, kept);
  for (size_t i = 0; i < w->body_n; i++)
    if (w->bodies[i].role != ROLE_GONE)
      look_outward(w->bodies[i].tag);
  names_group(&t->names);
  return true;
}

static void work_free(struct work *w) {
  cut_free(&w->cut);
  free(w->called);
  free(w->more);
  free(w->caps);
  free(w->bodies);
  free(w->place);
}

/* Takes the outside away again, so that the solids can be cut once more. */
static void undo(struct work *w) {
  int e = 0;
  for (size_t i = 0; i < w->body_n; i++) {
    int pair[2] = {3, w->bodies[i].tag};
    if (w->bodies[i].role == ROLE_OUTSIDE)
      gmshModelOccRemove(pair, 2, 1, &e);
  }
  gmshModelOccSynchronize(&e);
  cut_refresh(&w->t->names);
}

static bool fluid_refuse(struct task *t, size_t closed) {
  task_fail(t, LATHE_BAD_INPUT,
            "fluid: the solids of %s enclose nothing: %zu hole%s in their faces %s closed, and the "
            "inside still reaches the outside. In the CAD program put a face across each opening "
            "(it may be loose), or close gaps between parts with the parameter tolerance",
            t->name, closed, closed == 1 ? "" : "s", closed == 1 ? "was" : "were");
  return false;
}

/* *voids: 0 where nothing is enclosed.  False after task_fail. */
static bool try_caps(struct task *t, bool close, bool look, size_t *voids, size_t *closed) {
  struct work w = {.t = t};
  take_caps(&w, close);
  bool ok = cut_all(&w);
  *closed = w.ours;
  *voids = 0;
  if (ok && !merge(&w)) {
    ok = false;
    task_fail(t, LATHE_BAD_INPUT,
              "fluid: the CAD kernel failed to join the parts of the volume "
              "inside %s. Draw the volume in the CAD program",
              t->name);
  }
  if (ok && (*voids = sort_voids(&w)) > 0)
    ok = fluid_settle(&w, *voids, look);
  else if (ok)
    undo(&w);
  work_free(&w);
  return ok;
}

static size_t count_loose(const struct names *n) {
  size_t count = 0;
  for (size_t i = 0; i < n->face_count; i++)
    count += n->faces[i].solid == 0;
  return count;
}

/* They were part of the outside, and went with it. */
static void tell_baffles(struct task *t, size_t count) {
  task_warn(t,
            "fluid: %zu face%s of the file that belong%s to no solid close%s no opening, and %s "
            "left out: a surface without thickness in the volume (a baffle) is not meshed. Give it "
            "a thickness in the CAD program",
            count, count == 1 ? "" : "s", count == 1 ? "s" : "", count == 1 ? "s" : "",
            count == 1 ? "is" : "are");
}

bool fluid_extract(struct task *t, bool look) {
  struct cut cut = {0};
  size_t voids = 0, closed = 0;
  size_t loose = count_loose(&t->names);
  bool ok = t->names.solid_count < 2 || cut_model(&cut, &t->names, NULL, 0, t->params.tolerance);
  cut_free(&cut);
  if (!ok) {
    task_fail(t, LATHE_BAD_INPUT,
              "fluid: the CAD kernel failed to cut the solids of %s along each other. Repair where "
              "they touch, or draw the volume in the CAD program",
              t->name);
    return false;
  }
  if (loose > 0 && !try_caps(t, false, look, &voids, &closed))
    return false;
  if (voids == 0) {
    if (!try_caps(t, true, look, &voids, &closed))
      return false;
    if (loose && voids && look)
      tell_baffles(t, loose);
  }
  return voids > 0 || fluid_refuse(t, closed);
}
