/* SPDX-License-Identifier: MIT
 *
 * Counters, gauges and histograms, rendered as Prometheus text (exposition
 * format 0.0.4).  A metric is found or made by name and label; keep the pointer.
 * Updates are atomic and may come from any thread; making one is the loop's.
 */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

struct metrics;
struct metric;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* name: "lathe_jobs_accepted_total"; labels: "kind=\"mesh\",backend=\"local\"" or NULL. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *labels);
/* A counter of money: metric_add takes billionths, as in base/money.h. */
struct metric *metrics_amount(struct metrics *m, const char *name, const char *help,
                              const char *labels);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *labels);
/* Seconds; buckets from 100 us to 1000 s. */
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                 const char *labels);

void metric_add(struct metric *x, int64_t n);      /* counter and gauge */
void metric_set(struct metric *x, double value);   /* gauge */
void metric_observe(struct metric *x, int64_t us); /* histogram, microseconds */

void metrics_render(const struct metrics *m, struct buf *out);

#endif
