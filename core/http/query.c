/* SPDX-License-Identifier: MIT
 *
 * A key that a route does not take would be passed over, and the answer be one to another question
 * than the client asked: it is refused, as is a key that comes twice.
 */
#include "base/nearest_word.h"
#include "base/string_list.h"
#include "http/private.h"

#include <string.h>

static void refuse_key(struct http_request *r, const char *key) {
  const char *const *names = r->route->http->query;
  const char *near = words_nearest_of(key, names, string_list_count(names));
  struct buf what = {0};
  if (near)
    buf_printf(&what, "; did you mean '%s'?", near);
  else if (!names)
    buf_puts(&what, "; this path takes no query.");
  else
    buf_puts(&what, "; the keys are ");
  for (size_t i = 0; !near && names && names[i]; i++)
    buf_printf(&what, "%s%s", names[i], names[i + 1] ? ", " : ".");
  http_problem(r, 0, "bad-request", 0, "%s %s takes no key '%.60s' in its query%s", r->method,
               r->uri.raw, key, what.data);
  buf_free(&what);
}

bool query_check(struct http_request *r) {
  const struct uri *u = &r->uri;
  for (size_t i = 0; i < u->query_count; i++) {
    const char *key = u->query[i].name;
    if (!string_list_has(r->route->http->query, key) && !link_key(r, key)) {
      refuse_key(r, key);
      return false;
    }
    for (size_t k = 0; k < i; k++) {
      if (strcmp(u->query[k].name, key) != 0)
        continue;
      http_problem(r, 0, "bad-request", 0, "The query has the key '%.60s' twice; give it once.",
                   key);
      return false;
    }
  }
  return true;
}
