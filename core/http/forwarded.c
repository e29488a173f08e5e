/* SPDX-License-Identifier: MIT
 *
 * What a request's client calls this server, where a proxy stands between: scheme, host and the
 * path that the proxy puts in front.
 *
 * The configuration says it once for all requests (public_url), or a proxy says it with each
 * (X-Forwarded-Prefix, -Proto, -Host).  A header counts only from a peer that the configuration
 * trusts, because any client can send it.
 */
#include "base/mem.h"
#include "http/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what a trusted proxy says ---- */

static bool from_trusted_proxy(const struct http_request *r) {
  const struct settings *s = &r->h->settings;
  if (s->proxy_count == 0)
    return false;
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  for (size_t i = 0; info && i < s->proxy_count; i++)
    if (address_in_range(info->client_addr, &s->proxies[i]))
      return true;
  return false;
}

/* The first of a list: what the proxy nearest to the client said. */
static char *first_of(const char *text) {
  text += strspn(text, " \t");
  size_t len = strcspn(text, ",");
  while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
    len--;
  return mem_dup_n(text, len);
}

static bool is_scheme(const char *text) {
  return strcasecmp(text, "http") == 0 || strcasecmp(text, "https") == 0;
}

static bool is_host(const char *text) {
  return *text && strlen(text) <= 255 &&
         strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]") ==
             strlen(text);
}

static bool is_prefix(char *text) {
  size_t len = strlen(text);
  while (len > 0 && text[len - 1] == '/')
    text[--len] = 0;
  return len == 0 || public_url_is_prefix(text, len);
}

/* What does not look like one is passed over. */
static void take_header(char **to, const char *sent, bool (*fine)(const char *)) {
  char *value = sent ? first_of(sent) : NULL;
  if (value && fine(value)) {
    free(*to);
    *to = value;
  } else {
    free(value);
  }
}

static bool is_prefix_of_text(const char *text) {
  return is_prefix((char *)text); /* of first_of(): ours to shorten */
}

void public_read(struct http_request *r) {
  const struct public_url *set = &r->h->settings.public;
  r->public = (struct public_url){mem_dup(set->scheme), mem_dup(set->host),
                                  mem_dup(set->prefix ? set->prefix : "")};
  if (!from_trusted_proxy(r))
    return;
  take_header(&r->public.scheme, r->head.forwarded_proto, is_scheme);
  take_header(&r->public.host, r->head.forwarded_host, is_host);
  take_header(&r->public.prefix, r->head.forwarded_prefix, is_prefix_of_text);
}

/* A proxy may pass its prefix on, and a client may follow a URL of ours without the proxy: a path
 * that is not one of ours may have the prefix in front. */
void public_strip(struct http_request *r) {
  const char *prefix = r->public.prefix;
  struct uri *u = &r->uri;
  size_t count = 0;
  if (!prefix || !*prefix || u->asterisk ||
      route_match(r->h->routes, u->segments, u->segment_count, r->params, &r->rest))
    return;
  for (const char *p = prefix; *p; count++) {
    size_t len = strcspn(++p, "/");
    if (count == u->segment_count || strlen(u->segments[count]) != len ||
        memcmp(u->segments[count], p, len) != 0)
      return;
    p += len;
  }
  memmove(u->segments, u->segments + count, (u->segment_count - count) * sizeof *u->segments);
  u->segment_count -= count;
}

const char *http_base(const struct http_request *r) {
  return r->public.prefix ? r->public.prefix : "";
}

void http_put_server(const struct http_request *r, struct buf *out) {
  const struct public_url *p = &r->public;
  const char *host = p->host ? p->host : r->head.host;
  if (p->scheme && host)
    buf_printf(out, "%s://%s", p->scheme, host);
  buf_puts(out, *http_base(r) || p->scheme ? http_base(r) : "/");
}
