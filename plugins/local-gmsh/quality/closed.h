/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QUALITY_CLOSED_H
#define QUALITY_CLOSED_H

#include <stdbool.h>

struct outcome;
struct mesh_arrays;

/* Whether the tetrahedra of each solid end at its faces.  False after outcome_fail. */
bool closed_check(const struct mesh_arrays *s, struct outcome *o);

#endif
