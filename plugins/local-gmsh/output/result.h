/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_RESULT_H
#define OUTPUT_RESULT_H

#include <stdint.h>

struct outcome;
struct strategy;
struct task;

/* result.json, and hands the artifacts to the host. */
int32_t result_deliver(struct task *t, const struct outcome *o, const struct strategy *chosen);

#endif
