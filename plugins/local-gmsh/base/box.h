/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boxes along the axes.
 */
#ifndef BASE_BOX_H
#define BASE_BOX_H

#include "base/vec.h"

#include <math.h>
#include <stdbool.h>

struct box {
  double low[3], high[3];
};

/* That holds nothing, and grows. */
#define BOX_EMPTY ((struct box){{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}})

static inline void box_grow(struct box *b, const double *p) {
  for (int i = 0; i < 3; i++) {
    b->low[i] = p[i] < b->low[i] ? p[i] : b->low[i];
    b->high[i] = p[i] > b->high[i] ? p[i] : b->high[i];
  }
}

static inline double box_diagonal(const struct box *b) {
  return vec_distance(b->high, b->low);
}

/* Whether they are at most `within` apart along each axis. */
static inline bool box_meet(const struct box *a, const struct box *b, double within) {
  for (int i = 0; i < 3; i++)
    if (a->low[i] > b->high[i] + within || b->low[i] > a->high[i] + within)
      return false;
  return true;
}

#endif
