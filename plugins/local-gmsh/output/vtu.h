/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_VTU_H
#define OUTPUT_VTU_H

struct export;
struct out;

/* VTK unstructured grid, appended raw, with the solid and the quality of each tetrahedron. */
void vtu_build(struct out *o, const struct export *x);

#endif
