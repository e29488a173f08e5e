/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter `local_sizes`: smaller elements on faces, edges, bodies and in regions.
 *
 *   local_sizes_read   its form, before the file is read
 *   local_sizes_find   names and numbers -> entities of Gmsh's model
 *   sizes.c            asks for what was found, whenever Gmsh wants the size at a point
 *   local_sizes_measure, local_sizes_json   what came of each
 */
#ifndef SIZES_LOCAL_SIZES_H
#define SIZES_LOCAL_SIZES_H

#include "sizes/size_field.h"
#include "task/params.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;

#define GROWTH_MIN 1.01

enum local_on { ON_FACES, ON_EDGES, ON_BODIES, ON_REGION };

struct local_size {
  const char *name;   /* of the parameter, which lives as long as the task */
  const json_t *json; /* as the job gives it */
  double size, slope; /* slope: growth rate - 1 */
  enum local_on on;
  struct size_region region; /* ON_REGION */
  int *tags;                 /* else: the entities.  Owned */
  size_t count;
};

struct local_sizes {
  struct local_size of[LOCAL_SIZES_MAX];
  size_t count;
};

/* Into t->local; false after task_fail. */
bool local_sizes_read(struct task *t, const json_t *sizes);
/* LATHE_OK, or a class after task_fail.  To be called again where the model was read again. */
int32_t local_sizes_find(struct task *t);
int local_sizes_dim(const struct local_size *l); /* of its entities; -1: a region */

/* Warns of those that are no smaller than the size of all. */
void local_sizes_compare(struct task *t);
/* Of the job: growth_rate, or what it is where the job names none. */
double local_sizes_growth(const struct task *t);

const char *local_sizes_word(enum local_on on); /* "faces", ... */

#endif
