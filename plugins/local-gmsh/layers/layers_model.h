/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAYERS_LAYERS_MODEL_H
#define LAYERS_LAYERS_MODEL_H

#include <stdbool.h>

struct outcome;
struct task;

/* Each: false after outcome_fail. */
bool boundary_layers_shrink(struct task *t, struct outcome *o);
bool boundary_layers_grow(struct task *t, struct outcome *o);

#endif
