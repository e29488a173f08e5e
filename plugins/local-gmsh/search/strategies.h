/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_STRATEGIES_H
#define SEARCH_STRATEGIES_H

#include "task/strategy.h"

#include <stddef.h>

struct outcome;
struct task;

/* The ladder of strategies for this task. */
size_t strategy_list(const struct task *t, struct rung rungs[RUNGS_MAX]);
/* Sets Gmsh's options for a rung. */
void strategy_apply(struct task *t, const struct rung *r);
/* Warns where the mesh is not of the sizes that were asked for. */
void strategy_compare(struct task *t, const struct outcome *o, const struct rung *r);

#endif
