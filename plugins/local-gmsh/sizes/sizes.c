/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/sizes.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/vec.h"
#include "cad/kernel.h"
#include "layers/layers_params.h"
#include "model/adjacent.h"
#include "model/entity.h"
#include "select/periodic.h"
#include "sizes/curvature.h"
#include "sizes/estimate.h"
#include "sizes/local_sizes.h"
#include "sizes/size_field.h"
#include "sizes/thin_walls.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ANY_SIZE     1e22
#define INSIDE       (1 / 3.0) /* of the size outside, in a painted region that names none */
#define POINTS_MAX   200000    /* of one local size: with more, they lie further apart */
#define CURVE_POINTS 5000      /* of one edge */
#define DIRECTIONS   3         /* in which a part may be periodic */
#define CIRCLE       12        /* edges, as strategies.c asks of Gmsh */
/* Of the diagonal.  Shorter edges are the poles of spheres and the tips of cones, of length 1e-16;
 * elements of that size would fill all memory. */
#define LEAST_EDGE 1e-6
/* Of the size: small rounds below layers would take elements without end. */
#define LEAST_ROUND 0.25

struct exact { /* by number of the entity: the size there, 0: none */
  double *size;
  size_t count;
};

struct sizes {
  struct curvature *curvature; /* NULL: not needed */
  double chord;                /* of this strategy; 0: none */
  double round; /* the least size for rounds below layers; 0: nothing is done for them */
  struct size_field *points;
  struct exact exact[4];
  struct size_region regions[REGIONS_MAX + LOCAL_SIZES_MAX];
  size_t region_count;
  struct thin thin;
  double largest, scale;           /* of this strategy */
  const struct periodic *periodic; /* NULL: nothing is */
};

/* ---- asked by Gmsh, from several threads ---- */

static double field_size(const struct sizes *s, int dim, int tag, const double at[3]) {
  double size = size_field_at(s->points, at, s->largest);
  if (dim >= 0 && dim <= 3 && tag >= 0 && (size_t)tag < s->exact[dim].count &&
      s->exact[dim].size[tag] > 0)
    size = fmin(size, s->exact[dim].size[tag]);
  for (size_t i = 0; i < s->region_count; i++) {
    const struct size_region *r = &s->regions[i];
    if (r->size < size)
      size = fmin(size, r->size + r->slope * size_region_distance(r, at));
  }
  return size < s->largest ? s->scale * size : ANY_SIZE;
}

/* Small elements on the image of a periodic pair are small on what it is the image of, also where
 * two pairs meet. */
static double image_size(const struct sizes *s, const double at[3], size_t first, int depth) {
  double size = ANY_SIZE;
  for (size_t i = first; depth > 0 && s->periodic && i < s->periodic->count; i++) {
    double image[3];
    periodic_image(&s->periodic->of[i], at, image);
    size = fmin(size, field_size(s, -1, 0, image));
    size = fmin(size, image_size(s, image, i + 1, depth - 1));
  }
  return size;
}

static double size_here(const struct sizes *s, int dim, int tag, double x, double y, double z) {
  const double at[3] = {x, y, z};
  double size = fmin(field_size(s, dim, tag, at), image_size(s, at, 0, DIRECTIONS));
  if (s->round > 0)
    size = fmin(size, fmax(curvature_turn(s->curvature, CIRCLE, dim, tag, at), s->round));
  return s->chord > 0 ? fmin(size, curvature_size(s->curvature, s->chord, dim, tag, at)) : size;
}

#ifdef GMSH_SIZE_CALLBACK_HAS_LC
static double ask(int dim, int tag, double x, double y, double z, double size, void *sizes) {
  return fmin(size, size_here(sizes, dim, tag, x, y, z));
}
#else
static double ask(int dim, int tag, double x, double y, double z, void *sizes) {
  return size_here(sizes, dim, tag, x, y, z);
}
#endif

/* ---- local sizes ---- */

static void mark(struct sizes *s, int dim, int tag, double size) {
  struct exact *x = &s->exact[dim];
  if (tag < 0)
    return;
  if ((size_t)tag >= x->count) {
    x->size = out_again(x->size, x->count, (size_t)tag + 64, sizeof *x->size);
    x->count = (size_t)tag + 64;
  }
  if (!(x->size[tag] > 0) || size < x->size[tag])
    x->size[tag] = size;
  if (dim == 0)
    return;
  size_t n = 0;
  int *below = adjacent_below(dim, tag, &n);
  for (size_t i = 0; i < n; i++)
    mark(s, dim - 1, below[i], size);
  gmshFree(below);
}

/* Points along a curve, about `spacing` apart, both ends among them. */
static void add_curve(struct sizes *s, int curve, double spacing, double size, double slope) {
  double *low = NULL, *high = NULL, *xyz = NULL;
  size_t lows = 0, highs = 0, coords = 0;
  int e = 0;
  size_t n = 2 + (size_t)fmin(fmax(entity_mass(1, curve) / spacing, 0), CURVE_POINTS);
  double *params = out_alloc(n, sizeof *params);
  gmshModelGetParametrizationBounds(1, curve, &low, &lows, &high, &highs, &e);
  if (e == 0 && lows == 1 && highs == 1) {
    for (size_t i = 0; i < n; i++)
      params[i] = *low + (*high - *low) * (double)i / (double)(n - 1);
    gmshModelGetValue(1, curve, params, n, &xyz, &coords, &e);
    for (size_t i = 0; e == 0 && i < coords / 3; i++)
      size_field_point(s->points, xyz + 3 * i, size, slope);
  }
  gmshFree(low);
  gmshFree(high);
  gmshFree(xyz);
  free(params);
}

static double area_of(const struct mesh_arrays *s, const struct range *face) {
  double sum = 0, normal[3];
  for (size_t i = face->first; i < face->first + face->count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    vec_normal(normal, s->xyz + 3 * (size_t)n[0], s->xyz + 3 * (size_t)n[1],
               s->xyz + 3 * (size_t)n[2]);
    sum += vec_length(normal) / 2;
  }
  return sum;
}

/* Points all over a face, from its triangles. */
static void sizes_add_face(struct sizes *s, const struct mesh_arrays *arrays, int tag,
                           const struct local_size *l) {
  for (size_t f = 0; f < arrays->face_count; f++) {
    const struct range *r = &arrays->faces[f];
    if (r->tag != tag)
      continue;
    double spacing = fmax(l->size, sqrt(area_of(arrays, r) / POINTS_MAX));
    for (size_t i = r->first; i < r->first + r->count; i++) {
      const uint32_t *n = arrays->triangles + 3 * i;
      size_field_triangle(s->points, arrays->xyz + 3 * (size_t)n[0], arrays->xyz + 3 * (size_t)n[1],
                          arrays->xyz + 3 * (size_t)n[2], spacing, l->size, l->slope);
    }
  }
}

/* Points on an entity and all that bounds it. */
static void add_entity(struct sizes *s, const struct mesh_arrays *arrays, int dim, int tag,
                       const struct local_size *l) {
  if (dim == 1) {
    add_curve(s, tag, l->size / 2, l->size, l->slope);
    return;
  }
  if (dim == 2)
    sizes_add_face(s, arrays, tag, l);
  size_t n = 0;
  int *below = adjacent_below(dim, tag, &n);
  for (size_t i = 0; i < n; i++)
    add_entity(s, arrays, dim - 1, below[i], l);
  gmshFree(below);
}

static void add_local_sizes(struct sizes *s, const struct task *t) {
  struct mesh_arrays arrays = {0};
  double finest = t->size;
  bool faces = false;
  for (size_t i = 0; i < t->local->count; i++) {
    faces |= local_sizes_dim(&t->local->of[i]) >= 2;
    finest = fmin(finest, t->local->of[i].size);
  }
  struct kernel_limits limits = {
      .deflection = finest / 2, .angle = 0.5, .seconds = 3, .face_seconds = 1};
  if (faces)
    kernel_triangulate(&arrays,
                       &limits); /* without it sizes grow from the edges of the faces alone */
  for (size_t i = 0; i < t->local->count; i++) {
    const struct local_size *l = &t->local->of[i];
    for (size_t k = 0; k < l->count; k++) {
      mark(s, local_sizes_dim(l), l->tags[k], l->size);
      add_entity(s, &arrays, local_sizes_dim(l), l->tags[k], l);
    }
  }
  mesh_arrays_free(&arrays);
}

/* ---- growth: from what makes elements small by itself ---- */

struct natural {
  struct sizes *sizes;
  const struct task *task;
  double slope;
  double *radius; /* the least of each curve */
  size_t count;
};

/* Edges of elements that a radius of curvature takes. */
static double bent_size(const struct params *p, double radius) {
  double size = INFINITY;
  if (p->curvature > 0)
    size = 2 * M_PI * radius / p->curvature;
  if (p->max_deviation > 0)
    size = fmin(size, bends_length(radius, p->max_deviation));
  return size;
}

static void note_curvature(void *context, int dim, int tag, const double at[3], double radius) {
  struct natural *n = context;
  double size = bent_size(&n->task->params, radius);
  if (dim == 1 && (size_t)tag < n->count && radius < n->radius[tag])
    n->radius[tag] = radius;
  double least = fmax(n->task->params.min_size, LEAST_EDGE * n->task->geometry.diagonal);
  if (size < n->task->size)
    size_field_point(n->sizes->points, at, fmax(size, least), n->slope);
}

static void add_natural(struct sizes *s, const struct task *t) {
  int *curves = NULL, e = 0;
  size_t n = 0;
  struct natural c = {.sizes = s, .task = t, .slope = local_sizes_growth(t) - 1};
  gmshModelGetEntities(&curves, &n, 1, &e);
  for (size_t i = 1; i < n; i += 2)
    c.count = (size_t)curves[i] >= c.count ? (size_t)curves[i] + 1 : c.count;
  c.radius = out_alloc(c.count + 1, sizeof *c.radius);
  for (size_t i = 0; i < c.count; i++)
    c.radius[i] = INFINITY;
  curvature_each(s->curvature, note_curvature, &c);
  for (size_t i = 1; i < n; i += 2) {
    double length = entity_mass(1, curves[i]), size = length / ceil(length / t->size);
    double radius = c.radius[curves[i]];
    if (entity_is(1, curves[i], "Circle") || entity_is(1, curves[i], "Ellipse"))
      size = fmin(size, 2 * M_PI * radius / CIRCLE);
    size = fmax(fmin(size, bent_size(&t->params, radius)), t->params.min_size);
    if (length > LEAST_EDGE * t->geometry.diagonal && size < t->size)
      add_curve(s, curves[i], size, size, c.slope);
  }
  free(c.radius);
  gmshFree(curves);
}

/* ---- */

static bool is_chord_asked(const struct task *t) {
  return t->params.max_deviation > 0 && t->format != FORMAT_STL;
}

/* Whether sizes grow by a rate everywhere, and not as Gmsh has it.  Facets have no edges and no
 * curvature to begin from. */
static bool grows(const struct task *t) {
  return (t->params.growth > 0 || t->params.across || t->local) && t->format != FORMAT_STL;
}

/* Prisms over the flat facets of a round lie across each other's sides. */
static bool rounds_layers(const struct task *t) {
  return t->layers && t->params.curvature == 0;
}

static bool is_wanted(const struct task *t) {
  return rounds_layers(t) || t->params.growth > 0 || t->params.across || t->local ||
         t->params.region_count || is_chord_asked(t);
}

int32_t sizes_prepare(struct task *t) {
  struct sizes *s;
  if (t->sizes)
    return LATHE_OK;
  if (!is_wanted(t))
    return estimate_check(t, NULL) ? LATHE_OK : t->code;
  s = t->sizes = out_alloc(1, sizeof *s);
  s->points = size_field_new();
  if (is_chord_asked(t) || grows(t) || rounds_layers(t))
    s->curvature = curvature_take();
  for (size_t i = 0; rounds_layers(t) && i < t->layers->count; i++)
    for (size_t k = 0; k < t->layers->of[i].count; k++)
      curvature_choose(s->curvature, t->layers->of[i].tags[k]);
  if (!estimate_check(t, s->curvature))
    return t->code;
  if (t->local)
    add_local_sizes(s, t);
  if (t->params.across && !thin_walls_find(t, s->points, &s->thin))
    return t->code;
  if (grows(t))
    add_natural(s, t);
  size_field_build(s->points);
  return LATHE_OK;
}

void sizes_forget(struct task *t) {
  t->sizes = NULL; /* a process that reads the model again ends soon */
}

static void take_regions(struct sizes *s, const struct task *t) {
  s->region_count = 0;
  for (size_t i = 0; i < t->params.region_count; i++) {
    const struct region *r = &t->params.regions[i];
    double size = r->size > 0 ? r->size : t->size * INSIDE;
    struct size_region *to = &s->regions[s->region_count++];
    *to = (struct size_region){.shape = SIZE_BALL,
                               .radius = r->radius,
                               .size = size,
                               /* sizes grow over as much again */
                               .slope = fmax(t->size - size, 0) / r->radius};
    memcpy(to->a, r->center, sizeof to->a);
  }
  for (size_t i = 0; t->local && i < t->local->count; i++)
    if (t->local->of[i].on == ON_REGION)
      s->regions[s->region_count++] = t->local->of[i].region;
}

void sizes_apply(struct task *t, const struct strategy *r) {
  int e = 0;
  if (is_wanted(t) && sizes_prepare(t) != LATHE_OK)
    return; /* the part as it was read first passed */
  if (!t->sizes)
    return;
  struct sizes *s = t->sizes;
  s->largest = t->size;
  s->scale = r->finer > 0 ? r->finer : 1;
  s->chord = is_chord_asked(t) ? t->params.max_deviation * (r->nearer > 0 ? r->nearer : 1) : 0;
  s->round = rounds_layers(t) ? LEAST_ROUND * t->size : 0;
  s->periodic = t->periodic;
  take_regions(s, t);
  gmshModelMeshSetSizeCallback(ask, s, &e);
  /* Gmsh's own way takes the sizes at the edges of a face all across it, and those of faces all
   * through a solid. */
  bool own = grows(t) && r->curvature <= t->params.curvature;
  gmshOptionSetNumber("Mesh.MeshSizeExtendFromBoundary", !own, &e);
}

const struct thin *sizes_thin(const struct task *t) {
  return t->sizes && t->params.across ? &t->sizes->thin : NULL;
}
