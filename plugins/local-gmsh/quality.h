/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Measures of an element's shape, computed here because Gmsh's C API has them only from 4.13 on.
 *
 *   sicn          signed inverse condition number of the map from the ideal element: 1 ideal,
 *                 <= 0 inverted
 *   gamma         inscribed to circumscribed radius, scaled: 1 ideal, 0 flat
 *   angle         smallest dihedral angle (tetrahedra) or corner angle (triangles), degrees:
 *                 70.53 or 60 ideal
 *   skewness      what is missing to the ideal element: 0 ideal, 1 flat.  Tetrahedra: by the
 *                 volume of the regular one in the same sphere.  Triangles: by the angles
 *   aspect_ratio  longest edge to inscribed radius, scaled: 1 ideal, larger is worse
 */
#ifndef QUALITY_H
#define QUALITY_H

#include "out.h"
#include "sheet.h"
#include "soup.h"
#include "task.h"

struct quality { /* values[measure][element] */
  size_t count;
  double *values[MEASURES];
  bool tets;
  const struct sheet
      *sheet; /* whose elements they are; NULL: tetrahedra, or the soup's triangles */
  /* SICN of prisms and pyramids, as cells.h numbers them behind the tetrahedra.  Owned; NULL: a
   * mesh without boundary layers */
  double *layers;
  size_t layer_count;
};

double quality_sicn(const double *const p[4]); /* of a tetrahedron, alone: quicker */
void quality_tet(const double *const p[4], double q[MEASURES]);
void quality_triangle(const double *const p[3], double q[MEASURES]);
/* As if its corners lay in the plane of its diagonals: the least of its four corners, each taken
 * for a parallelogram. */
void quality_quad(const double *const p[4], double q[MEASURES]);

/* Of all tetrahedra (by their corner nodes), or of all triangles where tets is false. */
void quality_of(struct quality *q, const struct soup *s, bool tets);
/* Of the elements of a sheet, which must outlive it. */
void quality_of_sheet(struct quality *q, const struct sheet *sheet, const struct soup *s);
void quality_free(struct quality *q);

const char *quality_name(enum measure m, bool tets);
#define QUALITY_POOR 0.1 /* of SICN */
/* Of no values: all 0. */
struct stats quality_stats(const double *values, size_t count);
/* Into o->quality and o->poor (under QUALITY_POOR). */
void quality_summary(const struct quality *q, struct outcome *o);
/* The elements of SICN below `limit`: how many, and their numbers into `list` unless it is NULL. */
size_t quality_below(const struct quality *q, double limit, uint32_t *list);
/* The same with prisms and pyramids, numbered as cells.h does. */
size_t quality_poor_set(const struct quality *q, double limit, uint32_t *list);
/* {"sicn_min": ...}, by the original's names. */
void quality_metrics_json(struct out *out, const struct outcome *o, bool tets);

#define QUALITY_BINS  20
#define QUALITY_WORST 10
/* Counts per bin between *low and *high; what lies outside counts in the end bins. */
void quality_histogram(const struct quality *q, enum measure m, size_t bins[QUALITY_BINS],
                       double *low, double *high);
bool quality_low_is_good(enum measure m);
struct bad_element {
  size_t element;
  double sicn, at[3]; /* its middle */
};
/* The elements of lowest SICN, worst first; returns how many. */
size_t quality_worst(const struct quality *q, const struct soup *s,
                     struct bad_element worst[QUALITY_WORST]);

/* quality.json: the summary, a histogram of each measure, the worst elements and where they are,
 * and those of SICN below `poor_below` (0: not asked for). */
void quality_json(const struct quality *q, const struct soup *s, const struct outcome *o,
                  double poor_below, struct out *out);

#endif
