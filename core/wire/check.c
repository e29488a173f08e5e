/* SPDX-License-Identifier: MIT */
#include "wire/check.h"

#include "base/utf8.h"

#include <string.h>

/* Bytes of the sequence at `text` when it may be in a text, else 0. */
static size_t fitting(const char *text, size_t len, bool lines) {
  unsigned char c = (unsigned char)*text;
  if (c < ' ' || c == 0x7f)
    return lines && (c == '\n' || c == '\t');
  if (c < 0x7f)
    return 1;
  if (c == 0xc2 && len > 1 && (unsigned char)text[1] < 0xa0) /* U+0080 to U+009F */
    return 0;
  return utf8_sequence(text, len);
}

bool wire_is_text(const char *text, size_t len, bool lines) {
  for (size_t i = 0; i < len;) {
    size_t n = fitting(text + i, len - i, lines);
    if (n == 0)
      return false;
    i += n;
  }
  return true;
}

bool wire_is_kind(const char *text) {
  static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
  return text && *text >= 'a' && *text <= 'z' && strlen(text) <= WIRE_KIND_MAX &&
         text[strspn(text, rest)] == '\0';
}

bool wire_is_media_type(const char *text) {
  static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "!#$%&'*+-.^_`|~";
  size_t type = strspn(text, token);
  if (type == 0 || text[type] != '/' || strlen(text) > WIRE_NAME_MAX)
    return false;
  const char *rest = text + type + 1;
  size_t subtype = strspn(rest, token);
  rest += subtype;
  if (subtype == 0 || !(*rest == '\0' || *rest == ';' || *rest == ' '))
    return false;
  for (; *rest; rest++)
    if (*rest < ' ' || *rest > '~')
      return false;
  return true;
}

bool wire_is_code(const char *text) {
  static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  size_t len = strnlen(text, WIRE_CODE_MAX + 1);
  return len > 0 && len <= WIRE_CODE_MAX && text[strspn(text, set)] == '\0';
}

bool wire_is_request_id(const char *text) {
  size_t len = strnlen(text, WIRE_REQUEST_ID_MAX + 1);
  for (size_t i = 0; i < len; i++)
    if (text[i] < ' ' || text[i] > '~')
      return false;
  return len > 0 && len <= WIRE_REQUEST_ID_MAX;
}

bool wire_is_url(const char *text) {
  size_t len = strnlen(text, WIRE_URL_MAX + 1);
  size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
  if (scheme == 0 || len > WIRE_URL_MAX)
    return false;
  for (size_t i = 0; i < len; i++)
    if (text[i] <= ' ' || text[i] > '~' || strchr("\"<>\\^`{|}", text[i]))
      return false;
  size_t host = strcspn(text + scheme, "/?#");
  return host > 0 && text[scheme] != ':' && !memchr(text + scheme, '@', host);
}

bool wire_is_path_below(const char *text) {
  size_t len = strnlen(text, WIRE_PATH_MAX + 1);
  if (len == 0 || len > WIRE_PATH_MAX)
    return false;
  for (const char *at = text;;) {
    size_t n = strcspn(at, "/");
    if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
      return false;
    if (at[n] == '\0')
      return true;
    at += n + 1;
  }
}

/* ---- writing ---- */

void wire_clean(struct buf *out, const char *text, size_t len, bool lines) {
  size_t start = 0, i = 0;
  while (i < len) {
    size_t n = fitting(text + i, len - i, lines);
    if (n == 0) {
      buf_put(out, text + start, i - start);
      buf_puts(out, "\xef\xbf\xbd");
      start = i + 1;
    }
    i += n ? n : 1;
  }
  buf_put(out, text + start, len - start);
}

/* The length of what fits into `max` bytes without a cut through a character. */
static size_t cut_at(const char *text, size_t len, size_t max) {
  if (len <= max)
    return len;
  while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
    max--;
  return max;
}

static void put_clean(struct buf *out, const char *text, size_t len, size_t max, bool lines) {
  struct buf clean = {0};
  wire_clean(&clean, text, len, lines);
  wire_put_bytes(out, clean.len ? clean.data : "", cut_at(clean.data, clean.len, max));
  buf_free(&clean);
}

void wire_put_cleaned(struct buf *out, const char *text, size_t len, size_t max) {
  put_clean(out, text, len < max ? len : max, max, true);
}

void wire_put_line(struct buf *out, const char *text, size_t max) {
  if (text)
    put_clean(out, text, strnlen(text, max + 1), max, false);
  else
    wire_put_str(out, NULL);
}

void wire_put_lines(struct buf *out, const char *text, size_t max) {
  if (text)
    put_clean(out, text, strnlen(text, max + 1), max, true);
  else
    wire_put_str(out, NULL);
}

/* ---- reading ---- */

void wire_require(struct wire_reader *r, bool fine, const char *what) {
  if (fine || r->bad)
    return;
  r->bad = true;
  r->wrong = what;
}

static const char *get_checked(struct wire_reader *r, const char *what, const char *text,
                               size_t max, bool lines) {
  size_t len = text ? strlen(text) : 0;
  wire_require(r, !text || (len <= max && wire_is_text(text, len, lines)), what);
  return text;
}

const char *wire_get_line(struct wire_reader *r, const char *what, size_t max) {
  return get_checked(r, what, wire_get_text(r), max, false);
}

const char *wire_get_lines(struct wire_reader *r, const char *what, size_t max) {
  return get_checked(r, what, wire_get_str(r), max, true);
}

int64_t wire_get_number(struct wire_reader *r, const char *what, int64_t least, int64_t most) {
  int64_t v = wire_get_i64(r);
  wire_require(r, v >= least && v <= most, what);
  return v;
}
