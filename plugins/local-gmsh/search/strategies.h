/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_STRATEGIES_H
#define SEARCH_STRATEGIES_H

#include "task/strategy.h"

#include <stddef.h>

struct outcome;
struct task;

/* The ladder of strategies for this task. */
size_t strategies_list(const struct task *t, struct strategy strategies[STRATEGIES_MAX]);
/* Sets Gmsh's options for a strategy. */
void strategies_apply(struct task *t, const struct strategy *r);
/* Warns where the mesh is not of the sizes that were asked for. */
void strategies_compare(struct task *t, const struct outcome *o, const struct strategy *r);

#endif
