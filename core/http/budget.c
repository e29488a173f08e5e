/* SPDX-License-Identifier: MIT
 *
 * One bound for all gathered bodies in memory together.
 *
 *   grows --no room--> the slowest other one is given up: 503, its memory is free
 *     |          \---- none is slow: this one gets 503
 *   whole, or taken by its handler: counted until it is freed, never given up
 *
 * A body is slow when no byte of it came for STALLED_MS, or when it is old and came at less than
 * SLOW_BYTES_PER_S.  So whoever fills the memory with halves of bodies holds nobody but himself.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/private.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
  SMALL_BODY = 64 << 10, /* these have an eighth more room: the common requests go on */
  STALLED_MS = 2000,
  OLD_MS = 10000,
  SLOW_BYTES_PER_S = 16 << 10,
};

struct budget *budget_new(struct metrics *m) {
  struct budget *g = mem_alloc(sizeof *g);
  g->users = 1;
  list_init(&g->growing);
  g->bytes = metrics_gauge(m, "lathe_http_bodies_bytes",
                           "Memory of request bodies that were gathered", NULL);
  g->refused = metrics_counter(m, "lathe_http_bodies_refused_total",
                               "Bodies that got 503 because the memory of bodies was full", NULL);
  return g;
}

void budget_leave(struct budget *g) {
  if (--g->users == 0)
    free(g);
}

void budget_give(struct budget *g, int64_t bytes) {
  assert(bytes >= 0 && bytes <= g->used);
  g->used -= bytes;
  metric_add(g->bytes, -bytes);
}

void budget_stop_growing(struct body *b) {
  list_remove(&b->growing);
}

static bool is_slow(const struct body *b, int64_t now_ms) {
  int64_t age_ms = now_ms - b->since_ms;
  return now_ms - b->moved_ms >= STALLED_MS ||
         (age_ms >= OLD_MS && b->received * 1000 / age_ms < SLOW_BYTES_PER_S);
}

/* Those that have not moved for the longest come first. */
static struct http_request *slowest(const struct budget *g, const struct body *but,
                                    int64_t now_ms) {
  list_for_each(it, &g->growing) {
    struct body *b = container_of(it, struct body, growing);
    if (b != but && b->charged > 0 && is_slow(b, now_ms))
      return container_of(b, struct http_request, body);
  }
  return NULL;
}

static void give_up(struct http_request *r) {
  static const char why[] = "The memory for request bodies is full, and this one came slowly.";
  metric_add(r->h->budget->refused, 1);
  err_set(&r->body.err, ERR_BUSY, "%s", why);
  body_forget(r);
  problem_send_now(r, "too-many-bodies", 0, BODIES_RETRY_S, why);
  shutdown(r->conn->fd, SHUT_WR);
  r->conn->linger = true;
}

/* Room for `more` bytes, which are then counted.  False: the body must be refused. */
bool budget_take(struct http_request *r, int64_t more) {
  struct budget *g = r->h->budget;
  struct body *b = &r->body;
  int64_t max = r->h->settings.bodies_max, now_ms = clock_mono_ms();
  if (b->charged + more <= SMALL_BODY)
    max += max / 8;
  if (!b->since_ms)
    b->since_ms = now_ms;
  b->moved_ms = now_ms;
  list_remove(&b->growing);
  list_push_back(&g->growing, &b->growing);
  for (struct http_request *victim; g->used + more > max; give_up(victim)) {
    victim = slowest(g, b, now_ms);
    if (!victim) {
      metric_add(g->refused, 1);
      return false;
    }
  }
  b->charged += more;
  g->used += more;
  metric_add(g->bytes, more);
  return true;
}
