/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAYERS_LAYERS_SLIDE_H
#define LAYERS_LAYERS_SLIDE_H

struct layers;
struct layers_around;
struct layers_plane;
struct layers_surface;

struct layers_slide;
struct layers_slide *layers_slide_new(struct layers *l, const struct layers_surface *s,
                                      const struct layers_around *a,
                                      const struct layers_plane *planes);
/* l->inner of the nodes that slide, from the heights of those that have a layer. */
void layers_slide_run(struct layers_slide *slide, const struct layers_surface *s, struct layers *l);
void layers_slide_free(struct layers_slide *slide);

#endif
