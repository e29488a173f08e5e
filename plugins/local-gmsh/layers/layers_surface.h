/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the parts of layers.c share.
 */
#ifndef LAYERS_LAYERS_SURFACE_H
#define LAYERS_LAYERS_SURFACE_H

#include <stddef.h>
#include <stdint.h>

struct layers;
struct layers_surface;
struct layers_spec;

double layers_total(const struct layers_spec *w);
/* The share of the height that the first `k` layers have. */
double layers_share(const struct layers_spec *w, int k);

struct layers_around { /* triangles at each node */
  size_t *first;       /* node_count + 1 */
  uint32_t *triangle;
};
void layers_around_make(struct layers_around *a, const struct layers_surface *s);
void layers_around_free(struct layers_around *a);

/* Puts a point near `node` on the ball in which the node lies, where it lies in one. */
void layers_round(const struct layers *l, const struct layers_surface *s, uint32_t node,
                  double point[3]);

#endif
