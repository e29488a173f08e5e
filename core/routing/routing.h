/* SPDX-License-Identifier: MIT
 *
 * Which backends are there for a kind.  Pure: it knows the routes of the configuration and what it
 * was told of the backends (facts.h); it holds no job and no worker.  Who of them gets a job is
 * decide.h's.
 *
 * A kind without a [route] is served by every backend that does it, in the order of
 * the configuration.
 */
#ifndef ROUTING_ROUTING_H
#define ROUTING_ROUTING_H

#include "base/buf.h"
#include "routing/decide.h"
#include "routing/draw.h"
#include "routing/models.h"

#include <stdint.h>

struct routing;

struct route_options { /* copied */
  const char *kind;
  const char *const *backends; /* NULL-terminated names */
  enum route_policy policy;
  const char *canary; /* a backend; NULL: none */
  int canary_share;   /* of DRAW_OF */
  enum route_sticky sticky;
  bool no_fallback;                /* the backend that a job goes to first keeps it */
  int min_backends;                /* stay in though their breakers are open */
  int attempts;                    /* 0: not set here */
  int64_t timeout_ms, max_wait_ms; /* likewise */
};

struct routing *routing_new(void);
void routing_free(struct routing *r);
/* Replaces all routes. */
void routing_configure(struct routing *r, const struct route_options *routes, size_t count);
const struct route_options *routing_route(const struct routing *r,
                                          const char *kind); /* as it is in effect; NULL: none */
/* By hand, over the configuration: this backend comes first for the kind, and the others in their
 * order where it cannot take a job, whatever the policy is.  NULL: as configured again. */
void routing_use(struct routing *r, const char *kind, const char *backend);
/* The first of the kind's [route] as it is configured; NULL: it has none. */
const char *routing_configured_first(const struct routing *r, const char *kind);
/* Walks the kinds that have a route: start with *pos = 0; NULL at the end. */
const char *routing_next_route(const struct routing *r, size_t *pos);
/* To be told before questions are asked. */
struct facts *routing_facts(struct routing *r);
struct models *routing_models(struct routing *r);
/* Does a route go by time, so that it has to be told how busy the backends are? */
bool routing_is_timed(const struct routing *r);

/* Those of the route, whatever their state, or without a route those that do the kind, in the order
 * of the configuration; `pin`: this backend alone, or NULL.  draw: of draw_number(), 0 for none; where
 * that is in the canary's share, the canary comes first.  Valid until the next call. */
struct candidates {
  const struct backend_facts *const *list;
  size_t count;
  const struct route_options *route; /* NULL: none, or it is not asked */
  bool drawn;                        /* the first is the canary, and to be preferred */
};
struct candidates routing_candidates(struct routing *r, const char *kind, const char *pin,
                                     int draw);
/* What a job of the kind draws; 0: its route has no canary. */
int routing_draw(const struct routing *r, const char *kind, const struct draw_keys *keys);
/* May one of them do it, now or later? */
bool routing_is_served(struct routing *r, const char *kind, const char *pin);

/* How it is with a kind as a whole. */
enum route_outlook {
  OUTLOOK_READY,    /* a backend that does it is ready */
  OUTLOOK_STARTING, /* one is on its way */
  OUTLOOK_MISSING,  /* those that do it, or may do it, have failed */
  OUTLOOK_NOBODY,   /* no backend of the configuration does it */
};
const char *route_outlook_word(enum route_outlook o); /* "ready" ... "unserved" */
/* Names each that should do the kind and is not ready, or gets no jobs; returns how many. */
size_t routing_blame(struct routing *r, const char *kind, const char *pin, struct buf *why);
/* Of a kind, or (pin not NULL) of one backend for it.  Where it is not ready `why` (may be NULL)
 * gets what stands in the way, "backend 'local' has failed: ...; ...". */
enum route_outlook routing_outlook(struct routing *r, const char *kind, const char *pin,
                                   struct buf *why);

#endif
