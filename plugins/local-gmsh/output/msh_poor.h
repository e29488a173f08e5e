/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_MSH_POOR_H
#define OUTPUT_MSH_POOR_H

#include <stdbool.h>

struct export;

/* Behind a .msh of Gmsh's (`old`: 2.2, text) a view of the elements of the poor set, where
 * there is such a set.  False: it cannot be written. */
bool msh_poor_append(const struct export *x, bool old, const char *path);

#endif
