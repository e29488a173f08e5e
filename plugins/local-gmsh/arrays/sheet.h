/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mesh of faces without what they enclose (dimension=2): triangles and quadrangles with all of
 * their nodes, and the elements of the edges that bound them.  Nodes are those of the arrays beside
 * it, whose triangles are the same elements by their corners, a quadrangle as two.
 */
#ifndef ARRAYS_SHEET_H
#define ARRAYS_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range;
struct mesh_arrays;

struct sheet_element {
  uint32_t node[8]; /* corners in order, then the middle of each side in the same order */
  uint8_t corners;  /* of an edge's element 2, else 3 or 4 */
  uint8_t count;    /* of nodes */
};

struct sheet_side { /* of an element: from one corner to the next, its number that of the first */
  uint32_t low, high, element;
  uint8_t number;
  bool down; /* the element goes from high to low */
};

struct sheet {
  struct sheet_element *elements, *lines;
  size_t element_count, line_count;
  struct range *faces, *curves; /* faces: as many as the arrays', in the same order */
  size_t face_count, curve_count;
  struct sheet_side *sides; /* of all elements, sorted by low and high */
  size_t side_count;
};

/* Takes Gmsh's current mesh into both.  False: Gmsh gave none. */
bool sheet_take(struct sheet *sheet, struct mesh_arrays *s);
void sheet_free(struct sheet *sheet);

size_t sheet_quads(const struct sheet *sheet);
/* Of all elements; a quadrangle without middle nodes is taken for flat. */
double sheet_area(const struct sheet *sheet, const struct mesh_arrays *s);
/* The sides along an element of a curve, *n of them. */
const struct sheet_side *sheet_sides_of(const struct sheet *sheet, const struct sheet_element *line,
                                        size_t *n);
/* Whether elements lie on one side alone of a curve: it is open. */
bool sheet_is_open_curve(const struct sheet *sheet, const struct range *curve);
/* The middle of an element's corners. */
void sheet_middle(const struct mesh_arrays *s, const struct sheet_element *e, double at[3]);
/* Twice the area of the element, as a vector along its normal. */
void sheet_normal(const struct mesh_arrays *s, const struct sheet_element *e, double normal[3]);

struct sheet_open_edges { /* sides of elements */
  size_t open;            /* that belong to one element */
  size_t branches;        /* to three or more */
  size_t crossed;         /* to two that look to opposite sides */
};
struct sheet_open_edges sheet_open_edges(const struct sheet *sheet);

/* How many pieces the mesh is, that share no node with each other. */
size_t sheet_pieces(const struct sheet *sheet, size_t nodes);

/* Which faces are to be turned so that neighbours look to one side, and those in a plane of one z
 * up: a flag for each; to be freed.  *count of them; where no choice helps (a Moebius strip) the
 * best that there is. */
bool *sheet_turned(const struct sheet *sheet, const struct mesh_arrays *s, size_t *count);

#endif
