/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_UNV_H
#define OUTPUT_UNV_H

struct export;
struct out;

/* mesh.unv (I-DEAS), in the unit of `x`. */
void unv_build(struct out *o, const struct export *x);

#endif
