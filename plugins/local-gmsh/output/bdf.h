/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_BDF_H
#define OUTPUT_BDF_H

struct export;
struct out;

/* mesh.bdf (Nastran), in the unit of `x`. */
void bdf_build(struct out *o, const struct export *x);

#endif
