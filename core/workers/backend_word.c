/* SPDX-License-Identifier: MIT
 *
 * What a plugin says of its backend by itself, thinned.  Each word may be a line of the log and a
 * look at the queue, so a flood is held back: the last word counts, and is heard WORD_MS later.
 *
 *   BACKEND --few--> pause.c
 *        \--many--> kept, instead of the one before --timer--> pause.c
 */
#include "workers/internal.h"

#include "base/mem.h"

#include <stdlib.h>

enum { WORD_BURST = 16, WORD_MS = 200 };

static void on_time(uv_timer_t *timer) {
  struct backend *b = timer->data;
  char *why = b->word.why;
  b->word.why = NULL;
  b->word.m.why = why ? why : "";
  b->word.waits = false;
  if (b->word.generation == b->generation && !b->removed)
    pause_told(b, &b->word.m);
  free(why);
}

void word_take(struct worker *k, const struct wire_backend *m) {
  struct backend *b = k->b;
  bool answers = m->cause == WIRE_BY_HEALTH;
  if (answers && b->asked != k)
    return; /* nobody asked */
  if (answers)
    health_answered(k);
  if (k->generation != b->generation || b->removed)
    return;
  if (m->cause == WIRE_BY_PLUGIN &&
      (b->word.waits || !allowance_take(&b->word.left, uv_now(b->w->loop), WORD_BURST, WORD_MS))) {
    free(b->word.why);
    b->word.m = *m;
    b->word.why = mem_dup(m->why);
    b->word.generation = b->generation;
    b->word.waits = true;
    if (!uv_is_active((uv_handle_t *)&b->word.timer))
      uv_timer_start(&b->word.timer, on_time, WORD_MS, 0);
    return;
  }
  pause_told(b, m);
}
