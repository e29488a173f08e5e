/* SPDX-License-Identifier: MIT
 *
 * Links that are their own permission, for what a page cannot send a token with: an image, a model
 * viewer, an EventSource.
 *
 *   POST /api/links, with a token --> /path?expires=...&client=...&signature=...
 *   GET of that, without one ------> signature, then expiry, then: has the client a token still?
 *
 * The signature binds path, client and expiry.  It is over the decoded segments of the path,
 * because a proxy may encode them another way, and without a prefix that a proxy puts in front.
 * Other keys of the query are free: they choose how the same thing is sent.
 */
#include "base/mem.h"
#include "http/private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const keys[] = {"expires", "client", "signature"};

bool link_key(const struct http_request *r, const char *name) {
  if (!r->route->http->link)
    return false;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(keys[i], name) == 0)
      return true;
  return false;
}

/* A decoded segment has no line end, so what is signed can be read in one way only. */
static void put_signed_text(struct buf *b, const char *const *segments, size_t count,
                            const char *client, int64_t expires) {
  buf_puts(b, "lathe link 1\n");
  for (size_t i = 0; i < count; i++)
    buf_printf(b, "%s\n", segments[i]);
  buf_printf(b, "\n%s\n%lld", client, (long long)expires);
}

/* ---- asked with one ---- */

static bool is_number(const char *text, int64_t *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 12 || strspn(text, "0123456789") != len)
    return false;
  *out = strtoll(text, NULL, 10);
  return true;
}

const char *link_client(const struct http_request *r, const char **why) {
  const struct settings *s = &r->h->settings;
  const char *client = http_query(r, "client"), *sent = http_query(r, "signature");
  const char *until = http_query(r, "expires");
  int64_t expires = 0;
  *why = "The link was changed on its way, or is not one of this server's; ask for a new one with "
         "POST /api/links.";
  if (!client || !sent || !until || !is_number(until, &expires))
    return NULL;
  struct buf text = {0};
  put_signed_text(&text, r->uri.segments, r->uri.segment_count, client, expires);
  bool fits = secret_signed(&r->h->key, text.data, text.len, sent);
  buf_free(&text);
  if (!fits)
    return NULL;
  *why = "The link has expired; ask for a new one with POST /api/links.";
  int64_t left = expires - time(NULL);
  if (left <= 0)
    return NULL;
  *why = "The link is from a time when the server's clock was ahead; ask for a new one with "
         "POST /api/links.";
  if (left > HTTP_LINK_MAX_S)
    return NULL;
  *why = "The client that the link was made for has no token any more.";
  return s->knows && s->knows(r->h->ctx, client) ? client : NULL;
}

/* ---- made ---- */

static bool is_linkable(const struct http_request *r, const struct uri *u) {
  const char *params[ROUTE_PARAMS_MAX] = {0};
  struct buf rest = {0};
  const struct route_node *n = route_match(r->h->routes, u->segments, u->segment_count, params,
                                           &rest);
  const struct route *route = n ? route_of_method(n, "GET") : NULL;
  buf_free(&rest);
  return route && route->http->link;
}

int http_link(const struct http_request *r, const char *path, int64_t expires, struct buf *out,
              struct err *err) {
  const char *base = http_base(r), *client = http_client(r);
  char hex[SHA256_HEX_SIZE];
  struct buf text = {0};
  struct uri u;
  size_t len = strlen(base);
  if (len && strncmp(path, base, len) == 0 && path[len] == '/')
    path += len;
  const char *wrong = uri_parse(&u, path);
  bool fine = !wrong && !strchr(path, '?') && !u.authority && is_linkable(r, &u);
  if (fine) {
    put_signed_text(&text, u.segments, u.segment_count, client, expires);
    secret_sign(&r->h->key, text.data, text.len, hex);
    buf_printf(out, "%s%s?expires=%lld&client=%s&signature=%s", base, path, (long long)expires,
               client, hex);
  }
  buf_free(&text);
  uri_free(&u);
  return fine ? 0
              : err_set(err, ERR_INVAL,
                        "'%.200s' is not a path that links are made to: artifacts, logs, archives, "
                        "summaries and event streams, without a query.",
                        path);
}
