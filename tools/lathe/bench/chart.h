/* SPDX-License-Identifier: MIT
 *
 * Charts as inline SVG without a view box: places along the line are percentages, so they fit any
 * width, and texts keep their size on a phone.
 */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include "base/buf.h"
#include "bench/bench.h"

/* The text with what HTML would take for its own escaped; controls and what is not UTF-8 become
 * U+FFFD. */
void html_put(struct buf *out, const char *text);

struct chart_scale {
  double low, high; /* the ends */
  bool log;
};
/* From 0 to a little above `most`. */
struct chart_scale chart_times(double most);
/* Around 1, as far as the ratios go, by logarithms. */
struct chart_scale chart_ratios(double least, double most);

/* One line of a chart: open, marks, close.  `label` is what it says to those who cannot see it. */
void chart_open(struct buf *out, const char *label);
void chart_close(struct buf *out);
void chart_dot(struct buf *out, const struct chart_scale *s, double at, const char *title);
/* An interval with its middle. */
void chart_interval(struct buf *out, const struct chart_scale *s, struct stat_interval i,
                    double middle, const char *title);
void chart_bar(struct buf *out, const struct chart_scale *s, double from, double to,
               const char *style, const char *title);
void chart_line(struct buf *out, const struct chart_scale *s, double at, const char *style);
/* The numbers below. */
void chart_axis(struct buf *out, const struct chart_scale *s);

#endif
