/* SPDX-License-Identifier: MIT
 *
 * Why an attempt is where it is, as JSON that is kept with it:
 *
 *   {"policy": "ordered", "considered": [{"backend": "a", "taken": false, "reason": "full"}, ...]}
 *
 * Only where there was a choice: a kind that one backend does pays nothing for it, and whoever shows
 * such an attempt knows what there is to say.
 */
#include "jobs/decision.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"

/* What the word alone does not say. */
static const char *detail_of(const struct candidate *c) {
  if (c->admission == ADMISSION_NOT_READY)
    return c->backend->state == FACTS_ABSENT ? "not enabled" : c->backend->state_word;
  return candidate_detail(c);
}

/* When it may get jobs again, as far as is known; 0: it is not. */
static int64_t until_of(const struct candidate *c) {
  if (c->admission == ADMISSION_BREAKER && c->cut_off)
    return c->reopens_us ? clock_wall_us() + c->reopens_us - clock_mono_us() : 0;
  return c->bar && c->bar->reason == c->admission ? c->bar->until_us : 0;
}

static void put_candidate(struct buf *b, const struct candidate *c, bool taken, bool by_cost) {
  const char *detail = detail_of(c);
  buf_puts(b, "{\"backend\":");
  buf_put_json_str(b, c->backend->name);
  buf_puts(b, taken ? ",\"taken\":true,\"reason\":" : ",\"taken\":false,\"reason\":");
  buf_put_json_str(b, admission_word(c->admission));
  if (detail) {
    buf_puts(b, ",\"detail\":");
    buf_put_json_str(b, detail);
  }
  if (c->estimate.run_s > 0)
    buf_printf(b, ",\"run_s\":%.3f,\"wait_s\":%.3f", c->estimate.run_s, c->estimate.wait_s);
  if (by_cost) {
    buf_puts(b, ",\"cost\":");
    money_put(b, c->cost);
    buf_puts(b, c->too_slow ? ",\"too_slow\":true" : "");
  }
  int64_t until_us = until_of(c);
  if (until_us) {
    buf_puts(b, ",\"until\":");
    buf_put_json_time(b, until_us);
  }
  buf_putc(b, '}');
}

void decision_put_canary(struct buf *b, const struct route_options *route, int draw) {
  buf_puts(b, "{\"backend\":");
  buf_put_json_str(b, route->canary);
  buf_printf(b,
             ",\"share\":%.4f,\"sticky\":\"%s\",\"draw\":", (double)route->canary_share / DRAW_OF,
             route_sticky_word(route->sticky));
  if (draw > 0)
    buf_printf(b, "%.4f}", (double)draw / DRAW_OF);
  else
    buf_puts(b, "null}");
}

void decision_put(struct buf *b, const struct sched_choice *choice) {
  buf_puts(b, "{\"policy\":\"");
  buf_puts(b, route_policy_word(choice->policy));
  buf_puts(b, "\",\"considered\":[");
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (i)
      buf_putc(b, ',');
    put_candidate(b, c, c->backend == choice->backend, choice->policy == ROUTE_CHEAPEST);
  }
  buf_putc(b, ']');
  if (choice->route && choice->route->canary) {
    buf_puts(b, ",\"canary\":");
    decision_put_canary(b, choice->route, choice->draw);
  }
  buf_putc(b, '}');
}

char *decision_json(const struct sched_choice *choice) {
  struct buf b = {0};
  bool canary = choice->route && choice->route->canary;
  if (choice->considered_count < 2 && choice->policy == ROUTE_ORDERED && !canary)
    return NULL;
  decision_put(&b, choice);
  return buf_take(&b);
}

void decision_put_reasons(struct buf *b, const struct sched_choice *choice) {
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (c->admission == ADMISSION_NOT_READY)
      continue;
    buf_puts(b, b->len ? "; " : "");
    candidate_blame(c, b);
  }
}
