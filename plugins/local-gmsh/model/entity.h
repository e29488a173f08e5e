/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What Gmsh says of one entity of its model.
 */
#ifndef MODEL_ENTITY_H
#define MODEL_ENTITY_H

#include <stdbool.h>
#include <stddef.h>

/* Length, area or volume by the CAD kernel; 0: not known. */
double entity_mass(int dim, int tag);
/* Whether its geometry is of this type: "Plane", "Line", "Cone", ... */
bool entity_is(int dim, int tag, const char *type);
/* Whether the tag is in the list. */
bool entity_is_among(const int *tags, size_t count, int tag);

#endif
