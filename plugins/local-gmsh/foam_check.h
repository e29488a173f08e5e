/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What OpenFOAM's checkMesh says of the shapes of a mesh's cells and faces, by the formulas of its
 * primitiveMesh: numbers agree with its own but for rounding.
 */
#ifndef FOAM_CHECK_H
#define FOAM_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct outcome;
struct out;

struct foam_face {
  uint32_t corner[4];        /* of a triangle the last one twice; its normal points out of */
  uint32_t owner, neighbour; /* neighbour: FOAM_OUTSIDE on the boundary */
};
#define FOAM_OUTSIDE UINT32_MAX

/* Where a measure is worst, and how many are past the limit: at it checkMesh counts faces or cells,
 * and of the last two it says that the mesh fails. */
struct foam_worst {
  double value, at[3]; /* in the unit of xyz: measure a mesh in that of its model */
  uint64_t past;
};
#define FOAM_ORTHOGONAL 70. /* degrees */
#define FOAM_SKEW       4.  /* by the size of the face */
#define FOAM_ASPECT     1000.

struct foam_shapes {
  uint64_t faces; /* 0: nothing was measured */
  struct foam_worst orthogonality, skewness, aspect;
  double orthogonality_mean; /* of the faces between two cells, as checkMesh has it */
};

void foam_check(const double *xyz, const struct foam_face *faces, size_t count, size_t cells,
                struct foam_shapes *shapes);

/* Warns where checkMesh would say that the mesh fails. */
void foam_check_warn(struct outcome *o, const struct foam_shapes *shapes);
/* "openfoam":{...}, */
void foam_check_json(struct out *out, const struct foam_shapes *shapes);

#endif
