/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How sizes are taken to edges and faces; gmsh-bare does the same, so that both are compared.
 */
#ifndef SIZES_SIZE_OPTIONS_H
#define SIZES_SIZE_OPTIONS_H

/* How exactly the size along an edge is integrated.  Gmsh's own 1e-9 makes up to 13 times the work
 * of the edges for nodes that lie elsewhere by less than a ten-thousandth of an element. */
#define SIZE_OPTIONS_EDGE_PRECISION 1e-5

/* For a preview: a plane is exact with any triangles, so that small edges around it need no small
 * ones within. */
void size_options_loosen_planes(void);

#endif
