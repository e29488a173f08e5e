/* SPDX-License-Identifier: MIT */
#include "base/ini_edit.h"

#include <string.h>

static const char blanks[] = " \t\r";

struct text { /* between two pointers */
  const char *at, *end;
};

static struct text trimmed(struct text t) {
  while (t.at < t.end && strchr(blanks, *t.at))
    t.at++;
  while (t.end > t.at && strchr(blanks, t.end[-1]))
    t.end--;
  return t;
}

static bool is_word(struct text t, const char *word) {
  size_t len = strlen(word);
  return (size_t)(t.end - t.at) == len && memcmp(t.at, word, len) == 0;
}

static const char *find(struct text t, const char *of) {
  while (t.at < t.end && !strchr(of, *t.at))
    t.at++;
  return t.at;
}

/* ---- lines ---- */

struct scan {
  const char *next, *end;
  struct text line;       /* without its line end */
  const char *after;      /* behind its line end */
  bool header, inside;    /* it is our section's header; it lies in our section */
  struct text key, value; /* of a line with a key; else key is empty */
};

static struct scan scan_of(const char *text, size_t len) {
  bool mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
  return (struct scan){.next = text + (mark ? 3 : 0), .end = text + len};
}

static bool is_header_of(struct text line, const struct ini_place *at) {
  struct text inside = {line.at + 1, find(line, "]")};
  inside = trimmed(inside);
  struct text type = {inside.at, find(inside, " \t")};
  struct text name = trimmed((struct text){type.end, inside.end});
  return is_word(type, at->section) && is_word(name, at->name);
}

static void split_pair(struct scan *s, struct text line) {
  s->key = s->value = (struct text){line.at, line.at};
  const char *sign = find(line, "=:");
  if (line.at == line.end || strchr(";#", *line.at) || sign == line.end)
    return;
  s->key = trimmed((struct text){line.at, sign});
  struct text value = trimmed((struct text){sign + 1, line.end});
  for (const char *p = sign + 1; p + 1 < line.end; p++)
    if ((*p == ' ' || *p == '\t') && p[1] == ';') {
      value = trimmed((struct text){sign + 1, p});
      break;
    }
  s->value = value;
}

static bool scan_line(struct scan *s, const struct ini_place *at) {
  if (s->next >= s->end)
    return false;
  const char *newline = memchr(s->next, '\n', (size_t)(s->end - s->next));
  s->line = (struct text){s->next, newline ? newline : s->end};
  s->after = newline ? newline + 1 : s->end;
  s->next = s->after;
  struct text line = trimmed(s->line);
  s->header = false;
  if (line.at < line.end && *line.at == '[') {
    s->inside = s->header = is_header_of(line, at);
    s->key = s->value = (struct text){line.at, line.at};
  } else {
    split_pair(s, line);
  }
  return true;
}

static bool is_ours(const struct scan *s, const struct ini_place *at) {
  return s->inside && s->key.at < s->key.end && is_word(s->key, at->key);
}

/* ---- what is asked ---- */

bool ini_has_section(const char *text, size_t len, const struct ini_place *at) {
  struct scan s = scan_of(text, len);
  while (scan_line(&s, at))
    if (s.header)
      return true;
  return false;
}

bool ini_get(const char *text, size_t len, const struct ini_place *at, struct buf *out) {
  struct scan s = scan_of(text, len);
  while (scan_line(&s, at)) {
    if (!is_ours(&s, at))
      continue;
    buf_put(out, s.value.at, (size_t)(s.value.end - s.value.at));
    return true;
  }
  return false;
}

static void put_between(struct buf *out, const char *from, const char *to) {
  buf_put(out, from, (size_t)(to - from));
}

/* As the file ends its lines. */
static const char *line_end(const char *text, size_t len) {
  const char *newline = memchr(text, '\n', len);
  return newline && newline > text && newline[-1] == '\r' ? "\r\n" : "\n";
}

void ini_set(const char *text, size_t len, const struct ini_place *at, const char *value,
             struct buf *out) {
  struct scan s = scan_of(text, len);
  const char *end = text + len, *ends = line_end(text, len), *below = NULL;
  while (scan_line(&s, at)) {
    if (s.header)
      below = s.after;
    if (!is_ours(&s, at))
      continue;
    put_between(out, text, s.value.at);
    buf_puts(out, value);
    put_between(out, s.value.end, end);
    return;
  }
  bool open = len > 0 && end[-1] != '\n'; /* the last line has no end */
  put_between(out, text, below ? below : end);
  if (open && (!below || below == end))
    buf_puts(out, ends);
  if (!below)
    buf_printf(out, "%s[%s %s]%s", len > 0 ? ends : "", at->section, at->name, ends);
  buf_printf(out, "%s = %s%s", at->key, value, ends);
  if (below)
    put_between(out, below, end);
}
