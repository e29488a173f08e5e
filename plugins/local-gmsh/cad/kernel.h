/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The CAD kernel's own triangles (OpenCASCADE's BRepMesh) of the faces in Gmsh's model: they keep a
 * distance from the surface and not a size, so that a plane takes few and a round is round.
 */
#ifndef CAD_KERNEL_H
#define CAD_KERNEL_H

#ifdef __cplusplus
extern "C" {
#endif

#include "arrays/mesh_arrays.h"

struct kernel_limits {
  double deflection; /* how far a triangle may lie from its face, model units */
  double angle;   /* between two neighbours on a curve, radians; a full circle gets twice as many */
  double seconds; /* of processor time, for all faces at once; the rest is done face by face */
  double face_seconds; /* for each of those: then that face alone is given up */
  double *heard;       /* where to note the thread's processor time, in seconds, whenever the kernel
                          asks whether to go on; may be NULL */
  double shortest;     /* edge wanted, model units; 0: the kernel's own, a tenth of deflection */
};

/* Fills *s, faces in the order of their tags; a face that could not be triangulated has no
 * triangles.  False: there are none at all, and *s is empty.  Gmsh's own mesh is not touched.  Not
 * for STL, whose faces have no surface. */
#ifdef LATHE_KERNEL_TRIANGLES
#define KERNEL_HERE true
bool kernel_triangulate(struct mesh_arrays *s, const struct kernel_limits *limits);
/* The same of one face alone. */
bool kernel_triangulate_face(struct mesh_arrays *s, int tag, const struct kernel_limits *limits);
/* Has faces look out of their solid, in Gmsh's meshes as in kernel_triangulate(): Gmsh keeps a face
 * as the first solid had it that it was of, and that may be gone.  `faces`: tags of those that
 * bound this solid alone. */
void kernel_look_outward(int solid, const int *faces, size_t count);
#else /* built without the kernel's headers */
#define KERNEL_HERE false
static inline bool kernel_triangulate(struct mesh_arrays *s, const struct kernel_limits *limits) {
  (void)limits;
  *s = (struct mesh_arrays){0};
  return false;
}
static inline bool kernel_triangulate_face(struct mesh_arrays *s, int tag,
                                           const struct kernel_limits *limits) {
  (void)tag;
  return kernel_triangulate(s, limits);
}
static inline void kernel_look_outward(int solid, const int *faces, size_t count) {
  (void)solid, (void)faces, (void)count;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
