/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boundary layers: prisms over chosen faces of a solid's surface mesh, inwards.  Nothing here
 * knows of Gmsh.
 *
 *   directions   layers_directions.c  each node of a chosen face gets one that sees all of its
 *                                     chosen triangles; where the layer ends, one that lies in
 *                                     the face next to it
 *   heights      layers.c             as asked, and less where something lies across, where
 *                                     neighbours have less, and where a prism would be inverted
 *   other faces  layers_slide.c       those at which the layer ends: their nodes make room within
 *                                     the plane, along a cylinder or cone, on a ball
 *   cells        layers_cells.c       prisms; pyramids and tetrahedra where a layer ends in an edge
 */
#ifndef LAYERS_LAYERS_H
#define LAYERS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layers_spec {
  const char *name;
  double first;  /* height of the layer at the wall */
  double growth; /* of each layer over the one before */
  int count;
};
#define LAYERS_MAX 40

enum layers_shape { /* of a face: how nodes may move and stay on it; planes are found by themselves
                     */
                    LAYERS_OTHER, /* not at all */
                    LAYERS_CYLINDER,
                    LAYERS_CONE,
                    LAYERS_BALL,
};

struct layers_face {
  const struct layers_spec *spec; /* NULL: not chosen */
  bool fixed;                     /* its mesh may not change: another solid has it as well */
  enum layers_shape shape;
  double at[3]; /* a cylinder's direction, of length 1; a cone's tip; a ball's middle */
};

struct layers_surface { /* of one solid */
  const double *xyz;
  size_t node_count; /* of xyz; the solid need not use them all */
  uint32_t *triangles;
  size_t count;
  const uint32_t *face; /* of each triangle: which of `faces` */
  const struct layers_face *faces;
  size_t face_count;
  const bool *pinned; /* nodes that may neither move nor have a layer; NULL: none */
};

struct layers { /* arrays by node */
  size_t node_count;
  const struct layers_spec **spec; /* NULL: on no chosen face */
  double (*direction)[3];          /* of length 1, inwards */
  double *sees;                    /* the least cosine of `direction` to an inward normal around */
  double *full, *height;           /* along `direction`: as asked, and what there is; 0: no layer */
  double *inner;                   /* 3 a node: where the mesh inside has it */
  bool *slides;                    /* on a face at which a layer ends, and not at its end */
  const struct layers_face **ball; /* the ball in which it lies and that is not chosen, or NULL */
  size_t chosen, thinner, none;    /* nodes of chosen faces: all, with less height, with none */
  double least;                    /* the smallest share of a height, of those that are not none */
  double least_at[3], none_at[3];
};

/* The mesh inside, and how high the layers are.  To be freed also where nothing has a layer. */
void layers_find(struct layers *l, const struct layers_surface *s);
void layers_free(struct layers *l);

#endif
