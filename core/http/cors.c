/* SPDX-License-Identifier: MIT
 *
 * What pages of other origins may read and show of an answer (Fetch standard, CORS and CORP).
 */
#include "http/private.h"

#include <string.h>
#include <strings.h>

const char *cors_allowed_origin(const struct http_request *r) {
  const char *origin = r->head.origin;
  for (char **p = r->h->settings.cors_origins; origin && p && *p; p++) {
    if (strcmp(*p, "*") == 0)
      return "*";
    if (strcasecmp(*p, origin) == 0)
      return origin;
  }
  return NULL;
}

void cors_headers(const struct http_request *r, header_add *add, void *arg) {
  char **origins = r->h->settings.cors_origins;
  if (!origins || !*origins) {
    /* An <img> does not tell its page's origin, so where pages elsewhere are allowed, it is all or
     * none of them.  A link is the permission of whoever has it. */
    if (!r->by_link)
      add(arg, "Cross-Origin-Resource-Policy", "same-origin");
    return;
  }
  const char *allow = cors_allowed_origin(r);
  /* Caches must know that the answer depends on it, also where there was none. */
  if (!allow || strcmp(allow, "*") != 0)
    add(arg, "Vary", "Origin");
  if (!allow)
    return;
  add(arg, "Access-Control-Allow-Origin", allow);
  add(arg, "Access-Control-Expose-Headers", "*");
}
