/* SPDX-License-Identifier: MIT
 *
 * A pattern is read by a grammar of our own and written again for PCRE2:
 *
 *   text of the kind --read--> what both dialects have, or a refusal --write--> PCRE2, anchored
 *
 * What the two dialects read differently (".", "$", "\s", escapes) is written out as code points,
 * so that only ECMA-262's meaning is left.  The search for a place is part of the expression, so
 * that one limit holds for all of it; what would let the machine work without counting is off.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "kinds/pattern.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  TEXT_MAX = 1000,  /* of a pattern, in bytes */
  REPEAT_MAX = 255, /* {n,m}: the machine does not count the steps of a repeated character */
  HEAP_KIB = 32 << 10,
};
/* Steps of the machine: so many, and so many for each byte of the text. */
static const uint32_t steps_base = 2000, steps_per_byte = 50, depth_per_byte = 4;

struct pattern {
  pcre2_code *code;
};

struct reader {
  const char *text, *at;
  struct buf out;
  bool atom; /* may what was read last be repeated? */
  struct err *err;
};

/* One character, or a set of them. */
struct item {
  uint32_t point;
  const char *set; /* what a class of PCRE2 has for it; NULL: it is a character */
  char property[8];
};

#define SPACES                                                                                     \
  "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"    \
  "\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
  "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-"       \
  "\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"          \
  "\\x{ff00}-\\x{10ffff}"
#define NO_LINE_ENDS "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]"

static int refuse(const struct reader *r, const char *what) {
  return err_set(r->err, ERR_INVAL, "%s (byte %zu of the pattern)", what,
                 (size_t)(r->at - r->text) + 1);
}

/* ---- escapes ---- */

static bool read_hex(struct reader *r, int digits, uint32_t *out) {
  uint32_t v = 0;
  for (int i = 0; i < digits; i++, r->at++) {
    char c = (char)(*r->at | 0x20);
    bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f'))
      return false;
    v = v * 16 + (uint32_t)(digit ? c - '0' : c - 'a' + 10);
  }
  *out = v;
  return true;
}

/* Behind "\u": four digits, two times four for a surrogate pair, or {1 to 6 digits}. */
static int read_unicode(struct reader *r, uint32_t *out) {
  uint32_t low;
  if (*r->at == '{') {
    size_t digits = strcspn(r->at + 1, "}");
    r->at++;
    if (digits < 1 || digits > 6 || !read_hex(r, (int)digits, out) || *r->at != '}')
      return refuse(r, "\\u{ } holds one to six hexadecimal digits");
    r->at++;
  } else if (!read_hex(r, 4, out)) {
    return refuse(r, "\\u needs four hexadecimal digits");
  } else if (*out >= 0xd800 && *out < 0xdc00 && r->at[0] == '\\' && r->at[1] == 'u') {
    r->at += 2;
    if (!read_hex(r, 4, &low) || low < 0xdc00 || low > 0xdfff)
      return refuse(r, "half of a surrogate pair is no character");
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
  }
  if (*out > 0x10ffff || (*out >= 0xd800 && *out <= 0xdfff))
    return refuse(r, "it is not a character of Unicode");
  return 0;
}

/* Behind "\p" or "\P": {Lu}, a general category by its short name. */
static int read_property(struct reader *r, char letter, struct item *out) {
  static const char *const names[] = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc",
                                      "Me", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps",
                                      "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So",
                                      "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn"};
  size_t len = *r->at == '{' ? strcspn(r->at, "}") : 0;
  for (size_t i = 0; len > 1 && r->at[len] && i < sizeof names / sizeof *names; i++) {
    if (strlen(names[i]) != len - 1 || strncmp(r->at + 1, names[i], len - 1) != 0)
      continue;
    snprintf(out->property, sizeof out->property, "\\%c{%s}", letter, names[i]);
    out->set = out->property;
    r->at += len + 1;
    return 0;
  }
  return refuse(r, "\\p and \\P need a general category of Unicode, as \\p{L} or \\p{Lu}");
}

static const struct {
  char letter;
  uint32_t point;
  const char *set;
} escapes[] = {{'d', 0, "\\d"},  {'D', 0, "\\D"},     {'w', 0, "\\w"}, {'W', 0, "\\W"},
               {'s', 0, SPACES}, {'S', 0, NO_SPACES}, {'t', 9, NULL},  {'n', 10, NULL},
               {'v', 11, NULL},  {'f', 12, NULL},     {'r', 13, NULL}};

/* Behind the backslash. */
static int read_escape(struct reader *r, struct item *out) {
  char c = *r->at;
  for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
    if (c && escapes[i].letter == c) {
      *out = (struct item){.point = escapes[i].point, .set = escapes[i].set};
      r->at++;
      return 0;
    }
  if (c && strchr("^$\\.*+?()[]{}|/-", c)) {
    out->point = (uint32_t)(unsigned char)*r->at++;
    return 0;
  }
  if (c >= '1' && c <= '9')
    return refuse(r, "references back to a group are not taken");
  if (!c || !strchr("0cxupP", c))
    return refuse(r, "this escape is none that is taken");
  r->at++;
  if (c == 'u')
    return read_unicode(r, &out->point);
  if (c == 'x')
    return read_hex(r, 2, &out->point) ? 0 : refuse(r, "\\x needs two hexadecimal digits");
  if (c == 'p' || c == 'P')
    return read_property(r, c, out);
  char letter = (char)(*r->at | 0x20);
  if (c == '0' && *r->at >= '0' && *r->at <= '9')
    return refuse(r, "octal escapes are not taken");
  if (c == 'c' && (letter < 'a' || letter > 'z'))
    return refuse(r, "\\c needs a letter");
  out->point = c == 'c' ? (uint32_t)*r->at++ & 31 : 0;
  return 0;
}

/* ---- one character ---- */

static void read_literal(struct reader *r, struct item *out) {
  const unsigned char *at = (const unsigned char *)r->at;
  int more = *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : *at >= 0xc0 ? 1 : 0;
  uint32_t point = more == 3 ? *at & 7 : more == 2 ? *at & 15 : more == 1 ? *at & 31 : *at;
  for (int i = 1; i <= more; i++)
    point = point << 6 | (at[i] & 63);
  out->point = point;
  r->at += more + 1;
}

static void put_point(struct reader *r, uint32_t point) {
  buf_printf(&r->out, "\\x{%x}", point);
}

/* ---- classes ---- */

static int read_class_item(struct reader *r, struct item *out) {
  *out = (struct item){0};
  if (!*r->at)
    return refuse(r, "a class has no end; it needs a ]");
  if (*r->at != '\\') {
    read_literal(r, out);
    return 0;
  }
  r->at++;
  if (*r->at == 'b') { /* within a class it is a backspace */
    r->at++;
    out->point = 8;
    return 0;
  }
  return read_escape(r, out);
}

/* Behind "[". */
static int read_class(struct reader *r) {
  bool negative = *r->at == '^';
  r->at += negative;
  buf_puts(&r->out, negative ? "[^" : "[");
  if (*r->at == ']')
    return refuse(r, "an empty class is not taken");
  while (*r->at != ']') {
    struct item first, last;
    int rc = read_class_item(r, &first);
    if (rc)
      return rc;
    bool range = r->at[0] == '-' && r->at[1] && r->at[1] != ']';
    if (first.set)
      buf_puts(&r->out, first.set);
    else
      put_point(r, first.point);
    if (!range)
      continue;
    r->at++;
    if ((rc = read_class_item(r, &last)))
      return rc;
    if (first.set || last.set || first.point > last.point)
      return refuse(r, "a range goes from one character to a later one");
    buf_putc(&r->out, '-');
    put_point(r, last.point);
  }
  r->at++;
  buf_putc(&r->out, ']');
  r->atom = true;
  return 0;
}

/* ---- repeats ---- */

static bool read_count(struct reader *r, unsigned *out) {
  unsigned v = 0;
  const char *from = r->at;
  for (; *r->at >= '0' && *r->at <= '9' && v <= REPEAT_MAX; r->at++)
    v = v * 10 + (unsigned)(*r->at - '0');
  *out = v;
  return r->at > from;
}

/* Behind "{". */
static int read_counts(struct reader *r) {
  unsigned least, most = 0;
  bool ok = read_count(r, &least), comma = ok && *r->at == ',';
  r->at += comma;
  bool bounded = comma && read_count(r, &most);
  if (!ok || *r->at != '}')
    return refuse(r, "{ begins a repeat, as {2} or {1,3}; else write \\{");
  if (least > REPEAT_MAX || most > REPEAT_MAX || (bounded && most < least))
    return refuse(r, "a repeat goes from one number to a larger one, both at most 255");
  r->at++;
  buf_printf(&r->out, comma ? "{%u," : "{%u", least);
  if (bounded)
    buf_printf(&r->out, "%u", most);
  buf_putc(&r->out, '}');
  return 0;
}

static int read_repeat(struct reader *r) {
  int rc = 0;
  if (!r->atom)
    return refuse(r, "there is nothing that could be repeated");
  if (*r->at++ == '{')
    rc = read_counts(r);
  else
    buf_putc(&r->out, r->at[-1]);
  if (!rc && *r->at == '?')
    buf_putc(&r->out, *r->at++);
  r->atom = false;
  return rc;
}

/* ---- the whole ---- */

static int read_group(struct reader *r) {
  r->at++;
  if (*r->at == '?' && r->at[1] != ':')
    return refuse(r, "of the groups with (? only (?: ) is taken");
  if (*r->at == '?')
    r->at += 2;
  buf_puts(&r->out, "(?:");
  r->atom = false;
  return 0;
}

static int read_backslash(struct reader *r) {
  struct item item = {0};
  r->at++;
  if (*r->at == 'b' || *r->at == 'B') {
    buf_printf(&r->out, "\\%c", *r->at++);
    r->atom = false;
    return 0;
  }
  int rc = read_escape(r, &item);
  if (!rc && item.set)
    buf_printf(&r->out, "[%s]", item.set);
  else if (!rc)
    put_point(r, item.point);
  r->atom = true;
  return rc;
}

static void put_plain(struct reader *r, const char *text, bool atom) {
  buf_puts(&r->out, text);
  r->at++;
  r->atom = atom;
}

static int read_one(struct reader *r, int *open) {
  struct item item;
  switch (*r->at) {
  case '\\':
    return read_backslash(r);
  case '[':
    r->at++;
    return read_class(r);
  case '(':
    ++*open;
    return read_group(r);
  case ')':
    if (--*open < 0)
      return refuse(r, "there is a ) too many");
    put_plain(r, ")", true);
    return 0;
  case '*':
  case '+':
  case '?':
  case '{':
    return read_repeat(r);
  case ']':
  case '}':
    return refuse(r, "this bracket closes nothing; write it with a backslash before it");
  case '.':
    put_plain(r, NO_LINE_ENDS, true);
    return 0;
  case '^':
    put_plain(r, "\\A", false);
    return 0;
  case '$':
    put_plain(r, "\\z", false);
    return 0;
  case '|':
    put_plain(r, "|", false);
    return 0;
  default:
    read_literal(r, &item);
    put_point(r, item.point);
    r->atom = true;
    return 0;
  }
}

static int read_pattern(struct reader *r) {
  int rc = 0, open = 0;
  if (strlen(r->text) > TEXT_MAX)
    return err_set(r->err, ERR_INVAL, "a pattern has at most %d bytes", TEXT_MAX);
  if (!utf8_is_valid(r->text, strlen(r->text)))
    return err_set(r->err, ERR_INVAL, "a pattern is UTF-8 text");
  buf_puts(&r->out, "(?s:.*?)(?:");
  while (!rc && *r->at)
    rc = read_one(r, &open);
  if (!rc && open > 0)
    rc = refuse(r, "a group has no end; it needs a )");
  buf_putc(&r->out, ')');
  return rc;
}

struct pattern *pattern_compile(const char *text, struct err *err) {
  struct reader r = {.text = text, .at = text, .err = err};
  struct pattern *p = NULL;
  if (read_pattern(&r) == 0) {
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[200];
    p = mem_alloc(sizeof *p);
    p->code = pcre2_compile((PCRE2_SPTR)r.out.data, r.out.len,
                            PCRE2_UTF | PCRE2_ANCHORED | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
                                PCRE2_NO_AUTO_POSSESS | PCRE2_NO_DOTSTAR_ANCHOR |
                                PCRE2_NO_START_OPTIMIZE,
                            &code, &at, NULL);
    if (!p->code) {
      pcre2_get_error_message(code, why, sizeof why);
      err_set(err, ERR_INVAL, "%s", (const char *)why);
      pattern_free(p);
      p = NULL;
    }
  }
  buf_free(&r.out);
  return p;
}

void pattern_free(struct pattern *p) {
  if (p)
    pcre2_code_free(p->code);
  free(p);
}

enum pattern_verdict pattern_match(const struct pattern *p, const char *text, size_t len) {
  pcre2_match_context *limits = pcre2_match_context_create(NULL);
  pcre2_match_data *data = pcre2_match_data_create(1, NULL);
  int rc = PCRE2_ERROR_NOMEMORY;
  if (limits && data) {
    pcre2_set_match_limit(limits, steps_base + steps_per_byte * (uint32_t)len);
    pcre2_set_depth_limit(limits, steps_base + depth_per_byte * (uint32_t)len);
    pcre2_set_heap_limit(limits, HEAP_KIB);
    rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, 0, 0, data, limits);
  }
  pcre2_match_data_free(data);
  pcre2_match_context_free(limits);
  return rc >= 0 ? PATTERN_MATCHES : rc == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS : PATTERN_TOO_HARD;
}
