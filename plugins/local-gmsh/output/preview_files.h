/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_PREVIEW_FILES_H
#define OUTPUT_PREVIEW_FILES_H

#include <stdbool.h>

struct outcome;
struct mesh_arrays;
struct task;

/* Every file of a preview but result.json.  False after outcome_fail. */
bool preview_files_write(struct task *t, const struct mesh_arrays *s, struct outcome *o);

#endif
