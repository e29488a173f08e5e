/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_SNIFF_STEP_H
#define IMPORT_SNIFF_STEP_H

#include "base/file_view.h"

#include <stddef.h>
#include <stdint.h>

struct task;

#define STEP_TEXT_MAX 16381 /* bytes with the quote before it */
/* The line of a text that is longer than the CAD kernel reads; 0: there is none. */
size_t step_long_text(struct view v);
/* LATHE_OK, or a class after task_fail. */
int32_t sniff_step(struct task *t, struct view v);

#endif
