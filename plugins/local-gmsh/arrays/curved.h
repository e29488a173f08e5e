/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ten-node tetrahedra: whether one is valid, and how far its middle nodes must go towards straight
 * until it is.  Pure arithmetic.
 *
 * The Jacobian determinant of a ten-node tetrahedron is a polynomial of degree 3.  Its 20
 * Bernstein coefficients bound it over the whole element, not at some points alone: the least of
 * them is a lower bound, the four at the corners are values.  Where the two are far apart the
 * element is split, which brings them together (A. Johnen, J.-F. Remacle, C. Geuzaine: Geometrical
 * validity of curvilinear finite elements, Journal of Computational Physics 233, 2013).
 */
#ifndef ARRAYS_CURVED_H
#define ARRAYS_CURVED_H

#include <stddef.h>
#include <stdint.h>

#define CURVED_COEFFICIENTS 20

/* The determinant at the four corners' Jacobian matrices, between which the matrix is linear. */
struct curved_element {
  double jacobian[4][3][3]; /* [corner][column] */
};

/* Of ten nodes in Gmsh's order: 4 corners, then the middles of 01 12 20 30 23 13. */
void curved_element_of(struct curved_element *e, const double *const node[10]);
/* Its mean is six times the element's volume. */
void curved_coefficients(const struct curved_element *e, double b[CURVED_COEFFICIENTS]);
double curved_volume(const double *const node[10]);
/* A lower bound of the determinant over the whole element, at most `tolerance` under its least
 * value; where that value is at least `enough` any bound from `enough` on may come back. */
double curved_least(const struct curved_element *e, double tolerance, double enough);

/* How far the flat sides between the corners are from the curved ones at most: 4/3 of the farthest
 * middle node's way from the middle of its edge, for a side of six nodes is where all three push it
 * (4/9 each, at its middle).  Of `count` elements of 10 nodes; xyz: 3 a node. */
double curved_sagitta(const double *xyz, const uint32_t *tets, size_t count);

struct curved_report {
  size_t curved;     /* elements with a middle node that is not in the middle */
  size_t bent;       /* elements that were not valid */
  size_t straighter; /* elements of which a middle node was moved */
  size_t moved;      /* middle nodes that were moved */
  double distance;   /* the farthest move */
  double far[3];     /* the node of that */
  double least;      /* afterwards, least determinant of an element by its straight one's; 1 at most
                      */
  double volume;     /* afterwards, of all elements with their curved sides */
};

/* Moves middle nodes in xyz (3 a node) until every element is valid: its determinant is nowhere
 * under CURVED_FLOOR of the straight element's, which must be above 0.  `tets` has 10 nodes an
 * element; elements that share an edge share its middle node.  `moved` (one byte a node, zeroed)
 * says which nodes were moved. */
#define CURVED_FLOOR (1 / 30.0)
void curved_mend(double *xyz, size_t nodes, const uint32_t *tets, size_t count, uint8_t *moved,
                 struct curved_report *r);

#endif
