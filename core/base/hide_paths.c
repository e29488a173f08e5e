/* SPDX-License-Identifier: MIT */
#include "base/hide_paths.h"

#include <stdbool.h>
#include <string.h>

static bool in(char c, const char *set) {
  return c && strchr(set, c);
}

/* May a path begin after this character (0: the beginning of the text)? */
static bool begins_word(char before) {
  return before == 0 || in(before, " \t\n\r\"'`([{<=:,;|");
}

/* Ends a path: its closing quote, where one opened before it; else the end of the word. */
static size_t path_length(const char *at, const char *end, char before) {
  const char *to = at;
  const char *line = memchr(at, '\n', (size_t)(end - at));
  const char *quote = in(before, "\"'`") ? memchr(at, before, (size_t)(end - at)) : NULL;
  bool several = quote && memmem(at, (size_t)(quote - at), " /", 2); /* a command, say */
  if (quote && !several && (!line || quote < line))
    return (size_t)(quote - at);
  while (to < end && *to != 0 && !in(*to, " \t\n\r\"'`)]}>,;|:"))
    to++;
  while (to > at + 1 && (to[-1] == '.' || to[-1] == '?' || to[-1] == '!'))
    to--; /* of the sentence */
  return (size_t)(to - at);
}

static bool is_known(const char *path, size_t len) {
  static const char *const known[] = {"/api/", "/problems/", "/dev/", "/proc/", "/sys/"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (len > strlen(known[i]) && memcmp(path, known[i], strlen(known[i])) == 0)
      return true;
  return false;
}

/* Where the last name of a path begins; 0: it is not a path of two names. */
static size_t last_name(const char *path, size_t len) {
  size_t end = len;
  while (end > 1 && path[end - 1] == '/')
    end--;
  const char *slash = memrchr(path, '/', end);
  bool empty = len < 2 || path[1] == '/' || in(path[1], " \t");
  return empty || !slash || slash == path ? 0 : (size_t)(slash - path) + 1;
}

void hide_paths(struct buf *out, const char *text, size_t len) {
  const char *end = text + len, *at = text;
  static const char scheme[] = "file://";
  enum { SCHEME = sizeof scheme - 1 };
  for (const char *slash; (slash = memchr(at, '/', (size_t)(end - at)));) {
    char before = slash > text ? slash[-1] : 0;
    bool file = slash - text >= SCHEME && memcmp(slash - SCHEME, scheme, SCHEME) == 0;
    size_t n = begins_word(before) || file ? path_length(slash, end, before) : 0;
    size_t skip = n && !is_known(slash, n) ? last_name(slash, n) : 0;
    buf_put(out, at, (size_t)(slash - at));
    at = slash + (skip ? n : 1);
    buf_put(out, slash + skip, (size_t)(at - slash) - skip);
  }
  buf_put(out, at, (size_t)(end - at));
}
