/* SPDX-License-Identifier: MIT
 *
 * POST /api/links: URLs that work for a while without a token.
 */
#include "api/fields.h"
#include "api/internal.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
  EXPIRES_DEFAULT_S = 600,
  EXPIRES_MAX_S = HTTP_LINK_MAX_S,
  PATHS_MAX = 1000,
  BODY_MAX = 256 << 10
};

struct wish {
  const json_t *paths;
  int64_t expires_s;
};

static int read_wish(const json_t *body, struct wish *w, struct refusal *no) {
  static const char *const names[] = {"paths", "expires_s"};
  const char *key;
  json_t *v;
  *w = (struct wish){.expires_s = EXPIRES_DEFAULT_S};
  if (!json_is_object(body))
    return refuse(no, "bad-request", "The body must be a JSON object with 'paths'.");
  json_object_foreach((json_t *)body, key, v) {
    if (strcmp(key, "paths") == 0)
      w->paths = v;
    else if (strcmp(key, "expires_s") != 0)
      return fields_unknown(no, "unknown-parameter", "The body has no key", key, names, 2);
    else if (json_is_integer(v))
      w->expires_s = json_integer_value(v);
    else
      w->expires_s = 0;
  }
  if (w->expires_s < 1 || w->expires_s > EXPIRES_MAX_S)
    return refuse(no, "bad-parameter", "expires_s must be a whole number of seconds from 1 to %d.",
                  EXPIRES_MAX_S);
  size_t count = json_array_size(w->paths);
  if (count < 1 || count > PATHS_MAX)
    return refuse(no, "bad-parameter", "paths must be a list of 1 to %d paths.", PATHS_MAX);
  return 0;
}

static int put_links(const struct http_request *r, const struct wish *w, int64_t expires,
                     struct buf *b, struct refusal *no) {
  size_t i;
  const json_t *one;
  buf_puts(b, "{\"links\":[");
  json_array_foreach((json_t *)w->paths, i, one) {
    const char *path = json_string_value(one);
    struct buf url = {0};
    no->slug = "bad-parameter";
    if (!path)
      return refuse(no, "bad-parameter", "paths[%zu] must be text.", i);
    if (http_link(r, path, expires, &url, &no->err) < 0)
      return ERR_INVAL;
    buf_puts(b, i ? ",{\"path\":" : "{\"path\":");
    buf_put_json_str(b, path);
    buf_puts(b, ",\"url\":");
    buf_put_json_str(b, url.data);
    buf_putc(b, '}');
    buf_free(&url);
  }
  buf_printf(b, "],\"expires_at\":%lld}", (long long)expires);
  return 0;
}

void links_post(void *ctx, struct http_request *r) {
  (void)ctx;
  struct refusal no = {0};
  struct wish wish;
  struct buf b = {0};
  json_t *body = NULL;
  int rc = fields_small(r, BODY_MAX, &body, &no);
  if (rc == 0)
    rc = read_wish(body, &wish, &no);
  if (rc == 0)
    rc = put_links(r, &wish, clock_wall_us() / 1000000 + wish.expires_s, &b, &no);
  json_decref(body);
  if (rc == 0) {
    api_reply_json(r, 200, &b);
    return;
  }
  buf_free(&b);
  http_problem(r, 0, no.slug, 0, "%s", no.err.text);
}
