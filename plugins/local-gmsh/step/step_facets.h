/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The triangles of a STEP file's tessellated solids, shells and faces (AP242, ISO 10303-42), which
 * the CAD kernel of Gmsh's import leaves out.  Nothing here knows Gmsh.
 */
#ifndef STEP_STEP_FACETS_H
#define STEP_STEP_FACETS_H

#include <stdbool.h>
#include <stddef.h>

struct facets;
struct parts;

/* Reads them into *f, not mended, a part of it for each face in the order of *p, with coordinates
 * times `unit`.  `file`: what the input is called.  False: there are none, or one of their
 * coordinates is not a number; both are to be freed all the same. */
bool step_facets_read(struct facets *f, struct parts *p, const char *data, size_t size,
                      const char *file, double unit);

#endif
