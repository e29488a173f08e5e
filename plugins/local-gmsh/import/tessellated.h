/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A STEP file that holds triangles and no faces of a CAD kernel (AP242): it is treated as an STL,
 * with names and colours.
 */
#ifndef IMPORT_TESSELLATED_H
#define IMPORT_TESSELLATED_H

#include <stdint.h>

struct task;

/* Reads t->model into t->facets, mended, and makes the task one of facets.  Without such triangles
 * nothing changes.  LATHE_OK, or a class after task_fail. */
int32_t tessellated_read(struct task *t);
/* Names and colours of the file over those that t->names has of the facets. */
void tessellated_names(struct task *t);

#endif
