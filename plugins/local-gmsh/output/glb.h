/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_GLB_H
#define OUTPUT_GLB_H

struct drawing;
struct names;
struct out;
struct mesh_arrays;

/* Indexed GLB: one primitive per CAD face with its name and colour, a material per colour. */
void glb_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
               const struct names *names);

#endif
