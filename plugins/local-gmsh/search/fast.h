/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_FAST_H
#define SEARCH_FAST_H

#include <stdint.h>

struct outcome;
struct rung;
struct task;

int32_t rung_climb(struct task *t, struct outcome *o, struct rung *chosen);
/* Fails the task with what t->attempts say. */
int32_t rung_give_up(struct task *t);

#endif
