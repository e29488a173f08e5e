/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "search/plan.h"

#include "cad/kernel.h"
#include "task/strategy.h"
#include "task/task.h"

#include <stdio.h>
#include <string.h>

#define FRONTAL   6 /* Gmsh's numbers */
#define DELAUNAY  5
#define MESHADAPT 1
#define TETS      1
#define HXT       10

#define AS_ASKED (-1)

#define KERNEL_SHARE 0.02 /* of the size: how far facets of the CAD kernel lie from the CAD */

static const struct root {
  const char *name;
  int algorithm_2d, curvature, circle_points;
  double finer; /* of the size; 0: 1 */
  bool heal, facets;
  bool cad, stl;
  int wave;
  double kernel; /* of the strategy */
} ROOTS[] = {
    {"frontal", FRONTAL, AS_ASKED, 12, 0, false, false, true, true, 0, 0},
    {"delaunay", DELAUNAY, AS_ASKED, 12, 0, false, false, true, true, 0, 0},
    {"facets", FRONTAL, 0, 12, 0, false, true, false, true, 0, 0},
    {"meshadapt", MESHADAPT, AS_ASKED, 12, 0, false, false, true, true, 0, 0},
    /* What was not asked for: more elements, or fewer. */
    {"rounder", FRONTAL, 24, 24, 0, false, false, true, false, 1, 0},
    {"roundest", FRONTAL, 60, 60, 0, false, false, true, false, 1, 0},
    {"curved", FRONTAL, 12, 12, 0, false, false, true, false, 2, 0},
    {"flat", FRONTAL, 0, 12, 0, false, false, true, false, 2, 0},
    {"finer", FRONTAL, AS_ASKED, 12, 0.5, false, false, true, true, 2, 0},
    {"healed", FRONTAL, AS_ASKED, 12, 0, true, false, true, false, 2, 0},
    /* Where nothing else has a mesh. */
    {"kernel", FRONTAL, 0, 12, 0, false, false, KERNEL_HERE, false, 3, KERNEL_SHARE},
};
#define ROOT_COUNT (sizeof ROOTS / sizeof *ROOTS)

static const struct {
  const char *name;
  int number;
} FILLS[] = {{"delaunay", TETS}, {"hxt", HXT}};
#define FILL_COUNT (sizeof FILLS / sizeof *FILLS)

static const char *const FINISHES[] = {
    [FINISH_RAW] = "-raw", [FINISH_OPTIMISED] = "", [FINISH_POLISHED] = "-polished"};

/* The kernel's facets are not images of each other, layers need faces that Gmsh knows all about,
 * and their nodes have no parameters to place middle nodes by. */
bool plan_takes_kernel(const struct task *t) {
  return !t->layers && !t->periodic && t->params.order == 1;
}

/* Is the root one for this job, and does it differ from the plain one? */
static bool root_fits(const struct task *t, const struct root *r) {
  int asked = t->params.curvature;
  if (!(t->format == FORMAT_STL ? r->stl : r->cad) || (r->heal && t->params.heal) ||
      (r->kernel > 0 && !plan_takes_kernel(t)))
    return false;
  return r->curvature == AS_ASKED || r->facets || r->kernel > 0 || r->circle_points > 12
             ? true
             : (r->curvature == 0 ? asked > 0 : asked == 0);
}

static struct strategy strategy_of(const struct task *t, const struct root *root) {
  int curvature = root->curvature == AS_ASKED ? t->params.curvature : root->curvature;
  if (root->circle_points > 12 && curvature < t->params.curvature)
    curvature = t->params.curvature;
  return (struct strategy){.algorithm_2d = root->algorithm_2d,
                           .curvature = curvature,
                           .circle_points = root->circle_points,
                           .finer = root->finer > 0 ? root->finer : 1,
                           .heal = root->heal,
                           .facets = root->facets,
                           .kernel = root->kernel};
}

static int plan_add(struct plan *p, const char *name, enum step step, const struct strategy *r,
                    int parent, int wave) {
  struct node *n = &p->nodes[p->count];
  *n = (struct node){.step = step, .strategy = *r, .parent = parent, .wave = wave};
  memccpy(n->name, name, 0, sizeof n->name - 1);
  memccpy(n->strategy.name, name, 0, sizeof n->strategy.name - 1);
  return (int)p->count++;
}

static void add_root(const struct task *t, struct plan *p, const struct root *root) {
  char name[32];
  struct strategy r = strategy_of(t, root);
  int wave = t->params.order_of[0] ? 0 : root->wave; /* what the client names is tried */
  int at = plan_add(p, root->name, STEP_FACES, &r, -1, wave);
  for (size_t f = 0; f < FILL_COUNT; f++) {
    int parent = at;
    r.algorithm_3d = FILLS[f].number;
    for (int finish = FINISH_RAW; finish <= FINISH_POLISHED; finish++) {
      snprintf(name, sizeof name, "%s-%s%s", root->name, FILLS[f].name, FINISHES[finish]);
      r.finish = (enum finish)finish;
      parent = plan_add(p, name, finish == FINISH_RAW ? STEP_FILL : STEP_IMPROVE, &r, parent, wave);
    }
  }
}

/* Where a list of names between commas holds this one, counted from 0; -1: nowhere. */
static int place_of(const char *list, const char *name) {
  size_t len = strlen(name);
  for (int place = 0; *list; place++) {
    size_t n = strcspn(list, ",");
    if (n == len && strncmp(list, name, n) == 0)
      return place;
    list += n + (list[n] == ',');
  }
  return -1;
}

/* HXT's tetrahedra depend on where in memory things lie, and so differ between processes. */
static bool repeats(const struct node *n) {
  return n->step == STEP_FACES || n->strategy.algorithm_3d != HXT;
}

/* Drops what no candidate needs, and names the candidates. */
static void prune(struct plan *p, const char *list, bool deterministic) {
  bool needed[NODES_MAX] = {false};
  int to[NODES_MAX];
  size_t kept = 0;
  for (size_t i = p->count; i-- > 0;) {
    struct node *n = &p->nodes[i];
    n->candidate = n->parent >= 0 && (!list[0] || place_of(list, n->name) >= 0) &&
                   (!deterministic || repeats(n));
    needed[i] |= n->candidate;
    if (needed[i] && n->parent >= 0)
      needed[n->parent] = true;
  }
  for (size_t i = 0; i < p->count; i++) {
    if (!needed[i])
      continue;
    to[i] = (int)kept;
    p->nodes[kept] = p->nodes[i];
    if (p->nodes[kept].parent >= 0)
      p->nodes[kept].parent = to[p->nodes[kept].parent];
    kept++;
  }
  p->count = kept;
}

/* Which place a root has among the roots; -1: it is not wanted. */
static int rank_of(const struct task *t, size_t root) {
  const char *list = t->params.order_of;
  struct plan p = {0};
  int rank = -1;
  if (!root_fits(t, &ROOTS[root]))
    return -1;
  if (!list[0])
    return (int)root;
  add_root(t, &p, &ROOTS[root]);
  for (size_t i = 0; i < p.count; i++) {
    int place = place_of(list, p.nodes[i].name);
    if (place >= 0 && (rank < 0 || place < rank))
      rank = place;
  }
  return rank;
}

void plan_make(const struct task *t, struct plan *p) {
  int rank[ROOT_COUNT];
  *p = (struct plan){0};
  for (size_t i = 0; i < ROOT_COUNT; i++)
    rank[i] = rank_of(t, i);
  for (int at = 0; at < NODES_MAX; at++)
    for (size_t i = 0; i < ROOT_COUNT; i++)
      if (rank[i] == at && p->count + 1 + 3 * FILL_COUNT <= NODES_MAX)
        add_root(t, p, &ROOTS[i]);
  prune(p, t->params.order_of, t->params.deterministic);
}

/* Of one root and all that grows from it: the strategy of this name. */
static bool find_below(const struct task *t, const struct root *root, const char *name,
                       struct strategy *r) {
  struct plan p = {0};
  add_root(t, &p, root);
  for (size_t n = 1; n < p.count; n++)
    if (strcmp(p.nodes[n].name, name) == 0) {
      *r = p.nodes[n].strategy;
      return true;
    }
  return false;
}

bool plan_find(const struct task *t, const char *name, struct strategy *r) {
  for (size_t i = 0; i < ROOT_COUNT; i++)
    if ((t->format == FORMAT_STL ? ROOTS[i].stl : ROOTS[i].cad) &&
        find_below(t, &ROOTS[i], name, r))
      return true;
  return false;
}

bool plan_known(const char *name) {
  static const struct task ANY;
  struct strategy r;
  for (size_t i = 0; i < ROOT_COUNT; i++)
    if (find_below(&ANY, &ROOTS[i], name, &r))
      return true;
  return false;
}
