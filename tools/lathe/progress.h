/* SPDX-License-Identifier: MIT
 *
 * The progress of one thing on stderr: a line that is drawn again on a terminal, plain lines
 * elsewhere.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool quiet; /* says nothing */
  bool terminal;
  bool drawn; /* a line without its end stands there */
  int64_t begin_ms, drawn_ms;
  char title[64], stage[64];
  double percent, said_percent;
};

void progress_begin(struct progress *p, const char *title, bool quiet);
void progress_update(struct progress *p, const char *stage, double percent);
/* A line of its own, above the bar. */
void progress_note(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *p); /* removes the bar */

#endif
