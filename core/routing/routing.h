/* SPDX-License-Identifier: MIT
 *
 * Which backend may take a job of a kind, in which order.  Pure policy: it looks at
 * the backends' state and answers; it holds no job.
 *
 * A kind without a [route] is served by every backend that does it, in the order of
 * the configuration.
 */
#ifndef ROUTING_ROUTING_H
#define ROUTING_ROUTING_H

#include "base/buf.h"
#include "base/err.h"
#include "workers/workers.h"

struct routing;

enum route_policy { ROUTE_ORDERED, ROUTE_ROUND_ROBIN, ROUTE_LEAST_LOADED };
int route_policy_parse(const char *word); /* -1: unknown */

struct route_options { /* copied */
  const char *kind;
  const char *const *backends; /* NULL-terminated names */
  enum route_policy policy;
  int attempts;       /* 0: not set here */
  int64_t timeout_ms; /* 0: not set here */
};

struct routing *routing_new(void);
void routing_free(struct routing *r);
void routing_set_workers(struct routing *r, struct workers *w);
/* Replaces all routes. */
void routing_configure(struct routing *r, const struct route_options *routes, size_t count);
const struct route_options *routing_route(const struct routing *r,
                                          const char *kind); /* NULL: none */

struct route_question {
  const char *kind;
  const char *pin; /* only this backend, or NULL */
  const char *const
      *avoid; /* backends that a failed attempt was on: taken only when no other can; may be NULL */
  size_t avoid_count;
  const char *const
      *never; /* backends that must not get it: as if they were not there; may be NULL */
  size_t never_count;
  /* Is there room for the job (slots, memory, threads)?  Asked in the order of the route; NULL: no.
   */
  bool (*fits)(void *ctx, struct backend *b);
  void *ctx;
};
/* The backend that should take the job now, or NULL: wait.  While a backend that is not avoided is
 * ready but has no room, the answer is to wait for it.  *hopeless (may be NULL) is set when no
 * configured backend will ever do the kind (none lists it and none is still starting). */
struct backend *routing_choose(struct routing *r, const struct route_question *q, bool *hopeless);
/* Where a question is hopeless: did a backend that may get it (by pin and `never`) do the kind
 * until a moment ago, so that it may be on its way back?  The route is not asked: whoever takes a
 * backend out of the configuration takes it out of the routes. */
bool routing_may_return(const struct routing *r, const struct route_question *q);
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
/* Those that are ready and may get it, whether there is room or not, in the order of the route; at
 * most `max`.  Returns how many. */
size_t routing_ready(struct routing *r, const struct route_question *q, struct backend **out,
                     size_t max);

#endif
