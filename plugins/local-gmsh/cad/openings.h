/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Holes in the skin of the solids in Gmsh's model, closed with faces of their own, so that the
 * inside no longer reaches the outside through them.
 */
#ifndef CAD_OPENINGS_H
#define CAD_OPENINGS_H

#include <stddef.h>

/* The new faces (free() the list).  A hole is a closed loop of edges within a face, or within flat
 * faces that lie in one plane and touch.  What of it a solid fills is left out.  A hole whose edge
 * lies in a solid (a pipe that stands on a flange) stays as it is.  The solids must have been cut
 * along each other. */
int *openings_close(size_t *count);

#endif
