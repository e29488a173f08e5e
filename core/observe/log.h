/* SPDX-License-Identifier: MIT
 *
 * The daemon's own log: one line per entry on stderr, `key=value` text or JSON.
 * Usable from any thread.  Levels below the configured one cost one comparison.
 */
#ifndef OBSERVE_LOG_H
#define OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_options {
  enum log_level level;
  int json; /* 0: text, 1: one JSON object a line */
};

void log_configure(const struct log_options *options);

/* `event` is a fixed dotted word ("worker.exit"); fmt gives the sentence. */
void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with fields of its own, for lines that programs look for.  A field without a text and
 * with the number 0 is left out; client's text is safe in it. */
struct log_field {
  const char *key, *text;
  long long number; /* where text is NULL */
};
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count, const char *text);
/* What a program that started the daemon waits for, on stdout whatever the level: the sentence, or
 * the entry as JSON where the log is. */
void log_announce(const char *event, const struct log_field *fields, size_t count,
                  const char *text);
bool log_wants(enum log_level level);

/* From here on a thread of its own writes the lines, and a standard error that is read slowly holds
 * nobody: see log_writer.h.  The end waits for what is left, but not for long. */
void log_begin_writer(void);
void log_end_writer(void);
/* Lines, so far, that found the queue of that thread full.  Any thread. */
long long log_dropped(void);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
