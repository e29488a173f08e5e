/* SPDX-License-Identifier: MIT
 *
 * An entry is made in memory and leaves with one write(2), so that lines of several threads do not
 * mix.  What a client sent may be in it: control characters never reach the terminal as such, in
 * either format, because journalctl and less show both on one.
 */
#include "observe/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct { atomic_int level, json; } log_state = {.level = LOG_INFO};

static const char *const level_words[] = {"debug", "info", "warn", "error"};

void log_configure(const struct log_options *options) {
  atomic_store_explicit(&log_state.level, (int)options->level, memory_order_relaxed);
  atomic_store_explicit(&log_state.json, options->json, memory_order_relaxed);
}

static void log_put_time(struct buf *b) {
  int64_t us = clock_wall_us();
  time_t seconds = (time_t)(us / 1000000);
  struct tm t;
  char text[32];
  gmtime_r(&seconds, &t);
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &t);
  buf_printf(b, "%s.%03dZ", text, (int)(us % 1000000 / 1000));
}

static void log_send(const struct buf *b) {
  for (size_t sent = 0; sent < b->len;) {
    ssize_t n = write(STDERR_FILENO, b->data + sent, b->len - sent);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return; /* nowhere to complain */
    sent += (size_t)n;
  }
}

void log_write(enum log_level level, const char *event, const char *fmt, ...) {
  if ((int)level < atomic_load_explicit(&log_state.level, memory_order_relaxed))
    return;
  int saved_errno = errno;
  char short_text[1000], *text = short_text, *long_text = NULL;
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(short_text, sizeof(short_text), fmt, args);
  va_end(args);
  if (n >= (int)sizeof(short_text)) {
    struct buf whole = {0};
    buf_reserve(&whole, (size_t)n);
    va_start(args, fmt);
    vsnprintf(whole.data, whole.cap, fmt, args);
    va_end(args);
    text = long_text = whole.data;
  }

  bool json = atomic_load_explicit(&log_state.json, memory_order_relaxed) != 0;
  struct buf line = {0};
  buf_puts(&line, json ? "{\"time\": \"" : "time=");
  log_put_time(&line);
  buf_printf(&line,
             json ? "\", \"level\": \"%s\", \"event\": " : " level=%s event=", level_words[level]);
  if (json)
    buf_put_json_str(&line, event);
  else
    buf_puts(&line, event);
  buf_puts(&line, json ? ", \"message\": " : " msg=");
  buf_put_json_str(&line, text);
  if (json)
    buf_putc(&line, '}');
  struct buf shown = {0};
  terminal_put(&shown, line.data, line.len, TERMINAL_LINE);
  buf_putc(&shown, '\n');
  log_send(&shown);
  buf_free(&shown);
  buf_free(&line);
  free(long_text);
  errno = saved_errno;
}
