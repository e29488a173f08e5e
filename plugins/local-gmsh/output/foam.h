/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_FOAM_H
#define OUTPUT_FOAM_H

struct export;
struct out;

/* polyMesh.tar (OpenFOAM), in the unit of `x`. */
void foam_build(struct out *tar, const struct export *x);

#endif
