/* SPDX-License-Identifier: MIT
 *
 * Routes, and the choice of a backend for one job.
 *
 *   question -> candidates (pin, route, or all) -> policy's order -> not avoided, fits -> backend
 *                                                               \-> avoided, fits -----> backend
 */
#include "routing/routing.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct route {
  struct route_options options; /* strings owned */
  unsigned turn;                /* of round robin */
};

struct routing {
  struct workers *workers;
  struct map routes;      /* kind -> struct route */
  struct backend **found; /* candidates of one question */
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

struct routing *routing_new(void) {
  return mem_alloc(sizeof(struct routing));
}

static void route_free(struct route *route) {
  for (size_t i = 0; route->options.backends[i]; i++)
    free((char *)route->options.backends[i]);
  free((void *)route->options.backends);
  free((char *)route->options.kind);
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
  free(r->found);
  free(r);
}

void routing_set_workers(struct routing *r, struct workers *w) {
  r->workers = w;
}

static struct route *route_copy(const struct route_options *o) {
  struct route *route = mem_alloc(sizeof *route);
  size_t n = 0;
  while (o->backends && o->backends[n])
    n++;
  const char **names = mem_array(n + 1, sizeof *names);
  for (size_t i = 0; i < n; i++)
    names[i] = mem_dup(o->backends[i]);
  route->options = *o;
  route->options.kind = mem_dup(o->kind);
  route->options.backends = names;
  return route;
}

void routing_configure(struct routing *r, const struct route_options *routes, size_t count) {
  clear_routes(r);
  for (size_t i = 0; i < count; i++) {
    struct route *route = route_copy(&routes[i]);
    struct route *old = map_put(&r->routes, route->options.kind, route);
    if (old)
      route_free(old);
  }
}

const struct route_options *routing_route(const struct routing *r, const char *kind) {
  struct route *route = map_get(&r->routes, kind);
  return route ? &route->options : NULL;
}

static bool listed(const char *name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

/* May it do the kind, now or later?  Before its hello a backend's kinds are not known. */
static bool hopeful(const struct backend *b, const char *kind) {
  switch (backend_state(b)) {
  case BACKEND_READY:
    return backend_does(b, kind);
  case BACKEND_STARTING:
  case BACKEND_RESTARTING:
  case BACKEND_PAUSED:
    return backend_kinds(b)[0] == NULL || backend_does(b, kind);
  case BACKEND_FAILED:
  case BACKEND_STOPPING:
    break;
  }
  return false;
}

static size_t add(struct routing *r, size_t n, const struct route_question *q, struct backend *b) {
  if (!b || !hopeful(b, q->kind) || listed(backend_name(b), q->never, q->never_count))
    return n;
  if (n == r->found_cap) {
    r->found_cap = n ? n * 2 : 8;
    r->found = mem_grow(r->found, r->found_cap * sizeof *r->found);
  }
  r->found[n] = b;
  return n + 1;
}

static size_t find_candidates(struct routing *r, const struct route_question *q,
                              const struct route *route) {
  size_t n = 0;
  if (q->pin)
    return add(r, 0, q, workers_find(r->workers, q->pin));
  if (route) {
    for (const char *const *name = route->options.backends; *name; name++)
      n = add(r, n, q, workers_find(r->workers, *name));
    return n;
  }
  for (struct backend *b = NULL; (b = workers_next(r->workers, b));)
    n = add(r, n, q, b);
  return n;
}

/* Running steps per slot: is a less busy than b? */
static bool less_loaded(const struct backend *a, const struct backend *b) {
  int64_t slots_a = backend_slots(a) > 0 ? backend_slots(a) : 1;
  int64_t slots_b = backend_slots(b) > 0 ? backend_slots(b) : 1;
  return backend_running(a) * slots_b < backend_running(b) * slots_a;
}

static void sort_by_load(struct backend **list, size_t n) {
  for (size_t i = 1; i < n; i++) {
    struct backend *b = list[i];
    size_t at = i;
    for (; at > 0 && less_loaded(b, list[at - 1]); at--)
      list[at] = list[at - 1];
    list[at] = b;
  }
}

/* First candidate from `turn` on that is ready and has room, among those that are (not) avoided.
 * *waits is set when there is one that is ready. */
static struct backend *pick(struct routing *r, const struct route_question *q, size_t n,
                            unsigned turn, bool avoided, bool *waits) {
  for (size_t i = 0; i < n; i++) {
    struct backend *b = r->found[(i + turn) % n];
    if (backend_state(b) != BACKEND_READY ||
        listed(backend_name(b), q->avoid, q->avoid_count) != avoided)
      continue;
    *waits = true;
    if (q->fits && q->fits(q->ctx, b))
      return b;
  }
  return NULL;
}

size_t routing_ready(struct routing *r, const struct route_question *q, struct backend **out,
                     size_t max) {
  size_t n = r->workers ? find_candidates(r, q, map_get(&r->routes, q->kind)) : 0, count = 0;
  for (size_t i = 0; i < n && count < max; i++)
    if (backend_state(r->found[i]) == BACKEND_READY)
      out[count++] = r->found[i];
  return count;
}

struct backend *routing_choose(struct routing *r, const struct route_question *q, bool *hopeless) {
  struct route *route = map_get(&r->routes, q->kind);
  enum route_policy policy = route && !q->pin ? route->options.policy : ROUTE_ORDERED;
  size_t n = r->workers ? find_candidates(r, q, route) : 0;
  bool waits = false;
  if (hopeless)
    *hopeless = n == 0 && r->workers;
  if (policy == ROUTE_LEAST_LOADED)
    sort_by_load(r->found, n);
  unsigned turn = policy == ROUTE_ROUND_ROBIN ? route->turn : 0;
  struct backend *b = pick(r, q, n, turn, false, &waits);
  if (!b && !waits)
    b = pick(r, q, n, turn, true, &waits);
  if (b && policy == ROUTE_ROUND_ROBIN)
    for (size_t i = 0; i < n; i++)
      if (r->found[i] == b)
        route->turn = (unsigned)i + 1;
  return b;
}

bool routing_may_return(const struct routing *r, const struct route_question *q) {
  size_t pos = 0;
  for (const char *name; r->workers && (name = workers_next_gone(r->workers, q->kind, &pos));)
    if ((!q->pin || strcmp(q->pin, name) == 0) && !listed(name, q->never, q->never_count))
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

static void blame(struct buf *why, const char *name, const struct backend *b) {
  if (!why)
    return;
  buf_puts(why, why->len ? "; " : "");
  if (!b)
    buf_printf(why, "backend '%s' is not enabled", name);
  else if (backend_state(b) == BACKEND_FAILED)
    buf_printf(why, "backend '%s' has failed", name);
  else
    buf_printf(why, "backend '%s' is %s", name, backend_state_word(backend_state(b)));
  if (b && backend_message(b))
    buf_printf(why, ": %s", backend_message(b));
}

/* What a backend that never came up would do is not known. */
static bool may_be_its(const struct backend *b, const char *kind) {
  return backend_does(b, kind) || (backend_state(b) != BACKEND_READY && !backend_kinds(b)[0]);
}

/* Returns how many should do the kind and are not ready. */
static size_t blame_all(struct routing *r, const struct route *route, const char *kind,
                        const char *pin, struct buf *why) {
  size_t n = 0;
  if (pin || route) {
    const char *const one[] = {pin, NULL};
    for (const char *const *name = pin ? one : route->options.backends; *name; name++) {
      const struct backend *b = workers_find(r->workers, *name);
      if (b ? !may_be_its(b, kind) || backend_state(b) == BACKEND_READY : pin != NULL)
        continue;
      blame(why, *name, b);
      n++;
    }
    return n;
  }
  for (struct backend *b = NULL; (b = workers_next(r->workers, b));) {
    if (!may_be_its(b, kind) || backend_state(b) == BACKEND_READY)
      continue;
    blame(why, backend_name(b), b);
    n++;
  }
  return n;
}

enum route_outlook routing_outlook(struct routing *r, const char *kind, const char *pin,
                                   struct buf *why) {
  const struct route_question q = {.kind = kind, .pin = pin};
  const struct route *route = map_get(&r->routes, kind);
  if (!r->workers)
    return OUTLOOK_NOBODY;
  size_t n = find_candidates(r, &q, route);
  for (size_t i = 0; i < n; i++)
    if (backend_state(r->found[i]) == BACKEND_READY)
      return OUTLOOK_READY;
  size_t blamed = blame_all(r, route, kind, pin, why);
  return n ? OUTLOOK_STARTING : blamed ? OUTLOOK_MISSING : OUTLOOK_NOBODY;
}
