/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PARAMS_READ_H
#define PARAMS_READ_H

#include <stdbool.h>

struct task;

/* False after task_fail. */
bool params_read(struct task *t, int default_threads);

#endif
