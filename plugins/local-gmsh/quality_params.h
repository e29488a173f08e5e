/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QUALITY_PARAMS_H
#define QUALITY_PARAMS_H

#include <jansson.h>
#include <stdbool.h>

struct task;

/* The original service's parameters, over those that are there.  False after task_fail. */
bool quality_params_read(struct task *t, const json_t *given);

#endif
