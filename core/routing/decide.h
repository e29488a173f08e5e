/* SPDX-License-Identifier: MIT
 *
 * The decision: who of the candidates gets a job, and for each other one, why not.  Pure: it is made
 * from a snapshot, and reads no clock, no worker and no random number, so it can be made again.
 *
 *   snapshot of each candidate -> its admission -> the policy over those that are admitted
 */
#ifndef ROUTING_DECIDE_H
#define ROUTING_DECIDE_H

#include "routing/estimate.h"
#include "routing/facts.h"

#include <stddef.h>

#define ROUTE_POLICY_TABLE(X)                                                                      \
  X(ROUTE_ORDERED, "ordered")                                                                      \
  X(ROUTE_SPREAD, "spread")                                                                        \
  X(ROUTE_FASTEST, "fastest")                                                                      \
  X(ROUTE_CHEAPEST, "cheapest")

enum route_policy {
#define X(name, word) name,
  ROUTE_POLICY_TABLE(X)
#undef X
};
int route_policy_parse(const char *word); /* -1: unknown */
const char *route_policy_word(enum route_policy policy);

struct candidate { /* as one job finds it */
  const struct backend_facts *backend;
  const struct bar *bar;              /* what keeps all jobs of the kind from it; NULL: nothing */
  struct estimate_candidate estimate; /* of FASTEST; its able, free and idle are not read */
  int64_t reopens_us; /* where its breaker is: when it may admit jobs, by the caller's clock; 0: not
                         known */
  int64_t cost;       /* of CHEAPEST: expected; MONEY_UNKNOWN: nobody knows */
  int64_t ahead;      /* jobs that run there, or wait for it alone */
  int lacks;          /* memory or threads: flags of the caller's; 0: none */
  bool excluded, elsewhere, unfit, full;
  bool dear;      /* the job has no money left there */
  bool too_slow;  /* of CHEAPEST: such jobs take longer there than this one may */
  bool cut_off;   /* its breaker does not admit it */
  bool preferred; /* it is the canary of a job that was drawn: before any policy */

  bool awaited;             /* decide() says it: it is busy, and ends the job first all the same */
  enum admission admission; /* likewise */
};

/* Sets the admission of each, and returns the one that gets the job; NULL: none can take it now.
 * The list is in the order of the route. */
const struct candidate *decide(enum route_policy policy, struct candidate *list, size_t count);

/* Would it take the job as soon as others there are done? */
bool candidate_is_busy(const struct candidate *c);
/* Is it ready, and all jobs of the kind are kept from it? */
bool candidate_is_kept_away(const struct candidate *c);
/* Why, for people; NULL: there is nothing to add. */
const char *candidate_detail(const struct candidate *c);
/* "backend 'a' is drained: ..."; of one that was not taken. */
void candidate_blame(const struct candidate *c, struct buf *out);

#endif
