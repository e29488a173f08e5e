/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cuts the solids of Gmsh's model along each other (OpenCASCADE's fragments): where two touch they
 * share one face then.  Names, colours and numbers of solids and faces go on to the pieces.
 */
#ifndef CAD_CUT_H
#define CAD_CUT_H

#include <stdbool.h>
#include <stddef.h>

struct names;

struct cut {     /* pairs of dimension and tag */
  int *what;     /* the solids in the order of their names, then `more`, then the faces.  Owned */
  size_t n;      /* of what, in pairs */
  int **of;      /* what became of each.  Gmsh's */
  size_t *count; /* of each list, in numbers */
};

/* All solids of the model and `more` (count pairs; may be NULL).  *n is taken anew.  False: the
 * kernel could not cut them; the model and *n are as they were.  Free *c with cut_free. */
bool cut_model(struct cut *c, struct names *n, const int *more, size_t count, double tolerance);
void cut_free(struct cut *c);
/* Takes *n anew after entities were removed or joined: what kept its tag keeps its label. */
void cut_refresh(struct names *n);

#endif
