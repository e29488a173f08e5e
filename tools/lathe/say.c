/* SPDX-License-Identifier: MIT
 *
 * How things are said: results, errors with what to do about them, JSON, sizes and times.
 */
#include "say.h"

#include "base/json64.h"
#include "base/mem.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "cli.h"
#include "wrap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  bool json;
  bool said;  /* the one document on stdout is there, or lines of a stream are */
  int errnum; /* of the first write to stdout that failed */
} voice;

void say_begin(bool json) {
  voice.json = json;
}

static void flush_out(void) {
  if (fflush(stdout) != 0 && voice.errnum == 0)
    voice.errnum = errno;
}

int say_end(void) {
  flush_out();
  return voice.errnum ? voice.errnum : ferror(stdout) ? EIO : 0;
}

bool say_has_json(void) {
  return voice.said;
}

/* ---- texts ---- */

/* The caller frees. */
static char *harmless(const char *text) {
  struct buf shown = {0};
  terminal_put(&shown, text, strlen(text), TERMINAL_TEXT);
  return buf_take(&shown);
}

__attribute__((format(printf, 1, 0))) static char *format(const char *fmt, va_list args) {
  char *text = NULL;
  return vasprintf(&text, fmt, args) < 0 ? mem_dup(fmt) : text;
}

static void write_text(FILE *to, const char *text) {
  char *shown = harmless(text);
  fputs(shown, to);
  if (to == stdout)
    flush_out();
  free(shown);
}

void say(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = format(fmt, args);
  va_end(args);
  write_text(stdout, text);
  free(text);
}

void say_note(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = format(fmt, args);
  va_end(args);
  write_text(stderr, text);
  free(text);
}

static void wrapped(FILE *to, const char *lead, int indent, const char *text, int width) {
  char *shown = harmless(text), *begin = harmless(lead);
  struct buf out = {0};
  buf_puts(&out, begin);
  wrap_put(&out, shown, (int)terminal_width(begin), indent, width);
  fprintf(to, "%s\n", out.data);
  if (to == stdout)
    flush_out();
  buf_free(&out);
  free(begin);
  free(shown);
}

void say_wrapped(const char *lead, int indent, const char *text, int otherwise) {
  int width = wrap_columns(STDOUT_FILENO);
  wrapped(stdout, lead, indent, text, width > 0 ? width : otherwise);
}

/* ---- errors ---- */

void say_warning(const char *text) {
  wrapped(stderr, "warning: ", 2, text, wrap_columns(STDERR_FILENO));
}

static const char *meaning(int code) {
  switch (code) {
#define X(name, value, text)                                                                       \
  case name:                                                                                       \
    return text;
    CLI_EXIT_TABLE(X)
#undef X
  default:
    return "failed";
  }
}

int fail(int code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = format(fmt, args);
  va_end(args);
  if (voice.json && !voice.said) {
    struct buf detail = {0}; /* JSON is UTF-8, a file's name need not be */
    buf_put_utf8(&detail, text, strlen(text));
    json_t *problem = json_pack("{s:s, s:s, s:s, s:i}", "type", "about:blank", "title",
                                meaning(code), "detail", detail.data, "exit_code", code);
    say_json(problem);
    json_decref(problem);
    buf_free(&detail);
  } else {
    wrapped(stderr, "lathe: ", 2, text, wrap_columns(STDERR_FILENO));
  }
  free(text);
  return code;
}

/* By the last part of a problem's type. */
static const struct {
  const char *slug, *advice;
} advices[] = {
    {"unauthorized", "Give a token that the admin handed out with --token-file FILE or in "
                     "LATHE_TOKEN."},
    {"forbidden-host", "Use a name of the server that its [server] allowed_hosts lists."},
    {"forbidden-role", "Ask the admin for a token with the role that is needed."},
    {"unknown-job", "`lathe list` shows the jobs that the server keeps."},
    {"unknown-batch", "`lathe batch list` shows the batches that the server keeps."},
    {"unknown-kind", "`lathe kinds` shows what the server can do."},
    {"unknown-artifact", "`lathe show ID` lists the artifacts of a job."},
    {"unknown-parameter", "`lathe kinds KIND` lists the parameters."},
    {"bad-parameter", "`lathe kinds KIND` lists the parameters with their ranges."},
    {"unknown-backend", "`lathe backends` lists the backends and what they do."},
    {"no-backend", "`lathe backends` shows what is amiss; the admin adds a backend that does it."},
    {"wrong-state", "`lathe show ID` tells the state of the job."},
    {"too-large", "The admin sets the limits: [server] max_upload, [limits] body_max."},
    {"idempotency-mismatch", "Use a fresh --idempotency-key for a different request."},
    {"storage-failed", "Tell the admin: the disk of the server is full or broken."},
    {"job-crashed", "`lathe log ID` may tell more; `lathe retry ID` tries again."},
    {"job-timeout", "Give it more time, as with --timeout 30m, or ask for less."},
    {"job-failed", "`lathe log ID` may tell more."},
};

static const char *advice_for(const char *type) {
  const char *slug = strrchr(type, '/');
  for (size_t i = 0; slug && i < sizeof advices / sizeof *advices; i++)
    if (!strcmp(slug + 1, advices[i].slug))
      return advices[i].advice;
  return NULL;
}

static void advise(const char *text) {
  wrapped(stderr, "  ", 2, text, wrap_columns(STDERR_FILENO));
}

void say_problem(const json_t *problem, int status, int retry_after_s) {
  const char *title = json_text(problem, "title"), *detail = json_text(problem, "detail");
  const char *advice = advice_for(json_text(problem, "type"));
  if (voice.json && !voice.said) {
    say_json(problem);
    return;
  }
  wrapped(stderr, "lathe: ", 2, *title ? title : "The server gave no reason",
          wrap_columns(STDERR_FILENO));
  if (*detail)
    advise(detail);
  if (advice)
    advise(advice);
  if (retry_after_s > 0)
    say_note("  Try again in %d s.\n", retry_after_s);
  if (status > 0)
    say_note("  (HTTP %d, %s)\n", status, json_text(problem, "type"));
}

/* ---- JSON ---- */

/* On a terminal what is dangerous in it is escaped; it stays the same JSON. */
static void write_json(const json_t *value, size_t flags) {
  voice.said = true;
  char *text = json64_dump(value, flags | JSON_ENCODE_ANY);
  char *shown = text && isatty(STDOUT_FILENO) ? harmless(text) : NULL;
  puts(shown ? shown : text ? text : "null");
  flush_out();
  free(shown);
  free(text);
}

void say_json(const json_t *value) {
  write_json(value, JSON_INDENT(2));
}

void say_json_line(const json_t *value) {
  write_json(value, JSON_COMPACT);
}

/* ---- bytes ---- */

static int write_all(const char *data, size_t len) {
  errno = 0;
  if (fwrite(data, 1, len, stdout) != len || fflush(stdout) != 0)
    return errno ? errno : EIO;
  return 0;
}

/* How many bytes at the end may be the begin of what the next piece completes. */
static size_t unfinished(const char *data, size_t len) {
  if (len > 0 && data[len - 1] == '\r')
    return 1;
  for (size_t back = 1; back <= 3 && back <= len; back++) {
    unsigned char c = (unsigned char)data[len - back];
    size_t wants = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (wants > 1)
      return wants > back ? back : 0;
    if (c < 0x80)
      return 0;
  }
  return 0;
}

int say_stream_put(struct say_stream *s, const char *data, size_t len) {
  if (!isatty(STDOUT_FILENO))
    return write_all(data, len);
  struct buf whole = {0}, shown = {0};
  buf_put(&whole, s->tail, s->tail_len);
  buf_put(&whole, data, len);
  s->tail_len = unfinished(whole.data, whole.len);
  whole.len -= s->tail_len;
  memcpy(s->tail, whole.data + whole.len, s->tail_len);
  terminal_put(&shown, whole.data, whole.len, TERMINAL_TEXT);
  int errnum = write_all(shown.len ? shown.data : "", shown.len);
  buf_free(&whole);
  buf_free(&shown);
  return errnum;
}

void say_stream_end(struct say_stream *s) {
  struct buf shown = {0};
  terminal_put(&shown, s->tail, s->tail_len, TERMINAL_TEXT);
  fwrite(shown.len ? shown.data : "", 1, shown.len, stdout);
  fflush(stdout);
  buf_free(&shown);
  s->tail_len = 0;
}

/* ---- quantities ---- */

char *say_bytes(int64_t bytes, char out[SAY_SIZE]) {
  static const char units[] = "KMGTPE";
  if (bytes < 1024) {
    snprintf(out, SAY_SIZE, "%d B", (int)bytes);
    return out;
  }
  double value = (double)bytes / 1024;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < sizeof units - 1) {
    value /= 1024;
    unit++;
  }
  snprintf(out, SAY_SIZE, value < 10 ? "%.1f %cB" : "%.0f %cB", value, units[unit]);
  return out;
}

char *say_seconds(double seconds, char out[SAY_SIZE]) {
  if (seconds < 0)
    seconds = 0;
  if (seconds < 60)
    snprintf(out, SAY_SIZE, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
  else if (seconds < 3600)
    snprintf(out, SAY_SIZE, "%d:%02d min", (int)seconds / 60, (int)seconds % 60);
  else if (seconds < 86400)
    snprintf(out, SAY_SIZE, "%d:%02d h", (int)seconds / 3600, (int)seconds / 60 % 60);
  else
    snprintf(out, SAY_SIZE, "%.0f d", seconds / 86400);
  return out;
}
