/* SPDX-License-Identifier: MIT */
#include "base/json64.h"

#include "base/buf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REAL_EXACT 9007199254740992.0

/* ---- numbers ---- */

bool wide_read(const char *text, wide_int *out) {
  bool negative = text[0] == '-';
  const char *digit = text + (negative || text[0] == '+');
  wide_int v = 0;
  if (!*digit)
    return false;
  for (; *digit; digit++) {
    if (*digit < '0' || *digit > '9' || v > WIDE_MAX)
      return false;
    v = v * 10 + (*digit - '0');
  }
  *out = negative ? -v : v;
  return *out >= WIDE_MIN && *out <= WIDE_MAX;
}

const char *wide_text(wide_int v, char text[WIDE_TEXT]) {
  if (v < 0)
    snprintf(text, WIDE_TEXT, "%" PRId64, (int64_t)v);
  else
    snprintf(text, WIDE_TEXT, "%" PRIu64, (uint64_t)v);
  return text;
}

/* The digits of a number that json64_load kept as a string; NULL: it is another value. */
static const char *marked(const json_t *v) {
  const char *text = json_string_value(v);
  size_t mark = strlen(JSON64_MARK);
  return text && strncmp(text, JSON64_MARK, mark) == 0 ? text + mark : NULL;
}

bool json64_int(const json_t *v, wide_int *out) {
  const char *text = marked(v);
  if (text)
    return wide_read(text, out);
  if (json_is_integer(v)) {
    *out = json_integer_value(v);
    return true;
  }
  double real = json_real_value(v);
  if (!json_is_real(v) || real != floor(real) || fabs(real) > REAL_EXACT)
    return false;
  *out = (wide_int)real;
  return true;
}

bool json64_is_number(const json_t *v) {
  wide_int ignored;
  return json_is_number(v) || json64_int(v, &ignored);
}

double json64_number(const json_t *v) {
  wide_int whole;
  return json64_int(v, &whole) ? (double)whole : json_number_value(v);
}

/* ---- texts ---- */

/* The end of the string whose opening quote is at `at`, behind the closing one. */
static const char *skip_string(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\' && at + 1 < end)
      at++;
  return at < end ? at + 1 : end;
}

static const char *skip_number(const char *at, const char *end) {
  while (at < end && *at && strchr("+-.0123456789eE", *at))
    at++;
  return at;
}

/* A number as the library takes it. */
static void put_number(struct buf *out, const char *at, size_t len) {
  char text[WIDE_TEXT];
  wide_int v;
  bool whole = !memchr(at, '.', len) && !memchr(at, 'e', len) && !memchr(at, 'E', len);
  snprintf(text, sizeof text, "%.*s", len < sizeof text ? (int)len : 0, at);
  bool fits = whole && wide_read(text, &v);
  bool mark = fits && v > INT64_MAX;
  buf_puts(out, mark ? "\"" JSON64_MARK : "");
  buf_put(out, at, len);
  buf_puts(out, mark ? "\"" : whole && !fits ? "e0" : "");
}

/* The text again, with what is past the library's integers as it takes it. */
static void rewrite(struct buf *out, const char *text, size_t len) {
  const char *at = text, *end = text + len;
  while (at < end) {
    const char *next = at + 1;
    if (*at == '"') {
      next = skip_string(at, end);
    } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
      next = skip_number(at, end);
      put_number(out, at, (size_t)(next - at));
      at = next;
      continue;
    }
    buf_put(out, at, (size_t)(next - at));
    at = next;
  }
}

bool json64_has_mark(const char *text) {
  return strstr(text, JSON64_MARK) != NULL;
}

/* Is the mark in the document, as it is or as an escape? */
static bool document_has_mark(const char *text, size_t len) {
  if (memmem(text, len, JSON64_MARK, strlen(JSON64_MARK)))
    return true;
  const char *end = text + len;
  for (const char *at = text; (at = memchr(at, '\\', (size_t)(end - at))) != NULL; at += 2) {
    if (end - at >= 6 && at[1] == 'u' && strncasecmp(at + 2, "fdd0", 4) == 0)
      return true;
    if (end - at < 2)
      break;
  }
  return false;
}

static json_t *refuse_mark(json_error_t *e) {
  *e = (json_error_t){.line = 1, .column = 1};
  snprintf(e->text, sizeof e->text - 1,
           "it has the code point U+FDD0, which no text may have (RFC 7493, 2.1)");
  return NULL;
}

json_t *json64_load(const char *text, size_t len, size_t flags, json_error_t *e) {
  json_error_t own;
  e = e ? e : &own;
  if (document_has_mark(text, len))
    return refuse_mark(e);
  json_t *json = json_loadb(text, len, flags, e);
  if (json || json_error_code(e) != json_error_numeric_overflow)
    return json;
  struct buf b = {0};
  rewrite(&b, text, len);
  json = json_loadb(b.data, b.len, flags, e);
  buf_free(&b);
  return json;
}

char *json64_dump(const json_t *v, size_t flags) {
  char *text = json_dumps(v, flags);
  if (!text || !strstr(text, "\"" JSON64_MARK))
    return text;
  char *to = text;
  for (const char *at = text, *end = text + strlen(text); at < end;) {
    size_t mark = strlen("\"" JSON64_MARK);
    const char *next = *at == '"' ? skip_string(at, end) : at + 1;
    bool number = strncmp(at, "\"" JSON64_MARK, mark) == 0;
    const char *from = number ? at + mark : at, *last = number ? next - 1 : next;
    memmove(to, from, (size_t)(last - from));
    to += last - from;
    at = next;
  }
  *to = '\0';
  return text;
}
