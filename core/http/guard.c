/* SPDX-License-Identifier: MIT
 *
 * Who may ask.
 *
 * Host: a page of evil.example whose name was rebound to our address still sends its own name, so
 * only names of ours are served.  An address cannot be rebound: where we listen on every address,
 * any address literal is ours.
 * Origin: a browser lets any page send simple requests; those that change something are refused
 * unless the page is ours or configured.  What a page may read is said by the CORS headers, and
 * what it may show without reading it (<img>) by Cross-Origin-Resource-Policy.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/private.h"
#include "observe/log.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

/* "name:port", "name", "[::1]:port": copies the name without brackets, lower case, without a last
 * dot.  False when it is none. */
static bool host_name(const char *text, char out[HOST_MAX + 1], bool *literal6) {
  const char *end, *port;
  *literal6 = *text == '[';
  if (*literal6) {
    end = strchr(++text, ']');
    if (!end)
      return false;
    port = end + 1;
  } else {
    end = port = text + strcspn(text, ":");
  }
  if (*port &&
      (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1) || strlen(port + 1) > 5))
    return false;
  size_t len = (size_t)(end - text);
  if (len > 1 && !*literal6 && text[len - 1] == '.')
    len--;
  if (len == 0 || len > HOST_MAX)
    return false;
  for (size_t i = 0; i < len; i++)
    out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
  out[len] = 0;
  return true;
}

/* An address as text has more than one form; compare what it means. */
static int address_of(const char *name, unsigned char out[16]) {
  if (inet_pton(AF_INET, name, out) == 1)
    return AF_INET;
  return inet_pton(AF_INET6, name, out) == 1 ? AF_INET6 : 0;
}

static bool is_loopback(int family, const unsigned char address[16]) {
  static const unsigned char one[16] = {[15] = 1};
  return family == AF_INET ? address[0] == 127 : memcmp(address, one, 16) == 0;
}

static bool is_any(int family, const unsigned char address[16]) {
  static const unsigned char zero[16];
  return memcmp(address, zero, family == AF_INET ? 4 : 16) == 0;
}

static bool is_own_address(const struct http *h, int family, const unsigned char address[16]) {
  unsigned char own[16];
  int own_family = address_of(h->settings.host, own);
  if (is_loopback(family, address))
    return true;
  if (own_family && is_any(own_family, own))
    return true;
  return own_family == family && memcmp(own, address, family == AF_INET ? 4 : 16) == 0;
}

/* An entry may carry a port; then the whole must fit. */
static bool is_listed(const struct http *h, const char *sent, const char *name, bool literal6) {
  for (char **p = h->settings.allowed_hosts; p && *p; p++) {
    char entry[HOST_MAX + 1];
    bool entry6;
    if (strcasecmp(*p, sent) == 0)
      return true;
    if (literal6 && strcasecmp(*p, name) == 0)
      return true; /* an IPv6 address without brackets */
    if (host_name(*p, entry, &entry6) && strcmp(entry, name) == 0 && entry6 == literal6 &&
        !strchr(entry6 ? strchr(*p, ']') : *p, ':'))
      return true;
  }
  return false;
}

static bool is_our_host(const struct http *h, const char *host) {
  char name[HOST_MAX + 1];
  unsigned char address[16];
  bool literal6;
  if (!host_name(host, name, &literal6))
    return false;
  int family = address_of(name, address);
  if (literal6 != (family == AF_INET6))
    return false;
  if (family && is_own_address(h, family, address))
    return true;
  const char *public = h->settings.public.host;
  return strcmp(name, "localhost") == 0 || strcasecmp(name, h->settings.host) == 0 ||
         (public && strcasecmp(host, public) == 0) || is_listed(h, host, name, literal6);
}

bool guard_host(struct http_request *r) {
  const char *host = r->uri.authority ? r->uri.authority : r->head.host;
  if (!host) {
    /* A client of HTTP/1.0 need not send one, and no browser is such a client. */
    if (strcmp(r->version, "HTTP/1.0") == 0)
      return true;
    http_problem(r, 0, "bad-request", 0, "The request has no Host header.");
    return false;
  }
  r->head.host = host;
  if (is_our_host(r->h, host))
    return true;
  http_problem(r, 0, "forbidden-host", 0,
               "This server does not answer for the host \"%.*s\"; its admin can add the name to "
               "the allowed hosts.",
               HOST_MAX, host);
  return false;
}

/* ---- origins ---- */

static bool is_own_origin(const struct http_request *r) {
  const char *origin = r->head.origin;
  const char *rest = strstr(origin, "://");
  if (!rest || (strncmp(origin, "http://", 7) != 0 && strncmp(origin, "https://", 8) != 0))
    return false;
  /* Behind a proxy the page knows the server by another name than the proxy does. */
  const char *scheme = r->public.scheme;
  if (r->public.host && strcasecmp(rest + 3, r->public.host) == 0)
    return !scheme || (strlen(scheme) == (size_t)(rest - origin) &&
                       strncasecmp(origin, scheme, strlen(scheme)) == 0);
  return r->head.host && strcasecmp(rest + 3, r->head.host) == 0;
}

static bool only_reads(const char *method) {
  return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

bool guard_origin(struct http_request *r) {
  if (!r->head.origin || only_reads(r->method) || is_own_origin(r) || cors_allowed_origin(r))
    return true;
  http_problem(r, 0, "forbidden-origin", 0,
               "Pages of %.*s may not send this request; the admin of the server can allow the "
               "origin.",
               HOST_MAX, r->head.origin);
  return false;
}

bool guard_is_preflight(const struct http_request *r) {
  return r->head.origin && r->head.request_method && strcmp(r->method, "OPTIONS") == 0;
}

void guard_preflight(struct http_request *r) {
  struct buf allow = {0};
  const struct route_node *n = route_match(r->h->routes, r->uri.segments, r->uri.segment_count,
                                           r->params, &r->rest);
  route_allow(n, r->params[0], &allow);
  http_add_header(r, "Access-Control-Allow-Methods", allow.data);
  if (r->head.request_headers && *r->head.request_headers)
    http_add_header(r, "Access-Control-Allow-Headers", r->head.request_headers);
  if (r->head.private_network)
    http_add_header(r, "Access-Control-Allow-Private-Network", "true");
  http_add_header(r, "Access-Control-Max-Age", "600");
  http_add_header(r, "Vary", "Access-Control-Request-Headers, Access-Control-Request-Method");
  http_reply(r, 204, NULL, NULL);
  buf_free(&allow);
}

/* ---- tokens ---- */

static const char *token_complaint(const char *sent) {
  if (!sent)
    return "This server asks for a token: send it as \"Authorization: Bearer TOKEN\".";
  if (strncasecmp(sent, "Bearer", 6) == 0 && !sent[6 + strspn(sent + 6, " ")])
    return "The Authorization header has no token: send \"Authorization: Bearer TOKEN\".";
  if (strncasecmp(sent, "Bearer ", 7) != 0)
    return "The Authorization header is not of the scheme that this server takes: send "
           "\"Authorization: Bearer TOKEN\".";
  return "The token is not one of this server's; its admin hands tokens out.";
}

static const char *address_text(const struct sockaddr *from) {
  static char host[INET6_ADDRSTRLEN];
  const void *address =
      from->sa_family == AF_INET
          ? (const void *)&((const struct sockaddr_in *)(const void *)from)->sin_addr
          : &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
  return inet_ntop(from->sa_family, address, host, sizeof host) ? host : "?";
}

const char *http_peer(const struct http_request *r) {
  return address_text(
      MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
}

/* Not more than one line a second, whatever comes. */
static void log_wrong(struct http *h, const struct sockaddr *from, const char *what,
                      int64_t now_ms) {
  h->wrong_tokens++;
  if (h->wrong_logged_ms && now_ms - h->wrong_logged_ms < 1000)
    return;
  log_warn("http.token", "%d wrong tokens since the last such line; this one of %s was %s",
           h->wrong_tokens, address_text(from), what);
  h->wrong_tokens = 0;
  h->wrong_logged_ms = now_ms;
}

static void refuse_token(struct http_request *r, const char *why) {
  http_add_header(r, "WWW-Authenticate", "Bearer realm=\"lathe\"");
  http_problem(r, 0, "unauthorized", 0, "%s", why);
}

/* Has the token of a client, or of nobody. */
static bool judge_token(struct http_request *r, const char *client) {
  struct http *h = r->h;
  const struct sockaddr *from =
      MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
  int64_t now_ms = clock_mono_ms();
  if (!h->peers)
    h->peers = peers_new();
  switch (peers_judge(h->peers, from, client, now_ms)) {
  case PEER_PASSES:
    return true;
  case PEER_IS_WRONG:
    metric_add(h->wrong_tokens_total, 1);
    log_wrong(h, from, "refused", now_ms);
    refuse_token(r, token_complaint(r->head.authorization));
    return false;
  case PEER_IS_SLOWED:
    break;
  }
  metric_add(h->slowed_tokens_total, 1);
  log_wrong(h, from, "one of too many and not looked at", now_ms);
  http_problem(r, 0, "too-many-attempts", 1,
               "This address has sent too many wrong tokens; one a second is looked at.");
  return false;
}

/* A link of a page has its client's permission with it; a signature that does not fit is not
 * a guess of a token. */
static bool guard_link(struct http_request *r) {
  const char *why, *client = link_client(r, &why);
  r->by_link = client != NULL;
  r->role = ROLE_READ;
  if (client)
    r->client = mem_dup(client);
  else
    refuse_token(r, why);
  return client != NULL;
}

bool guard_token(struct http_request *r) {
  if (!r->h->settings.authorise)
    return true;
  const char *sent = r->head.authorization;
  if (!sent && r->h->has_key && r->route && r->route->http->link && http_query(r, "signature"))
    return guard_link(r);
  const char *token = sent && strncasecmp(sent, "Bearer ", 7) == 0 ? sent + 7 : "";
  token += strspn(token, " ");
  if (!*token) { /* not a guess */
    refuse_token(r, token_complaint(sent));
    return false;
  }
  const char *client = r->h->settings.authorise(r->h->ctx, token, &r->role);
  if (!judge_token(r, client))
    return false;
  r->client = mem_dup(client);
  return true;
}

bool guard_role(struct http_request *r) {
  enum role needed = r->route->http->role;
  if (http_role(r) >= needed)
    return true;
  http_problem(r, 0, "forbidden-role", 0,
               "%s %s needs a token with the role %s; that of %s has the role %s. The admin of the "
               "server hands out others.",
               r->method, r->uri.raw, role_word(needed), r->client, role_word(r->role));
  return false;
}
