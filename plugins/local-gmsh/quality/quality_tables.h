/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Summaries of an element's measures over a mesh, and quality.json.
 */
#ifndef QUALITY_QUALITY_TABLES_H
#define QUALITY_QUALITY_TABLES_H

#include "task/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;
struct quality;
struct mesh_arrays;

const char *quality_name(enum measure m, bool tets);
#define QUALITY_POOR 0.1 /* of SICN */
/* Of no values: all 0. */
struct stats quality_stats(const double *values, size_t count);
/* Into o->quality and o->poor (under QUALITY_POOR). */
void quality_summary(const struct quality *q, struct outcome *o);
/* The elements of SICN below `limit`, prisms and pyramids among them, numbered as cells.h does: how
 * many, and their numbers into `list` unless it is NULL. */
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
size_t quality_worst(const struct quality *q, const struct mesh_arrays *s,
                     struct bad_element worst[QUALITY_WORST]);

/* quality.json: the summary, a histogram of each measure, the worst elements and where they are,
 * and those of SICN below `poor_below` (0: not asked for). */
void quality_json(const struct quality *q, const struct mesh_arrays *s, const struct outcome *o,
                  double poor_below, struct out *out);

/* "second_order":{...} */
void quality_second_order_json(struct out *out, const struct curved_report *r);

#endif
