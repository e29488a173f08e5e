/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_EXHAUSTIVE_H
#define SEARCH_EXHAUSTIVE_H

#include <stdint.h>

struct outcome;
struct strategy;
struct task;

/* The parameter search=exhaustive: tries all candidates and takes the best. */
int32_t exhaustive_run(struct task *t, struct outcome *o, struct strategy *chosen);

#endif
