/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/wrapping.h"

#include "arrays/distance.h"
#include "arrays/mesh_arrays.h"
#include "base/box.h"
#include "base/module.h"
#include "base/out.h"
#include "base/union_find.h"
#include "base/vec.h"
#include "cad/face_by_face.h"
#include "cad/kernel.h"
#include "facets/facets.h"
#include "facets/facets_mend.h"
#include "facets/facets_read.h"
#include "import/stl.h"
#include "import/wrap.h"
#include "task/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS    20000 /* that are looked at for the distances */
#define OFFSET    0.001 /* of the diagonal: of the wrap from the facets */
#define LEAST_GAP 0.02  /* of the diagonal, where the job names none */
/* Of the wrap, on an area of (gap / 2)^2 at most: a thin wall has two sides. */
#define FACETS     8.0
#define FACETS_MAX 500000 /* more take minutes to wrap, and as long to mesh */
#define ROUND      1.1    /* the ball is wider than the opening */
/* Processor time for the triangles of a CAD file's faces. */
#define KERNEL_SECONDS      20
#define KERNEL_FACE_SECONDS 3

/* ---- how wide the openings are ---- */

/* Of a loop of open edges: the second of its three extents is what a ball must be wider than. */
static double width_of(const struct box *b) {
  double e[3], most = 0, least = INFINITY, sum = 0;
  for (int i = 0; i < 3; i++) {
    e[i] = b->high[i] - b->low[i];
    most = fmax(most, e[i]);
    least = fmin(least, e[i]);
    sum += e[i];
  }
  return sum - most - least;
}

/* The widest loop of open edges. */
static double widest_opening(const struct facets *f) {
  uint32_t *parent = union_find_new(f->node_count);
  struct box *boxes = out_alloc(f->node_count, sizeof *boxes);
  double widest = 0;
  for (size_t n = 0; n < f->node_count; n++)
    boxes[n] = BOX_EMPTY;
  for (size_t h = 0; h < 3 * f->count; h++)
    if (f->mate[h] == FACET_NONE)
      union_find_join(parent, f->node[h], f->node[h % 3 == 2 ? h - 2 : h + 1]);
  for (size_t h = 0; h < 3 * f->count; h++)
    if (f->mate[h] == FACET_NONE)
      box_grow(&boxes[union_find_root(parent, f->node[h])], f->xyz + 3 * (size_t)f->node[h]);
  for (uint32_t n = 0; n < f->node_count; n++)
    if (parent[n] == n && boxes[n].high[0] >= boxes[n].low[0])
      widest = fmax(widest, width_of(&boxes[n]));
  free(parent);
  free(boxes);
  return widest;
}

/* ---- the wrap ---- */

static bool overlaps(const struct facets *f) {
  for (size_t i = 0; i < f->shell_count; i++)
    if (f->shells[i].overlaps != FACET_NONE)
      return true;
  return false;
}

static struct surface_of surface_of(const struct facets *f) {
  return (struct surface_of){f->xyz, f->node, f->count};
}

/* Both ways: what the wrap adds, and what it does not reach. */
static void wrapping_measure(struct wrapped *w, const struct facets *file,
                             const struct facets *wrap) {
  struct distance_tree *of_file = distance_tree_new(surface_of(file)),
                       *of_wrap = distance_tree_new(surface_of(wrap));
  w->added = distance_farthest(of_file, surface_of(wrap), POINTS).distance;
  w->left = distance_farthest(of_wrap, surface_of(file), POINTS).distance;
  distance_tree_free(of_file);
  distance_tree_free(of_wrap);
}

/* Facets of one part, without a name, which takes the file's where it has one. */
static struct facets *wrapping_take(struct wrap *w, const struct facets *file) {
  struct facets *f = out_alloc(1, sizeof *f);
  *f = (struct facets){.node_count = w->wrapped_nodes,
                       .node_cap = w->wrapped_nodes,
                       .xyz = w->wrapped_xyz,
                       .count = w->wrapped_count,
                       .cap = w->wrapped_count,
                       .node = w->wrapped,
                       .part = out_alloc(w->wrapped_count, sizeof *f->part),
                       .part_names = out_alloc(1, sizeof *f->part_names),
                       .part_count = 1};
  const char *name = file->part_count == 1 ? file->part_names[0] : "";
  f->part_names[0] = out_alloc(strlen(name) + 1, 1);
  memcpy(f->part_names[0], name, strlen(name) + 1);
  facets_measure(f);
  facets_mend(f);
  return f;
}

static int32_t fail(struct task *t, double gap) {
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s could not be wrapped with wrap_gap_mm=%.4g. Try another one, or repair the "
                   "file",
                   t->name, gap);
}

static int32_t wrap(struct task *t, wrap_function *function, double gap) {
  struct facets *file = t->facets;
  struct wrap w = {.xyz = file->xyz,
                   .nodes = file->node_count,
                   .triangles = file->node,
                   .count = file->count,
                   .alpha = gap / 2,
                   .offset = OFFSET * file->diagonal};
  if (function(&w) != 0) {
    free(w.wrapped_xyz);
    free(w.wrapped);
    return fail(t, gap);
  }
  struct facets *f = wrapping_take(&w, file);
  if (f->body_count == 0 || f->edges.open || f->edges.crowded) {
    facets_free(f);
    free(f);
    return fail(t, gap);
  }
  t->wrapped = (struct wrapped){.gap = gap, .offset = w.offset, .facets = f->count};
  wrapping_measure(&t->wrapped, file, f);
  size_t parts = file->part_count;
  f->repairs = file->repairs;
  facets_free(file);
  free(file);
  t->facets = f;
  task_warn(
      t,
      "the facets were wrapped: openings narrower than %.4g%s are closed. The surface is new, "
      "at most %.3g%s off the facets, in the openings; facets lie up to %.3g%s inside it%s",
      gap, task_unit(t), t->wrapped.added, task_unit(t), t->wrapped.left, task_unit(t),
      t->file_format != FORMAT_STL ? ", and the names and numbers of the faces are lost"
      : parts > 1                  ? ", and the names of the parts are lost"
                                   : "");
  return LATHE_OK;
}

static double area_of(const struct facets *f) {
  double sum = 0, normal[3];
  for (size_t i = 0; i < f->count; i++) {
    facets_normal(f, i, normal);
    sum += vec_length(normal) / 2;
  }
  return sum;
}

/* How many facets the wrap may have, by the area of the file's. */
static double estimate(double area, double gap) {
  return FACETS * area / (gap * gap / 4);
}

int32_t wrapping_do(struct task *t) {
  const struct facets *f = t->facets;
  bool sound = f->edges.open == 0 && f->edges.crowded == 0 && !overlaps(f);
  if (sound && t->file_format == FORMAT_STL) {
    task_warn(t, "wrap=true did nothing: the facets close, and no bodies overlap");
    return LATHE_OK;
  }
  wrap_function *const *function = module_symbol(WRAP_FILE, WRAP_SYMBOL);
  if (!function)
    return task_fail(t, LATHE_BAD_INPUT,
                     "wrap=true: this server was built without CGAL, which wraps facets; ask its "
                     "admin for a build with libcgal-dev");
  double area = area_of(f), finest = 2 * sqrt(FACETS * area / FACETS_MAX);
  double gap = t->params.wrap_gap;
  if (!(gap > 0))
    gap = fmax(fmax(ROUND * widest_opening(f), LEAST_GAP * f->diagonal), finest);
  if (gap < finest)
    return task_fail(t, LATHE_BAD_INPUT,
                     "wrap_gap_mm=%g would take up to %.2g facets to wrap %s, and %.2g are the "
                     "most; ask for %.3g or more",
                     gap, estimate(area, gap), t->name, (double)FACETS_MAX, finest * 1.005);
  return wrap(t, *function, gap);
}

/* ---- faces of a CAD file ---- */

/* The CAD kernel's triangles of the model's faces, mended; NULL: it made none. */
static struct facets *facets_of_model(double diagonal) {
  const struct kernel_limits limits = {.deflection = OFFSET * diagonal,
                                       .angle = M_PI / 12,
                                       .seconds = KERNEL_SECONDS,
                                       .face_seconds = KERNEL_FACE_SECONDS};
  struct mesh_arrays s = {0};
  struct facets_writer w;
  struct facets *f = out_alloc(1, sizeof *f);
  bool ok = kernel_watched(&s, &limits) == KERNEL_DONE;
  facets_begin(&w, f, s.triangle_count + 1);
  uint32_t part = facets_add_part(f, "", 0);
  for (size_t i = 0; ok && i < s.triangle_count; i++) {
    double xyz[9];
    for (size_t k = 0; k < 3; k++)
      memcpy(xyz + 3 * k, s.xyz + 3 * (size_t)s.triangles[3 * i + k], 3 * sizeof *xyz);
    ok = facets_add(&w, xyz, part);
  }
  ok = facets_end(&w) && ok;
  mesh_arrays_free(&s);
  if (ok)
    facets_mend(f);
  f->repairs = (struct repairs){0}; /* of triangles that are not the user's */
  if (ok && f->count > 0)
    return f;
  facets_free(f);
  free(f);
  return NULL;
}

int32_t wrapping_take_model(struct task *t) {
  struct facets *f = facets_of_model(t->geometry.diagonal);
  if (!f)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s: its faces close to no solid, and wrap=true needs triangles of them, which "
        "the CAD kernel could not make. Repair the faces, or export them as STL",
        t->name);
  t->facets = f;
  t->format = FORMAT_STL;
  return stl_check(t);
}

void wrapping_json(const struct task *t, struct out *o) {
  const struct wrapped *w = &t->wrapped;
  if (w->facets)
    out_printf(o,
               "\"wrap\":{\"gap\":%.9g,\"offset\":%.9g,\"facets\":%zu,\"max_distance\":%.6g,"
               "\"max_distance_of_facets\":%.6g},",
               w->gap, w->offset, w->facets, w->added, w->left);
}
