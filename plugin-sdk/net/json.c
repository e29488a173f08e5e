/* SPDX-License-Identifier: MIT
 *
 * JSON of a stranger: measured before there is a tree of it, which may take a hundred times the
 * bytes of its text.
 */
#include "private.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 64, VALUES_MAX = 250000 };

/* Counts what opens and what separates; the text need not be JSON. */
bool net_json_fits(const char *text, size_t len, size_t depth, size_t values) {
  size_t deep = 0, count = 0;
  bool quoted = false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (quoted) {
      i += c == '\\';
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      count++;
      if (++deep > depth)
        return false;
    } else if (c == ']' || c == '}') {
      deep -= deep > 0;
    } else {
      count += c == ',' || c == ':';
    }
    if (count > values)
      return false;
  }
  return true;
}

json_t *net_json_of(const char *text, size_t len, const char **why) {
  *why = "that is no JSON object or array";
  if (!net_json_fits(text, len, DEPTH_MAX, VALUES_MAX)) {
    *why = "JSON of more than 250,000 values, or nested deeper than 64";
    return NULL;
  }
  return json_loadb(text, len, 0, NULL);
}

/* "text/html; charset=utf-8" in plain words. */
static const char *kind_of(const struct lathe_net_answer *answer, char *type, size_t size) {
  if (!lathe_net_header(answer, "Content-Type", type, size) || !*type)
    return "something without a Content-Type";
  type[strcspn(type, "; ")] = '\0';
  net_plain(type);
  return type;
}

json_t *lathe_net_json(struct lathe_net_answer *answer) {
  char type[80];
  const char *why;
  json_t *json = answer->body ? net_json_of(answer->body, answer->len, &why) : NULL;
  if (json || answer->result != LATHE_OK) /* a failure keeps its own reason */
    return json;
  if (!answer->body)
    why = "no body";
  const char *kind = kind_of(answer, type, sizeof type);
  bool page = !strncmp(kind, "text/html", 9);
  if (page)
    why = "a page and no JSON";
  net_why(answer, LATHE_RETRY_DOWN, "%s: HTTP %d with %s: %s; %s", answer->where, answer->status,
          kind, why,
          page ? "a proxy or a login page seems to answer in its place: look at the address"
               : "is its address right, and does it speak this protocol?");
  return NULL;
}
