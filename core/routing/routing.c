/* SPDX-License-Identifier: MIT
 *
 * Routes, and the candidates of a kind in the order of its policy.
 *
 *   (kind, pin) -> the pin, the route's backends, or all -> those that may do it -> policy's order
 */
#include "routing/routing.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/string_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct route {
  struct route_options options; /* strings owned */
  struct backend_facts **rows;  /* of its backends, in its order */
  size_t count;
  size_t turn; /* of round robin: the place in `rows` that is asked first */
};

struct routing {
  struct facts facts;
  struct map routes;                  /* kind -> struct route */
  const struct backend_facts **found; /* candidates of the last question */
  size_t found_cap;
};

static const char *const policy_words[] = {
    [ROUTE_ORDERED] = "ordered",
    [ROUTE_ROUND_ROBIN] = "round-robin",
    [ROUTE_LEAST_LOADED] = "least-loaded",
};

int route_policy_parse(const char *word) {
  for (int i = 0; i < (int)(sizeof policy_words / sizeof *policy_words); i++)
    if (strcmp(word, policy_words[i]) == 0)
      return i;
  return -1;
}

const char *route_policy_word(enum route_policy policy) {
  return policy_words[policy];
}

struct routing *routing_new(void) {
  return mem_alloc(sizeof(struct routing));
}

static void route_free(struct route *route) {
  string_list_free((char **)(uintptr_t)route->options.backends);
  free((char *)route->options.kind);
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
  facts_free(&r->facts);
  free(r->found);
  free(r);
}

struct facts *routing_facts(struct routing *r) {
  return &r->facts;
}

static struct route *route_copy(struct routing *r, const struct route_options *o) {
  struct route *route = mem_alloc(sizeof *route);
  size_t n = string_list_count(o->backends);
  route->rows = mem_array(n + 1, sizeof(struct backend_facts *));
  for (size_t i = 0; i < n; i++)
    route->rows[i] = facts_of(&r->facts, o->backends[i]);
  route->count = n;
  route->options = *o;
  route->options.kind = mem_dup(o->kind);
  route->options.backends = (const char *const *)string_list_copy(o->backends, n);
  return route;
}

void routing_configure(struct routing *r, const struct route_options *routes, size_t count) {
  clear_routes(r);
  for (size_t i = 0; i < count; i++) {
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

/* ---- candidates ---- */

static size_t add(struct routing *r, size_t n, const char *kind, const struct backend_facts *b) {
  if (!b || !facts_may_do(b, kind))
    return n;
  if (n == r->found_cap) {
    r->found_cap = n ? n * 2 : 8;
    r->found = mem_grow((void *)r->found, r->found_cap * sizeof *r->found);
  }
  r->found[n] = b;
  return n + 1;
}

/* Running steps per slot: is a less busy than b? */
static bool less_loaded(const struct backend_facts *a, const struct backend_facts *b) {
  int64_t slots_a = a->slots > 0 ? a->slots : 1, slots_b = b->slots > 0 ? b->slots : 1;
  return a->running * slots_b < b->running * slots_a;
}

static void sort_by_load(const struct backend_facts **list, size_t n) {
  for (size_t i = 1; i < n; i++) {
    const struct backend_facts *b = list[i];
    size_t at = i;
    for (; at > 0 && less_loaded(b, list[at - 1]); at--)
      list[at] = list[at - 1];
    list[at] = b;
  }
}

struct candidates routing_candidates(struct routing *r, const char *kind, const char *pin) {
  const struct route *route = pin ? NULL : map_get(&r->routes, kind);
  enum route_policy policy = route ? route->options.policy : ROUTE_ORDERED;
  size_t n = 0, first = policy == ROUTE_ROUND_ROBIN ? route->turn : 0;
  if (pin)
    n = add(r, 0, kind, facts_find(&r->facts, pin));
  else if (route)
    for (size_t i = 0; i < route->count; i++)
      n = add(r, n, kind, route->rows[(first + i) % route->count]);
  else
    for (size_t i = 0; i < r->facts.there_count; i++)
      n = add(r, n, kind, r->facts.there[i]);
  if (policy == ROUTE_LEAST_LOADED)
    sort_by_load(r->found, n);
  return (struct candidates){.list = r->found, .count = n, .policy = policy};
}

void routing_took(struct routing *r, const char *kind, const struct backend_facts *b) {
  struct route *route = map_get(&r->routes, kind);
  if (!route || route->options.policy != ROUTE_ROUND_ROBIN)
    return;
  for (size_t i = 0; i < route->count; i++)
    if (route->rows[i] == b)
      route->turn = i + 1;
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

static void blame(struct buf *why, const struct backend_facts *b) {
  if (!why)
    return;
  buf_puts(why, why->len ? "; " : "");
  if (b->state == FACTS_ABSENT)
    buf_printf(why, "backend '%s' is not enabled", b->name);
  else if (b->state == FACTS_FAILED)
    buf_printf(why, "backend '%s' has failed", b->name);
  else
    buf_printf(why, "backend '%s' is %s", b->name, b->state_word);
  if (b->state != FACTS_ABSENT && b->message)
    buf_printf(why, ": %s", b->message);
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

/* Returns how many should do the kind and are not ready. */
static size_t blame_all(struct routing *r, const struct route *route, const char *kind,
                        const char *pin, struct buf *why) {
  struct backend_facts *one[] = {pin ? facts_find(&r->facts, pin) : NULL};
  struct backend_facts **list = pin ? one : route ? route->rows : r->facts.there;
  size_t count = pin ? one[0] != NULL : route ? route->count : r->facts.there_count, n = 0;
  for (size_t i = 0; i < count; i++) {
    if (!is_to_blame(list[i], kind, !pin))
      continue;
    blame(why, list[i]);
    n++;
  }
  return n;
}

enum route_outlook routing_outlook(struct routing *r, const char *kind, const char *pin,
                                   struct buf *why) {
  const struct route *route = map_get(&r->routes, kind);
  struct candidates c = routing_candidates(r, kind, pin);
  for (size_t i = 0; i < c.count; i++)
    if (c.list[i]->state == FACTS_READY)
      return OUTLOOK_READY;
  size_t n = c.count, blamed = blame_all(r, route, kind, pin, why);
  return n ? OUTLOOK_STARTING : blamed ? OUTLOOK_MISSING : OUTLOOK_NOBODY;
}
