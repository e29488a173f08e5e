/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boundary layers: prisms over chosen faces of a solid's surface mesh, inwards.  Nothing here
 * knows of Gmsh.
 *
 *   directions   layers_ways.c   each node of a chosen face gets one that sees all of its chosen
 *                                triangles; where the layer ends, one that lies in the face next
 *                                to it
 *   heights      layers.c        as asked, and less where something lies across, where neighbours
 *                                have less, and where a prism would be inverted
 *   other faces  layers_slide.c  those at which the layer ends: their nodes make room within the
 *                                plane, along a cylinder or cone, on a ball
 *   cells        layers_cells.c  prisms; pyramids and tetrahedra where a layer ends in an edge
 */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layers_wish {
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
  const struct layers_wish *wish; /* NULL: not chosen */
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

/* Turns triangles so that their normals point out of the solid: the largest shell is the outer
 * one, the others are around what is hollow.  False: an edge does not belong to two triangles. */
bool layers_turn(struct layers_surface *s);

struct layers { /* arrays by node */
  size_t node_count;
  const struct layers_wish **wish; /* NULL: on no chosen face */
  double (*way)[3];                /* of length 1, inwards */
  double *sees;                    /* the least cosine of `way` to an inward normal around */
  double *full, *height;           /* along `way`: as asked, and what there is; 0: no layer */
  double *inner;                   /* 3 a node: where the mesh inside has it */
  bool *slides;                    /* on a face at which a layer ends, and not at its end */
  const struct layers_face **ball; /* the ball in which it lies and that is not chosen, or NULL */
  size_t wished, thinner, none;    /* nodes of chosen faces: all, with less height, with none */
  double least;                    /* the smallest share of a height, of those that are not none */
  double least_at[3], none_at[3];
};

/* The mesh inside, and how high the layers are.  To be freed also where nothing has a layer. */
void layers_find(struct layers *l, const struct layers_surface *s);
void layers_free(struct layers *l);

double layers_total(const struct layers_wish *w);
/* The share of the height that the first `k` layers have. */
double layers_share(const struct layers_wish *w, int k);

struct layers_cells {
  /* New nodes, numbered from `first_node` on: of each node with a layer the further ones of its
   * column, from the wall inwards. */
  size_t first_node, node_count;
  double *xyz;
  uint32_t *on;   /* of each new node: the face that was not chosen in which it lies; or */
  uint32_t *ends; /* of each node of the surface: its inner end; itself where it has no layer */
  uint32_t *prisms, *pyramids, *tets; /* 6, 5 and 4 nodes each, as Gmsh orders them */
  size_t prism_count, pyramid_count, tet_count;
  /* Where layers end in a face that was not chosen.  Normals point out of the solid.  One of three
   * nodes has the third twice. */
  uint32_t (*sides)[4], *side_face;
  size_t side_count;
};
#define LAYERS_INSIDE UINT32_MAX /* `on`: in none */

/* New nodes are numbered from `first_node`. */
void layers_cells_make(struct layers_cells *c, const struct layers_surface *s,
                       const struct layers *l, size_t first_node);
void layers_cells_free(struct layers_cells *c);

/* The least Bezier coefficient of the Jacobian of a prism between two triangles, each as a share of
 * twice the first one's area times the length of its column: above 0, the prism is valid
 * everywhere.  Columns of no length do not count. */
double layers_validity(const double *const outer[3], const double *const inner[3]);

/* ---- between the parts ---- */

struct layers_around { /* triangles at each node */
  size_t *first;       /* node_count + 1 */
  uint32_t *triangle;
};
void layers_around_make(struct layers_around *a, const struct layers_surface *s);
void layers_around_free(struct layers_around *a);

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

/* Puts a point near `node` on the ball in which the node lies, where it lies in one. */
void layers_round(const struct layers *l, const struct layers_surface *s, uint32_t node,
                  double point[3]);

/* l->way and l->sees of all nodes that are wished for. */
void layers_ways(struct layers *l, const struct layers_surface *s, const struct layers_around *a,
                 const struct layers_plane *planes);
/* The direction of length 1 that has the largest least cosine to the normals (of length 1), within
 * planes if there are any.  Returns this cosine; at most 0: no direction sees them all. */
double layers_best_way(double (*normals)[3], size_t count, int held, double planes[2][3],
                       double way[3]);

struct layers_slide;
struct layers_slide *layers_slide_new(struct layers *l, const struct layers_surface *s,
                                      const struct layers_around *a,
                                      const struct layers_plane *planes);
/* l->inner of the nodes that slide, from the heights of those that have a layer. */
void layers_slide_run(struct layers_slide *slide, const struct layers_surface *s, struct layers *l);
void layers_slide_free(struct layers_slide *slide);

#endif
