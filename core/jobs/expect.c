/* SPDX-License-Identifier: MIT
 *
 * What routing is told of costs: prices, and what attempts of a kind cost lately.  How long they
 * take is in its models (estimates.c).
 */
#include "jobs/expect.h"

#include "jobs/backends.h"
#include "jobs/price.h"

static void tell(struct jobs *j, const char *kind, const char *name) {
  static const struct cost_price none = {MONEY_UNKNOWN, MONEY_UNKNOWN, ""};
  struct backend_usage *p = usage_find(j, name);
  const struct cost_history *history = price_history(p, kind);
  const struct cost_price *price = price_of(p);
  facts_cost(routing_facts(j->routing), name,
             &(struct kind_cost){.kind = (char *)kind,
                                 .price = price ? *price : none,
                                 .mean = history ? cost_mean(history) : MONEY_UNKNOWN,
                                 .reported = history && price_meter(p, kind)->reported});
}

void expect_tell(struct jobs *j) {
  size_t pos = 0;
  for (const char *kind; (kind = routing_next_route(j->routing, &pos));) {
    const struct route_options *route = routing_route(j->routing, kind);
    for (size_t i = 0; route->policy == ROUTE_CHEAPEST && route->backends[i]; i++)
      tell(j, kind, route->backends[i]);
  }
}
