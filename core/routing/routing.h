/* SPDX-License-Identifier: MIT
 *
 * Which backends may take a job of a kind, in which order.  Pure: it knows the routes of the
 * configuration and what it was told of the backends (facts.h); it holds no job and no worker.
 *
 * A kind without a [route] is served by every backend that does it, in the order of
 * the configuration.
 */
#ifndef ROUTING_ROUTING_H
#define ROUTING_ROUTING_H

#include "base/buf.h"
#include "routing/facts.h"

#include <stdint.h>

struct routing;

enum route_policy { ROUTE_ORDERED, ROUTE_ROUND_ROBIN, ROUTE_LEAST_LOADED };
int route_policy_parse(const char *word); /* -1: unknown */
const char *route_policy_word(enum route_policy policy);

struct route_options { /* copied */
  const char *kind;
  const char *const *backends; /* NULL-terminated names */
  enum route_policy policy;
  int attempts;       /* 0: not set here */
  int64_t timeout_ms; /* 0: not set here */
};

struct routing *routing_new(void);
void routing_free(struct routing *r);
/* Replaces all routes. */
void routing_configure(struct routing *r, const struct route_options *routes, size_t count);
const struct route_options *routing_route(const struct routing *r,
                                          const char *kind); /* NULL: none */
/* To be told before questions are asked. */
struct facts *routing_facts(struct routing *r);

/* Those that may do a kind now or later, in the order in which they are to be tried now; `pin`: of
 * this backend alone, or NULL.  The list is valid until the next call. */
struct candidates {
  const struct backend_facts *const *list;
  size_t count;
  enum route_policy policy;
};
struct candidates routing_candidates(struct routing *r, const char *kind, const char *pin);
/* A candidate gets a job: for policies that take turns. */
void routing_took(struct routing *r, const char *kind, const struct backend_facts *b);

/* How it is with a kind as a whole. */
enum route_outlook {
  OUTLOOK_READY,    /* a backend that does it is ready */
  OUTLOOK_STARTING, /* one is on its way */
  OUTLOOK_MISSING,  /* those that do it, or may do it, have failed */
  OUTLOOK_NOBODY,   /* no backend of the configuration does it */
};
const char *route_outlook_word(enum route_outlook o); /* "ready" ... "unserved" */
/* Of a kind, or (pin not NULL) of one backend for it.  Where it is not ready `why` (may be NULL)
 * gets what stands in the way, "backend 'local' has failed: ...; ...". */
enum route_outlook routing_outlook(struct routing *r, const char *kind, const char *pin,
                                   struct buf *why);

#endif
