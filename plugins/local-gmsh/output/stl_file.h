/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_STL_FILE_H
#define OUTPUT_STL_FILE_H

struct export;
struct out;

/* mesh.stl of a mesh of faces alone, in the unit of `x`. */
void stl_file_build(struct out *o, const struct export *x);

#endif
