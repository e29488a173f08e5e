/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What Gmsh is told of sizes below the largest one: one callback, which takes the least of
 *
 *   local sizes         on their own entities exactly, growing away from them
 *   painted regions     of quality_params
 *   max_deviation       where the CAD is curved (curvature.c)
 *   growth_rate         short edges and curved places, growing away from them
 *   elements_across_gap thin walls (thin_walls.c)
 *
 * Gmsh's own background fields would do for a part of this; they take longer for it, and a growth
 * rate over many faces they lack.
 */
#ifndef SIZES_SIZES_H
#define SIZES_SIZES_H

#include <stdint.h>

struct strategy;
struct task;
struct thin;

/* Once a model: samples what the job's sizes depend on, into t->sizes, where the job asks for any
 * of the above.  Before it t->size is set.  LATHE_OK, or a class after task_fail: there would be
 * more elements than can be made. */
int32_t sizes_prepare(struct task *t);
/* What elements_across_gap found; NULL: it is not asked for. */
const struct thin *sizes_thin(const struct task *t);
/* The model was read again: what was sampled is of no use. */
void sizes_forget(struct task *t);
/* Tells Gmsh, for a strategy: `finer` is a factor on local sizes, `nearer` one on max_deviation. */
void sizes_apply(struct task *t, const struct strategy *r);

#endif
