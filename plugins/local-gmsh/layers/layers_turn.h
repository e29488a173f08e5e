/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAYERS_LAYERS_TURN_H
#define LAYERS_LAYERS_TURN_H

#include <stdbool.h>

struct layers_surface;

/* Turns triangles so that their normals point out of the solid: the largest shell is the outer
 * one, the others are around what is hollow.  False: an edge does not belong to two triangles. */
bool layers_turn(struct layers_surface *s);

#endif
