/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_INP_H
#define OUTPUT_INP_H

struct export;
struct out;

/* mesh.inp (Abaqus, CalculiX), in the unit of `x`. */
void inp_build(struct out *o, const struct export *x);

#endif
