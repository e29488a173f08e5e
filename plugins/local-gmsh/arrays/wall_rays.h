/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rays among triangles: how far it is from one side of a wall to the other.  A tree of boxes;
 * nothing here knows of Gmsh.
 */
#ifndef ARRAYS_WALL_RAYS_H
#define ARRAYS_WALL_RAYS_H

#include <stddef.h>
#include <stdint.h>

struct wall_rays;

/* xyz and triangles (3 nodes each) must outlive it. */
struct wall_rays *wall_rays_new(const double *xyz, const uint32_t *triangles, size_t count);
void wall_rays_free(struct wall_rays *w);

struct wall_hit {
  double distance; /* INFINITY: the ray meets nothing */
  size_t triangle;
  size_t hits; /* all along the ray */
};

/* Along `direction` (of length 1), past `own`, the triangle that it starts on.  With `all` every
 * hit is counted; else the nearest alone is looked for. */
struct wall_hit wall_rays_cast(const struct wall_rays *w, const double from[3],
                               const double direction[3], size_t own, int all);
/* Twice the area; the normal has the length 1, or is 0. */
double wall_rays_normal(const double *xyz, const uint32_t *triangle, double normal[3]);

#endif
