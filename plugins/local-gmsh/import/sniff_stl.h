/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_SNIFF_STL_H
#define IMPORT_SNIFF_STL_H

#include "base/file_view.h"

#include <stdbool.h>
#include <stdint.h>

struct task;

/* STL whose facet count fits its size exactly. */
bool view_is_binary_stl(struct view v);
/* Each: LATHE_OK, or a class after task_fail. */
int32_t sniff_stl_binary(struct task *t, struct view v);
int32_t sniff_stl_ascii(struct task *t, struct view v);

#endif
