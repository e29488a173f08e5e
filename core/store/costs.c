/* SPDX-License-Identifier: MIT
 *
 * The reading calls about the ledger.  Loop thread.
 */
#include "store/private.h"

#include <string.h>

enum { SUMS_MAX = 10000 };

static struct read *costs_new(enum read_type type, int limit,
                              void (*done)(void *arg, int code, const struct record_cost_sum *sums,
                                           size_t count, bool more),
                              void *arg) {
  struct read *r = read_new(type, arg);
  r->costs.limit = limit < 1 ? 1 : limit > SUMS_MAX ? SUMS_MAX : limit;
  r->done.costs = done;
  return r;
}

void store_costs(struct store *s, const struct store_costs_query *q,
                 void (*done)(void *arg, int code, const struct record_cost_sum *sums, size_t count,
                              bool more),
                 void *arg) {
  struct read *r = costs_new(READ_COSTS, q->limit, done, arg);
  int64_t *edges = arena_alloc(&r->arena, (q->edge_count + 1) * sizeof *edges);
  if (q->edge_count > 0)
    memcpy(edges, q->edges, q->edge_count * sizeof *edges);
  r->costs.edges = edges;
  r->costs.edge_count = q->edge_count;
  r->costs.by = q->by;
  r->costs.kind = arena_dup(&r->arena, q->kind);
  r->costs.backend = arena_dup(&r->arena, q->backend);
  r->costs.client = arena_dup(&r->arena, q->client);
  read_push(s, r);
}

void store_costs_latest(struct store *s, int limit,
                        void (*done)(void *arg, int code, const struct record_cost_sum *sums,
                                     size_t count, bool more),
                        void *arg) {
  read_push(s, costs_new(READ_COSTS_LATEST, limit, done, arg));
}

void deliver_costs(struct read *r) {
  bool ok = r->code == 0;
  r->done.costs(r->arg, r->code, ok ? r->sums : NULL, ok ? r->count : 0, ok && r->more);
}
