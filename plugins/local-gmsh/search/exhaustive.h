/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_EXHAUSTIVE_H
#define SEARCH_EXHAUSTIVE_H

#include <stdint.h>

struct outcome;
struct rung;
struct task;

/* Tries all candidates and takes the best. */
int32_t portfolio_run(struct task *t, struct outcome *o, struct rung *chosen);

#endif
