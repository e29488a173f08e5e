/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_FAST_H
#define SEARCH_FAST_H

#include <stdint.h>

struct outcome;
struct strategy;
struct task;

/* Tries the strategies one after the other.  LATHE_OK, or a class after task_fail. */
int32_t fast_run(struct task *t, struct outcome *o, struct strategy *chosen);
/* Fails the task with what t->attempts say. */
int32_t fast_give_up(struct task *t);

#endif
