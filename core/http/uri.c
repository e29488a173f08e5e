/* SPDX-License-Identifier: MIT */
#include "http/uri.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place.  False for a broken %XX, a control character or bytes that are not UTF-8. */
static bool decode(char *text, bool plus_is_space) {
  char *to = text;
  bool ascii = true;
  for (const char *p = text; *p; p++) {
    char c = *p;
    if (c == '%') {
      int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);
      if (low < 0)
        return false;
      c = (char)(high << 4 | low);
      p += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    /* A query may carry text of several lines, a path may not. */
    if (c == 0 || c == 0x7f || (c > 0 && c < 0x20 && !plus_is_space))
      return false;
    ascii &= c > 0;
    *to++ = c;
  }
  *to = 0;
  return ascii || utf8_is_valid(text, (size_t)(to - text));
}

static const char *split_path(struct uri *u, char *path) {
  for (char *p = path; p;) {
    char *segment = p + 1;
    p = strchr(segment, '/');
    if (p)
      *p = 0;
    if (u->segment_count == URI_SEGMENTS_MAX)
      return "The path has too many segments.";
    if (!decode(segment, false))
      return "The path is not well encoded; use UTF-8 and %XX, without control characters.";
    u->segments[u->segment_count++] = segment;
  }
  if (u->segment_count == 1 && !*u->segments[0])
    u->segment_count = 0; /* "/" */
  return NULL;
}

_Static_assert(URI_QUERY_MAX == 64, "a message names it");

static const char *split_query(struct uri *u, char *query) {
  size_t count = 1;
  for (const char *p = query; *p; p++)
    count += *p == '&';
  if (count > URI_QUERY_MAX)
    return "The query has more than 64 parameters.";
  u->query = mem_array(count, sizeof *u->query);
  for (char *p = query; p;) {
    char *name = p;
    p = strchr(p, '&');
    if (p)
      *p++ = 0;
    if (!*name)
      continue;
    char *value = strchr(name, '=');
    if (value)
      *value++ = 0;
    else
      value = name + strlen(name);
    if (!decode(name, true) || !decode(value, true))
      return "The query is not well encoded; use UTF-8 and %XX.";
    u->query[u->query_count++] = (struct uri_pair){name, value};
  }
  return NULL;
}

/* The path of "http://host/path" begins at the slash after the host, which may be missing. */
static char *cut_authority(struct uri *u, char *target) {
  static const char *const schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < 2; i++) {
    size_t len = strlen(schemes[i]);
    if (strncasecmp(target, schemes[i], len) != 0)
      continue;
    u->authority = target + len;
    char *end = target + len + strcspn(target + len, "/?");
    /* The authority needs its own NUL: it moves one to the left, over the scheme. */
    size_t size = (size_t)(end - u->authority);
    memmove(target, u->authority, size);
    target[size] = 0;
    u->authority = target;
    return end;
  }
  return target;
}

const char *uri_parse(struct uri *u, const char *target) {
  size_t len = strlen(target);
  *u = (struct uri){.text = mem_alloc(2 * len + 4)};
  char *raw = u->text, *work = u->text + len + 2;
  memcpy(raw, target, len + 1);
  u->raw = raw;
  char *start = cut_authority(u, raw);
  if (u->authority && *start != '/') { /* "http://host?query": the path is "/" */
    memmove(start + 1, start, strlen(start) + 1);
    *start = '/';
  }
  u->raw = start;
  u->asterisk = strcmp(start, "*") == 0;
  if (u->asterisk)
    return NULL;
  if (*start != '/')
    return "The target of a request begins with a slash.";
  if (strchr(start, '#'))
    return "The target of a request has no fragment (#).";
  char *question = strchr(start, '?');
  if (question)
    *question = 0;
  size_t path_len = strlen(start);
  memcpy(work, start, path_len + 1);
  const char *wrong = split_path(u, work);
  /* The raw query is not needed again, so it is decoded where it lies. */
  if (!wrong && question && question[1])
    wrong = split_query(u, question + 1);
  return wrong;
}

void uri_free(struct uri *u) {
  free(u->text);
  free(u->query);
  *u = (struct uri){0};
}

const char *uri_query(const struct uri *u, const char *name) {
  for (size_t i = 0; i < u->query_count; i++) {
    if (strcmp(u->query[i].name, name) == 0)
      return u->query[i].value;
  }
  return NULL;
}
