/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nodes go where the worst tetrahedron around them is best, along the entity that they lie on.
 */
#include "mesh/slivers_move.h"

#include "mesh/slivers_part.h"

#include <gmshc.h>
#include <math.h>
#include <string.h>

#define FIRST_STEP 0.25 /* of the mean distance to the nodes around */
#define STEPS      5    /* each half of the one before */

static double worst_around(const struct work *w, uint32_t node) {
  double worst = 1;
  for (size_t i = w->first[node]; i < w->first[node + 1]; i++)
    worst = fmin(worst, slivers_sicn(w, w->around[i]));
  return worst;
}

static double spread_of(const struct work *w, uint32_t node) {
  const double *p = at(w, node);
  double sum = 0;
  size_t n = 0;
  for (size_t i = w->first[node]; i < w->first[node + 1]; i++)
    for (int k = 0; k < 4; k++) {
      const double *q = at(w, nodes_of(w, w->around[i])[k]);
      double x = q[0] - p[0], y = q[1] - p[1], z = q[2] - p[2];
      sum += sqrt(x * x + y * y + z * z);
      n += nodes_of(w, w->around[i])[k] != node;
    }
  return n ? sum / (double)n : 0;
}

/* How long a step of 1 in each parameter is; false where the CAD does not say. */
static bool lengths_of(struct place *p, double length[3]) {
  double *d = NULL;
  size_t n = 0;
  int e = 0;
  gmshModelGetDerivative(p->dim, p->tag, p->uv, (size_t)p->dim, &d, &n, &e);
  bool ok = e == 0 && n == 3 * (size_t)p->dim;
  for (int k = 0; ok && k < p->dim; k++) {
    length[k] =
        sqrt(d[3 * k] * d[3 * k] + d[3 * k + 1] * d[3 * k + 1] + d[3 * k + 2] * d[3 * k + 2]);
    ok = length[k] > 0;
  }
  gmshFree(d);
  return ok;
}

/* By `by` along axis k, or in parameter k. */
static bool shift(const struct place *p, double xyz[3], double uv[2], int k, double by) {
  double *to = NULL;
  size_t n = 0;
  int e = 0;
  if (p->dim == 3) {
    xyz[k] += by;
    return true;
  }
  uv[k] += by;
  gmshModelGetValue(p->dim, p->tag, uv, (size_t)p->dim, &to, &n, &e);
  bool ok = e == 0 && n == 3;
  if (ok)
    memcpy(xyz, to, 3 * sizeof *to);
  gmshFree(to);
  return ok;
}

/* To the better of two places beside it. */
static bool step(struct work *w, uint32_t node, int k, double by, double *worst) {
  struct place *p = &w->place[node];
  double *xyz = w->s.xyz + 3 * (size_t)node, from[3], uv[2];
  memcpy(from, xyz, sizeof from);
  for (int sign = -1; sign <= 1; sign += 2) {
    memcpy(uv, p->uv, sizeof uv);
    memcpy(xyz, from, sizeof from);
    double now = shift(p, xyz, uv, k, sign * by) ? worst_around(w, node) : -1;
    if (now > *worst) {
      *worst = now;
      memcpy(p->uv, uv, sizeof uv);
      return true;
    }
  }
  memcpy(xyz, from, sizeof from);
  return false;
}

void slivers_move(struct work *w, uint32_t node) {
  struct place *p = &w->place[node];
  double worst = worst_around(w, node), spread = spread_of(w, node), length[3] = {1, 1, 1};
  bool any = false;
  double limit = p->bent ? w->bend_below : BAD;
  if (worst >= limit || p->dim == 0 || (p->dim < 3 && !lengths_of(p, length)))
    return;
  for (int i = p->bent; i < STEPS; i++)
    for (int k = 0; worst < limit && k < p->dim && k < 3; k++)
      any |= step(w, node, k, ldexp(FIRST_STEP, -i) * spread / length[k], &worst);
  if (!any)
    return;
  w->moved[node] = true;
  for (size_t i = w->first[node]; i < w->first[node + 1]; i++)
    w->sicn[w->around[i]] = slivers_sicn(w, w->around[i]);
}
