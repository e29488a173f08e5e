/* SPDX-License-Identifier: MIT
 *
 * What a handler may ask of its request, and leave with it.
 */
#include "http/private.h"

#include <string.h>

const char *http_method(const struct http_request *r) {
  return r->method;
}

const char *http_path(const struct http_request *r) {
  return r->uri.raw;
}

const char *http_pattern(const struct http_request *r) {
  return r->route ? r->route->http->pattern : "";
}

const char *http_param(const struct http_request *r, const char *name) {
  for (size_t i = 0; r->route && i < ROUTE_PARAMS_MAX && r->route->names[i]; i++) {
    if (strcmp(r->route->names[i], name) == 0)
      return r->params[i];
  }
  return NULL;
}

const char *http_query(const struct http_request *r, const char *name) {
  return uri_query(&r->uri, name);
}

const char *http_header(const struct http_request *r, const char *name) {
  return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

bool http_has_tokens(const struct http_request *r) {
  return r->h->settings.authorise != NULL;
}

enum role http_role(const struct http_request *r) {
  return http_has_tokens(r) ? r->role : ROLE_ADMIN;
}

const char *http_client(const struct http_request *r) {
  return r->client ? r->client : "";
}

void http_set_user(struct http_request *r, void *user) {
  r->user = user;
}

void *http_user(const struct http_request *r) {
  return r->user;
}

void http_on_abort(struct http_request *r, void (*gone)(void *arg), void *arg) {
  r->on_gone = gone;
  r->gone_arg = arg;
}
