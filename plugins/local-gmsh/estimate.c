/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "estimate.h"

#include "boundary_layers.h"
#include "local_sizes.h"
#include "out.h"
#include "refine.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILLING 0.19 /* measured: a volume V takes V / (FILLING size^3) */
/* Of one thread, here: Gmsh's Delaunay makes 2e4 to 5e4, HXT 2e5.  What is refused for want of time
 * must not be what a faster machine would have made. */
#define PER_SECOND  1e6
#define BYTES       300.0 /* of a tetrahedron; Gmsh takes 400 to 1000 */
#define MOST        5e7   /* beyond what Gmsh is known to hold */
#define USUAL       1e6   /* up to here nothing is looked at more closely */
#define ON_TRIANGLE 5.0   /* tetrahedra by the area of a face through the square of a size there */
#define TRIANGLES   2.4   /* of a face, by its area through the square of their size: measured */

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

bool estimate_allows(struct task *t, double elements, const char *what) {
  double left = t->end > 0 ? fmax(t->end - task_now(), 0) : INFINITY;
  double in_time = left * PER_SECOND * fmax(t->params.threads, 1);
  double in_memory = memory_left() / BYTES;
  if (!(elements > USUAL) || elements <= fmin(fmin(in_time, in_memory), MOST))
    return true;
  if (elements > MOST)
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and the mesher cannot hold more than %.2g: ask for "
              "larger elements",
              what, elements, MOST);
  else if (elements > in_time)
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and in the %.0f s that are left at most %.2g can be "
              "made: ask for larger elements, or for more time (timeout_s)",
              what, elements, left, in_time);
  else
    task_fail(t, LATHE_BAD_INPUT,
              "%s takes about %.2g elements, and in the %.0f MB that are left at most %.2g find "
              "room: ask for larger elements, or for more memory (memory of the kind)",
              what, elements, in_memory * BYTES / 1e6, in_memory);
  return false;
}

/* ---- what is asked for ---- */

static double box_of(const struct task *t) {
  const struct geometry *g = &t->geometry;
  return (g->high[0] - g->low[0]) * (g->high[1] - g->low[1]) * (g->high[2] - g->low[2]);
}

static double mass(int dim, int tag) {
  double m = 0;
  int e = 0;
  gmshModelOccGetMass(dim, tag, &m, &e);
  return e ? 0 : m;
}

static bool check_all_over(struct task *t) {
  char what[100];
  uint64_t target = t->params.wishes.target;
  snprintf(what, sizeof what, "target_elements=%llu", (unsigned long long)target);
  if (target)
    return estimate_allows(t, (double)target, what);
  if (box_of(t) * estimate_density(t->size) <= USUAL)
    return true;
  snprintf(what, sizeof what, "max_size_mm=%g in this volume", t->size);
  return estimate_allows(t, mass_of(t) * estimate_density(t->size), what);
}

struct face_density { /* 1 / size^2, over the samples of a face */
  double sum;
  size_t count;
};

struct bent {
  const struct task *task;
  struct face_density *faces;
  size_t count;
};

static void add_bend(void *context, int dim, int tag, const double at[3], double radius) {
  struct bent *b = context;
  const struct params *p = &b->task->params;
  (void)at;
  if (dim != 2)
    return;
  if ((size_t)tag >= b->count) {
    b->faces = out_again(b->faces, b->count, (size_t)tag + 64, sizeof *b->faces);
    b->count = (size_t)tag + 64;
  }
  double size = fmax(bends_length(radius, p->max_deviation), p->min_size);
  b->faces[tag].sum += size < b->task->size ? 1 / (size * size) : 0;
  b->faces[tag].count++;
}

static bool check_bends(struct task *t, const struct bends *bends) {
  struct bent b = {.task = t};
  char what[100];
  double elements = 0, face = t->geometry.diagonal * t->geometry.diagonal;
  bends_each(bends, add_bend, &b);
  for (int exact = 0; exact < 2; exact++) { /* areas take time: first as if faces were large */
    elements = 0;
    for (size_t i = 0; i < b.count; i++)
      if (b.faces[i].sum > 0)
        elements += ON_TRIANGLE * (exact ? mass(2, (int)i) : face) * b.faces[i].sum /
                    (double)b.faces[i].count;
    if (elements <= USUAL)
      break;
  }
  free(b.faces);
  snprintf(what, sizeof what, "max_deviation=%g", t->params.max_deviation);
  return estimate_allows(t, elements, what);
}

/* Of a region, as if the part filled it. */
static double volume_of(const struct size_region *r) {
  double sum = 0, box = 1;
  for (int k = 0; k < 3; k++) {
    sum += (r->b[k] - r->a[k]) * (r->b[k] - r->a[k]);
    box *= r->b[k] - r->a[k];
  }
  double ball = 4 / 3.0 * M_PI * pow(r->radius, 3), rod = M_PI * r->radius * r->radius * sqrt(sum);
  return r->shape == SIZE_BOX ? box : r->shape == SIZE_BALL ? ball : ball + rod;
}

/* Sizes grow away from a face by the slope k, so that the area A takes the integral of
 * A / (FILLING (s + k x)^3), which is A / (2 k FILLING s^2), and the length L of an edge with a
 * right angle of solid around it L pi / (4 k^2 FILLING s); no more than the part's volume holds. */
static double elements_of(struct task *t, const struct local_size *l) {
  double sum = 0, density = estimate_density(l->size);
  double all = box_of(t) * density;
  if (all <= USUAL)
    return 0;
  for (size_t i = 0; i < l->count; i++) {
    double m = mass(local_sizes_dim(l), l->tags[i]);
    sum += l->on == ON_BODIES  ? m * density
           : l->on == ON_FACES ? m * l->size / (2 * l->slope) * density
                               : m * M_PI * l->size * l->size / (4 * l->slope * l->slope) * density;
  }
  if (l->on == ON_REGION)
    sum = volume_of(&l->region) * density;
  return fmin(sum, mass_of(t) * density);
}

/* The prisms of layers: as many as the triangles of their faces, times the number of layers.  Areas
 * take time: first as if all faces were large. */
static bool check_layers(struct task *t, const struct boundary_layer *b) {
  double most = t->geometry.diagonal * t->geometry.diagonal, area = (double)b->count * most;
  double each = TRIANGLES * b->as.count / (t->size * t->size);
  char what[200];
  if (area * each > USUAL) {
    area = 0;
    for (size_t i = 0; i < b->count; i++)
      area += mass(2, b->tags[i]);
  }
  snprintf(what, sizeof what, "boundary_layers: \"%.60s\", %d layers over triangles of %g,",
           b->as.name, b->as.count, t->size);
  return estimate_allows(t, area * each, what);
}

bool estimate_check(struct task *t, const struct bends *bends) {
  char what[200];
  bool good = check_all_over(t);
  for (size_t i = 0; good && t->layers && i < t->layers->count; i++)
    good = check_layers(t, &t->layers->of[i]);
  if (good && bends && t->params.max_deviation > 0)
    good = check_bends(t, bends);
  for (size_t i = 0; good && t->local && i < t->local->count; i++) {
    const struct local_size *l = &t->local->of[i];
    snprintf(what, sizeof what, "local_sizes: \"%.60s\" of %g", l->name, l->size);
    good = estimate_allows(t, elements_of(t, l), what);
  }
  return good;
}
