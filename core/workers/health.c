/* SPDX-License-Identifier: MIT
 *
 * Asks the plugin's health() while the backend is paused or slowed without a known end.  With the
 * key health_interval it is also asked while the backend works.
 *
 *   timer --HEALTH--> a ready worker --BACKEND--> pause.c            one question at a time
 *                      |
 *                      +--no answer within ten seconds--> not well; a PROCESS worker that hangs in it
 *                                                         is replaced
 */
#include "workers/internal.h"

enum {
  ASK_MS = 5000,     /* between two questions, while it is not well */
  ANSWER_MS = 12000, /* ten seconds, as lathe/plugin.h says, and the way there and back */
};

static uint64_t now_of(const struct backend *b) {
  return uv_now(b->w->loop);
}

/* Is somebody waiting to hear that it is well? */
static bool is_waited_for(const struct backend *b) {
  return (b->pause && !b->paused_until) || b->told_slow;
}

/* How long until the next question; 0: none. */
static uint64_t pause_between(const struct backend *b) {
  uint64_t own = (uint64_t)b->o.health_ms;
  if (!(b->flags & WIRE_HAS_HEALTH) || b->removed || b->closing)
    return 0;
  if (!is_waited_for(b))
    return b->pause ? 0 : own;
  return own && own < ASK_MS ? own : ASK_MS;
}

/* One that is idle, if there is one: a PROCESS worker answers between jobs. */
static struct worker *choose(const struct backend *b) {
  struct worker *best = NULL;
  list_for_each(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    if (backend_is_ready(k) && (!best || k->count < best->count))
      best = k;
  }
  return best && (b->isolation != WIRE_PROCESS || best->count == 0) ? best : NULL;
}

static void is_late(struct backend *b) {
  struct worker *k = b->asked;
  struct wire_backend m = {.state = WIRE_PAUSED,
                           .cause = WIRE_BY_HEALTH,
                           .why = "health() gave no answer within ten seconds"};
  bool hangs = k->isolation == WIRE_PROCESS;
  health_answered(k); /* that is the answer */
  if (k->generation == b->generation && !b->removed)
    pause_told(b, &m);
  if (hangs)
    worker_kill(k, 0, "health() hangs");
  else
    b->asked = k; /* it is inside still: not asked a second time meanwhile */
}

static void on_time(uv_timer_t *timer) {
  struct backend *b = timer->data;
  struct worker *k = b->asked ? NULL : choose(b);
  if (b->asked && b->asked_at && now_of(b) >= b->asked_at + ANSWER_MS) {
    b->asked_at = 0;
    is_late(b);
  } else if (k) {
    b->asked = k;
    b->asked_at = now_of(b);
    wire_put_bare(worker_out(k), WIRE_HEALTH, 0);
  }
  health_arm(b);
}

void health_arm(struct backend *b) {
  uint64_t every = pause_between(b);
  if (b->asked_at && every > ANSWER_MS)
    every = ANSWER_MS;
  if (!every) {
    if (!b->closing)
      uv_timer_stop(&b->health);
    return;
  }
  if (uv_is_active((uv_handle_t *)&b->health) && uv_timer_get_due_in(&b->health) <= every)
    return;
  uv_timer_start(&b->health, on_time, every, 0);
}

void health_answered(const struct worker *k) {
  if (k->b->asked != k)
    return;
  k->b->asked = NULL;
  k->b->asked_at = 0;
}
