/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ARRAYS_PRISM_VALIDITY_H
#define ARRAYS_PRISM_VALIDITY_H

/* The least Bezier coefficient of the Jacobian of a prism between two triangles, each as a share of
 * twice the first one's area times the length of its column: above 0, the prism is valid
 * everywhere.  Columns of no length do not count. */
double prism_validity(const double *const outer[3], const double *const inner[3]);

#endif
