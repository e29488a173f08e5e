/* SPDX-License-Identifier: MIT
 *
 * The progress of one thing on stderr.
 */
#include "progress.h"

#include "base/clock.h"
#include "cli.h"
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 80, BAR_MAX = 30 };

void progress_begin(struct progress *p, const char *title, bool quiet) {
  const char *term = getenv("TERM");
  *p = (struct progress){.quiet = quiet,
                         .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
                         .begin_ms = clock_mono_ms(),
                         .said_percent = -100};
  snprintf(p->title, sizeof p->title, "%s", title);
}

static int columns(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw(struct progress *p) {
  char elapsed[SAY_SIZE], line[256], bar[BAR_MAX + 1];
  say_seconds((double)(clock_mono_ms() - p->begin_ms) / 1000, elapsed);
  int width = columns() - (int)text_width(p->title) - 40;
  width = width > BAR_MAX ? BAR_MAX : width < 5 ? 5 : width;
  int full = (int)(p->percent / 100 * width + 0.5);
  for (int i = 0; i < width; i++)
    bar[i] = i < full ? '#' : '.';
  bar[width] = '\0';
  int len = snprintf(line, sizeof line, "%s [%s] %3.0f%% %-12.20s %s", p->title, bar, p->percent,
                     p->stage, elapsed);
  if (len >= columns())
    line[columns() - 1] = '\0';
  fprintf(stderr, "\r\033[K%s", line);
  fflush(stderr);
  p->drawn = true;
  p->drawn_ms = clock_mono_ms();
}

void progress_update(struct progress *p, const char *stage, double percent) {
  percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
  bool fresh = strncmp(p->stage, stage, sizeof p->stage - 1) != 0;
  snprintf(p->stage, sizeof p->stage, "%s", stage);
  p->percent = percent;
  if (p->quiet)
    return;
  if (p->terminal) {
    if (fresh || clock_mono_ms() - p->drawn_ms >= REDRAW_MS)
      draw(p);
  } else if (fresh || percent - p->said_percent >= 10) {
    fprintf(stderr, "%s: %s %.0f%%\n", p->title, p->stage, percent);
    p->said_percent = percent;
  }
}

void progress_end(struct progress *p) {
  if (p->drawn)
    fputs("\r\033[K", stderr);
  p->drawn = false;
  fflush(stderr);
}

void progress_note(struct progress *p, const char *fmt, ...) {
  if (p->quiet)
    return;
  bool again = p->drawn;
  progress_end(p);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  if (again)
    draw(p);
}
