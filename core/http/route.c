/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct route_node {
  char *segment; /* NULL: a parameter */
  bool rest;     /* a parameter that takes all that is left */
  struct route_node **children;
  size_t child_count;
  struct route *routes;
  size_t route_count;
};

struct route_index {
  struct route_node root;
};

static struct route_node *child_of(struct route_node *n, const char *segment, size_t len,
                                   bool param, bool rest) {
  for (size_t i = 0; i < n->child_count; i++) {
    struct route_node *c = n->children[i];
    if (param ? !c->segment && c->rest == rest
              : c->segment && strncmp(c->segment, segment, len) == 0 && !c->segment[len])
      return c;
  }
  struct route_node *c = mem_alloc(sizeof *c);
  c->segment = param ? NULL : mem_dup_n(segment, len);
  c->rest = rest;
  n->children = mem_grow(n->children, (n->child_count + 1) * sizeof(struct route_node *));
  /* Fixed segments are tried before a parameter, a parameter before a rest. */
  size_t at = n->child_count++;
  while (at > 0 && !n->children[at - 1]->segment &&
         (c->segment || (n->children[at - 1]->rest && !rest))) {
    n->children[at] = n->children[at - 1];
    at--;
  }
  n->children[at] = c;
  return c;
}

static int add(struct route_index *x, const struct http_route *http, struct err *err) {
  struct route route = {.http = http};
  struct route_node *n = &x->root;
  size_t names = 0;
  if (http->pattern[0] != '/')
    return err_set(err, ERR_INVAL, "the pattern %s does not begin with a slash", http->pattern);
  for (const char *p = http->pattern; p && p[1];) {
    const char *segment = p + 1;
    p = strchr(segment, '/');
    size_t len = p ? (size_t)(p - segment) : strlen(segment);
    bool param = len > 2 && segment[0] == '{' && segment[len - 1] == '}';
    bool rest = param && segment[len - 2] == '*';
    if ((rest && p) || (param && names == ROUTE_PARAMS_MAX)) {
      while (names > 0)
        free(route.names[--names]);
      return err_set(err, ERR_INVAL, "the pattern %s cannot be served", http->pattern);
    }
    if (param)
      route.names[names++] = mem_dup_n(segment + 1, len - (rest ? 3 : 2));
    n = child_of(n, segment, len, param, rest);
  }
  n->routes = mem_grow(n->routes, (n->route_count + 1) * sizeof *n->routes);
  n->routes[n->route_count++] = route;
  return 0;
}

int route_index_new(struct route_index **out, const struct http_route *routes, struct err *err) {
  struct route_index *x = mem_alloc(sizeof *x);
  for (; routes && routes->method; routes++) {
    int rc = add(x, routes, err);
    if (rc) {
      route_index_free(x);
      return rc;
    }
  }
  *out = x;
  return 0;
}

static void node_clear(struct route_node *n) {
  for (size_t i = 0; i < n->child_count; i++) {
    node_clear(n->children[i]);
    free(n->children[i]);
  }
  for (size_t i = 0; i < n->route_count; i++) {
    for (size_t k = 0; k < ROUTE_PARAMS_MAX; k++)
      free(n->routes[i].names[k]);
  }
  free(n->children);
  free(n->routes);
  free(n->segment);
}

void route_index_free(struct route_index *x) {
  if (!x)
    return;
  node_clear(&x->root);
  free(x);
}

/* Such a segment cannot name a thing, so it is not a parameter: nothing lies at that path. */
static bool is_value(const char *segment) {
  return *segment && !strchr(segment, '/') && strcmp(segment, ".") != 0 &&
         strcmp(segment, "..") != 0;
}

static bool take_rest(const char *const *segments, size_t count, struct buf *rest) {
  for (size_t i = 0; i < count; i++) {
    if (!is_value(segments[i]))
      return false;
  }
  buf_clear(rest);
  for (size_t i = 0; i < count; i++) {
    if (i)
      buf_putc(rest, '/');
    buf_puts(rest, segments[i]);
  }
  return count > 0;
}

static const struct route_node *match(const struct route_node *n, const char *const *segments,
                                      size_t count, const char **params, size_t used,
                                      struct buf *rest) {
  if (count == 0)
    return n->route_count ? n : NULL;
  for (size_t i = 0; i < n->child_count; i++) {
    const struct route_node *c = n->children[i], *found = NULL;
    if (c->segment) {
      if (strcmp(c->segment, segments[0]) == 0)
        found = match(c, segments + 1, count - 1, params, used, rest);
    } else if (c->rest) {
      if (take_rest(segments, count, rest)) {
        params[used] = rest->data;
        found = c;
      }
    } else if (is_value(segments[0])) {
      params[used] = segments[0];
      found = match(c, segments + 1, count - 1, params, used + 1, rest);
    }
    if (found)
      return found;
  }
  return NULL;
}

const struct route_node *route_match(const struct route_index *x, const char *const *segments,
                                     size_t count, const char **params, struct buf *rest) {
  return match(&x->root, segments, count, params, 0, rest);
}

const struct route *route_of_method(const struct route_node *n, const char *method) {
  if (strcmp(method, "HEAD") == 0)
    method = "GET";
  for (size_t i = 0; i < n->route_count; i++) {
    if (strcmp(n->routes[i].http->method, method) == 0)
      return &n->routes[i];
  }
  return NULL;
}

void route_allow(const struct route_node *n, const char *value, struct buf *out) {
  for (size_t i = 0; n && i < n->route_count; i++) {
    const struct http_route *http = n->routes[i].http;
    const char *method = http->method;
    if (value && http->names && !http->names(value))
      continue;
    buf_puts(out, method);
    buf_puts(out, strcmp(method, "GET") == 0 ? ", HEAD, " : ", ");
  }
  buf_puts(out, n ? "OPTIONS" : "GET, HEAD, POST, PUT, DELETE, OPTIONS");
}
