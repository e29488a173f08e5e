/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Triangles of faces by meshers that may hang or crash on one of them: the CAD kernel and Gmsh.
 */
#ifndef CAD_FACE_BY_FACE_H
#define CAD_FACE_BY_FACE_H

#include <stdbool.h>

struct kernel_limits;
struct mesh_arrays;

enum kernel_end {
  KERNEL_DONE, /* *s holds the triangles */
  KERNEL_NONE, /* there are none at all */
  KERNEL_HANGS /* it did not come back; its thread runs on until this process ends */
};

/* kernel_triangulate in a thread of its own.  The kernel asks again and again whether to go on: it
 * hangs where `seconds` are over and it has not asked for face_seconds and a second more. */
enum kernel_end kernel_watched(struct mesh_arrays *s, const struct kernel_limits *limits);

/* Fills *s face by face, by the kernel and where that gives nothing by Gmsh, as its options are
 * set.  They work in processes of their own: a face on which one hangs (for longer than
 * face_seconds and a second more) or crashes is left out for it, and that face alone.  False: no
 * face has triangles. Gmsh's model must hold the faces; its mesh is not touched. */
bool face_by_face_triangulate(struct mesh_arrays *s, const struct kernel_limits *limits);

#endif
