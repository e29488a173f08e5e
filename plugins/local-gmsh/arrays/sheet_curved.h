/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Elements of a sheet with middle nodes.
 */
#ifndef ARRAYS_SHEET_CURVED_H
#define ARRAYS_SHEET_CURVED_H

#include <stdint.h>

struct curved_report;
struct sheet;
struct sheet_element;
struct mesh_arrays;

/* Of an element with middle nodes, the least that its determinant can be anywhere by that
 * of the straight element; 1: straight.  By Bernstein coefficients, which bound it. */
double sheet_least(const struct sheet_element *e, const double *xyz);
/* The area of an element with its curved sides and its bend, to about a millionth. */
double sheet_curved_area(const struct sheet_element *e, const double *xyz);
/* Middle nodes towards straight until no element is bent through itself.  moved: a flag a node. */
void sheet_mend(const struct sheet *sheet, struct mesh_arrays *s, uint8_t *moved,
                struct curved_report *r);

#endif
