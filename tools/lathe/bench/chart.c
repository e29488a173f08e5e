/* SPDX-License-Identifier: MIT
 *
 * Charts as inline SVG.
 */
#include "bench/chart.h"

#include "base/utf8.h"
#include "bench/program.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TICKS = 4 };

/* ---- text ---- */

void html_put(struct buf *out, const char *text) {
  struct buf clean = {0};
  buf_put_utf8(&clean, text, strlen(text));
  for (const char *p = clean.len ? clean.data : ""; *p; p++) {
    static const char *const names[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    unsigned char c = (unsigned char)*p;
    if (c < sizeof names / sizeof *names && names[c])
      buf_puts(out, names[c]);
    else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
      buf_puts(out, "\xEF\xBF\xBD");
    else
      buf_putc(out, *p);
  }
  buf_free(&clean);
}

static void put_title(struct buf *out, const char *title) {
  buf_puts(out, "<title>");
  html_put(out, title);
  buf_puts(out, "</title>");
}

/* ---- scales ---- */

struct chart_scale chart_times(double most) {
  return (struct chart_scale){.low = 0, .high = most > 0 ? most * 1.04 : 1};
}

struct chart_scale chart_ratios(double least, double most) {
  /* At least 10% to both sides, so that what is equal looks equal. */
  double low = fmin(least, 1 / 1.1), high = fmax(most, 1.1);
  return (struct chart_scale){
      .low = low / pow(high / low, 0.05), .high = high * pow(high / low, 0.05), .log = true};
}

/* In percent of the width. */
static double place(const struct chart_scale *s, double at) {
  double share = s->log ? log(at / s->low) / log(s->high / s->low)
                        : (at - s->low) / (s->high - s->low);
  return 100 * (share > 0 ? share < 1 ? share : 1 : 0); /* nothing outside, and no NAN */
}

/* ---- marks ---- */

void chart_open(struct buf *out, const char *label) {
  buf_puts(out, "<svg class=\"lane\" role=\"img\" aria-label=\"");
  html_put(out, label);
  buf_puts(out, "\">");
}

void chart_close(struct buf *out) {
  buf_puts(out, "</svg>");
}

void chart_dot(struct buf *out, const struct chart_scale *s, double at, const char *title) {
  buf_printf(out, "<circle class=\"dot\" cx=\"%.2f%%\" cy=\"50%%\" r=\"3\">", place(s, at));
  put_title(out, title);
  buf_puts(out, "</circle>");
}

void chart_bar(struct buf *out, const struct chart_scale *s, double from, double to,
               const char *style, const char *title) {
  double begin = place(s, from), end = place(s, to);
  if (!(end > begin))
    return;
  buf_printf(out, "<rect class=\"%s\" x=\"%.2f%%\" y=\"20%%\" width=\"%.2f%%\" height=\"60%%\">",
             style, begin, end - begin);
  put_title(out, title);
  buf_puts(out, "</rect>");
}

void chart_line(struct buf *out, const struct chart_scale *s, double at, const char *style) {
  double x = place(s, at);
  buf_printf(out, "<line class=\"%s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"100%%\"/>", style,
             x, x);
}

void chart_interval(struct buf *out, const struct chart_scale *s, struct stat_interval i,
                    double middle, const char *title) {
  chart_bar(out, s, i.low, i.high, "interval", title);
  if (isfinite(middle)) {
    double x = place(s, middle);
    buf_printf(out, "<line class=\"median\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"8%%\" y2=\"92%%\">", x,
               x);
    put_title(out, title);
    buf_puts(out, "</line>");
  }
}

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten, of which about TICKS fit. */
static double step_of(double span) {
  double rough = span / TICKS, power = pow(10, floor(log10(rough))), lead = rough / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

static void put_tick(struct buf *out, const struct chart_scale *s, double at, const char *text) {
  double x = place(s, at);
  const char *anchor = x < 6 ? "start" : x > 94 ? "end" : "middle";
  buf_printf(out,
             "<line class=\"tick\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"4\"/>"
             "<text x=\"%.2f%%\" y=\"17\" text-anchor=\"%s\">%s</text>",
             x, x, x, anchor, text);
}

static void put_ratio_ticks(struct buf *out, const struct chart_scale *s) {
  static const double near[] = {0.8, 0.9, 1, 1.1, 1.25, 1.5}, far[] = {1, 2, 5};
  char text[SAY_SIZE];
  if (s->high / s->low < 3) {
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
      snprintf(text, sizeof text, "&#215;%.3g", near[i]);
      if (near[i] >= s->low && near[i] <= s->high)
        put_tick(out, s, near[i], text);
    }
    return;
  }
  /* One for each of 1, 2 and 5 while there is room, else for powers of ten. */
  bool dense = s->high / s->low < 60;
  for (int power = -6; power <= 6; power++)
    for (size_t i = 0; i < (dense ? 3 : 1); i++) {
      double at = far[i] * pow(10, power);
      snprintf(text, sizeof text, "&#215;%.3g", at);
      if (at >= s->low && at <= s->high)
        put_tick(out, s, at, text);
    }
}

void chart_axis(struct buf *out, const struct chart_scale *s) {
  char text[SAY_SIZE];
  buf_puts(out, "<svg class=\"axis\" aria-hidden=\"true\">");
  if (s->log) {
    put_ratio_ticks(out, s);
  } else {
    double step = step_of(s->high - s->low);
    for (int i = 0; i * step <= s->high; i++)
      put_tick(out, s, i * step, i ? bench_say_time(i * step, text) : "0");
  }
  buf_puts(out, "</svg>");
}
