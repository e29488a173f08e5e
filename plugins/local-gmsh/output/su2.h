/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_SU2_H
#define OUTPUT_SU2_H

struct export;
struct out;

/* Of faces alone; of solids Gmsh writes them. */
void su2_build(struct out *o, const struct export *x);

#endif
