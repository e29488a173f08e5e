/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * groups.png: a picture of each group that the user asked for, on one page: its faces in a strong
 * colour, the others pale and to be seen through, its plain name below.
 */
#ifndef OUTPUT_GALLERY_H
#define OUTPUT_GALLERY_H

struct drawing;
struct names;
struct out;
struct mesh_arrays;

/* Leaves *o empty where there is no such group of faces. */
void gallery_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                   const struct names *names, int threads);

#endif
