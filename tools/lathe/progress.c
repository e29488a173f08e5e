/* SPDX-License-Identifier: MIT
 *
 * The progress of one thing on stderr.
 */
#include "progress.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/terminal.h"
#include "cli.h"
#include "wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REDRAW_MS = 80, BAR_MAX = 30, TITLE_MAX = 24, STAGE_MAX = 20 };

void progress_begin(struct progress *p, const char *title, bool quiet) {
  const char *term = getenv("TERM");
  *p = (struct progress){.quiet = quiet,
                         .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
                         .begin_ms = clock_mono_ms(),
                         .said_percent = -100};
  snprintf(p->title, sizeof p->title, "%s", title);
}

/* As much of the text as fits, harmless and on one line. */
static void put(struct buf *out, const char *text, size_t columns) {
  struct buf shown = {0};
  terminal_put(&shown, text, strlen(text), TERMINAL_LINE);
  buf_put(out, shown.len ? shown.data : "", terminal_fit(shown.len ? shown.data : "", columns));
  buf_free(&shown);
}

static void draw(struct progress *p) {
  char elapsed[SAY_SIZE];
  struct buf line = {0}, shown = {0};
  int columns = wrap_columns(STDERR_FILENO), width = columns - TITLE_MAX - 40;
  say_seconds((double)(clock_mono_ms() - p->begin_ms) / 1000, elapsed);
  width = width > BAR_MAX ? BAR_MAX : width < 5 ? 5 : width;
  int full = (int)(p->percent / 100 * width + 0.5);
  put(&line, p->title, TITLE_MAX);
  buf_puts(&line, " [");
  for (int i = 0; i < width; i++)
    buf_putc(&line, i < full ? '#' : '.');
  buf_printf(&line, "] %3.0f%% ", p->percent);
  size_t stage = terminal_width(line.data) + STAGE_MAX;
  put(&line, p->stage, STAGE_MAX);
  for (size_t at = terminal_width(line.data); at < stage; at++)
    buf_putc(&line, ' ');
  buf_printf(&line, " %s", elapsed);
  put(&shown, line.data, columns > 1 ? (size_t)columns - 1 : 0);
  fprintf(stderr, "\r\033[K%s", shown.len ? shown.data : "");
  fflush(stderr);
  buf_free(&shown);
  buf_free(&line);
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
    say_note("%s: %s %.0f%%\n", p->title, p->stage, percent);
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
  char *text = NULL;
  if (vasprintf(&text, fmt, args) >= 0)
    say_note("%s\n", text);
  va_end(args);
  free(text);
  if (again)
    draw(p);
}
