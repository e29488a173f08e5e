/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/estimate.h"

#include "base/out.h"
#include "cad/mass.h"
#include "layers/layers_params.h"
#include "model/entity.h"
#include "sizes/curvature.h"
#include "sizes/local_sizes.h"
#include "sizes/size_field.h"
#include "task/params.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILLING     0.19 /* measured: a volume V takes V / (FILLING size^3) */
#define MOST        5e7  /* beyond what Gmsh is known to hold */
#define USUAL       1e6  /* up to here nothing is looked at more closely */
#define ON_TRIANGLE 5.0  /* tetrahedra by the area of a face through the square of a size there */
#define TRIANGLES   2.4  /* of a face, by its area through the square of their size: measured */
#define STEP        1.5  /* towards a size that can be made */
#define STEPS_MAX   40

/* Of one thread, here, Gmsh's Delaunay makes 2e4 to 5e4 tetrahedra a second and HXT 2e5; each takes
 * 400 to 1000 bytes.  What is refused must not be what a faster machine would have made, and what
 * is advised in its place must be made here: two limits. */
static const struct pace {
  double delaunay, hxt, bytes;
} REFUSED = {2e5, 1e6, 300}, ADVISED = {1.5e4, 5e4, 1000};

double estimate_density(double size) {
  return 1 / (FILLING * size * size * size);
}

/* ---- what can be made ---- */

static double memory_left(void) {
  struct rlimit limit;
  long pages = 0;
  if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
    return INFINITY;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file) {
    if (fscanf(file, "%ld", &pages) != 1)
      pages = 0;
    fclose(file);
  }
  return fmax((double)limit.rlim_cur - (double)pages * (double)sysconf(_SC_PAGESIZE), 0);
}

static bool is_by_delaunay(const struct params *p) {
  return p->search == SEARCH_FAST && p->algorithm_3d == 1;
}

static double most_in_time(const struct task *t, const struct pace *pace) {
  double a_second = is_by_delaunay(&t->params) ? pace->delaunay : pace->hxt;
  double left = t->end > 0 ? fmax(t->end - task_now(), 0) : INFINITY;
  return left * a_second * fmax(t->params.threads, 1);
}

static double most(const struct task *t, const struct pace *pace) {
  return fmin(fmin(most_in_time(t, pace), memory_left() / pace->bytes), MOST);
}

bool estimate_refuses(const struct task *t, double elements) {
  return elements > USUAL && elements > most(t, &REFUSED);
}

bool estimate_allows(struct task *t, double elements, const char *what, const char *instead) {
  double in_time = most_in_time(t, &REFUSED), left = memory_left();
  t->expected = fmax(t->expected, elements);
  if (!estimate_refuses(t, elements))
    return true;
  if (elements > MOST)
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and the mesher cannot hold more than %.2g: ask for %s",
              what, elements, MOST, instead);
  else if (elements > in_time)
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and in the %.0f s that are left at most %.2g can be "
              "made: ask for %s, or for more time (%s)",
              what, elements, t->end - task_now(), in_time, instead,
              t->params.time_budget > 0 ? "time_budget" : "timeout_s");
  else
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and in the %.0f MB that are left at most %.2g find "
              "room: ask for %s, or for more memory (memory of the kind)",
              what, elements, left / 1e6, left / REFUSED.bytes, instead);
  return false;
}

double estimate_fitting(struct task *t, double size, double largest, estimate_elements *elements,
                        void *context) {
  double fits = fmin(most(t, &ADVISED), MOST);
  for (int i = 0; i < STEPS_MAX && size < largest; i++) {
    size *= STEP;
    if (elements(t, context, size) <= fits)
      return size;
  }
  return 0;
}

/* What to ask for instead of a size: one that was tried by the same reckoning. */
static void say_instead(char text[INSTEAD], struct task *t, const char *parameter, double size,
                        double largest, estimate_elements *elements, void *context) {
  double fits = estimate_fitting(t, size, largest, elements, context);
  if (fits > 0)
    snprintf(text, INSTEAD, "larger elements (%s=%.2g)", parameter, fits);
  else
    snprintf(text, INSTEAD, "larger elements");
}

/* ---- what is asked for ---- */

static double box_of(const struct task *t) {
  const struct geometry *g = &t->geometry;
  return (g->high[0] - g->low[0]) * (g->high[1] - g->low[1]) * (g->high[2] - g->low[2]);
}

static double all_over(struct task *t, void *context, double size) {
  (void)context;
  return mass_of(t) * estimate_density(size);
}

static bool check_all_over(struct task *t) {
  char what[100], instead[INSTEAD];
  uint64_t target = t->params.score_options.target;
  double at_most = box_of(t) * estimate_density(t->size);
  snprintf(what, sizeof what, "target_elements=%llu", (unsigned long long)target);
  snprintf(instead, sizeof instead, "larger elements (target_elements=%.0f)", most(t, &ADVISED));
  if (target)
    return estimate_allows(t, (double)target, what, instead);
  t->expected = at_most;
  if (at_most <= USUAL)
    return true;
  t->expected = 0;
  double elements = all_over(t, NULL, t->size);
  snprintf(what, sizeof what, "max_size_mm=%g in this volume", t->size);
  if (estimate_refuses(t, elements))
    say_instead(instead, t, "max_size_mm", t->size, t->geometry.diagonal, all_over, NULL);
  return estimate_allows(t, elements, what, instead);
}

struct face_density { /* 1 / size^2, over the samples of a face */
  double sum;
  size_t count;
};

struct bent {
  const struct task *task;
  double deviation;
  struct face_density *faces;
  size_t count;
};

static void add_curvature(void *context, int dim, int tag, const double at[3], double radius) {
  struct bent *b = context;
  const struct params *p = &b->task->params;
  (void)at;
  if (dim != 2)
    return;
  if ((size_t)tag >= b->count) {
    b->faces = out_again(b->faces, b->count, (size_t)tag + 64, sizeof *b->faces);
    b->count = (size_t)tag + 64;
  }
  double size = fmax(bends_length(radius, b->deviation), p->min_size);
  b->faces[tag].sum += size < b->task->size ? 1 / (size * size) : 0;
  b->faces[tag].count++;
}

/* `exact`: with the areas of the faces, which take time; else as if each were as large as the part.
 */
static double sum_of(const struct bent *b, bool exact) {
  double elements = 0, face = b->task->geometry.diagonal * b->task->geometry.diagonal;
  for (size_t i = 0; i < b->count; i++)
    if (b->faces[i].sum > 0)
      elements += ON_TRIANGLE * (exact ? entity_mass(2, (int)i) : face) * b->faces[i].sum /
                  (double)b->faces[i].count;
  return elements;
}

static double elements_of_curvature(struct task *t, void *context, double deviation) {
  struct bent b = {.task = t, .deviation = deviation};
  curvature_each(context, add_curvature, &b);
  double elements = sum_of(&b, false);
  if (elements > USUAL)
    elements = sum_of(&b, true);
  free(b.faces);
  return elements;
}

static bool check_curvature(struct task *t, struct curvature *curvature) {
  char what[100], instead[INSTEAD] = "";
  double elements = elements_of_curvature(t, curvature, t->params.max_deviation);
  snprintf(what, sizeof what, "max_deviation=%g", t->params.max_deviation);
  if (estimate_refuses(t, elements))
    say_instead(instead, t, "max_deviation", t->params.max_deviation, t->geometry.diagonal,
                elements_of_curvature, curvature);
  return estimate_allows(t, elements, what, instead);
}

/* Of a region, and of what is around it, where sizes grow by the slope k from s: a layer at the
 * distance x has 1 / (FILLING (s + k x)^3) elements in a volume of 1.  As if the part filled it. */
static double elements_of_region(const struct size_region *r, double s, double k) {
  double d[3], density = estimate_density(s);
  for (int i = 0; i < 3; i++)
    d[i] = r->b[i] - r->a[i];
  double length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), radius = r->radius;
  double on_area = s / (2 * k), on_length = M_PI * s * s / (4 * k * k);
  double volume = d[0] * d[1] * d[2];
  double area = 2 * (d[0] * d[1] + d[1] * d[2] + d[2] * d[0]);
  double edges = 4 * (d[0] + d[1] + d[2]);
  if (r->shape != SIZE_BOX) { /* a rod; a ball is one without a length */
    length = r->shape == SIZE_ROD ? length : 0;
    volume = 4 / 3.0 * M_PI * radius * radius * radius + M_PI * radius * radius * length;
    area = 4 * M_PI * radius * radius + 2 * M_PI * radius * length;
    edges = 4 * (length + 4 * radius); /* a turn around it is four right angles */
  }
  return density * (volume + area * on_area + edges * on_length);
}

struct at_local {
  const struct local_size *of;
  double box; /* of the part: its volume, or more */
};

/* Sizes grow away from a face by the slope k, so that the area A takes the integral of
 * A / (FILLING (s + k x)^3), which is A / (2 k FILLING s^2), and the length L of an edge with a
 * right angle of solid around it L pi / (4 k^2 FILLING s); no more than the part's volume holds. */
static double elements_of(struct task *t, void *context, double size) {
  const struct at_local *at = context;
  const struct local_size *l = at->of;
  double sum = 0, density = estimate_density(size);
  double all = at->box * density;
  if (all <= USUAL)
    return 0;
  for (size_t i = 0; i < l->count; i++) {
    double m = entity_mass(local_sizes_dim(l), l->tags[i]);
    sum += l->on == ON_BODIES  ? m * density
           : l->on == ON_FACES ? m * size / (2 * l->slope) * density
                               : m * M_PI * size * size / (4 * l->slope * l->slope) * density;
  }
  if (l->on == ON_REGION)
    sum = elements_of_region(&l->region, size, l->slope);
  return fmin(sum, mass_of(t) * density);
}

struct at_layers { /* triangles of the layers' faces */
  double area, layers;
};

static double elements_of_layers(struct task *t, void *context, double size) {
  const struct at_layers *at = context;
  (void)t;
  return at->area * TRIANGLES * at->layers / (size * size);
}

/* The prisms of layers: as many as the triangles of their faces, times the number of layers.  Areas
 * take time: first as if all faces were large. */
static bool check_layers(struct task *t, const struct boundary_layer *b) {
  double most_of_one = t->geometry.diagonal * t->geometry.diagonal;
  struct at_layers at = {(double)b->count * most_of_one, b->as.count};
  char what[200], instead[INSTEAD] = "";
  if (elements_of_layers(t, &at, t->size) > USUAL) {
    at.area = 0;
    for (size_t i = 0; i < b->count; i++)
      at.area += entity_mass(2, b->tags[i]);
  }
  double elements = elements_of_layers(t, &at, t->size);
  snprintf(what, sizeof what, "boundary_layers: \"%.60s\", %d layers over triangles of %g,",
           b->as.name, b->as.count, t->size);
  if (estimate_refuses(t, elements))
    say_instead(instead, t, "max_size_mm", t->size, t->geometry.diagonal, elements_of_layers, &at);
  return estimate_allows(t, elements, what, instead);
}

static bool check_local(struct task *t, const struct local_size *l) {
  char what[200], instead[INSTEAD] = "";
  struct at_local at = {l, box_of(t)};
  double elements = elements_of(t, &at, l->size);
  snprintf(what, sizeof what, "local_sizes: \"%.60s\" of %g", l->name, l->size);
  if (estimate_refuses(t, elements))
    say_instead(instead, t, "size_mm", l->size, t->size, elements_of, &at);
  return estimate_allows(t, elements, what, instead);
}

bool estimate_check(struct task *t, struct curvature *curvature) {
  t->expected = 0;
  bool good = check_all_over(t);
  for (size_t i = 0; good && t->layers && i < t->layers->count; i++)
    good = check_layers(t, &t->layers->of[i]);
  if (good && curvature && t->params.max_deviation > 0)
    good = check_curvature(t, curvature);
  for (size_t i = 0; good && t->local && i < t->local->count; i++)
    good = check_local(t, &t->local->of[i]);
  return good;
}
