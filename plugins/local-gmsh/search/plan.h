/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The candidates of `exhaustive`, as a tree of steps that share what they can:
 *
 *   import -+- frontal ----+- frontal-delaunay-raw - frontal-delaunay - frontal-delaunay-polished
 *           |  (1D and 2D) +- frontal-hxt-raw - frontal-hxt - frontal-hxt-polished
 *           +- delaunay ---...
 *
 * Each step but the roots is a candidate, unless the client names others.  Pure data: no Gmsh, no
 * processes.
 */
#ifndef SEARCH_PLAN_H
#define SEARCH_PLAN_H

#include "task/strategy.h"

#include <stdbool.h>
#include <stddef.h>

struct task;

enum step { STEP_FACES, STEP_FILL, STEP_IMPROVE };

struct node {
  char name[32];
  enum step step;
  struct strategy strategy; /* of the whole way from the root to here */
  int parent;               /* -1: a root */
  int wave;       /* 0; 1 where triangles of faces cut each other; 2 where nothing else worked */
  bool candidate; /* false: only a step on the way to others */
};

#define NODES_MAX 64
struct plan {
  struct node nodes[NODES_MAX]; /* a parent comes before its children */
  size_t count;
};

/* May the facets of the CAD kernel be the faces of this job's mesh? */
bool plan_takes_kernel(const struct task *t);
/* The tree for this job, cheap and promising roots first. */
void plan_make(const struct task *t, struct plan *p);
/* The strategy of this name; false when there is none for this job's file. */
bool plan_find(const struct task *t, const char *name, struct strategy *r);
/* Is this the name of one, for whatever file? */
bool plan_known(const char *name);

#endif
