/* SPDX-License-Identifier: MIT
 *
 * Routes, and the candidates of a kind.
 *
 *   (kind, pin) -> the pin, the route's backends, or all that do it
 */
#include "routing/routing.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/string_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct route {
  struct route_options options; /* in effect; strings owned */
  char **given;                 /* as configured: its backends, and its policy */
  enum route_policy given_policy;
  struct backend_facts **rows; /* of its backends, in its order */
  size_t count;
  struct backend_facts *canary; /* NULL: none */
};

struct used { /* by hand */
  struct backend_facts *backend;
  char kind[];
};

struct routing {
  struct facts facts;
  struct models models;
  bool timed;
  struct map routes;                  /* kind -> struct route */
  struct map used;                    /* kind -> struct used */
  const struct backend_facts **found; /* candidates of the last question */
  size_t found_cap;
};

struct routing *routing_new(void) {
  return mem_alloc(sizeof(struct routing));
}

static void route_free(struct route *route) {
  string_list_free((char **)(uintptr_t)route->options.backends);
  string_list_free(route->given);
  free((char *)route->options.kind);
  free((char *)route->options.canary);
  free(route->rows);
  free(route);
}

static void clear_routes(struct routing *r) {
  size_t pos = 0;
  for (struct route *route; (route = map_next(&r->routes, &pos));)
    route_free(route);
  map_free(&r->routes);
  r->routes = (struct map){0};
}

void routing_free(struct routing *r) {
  if (!r)
    return;
  clear_routes(r);
  size_t pos = 0;
  for (struct used *u; (u = map_next(&r->used, &pos));)
    free(u);
  map_free(&r->used);
  facts_free(&r->facts);
  models_free(&r->models);
  free(r->found);
  free(r);
}

struct facts *routing_facts(struct routing *r) {
  return &r->facts;
}

struct models *routing_models(struct routing *r) {
  return &r->models;
}

bool routing_is_timed(const struct routing *r) {
  return r->timed;
}

/* What is configured, with what was set by hand over it. */
static void route_arrange(struct routing *r, struct route *route) {
  const struct used *used = map_get(&r->used, route->options.kind);
  size_t given = string_list_count((const char *const *)route->given), n = 0;
  const char **names = mem_array(given + 2, sizeof *names);
  free(route->rows);
  route->rows = mem_array(given + 1, sizeof(struct backend_facts *));
  if (used)
    route->rows[n++] = used->backend;
  for (size_t i = 0; i < given; i++) {
    struct backend_facts *b = facts_of(&r->facts, route->given[i]);
    if (!used || b != used->backend)
      route->rows[n++] = b;
  }
  for (size_t i = 0; i < n; i++)
    names[i] = route->rows[i]->name;
  route->count = n;
  string_list_free((char **)(uintptr_t)route->options.backends);
  route->options.backends = (const char *const *)string_list_copy(names, n);
  route->options.policy = used ? ROUTE_ORDERED : route->given_policy;
  free(names);
}

static struct route *route_copy(struct routing *r, const struct route_options *o) {
  struct route *route = mem_alloc(sizeof *route);
  route->options = *o;
  route->options.kind = mem_dup(o->kind);
  route->options.canary = mem_dup(o->canary);
  route->canary = o->canary ? facts_of(&r->facts, o->canary) : NULL;
  route->options.backends = NULL;
  route->given = string_list_copy(o->backends, string_list_count(o->backends));
  route->given_policy = o->policy;
  route_arrange(r, route);
  return route;
}

void routing_configure(struct routing *r, const struct route_options *routes, size_t count) {
  clear_routes(r);
  r->timed = false;
  for (size_t i = 0; i < count; i++) {
    r->timed |= routes[i].policy == ROUTE_FASTEST;
    struct route *route = route_copy(r, &routes[i]);
    struct route *old = map_put(&r->routes, route->options.kind, route);
    if (old)
      route_free(old);
  }
}

const struct route_options *routing_route(const struct routing *r, const char *kind) {
  struct route *route = map_get(&r->routes, kind);
  return route ? &route->options : NULL;
}

const char *routing_next_route(const struct routing *r, size_t *pos) {
  const struct route *route = map_next(&r->routes, pos);
  return route ? route->options.kind : NULL;
}

void routing_use(struct routing *r, const char *kind, const char *backend) {
  struct route *route = map_get(&r->routes, kind);
  free(map_remove(&r->used, kind));
  if (backend) {
    struct used *used = mem_alloc(sizeof *used + strlen(kind) + 1);
    memcpy(used->kind, kind, strlen(kind) + 1);
    used->backend = facts_of(&r->facts, backend);
    map_put(&r->used, used->kind, used);
  }
  if (route)
    route_arrange(r, route);
}

const char *routing_configured_first(const struct routing *r, const char *kind) {
  const struct route *route = map_get(&r->routes, kind);
  return route ? route->given[0] : NULL;
}

/* ---- candidates ---- */

static size_t add(struct routing *r, size_t n, const struct backend_facts *b) {
  if (n == r->found_cap) {
    r->found_cap = n ? n * 2 : 8;
    r->found = mem_grow((void *)r->found, r->found_cap * sizeof *r->found);
  }
  r->found[n] = b;
  return n + 1;
}

/* One that failed is named where it is known to do the kind. */
static bool is_of_kind(const struct backend_facts *b, const char *kind) {
  return facts_may_do(b, kind) || (b->state == FACTS_FAILED && facts_does(b, kind));
}

struct candidates routing_candidates(struct routing *r, const char *kind, const char *pin,
                                     int draw) {
  const struct route *route = pin ? NULL : map_get(&r->routes, kind);
  const struct backend_facts *one = pin ? facts_find(&r->facts, pin) : NULL;
  bool drawn = route && route->canary && draw > 0 && draw <= route->options.canary_share;
  size_t n = 0;
  if (one || drawn)
    n = add(r, 0, drawn ? route->canary : one);
  for (size_t i = 0; route && i < route->count; i++)
    if (!drawn || route->rows[i] != route->canary)
      n = add(r, n, route->rows[i]);
  const struct used *used = pin || route ? NULL : map_get(&r->used, kind);
  if (used)
    n = add(r, n, used->backend);
  for (size_t i = 0; !pin && !route && i < r->facts.there_count; i++)
    if (is_of_kind(r->facts.there[i], kind) && !(used && used->backend == r->facts.there[i]))
      n = add(r, n, r->facts.there[i]);
  return (struct candidates){
      .list = r->found, .count = n, .route = route ? &route->options : NULL, .drawn = drawn};
}

int routing_draw(const struct routing *r, const char *kind, const struct draw_keys *keys) {
  const struct route_options *o = routing_route(r, kind);
  return o && o->canary ? draw_number(o->sticky, keys, o->canary, kind) : 0;
}

bool routing_is_served(struct routing *r, const char *kind, const char *pin) {
  struct candidates c = routing_candidates(r, kind, pin, 0);
  for (size_t i = 0; i < c.count; i++)
    if (facts_may_do(c.list[i], kind))
      return true;
  return false;
}

/* ---- how it is with a kind ---- */

static const char *const outlook_words[] = {
    [OUTLOOK_READY] = "ready",
    [OUTLOOK_STARTING] = "starting",
    [OUTLOOK_MISSING] = "missing",
    [OUTLOOK_NOBODY] = "unserved",
};

const char *route_outlook_word(enum route_outlook o) {
  return outlook_words[o];
}

/* What a backend that never came up would do is not known. */
static bool may_be_its(const struct backend_facts *b, const char *kind) {
  return facts_does(b, kind) || (b->state != FACTS_READY && !b->kinds[0]);
}

/* Should it do the kind, and is it not ready?  One that is not there at all is to blame only where
 * somebody named it. */
static bool is_to_blame(const struct backend_facts *b, const char *kind, bool named) {
  if (b->state == FACTS_ABSENT)
    return named;
  return may_be_its(b, kind) && b->state != FACTS_READY;
}

size_t routing_blame(struct routing *r, const char *kind, const char *pin, struct buf *why) {
  const struct route *route = map_get(&r->routes, kind);
  struct backend_facts *one[] = {pin ? facts_find(&r->facts, pin) : NULL};
  struct backend_facts **list = pin ? one : route ? route->rows : r->facts.there;
  size_t count = pin ? one[0] != NULL : route ? route->count : r->facts.there_count, n = 0;
  for (size_t i = 0; i < count; i++) {
    const struct bar *bar = list[i]->state == FACTS_READY && facts_does(list[i], kind)
                                ? bar_find(list[i]->bars, kind)
                                : NULL;
    if (!bar && !is_to_blame(list[i], kind, !pin))
      continue;
    if (why)
      buf_puts(why, why->len ? "; " : "");
    if (why && bar)
      candidate_blame(&(struct candidate){.backend = list[i], .bar = bar, .admission = bar->reason},
                      why);
    else if (why)
      facts_blame(list[i], why);
    n++;
  }
  return n;
}

enum route_outlook routing_outlook(struct routing *r, const char *kind, const char *pin,
                                   struct buf *why) {
  struct candidates c = routing_candidates(r, kind, pin, 0);
  for (size_t i = 0; i < c.count; i++)
    if (facts_takes(c.list[i], kind))
      return OUTLOOK_READY;
  bool served = routing_is_served(r, kind, pin);
  size_t blamed = routing_blame(r, kind, pin, why);
  return served ? OUTLOOK_STARTING : blamed ? OUTLOOK_MISSING : OUTLOOK_NOBODY;
}
