/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAYERS_LAYERS_DIRECTIONS_H
#define LAYERS_LAYERS_DIRECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layers;
struct layers_around;
struct layers_surface;

struct layers_plane {
  bool flat; /* all of the face lies in one plane */
  double normal[3];
};
struct layers_plane *layers_planes(const struct layers_surface *s); /* of each face, to be freed */

/* The planes that a node must stay in: how many (0 to 2), or -1: it must stay where it is.  3: as
 * 2, their line is that of a cylinder or cone in which the node lies.  The plane of a ball is the
 * one that touches it: layers_round then. */
int layers_held(const struct layers_surface *s, const struct layers_around *a,
                const struct layers_plane *planes, uint32_t node, double normals[2][3]);
/* What is left of v in these planes. */
void layers_hold(int count, double normals[2][3], double v[3]);

/* l->direction and l->sees of all nodes that are to have layers. */
void layers_directions(struct layers *l, const struct layers_surface *s,
                       const struct layers_around *a, const struct layers_plane *planes);
/* The direction of length 1 that has the largest least cosine to the normals (of length 1), within
 * planes if there are any.  Returns this cosine; at most 0: no direction sees them all. */
double layers_best_direction(double (*normals)[3], size_t count, int held, double planes[2][3],
                             double direction[3]);

#endif
