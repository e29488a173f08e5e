/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The formula is explained in docs/meshing.md, and changes with it.
 */
#include "quality/score.h"

#include "task/attempt.h"
#include "task/outcome.h"
#include "task/params.h"

#include <limits.h>
#include <math.h>
#include <string.h>

const char *const SCORE_NAMES[SCORE_PARTS] = {"sicn",   "gamma", "angle",
                                              "volume", "count", "elements"};

/* From here on a measure is as good as it need be. */
#define GOOD_P1       0.3
#define GOOD_P5       0.45
#define GOOD_MIN      0.1
#define GOOD_ANGLE    10.0 /* degrees */
#define GOOD_ANGLE_P5 40.0
#define WORST_VOLUME  0.01
#define FEW           100.0 /* elements, which cost nothing; each tenfold costs 1 / DECADES */
#define DECADES       6.0
#define CLASS_STEP    1.25 /* worst elements within this factor count as alike */

static double up_to(double value, double good) {
  return value <= 0 ? 0 : value >= good ? 1 : value / good;
}

static double sicn_part(const struct stats *s) {
  return 0.35 * up_to(s->p1, GOOD_P1) + 0.25 * up_to(s->p5, GOOD_P5) + 0.2 * up_to(s->mean, 1) +
         0.2 * up_to(s->min, GOOD_MIN);
}

static double count_part(uint64_t count, uint64_t target) {
  double off = fabs(log((double)count / (double)target));
  double reached = log(1 + TARGET_TOLERANCE), lost = log(4);
  return off <= reached ? 1 : off >= lost ? 0 : (lost - off) / (lost - reached);
}

/* A solver's work grows with the number of elements, and its logarithm is what candidates differ
 * by. */
static double elements_part(uint64_t count) {
  return count <= FEW ? 1 : fmax(0, 1 - log10((double)count / FEW) / DECADES);
}

static int class_of(double sicn_min) {
  if (sicn_min >= GOOD_MIN)
    return 0;
  return sicn_min > 0 ? (int)floor(log(sicn_min / GOOD_MIN) / log(CLASS_STEP)) : INT_MIN;
}

void score_attempt(struct attempt *a, const struct outcome *o, const struct score_options *w) {
  const struct stats *sicn = &o->quality[MEASURE_SICN], *gamma = &o->quality[MEASURE_GAMMA],
                     *angle = &o->quality[MEASURE_ANGLE];
  double sum = 0, weights = 0;
  a->tetrahedra = o->tetrahedra;
  a->nodes = o->nodes;
  a->sicn_min = sicn->min;
  a->sicn_mean = sicn->mean;
  a->sicn_p1 = sicn->p1;
  a->sicn_p5 = sicn->p5;
  a->gamma_min = gamma->min;
  a->angle_min = angle->min;
  a->volume_error = o->cad_volume > 0 ? (o->volume - o->cad_volume) / o->cad_volume : 0;
  a->part[SCORE_SICN] = sicn_part(sicn);
  a->part[SCORE_GAMMA] = 0.5 * up_to(gamma->min, GOOD_MIN) + 0.5 * up_to(gamma->mean, 1);
  a->part[SCORE_ANGLE] = 0.5 * up_to(angle->min, GOOD_ANGLE) +
                         0.5 * up_to(angle->p5, GOOD_ANGLE_P5);
  a->part[SCORE_VOLUME] = o->cad_volume > 0 ? 1 - up_to(fabs(a->volume_error), WORST_VOLUME) : -1;
  a->part[SCORE_COUNT] = w->target && o->tetrahedra ? count_part(o->tetrahedra, w->target) : -1;
  /* With a target their number is asked for. */
  a->part[SCORE_ELEMENTS] = w->target ? -1 : elements_part(o->tetrahedra);
  a->worst_class = w->weight[SCORE_SICN] > 0 ? class_of(sicn->min) : 0;
  for (int i = 0; i < SCORE_PARTS; i++)
    if (a->part[i] >= 0) {
      sum += w->weight[i] * a->part[i];
      weights += w->weight[i];
    }
  a->score = weights > 0 ? sum / weights : 0;
  a->scored = true;
}

double score_original(const struct attempt *a) {
  double bad = a->sicn_min < 0.2 ? 20 : a->sicn_min < 0.3 ? 10 : 0;
  return 100 * (1 - a->sicn_mean) + bad + (a->tetrahedra ? 2 * log10((double)a->tetrahedra) : 0);
}

bool score_enough(const struct attempt *a, const struct score_options *w) {
  if (!a->scored || a->reason != REASON_NONE)
    return false;
  return a->score >= w->threshold ||
         (w->original_threshold > 0 && score_original(a) <= w->original_threshold);
}

/* A solution is as good as its worst element lets it be, so a better mean does not outweigh it. */
static bool is_better(const struct attempt *a, const struct attempt *b) {
  return a->worst_class != b->worst_class ? a->worst_class > b->worst_class : a->score > b->score;
}

size_t score_choose(const struct attempt *a, size_t n, const struct score_options *w,
                    bool in_order) {
  size_t best = (size_t)-1;
  for (size_t i = 0; i < n; i++) {
    if (!a[i].scored || a[i].reason != REASON_NONE)
      continue;
    if (in_order && score_enough(&a[i], w))
      return i;
    if (best == (size_t)-1 || is_better(&a[i], &a[best]))
      best = i;
  }
  return best;
}
