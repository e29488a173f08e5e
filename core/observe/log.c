/* SPDX-License-Identifier: MIT
 *
 * An entry is made in memory and leaves with one write(2), so that lines of several threads do not
 * mix.  What a client sent may be in it: control characters never reach the terminal as such, in
 * either format, because journalctl and less show both on one.
 */
#include "observe/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/terminal.h"
#include "observe/log_writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct { atomic_int level, json; } log_state = {.level = LOG_INFO};

static const char *const level_words[] = {"debug", "info", "warn", "error"};

/* The last line of a process, after those that wait.  Made without memory, and without waiting for
 * anybody who does not read. */
static void log_fatal(const char *text) {
  char said[FATAL_TEXT], line[FATAL_TEXT + 128], when[32];
  bool json = atomic_load_explicit(&log_state.json, memory_order_relaxed) != 0;
  int64_t us = clock_wall_us();
  time_t seconds = (time_t)(us / 1000000);
  struct tm t;
  snprintf(said, sizeof said, "%s", text);
  for (char *p = said; *p; p++) /* what would have to be escaped */
    *p = *p < ' ' || *p == '"' || *p == '\\' || *p == 0x7f ? '?' : *p;
  gmtime_r(&seconds, &t);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &t);
  int len = snprintf(line, sizeof line,
                     json ? "{\"time\": \"%s.%03dZ\", \"level\": \"error\", "
                            "\"event\": \"process.abort\", \"message\": \"%s\"}\n"
                          : "time=%s.%03dZ level=error event=process.abort msg=\"%s\"\n",
                     when, (int)(us % 1000000 / 1000), said);
  log_writer_last(line, (size_t)len);
}

void log_configure(const struct log_options *options) {
  fatal_set_writer(log_fatal);
  atomic_store_explicit(&log_state.level, (int)options->level, memory_order_relaxed);
  atomic_store_explicit(&log_state.json, options->json, memory_order_relaxed);
}

/* Thousands of lines have the same second, and taking it apart costs more than the rest of one. */
static void log_put_time(struct buf *b) {
  static _Thread_local struct {
    time_t seconds;
    char text[32];
  } last;
  int64_t us = clock_wall_us();
  time_t seconds = (time_t)(us / 1000000);
  if (seconds != last.seconds || !last.text[0]) {
    struct tm t;
    gmtime_r(&seconds, &t);
    strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S", &t);
    last.seconds = seconds;
  }
  buf_printf(b, "%s.%03dZ", last.text, (int)(us % 1000000 / 1000));
}

static void log_put_field(struct buf *b, bool json, const struct log_field *f) {
  if (!f->text && f->number == 0)
    return;
  buf_puts(b, json ? ", \"" : " ");
  buf_puts(b, f->key);
  buf_puts(b, json ? "\": " : "=");
  if (!f->text)
    buf_put_i64(b, f->number);
  else
    buf_put_json_str(b, f->text);
}

static bool log_is_json(void) {
  return atomic_load_explicit(&log_state.json, memory_order_relaxed) != 0;
}

static void log_put_line(struct buf *shown, enum log_level level, const char *event,
                         const struct log_field *fields, size_t count, const char *text) {
  bool json = log_is_json();
  struct buf line = {0};
  buf_puts(&line, json ? "{\"time\": \"" : "time=");
  log_put_time(&line);
  buf_printf(&line,
             json ? "\", \"level\": \"%s\", \"event\": " : " level=%s event=", level_words[level]);
  if (json)
    buf_put_json_str(&line, event);
  else
    buf_puts(&line, event);
  for (size_t i = 0; i < count; i++)
    log_put_field(&line, json, &fields[i]);
  buf_puts(&line, json ? ", \"message\": " : " msg=");
  buf_put_json_str(&line, text);
  if (json)
    buf_putc(&line, '}');
  terminal_put(shown, line.data, line.len, TERMINAL_LINE);
  buf_putc(shown, '\n');
  buf_free(&line);
}

static void log_line(enum log_level level, const char *event, const struct log_field *fields,
                     size_t count, const char *text) {
  struct buf shown = {0};
  log_put_line(&shown, level, event, fields, count, text);
  if (!log_writer_put(shown.data, shown.len))
    log_write_all(shown.data, shown.len);
  buf_free(&shown);
}

void log_announce(const char *event, const struct log_field *fields, size_t count,
                  const char *text) {
  struct buf line = {0};
  if (log_is_json())
    log_put_line(&line, LOG_INFO, event, fields, count, text);
  else
    buf_printf(&line, "lathed: %s\n", text);
  fputs(line.data, stdout);
  fflush(stdout);
  buf_free(&line);
}

bool log_wants(enum log_level level) {
  return (int)level >= atomic_load_explicit(&log_state.level, memory_order_relaxed);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count, const char *text) {
  int saved_errno = errno;
  if (log_wants(level))
    log_line(level, event, fields, count, text);
  errno = saved_errno;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...) {
  if (!log_wants(level))
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
  log_line(level, event, NULL, 0, text);
  free(long_text);
  errno = saved_errno;
}
