/* SPDX-License-Identifier: MIT */
#include "base/json_check.h"

#include "base/json64.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 400 }; /* characters: more than any number needs */

struct scan {
  const char *at, *end;
  bool compact;
};

static bool value(struct scan *s, int depth);

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool skip_space(struct scan *s) {
  const char *start = s->at;
  while (s->at < s->end && is_space(*s->at))
    s->at++;
  return !s->compact || s->at == start;
}

static bool scan_take(struct scan *s, char c) {
  if (s->at == s->end || *s->at != c)
    return false;
  s->at++;
  return true;
}

static bool word(struct scan *s, const char *text) {
  size_t len = strlen(text);
  if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0)
    return false;
  s->at += len;
  return true;
}

/* ---- strings ---- */

/* The four digits of a \u escape, or -1. */
static int hex4(struct scan *s) {
  int v = 0;
  for (int i = 0; i < 4; i++, s->at++) {
    if (s->at == s->end || !isxdigit((unsigned char)*s->at))
      return -1;
    char c = *s->at;
    v = v * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return v;
}

/* What follows a backslash. */
static bool escape(struct scan *s) {
  if (s->at == s->end)
    return false;
  char c = *s->at++;
  if (c != 'u')
    return c && strchr("\"\\/bfnrt", c);
  int v = hex4(s);
  if (v < 0xd800 || v > 0xdfff)
    return v > 0 && v != JSON64_MARK_POINT;
  if (v > 0xdbff || !scan_take(s, '\\') || !scan_take(s, 'u'))
    return false;
  v = hex4(s);
  return v >= 0xdc00 && v <= 0xdfff;
}

static bool string(struct scan *s) {
  if (!scan_take(s, '"'))
    return false;
  while (s->at < s->end) {
    unsigned char c = (unsigned char)*s->at;
    if (c == '"') {
      s->at++;
      return true;
    }
    if (c < ' ')
      return false;
    size_t n = c < 0x80 ? 1 : utf8_sequence(s->at, (size_t)(s->end - s->at));
    if (n == 0 || (n == 3 && memcmp(s->at, JSON64_MARK, n) == 0))
      return false;
    s->at += n;
    if (c == '\\' && !escape(s))
      return false;
  }
  return false;
}

/* ---- numbers ---- */

static bool digits(struct scan *s) {
  const char *start = s->at;
  while (s->at < s->end && isdigit((unsigned char)*s->at))
    s->at++;
  return s->at > start;
}

/* Can it be kept?  Many readers fail as a whole where one number does not fit. */
static bool fits(const char *start, size_t len, bool real) {
  char text[NUMBER_MAX + 1];
  if (len > NUMBER_MAX)
    return false;
  memcpy(text, start, len);
  text[len] = '\0';
  errno = 0;
  if (real)
    return isfinite(strtod(text, NULL));
  if (*text == '-')
    strtoll(text, NULL, 10);
  else
    strtoull(text, NULL, 10);
  return errno == 0;
}

static bool number(struct scan *s) {
  const char *start = s->at;
  bool real = false;
  scan_take(s, '-');
  if (!scan_take(s, '0') && !digits(s))
    return false;
  if (scan_take(s, '.')) {
    real = true;
    if (!digits(s))
      return false;
  }
  if (scan_take(s, 'e') || scan_take(s, 'E')) {
    real = true;
    if (!scan_take(s, '+'))
      scan_take(s, '-');
    if (!digits(s))
      return false;
  }
  return fits(start, (size_t)(s->at - start), real);
}

/* ---- what holds others ---- */

static bool member(struct scan *s, int depth) {
  return string(s) && skip_space(s) && scan_take(s, ':') && skip_space(s) && value(s, depth);
}

/* After the opening bracket. */
static bool list(struct scan *s, int depth, char close, bool (*one)(struct scan *, int)) {
  if (!skip_space(s))
    return false;
  if (scan_take(s, close))
    return true;
  for (;;) {
    if (!one(s, depth) || !skip_space(s))
      return false;
    if (scan_take(s, close))
      return true;
    if (!scan_take(s, ',') || !skip_space(s))
      return false;
  }
}

/* `depth`: how many values may yet lie inside each other, this one included. */
static bool value(struct scan *s, int depth) {
  if (s->at == s->end || depth < 1)
    return false;
  switch (*s->at) {
  case '{':
    s->at++;
    return list(s, depth - 1, '}', member);
  case '[':
    s->at++;
    return list(s, depth - 1, ']', value);
  case '"':
    return string(s);
  case 't':
    return word(s, "true");
  case 'f':
    return word(s, "false");
  case 'n':
    return word(s, "null");
  default:
    return number(s);
  }
}

bool json_check_object(const char *text, size_t len, int depth, bool compact) {
  struct scan s = {.at = text, .end = text + len, .compact = compact};
  return skip_space(&s) && s.at < s.end && *s.at == '{' && value(&s, depth) && skip_space(&s) &&
         s.at == s.end;
}

enum json_excess json_measure(const char *text, size_t len, size_t depth_max, size_t *values,
                              size_t *at) {
  size_t most = *values, depth = 0;
  bool in_string = false;
  *values = 1;
  for (*at = 0; *at < len; ++*at) {
    char c = text[*at];
    if (in_string) {
      *at += c == '\\';
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    bool opens = c == '{' || c == '[';
    *values += opens || c == ',' || c == ':';
    depth += opens;
    depth -= (c == '}' || c == ']') && depth > 0;
    if (depth > depth_max)
      return JSON_TOO_DEEP;
    if (*values > most)
      return JSON_TOO_MANY;
  }
  return JSON_FITS;
}

void json_put_compact(struct buf *out, const char *text, size_t len) {
  bool inside = false; /* of a string */
  size_t start = 0;
  for (size_t i = 0; i < len; i++) {
    if (inside && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      inside = !inside;
    else if (!inside && is_space(text[i])) {
      buf_put(out, text + start, i - start);
      start = i + 1;
    }
  }
  buf_put(out, text + start, len - start);
}
