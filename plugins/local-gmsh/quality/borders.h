/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QUALITY_BORDERS_H
#define QUALITY_BORDERS_H

#include <stdbool.h>

struct outcome;

/* Whether the mesh of each face reaches the edges of the face.  False after outcome_fail. */
bool borders_check(struct outcome *o);

#endif
