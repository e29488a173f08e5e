/* SPDX-License-Identifier: MIT
 *
 * The table of routes as a tree of path segments.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "base/buf.h"
#include "http/http.h"

enum { ROUTE_PARAMS_MAX = 6 };

struct route_index;
struct route_node;

struct route {
  const struct http_route *http;
  char *names[ROUTE_PARAMS_MAX]; /* of its {parameters}, in order */
};

int route_index_new(struct route_index **out, const struct http_route *routes, struct err *err);
void route_index_free(struct route_index *x);

/* The node of a path, or NULL: its values of parameters go to params (borrowed from segments, but
 * for the rest of "{name*}", which is appended to `rest`). */
const struct route_node *route_match(const struct route_index *x, const char *const *segments,
                                     size_t count, const char **params, struct buf *rest);
/* "GET" serves HEAD.  NULL: the path has no such method. */
const struct route *route_of_method(const struct route_node *n, const char *method);
/* "GET, HEAD, OPTIONS"; n NULL: of the server.  value: of the path's first parameter, NULL where it
 * has none. */
void route_allow(const struct route_node *n, const char *value, struct buf *out);

#endif
