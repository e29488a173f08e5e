/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What OpenFOAM's checkMesh says of the shapes of a mesh's cells and faces, by the formulas of its
 * primitiveMesh: numbers agree with its own but for rounding.
 */
#ifndef QUALITY_FOAM_CHECK_H
#define QUALITY_FOAM_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct foam_shapes;
struct out;
struct outcome;

struct foam_face {
  uint32_t corner[4];        /* of a triangle the last one twice; its normal points out of */
  uint32_t owner, neighbour; /* neighbour: FOAM_OUTSIDE on the boundary */
};
#define FOAM_OUTSIDE UINT32_MAX

#define FOAM_ORTHOGONAL 70. /* degrees */
#define FOAM_SKEW       4.  /* by the size of the face */
#define FOAM_ASPECT     1000.

void foam_check(const double *xyz, const struct foam_face *faces, size_t count, size_t cells,
                struct foam_shapes *shapes);

/* Warns where checkMesh would say that the mesh fails. */
void foam_check_warn(struct outcome *o, const struct foam_shapes *shapes);
/* "openfoam":{...}, */
void foam_check_json(struct out *out, const struct foam_shapes *shapes);

#endif
