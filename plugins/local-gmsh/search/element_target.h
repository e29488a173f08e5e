/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SEARCH_ELEMENT_TARGET_H
#define SEARCH_ELEMENT_TARGET_H

#include <stdint.h>

struct outcome;
struct task;

/* Drafts until t->size gives the number of tetrahedra that the job wants; LATHE_OK also where that
 * cannot be reached: then a warning says so. */
int32_t element_target_find(struct task *t);
/* Warns where the mesh missed the target. */
void element_target_compare(struct task *t, const struct outcome *o);

#endif
