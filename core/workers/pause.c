/* SPDX-License-Identifier: MIT
 *
 * What a service says of all jobs of a backend, not of one.
 *
 *   STEP_AUTH of a remote step   the credential is refused: the backend is paused.  Its workers go,
 *                                the jobs wait with their references.  It goes on, with new
 *                                workers, after a reload or at the time of the plugin's
 *                                retry_after().
 *   STEP_CODE_RATE               no step is begun before a time; then one, and when that is served
 *                                two, four ..., until all slots are in use again.
 */
#include "workers/internal.h"

#include "base/clock.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t dice(void) {
  uint64_t n = 0;
  return getrandom(&n, sizeof n, GRND_NONBLOCK) == sizeof n ? n : 0;
}

static int64_t now_of(const struct backend *b) {
  return (int64_t)uv_now(b->w->loop);
}

/* ---- when it opens again ---- */

static void resume(struct backend *b) {
  b->paused = b->has_message = false;
  b->paused_until = 0;
  log_info("backend.resumed", "backend %s goes on", b->o.name);
  backend_fill(b);
}

static void on_open(uv_timer_t *timer) {
  struct backend *b = timer->data;
  if (b->paused) {
    resume(b);
    return;
  }
  b->notify = true;
  workers_touch(b->w);
}

static void wake_at(struct backend *b, int64_t at) {
  int64_t left = at - now_of(b);
  uv_timer_start(&b->open, on_open, left > 0 ? (uint64_t)left : 0, 0);
}

int64_t backend_resumes_us(const struct backend *b) {
  int64_t at = b->paused ? (int64_t)b->paused_until : b->pace.until_ms;
  int64_t left = at - now_of(b);
  return left > 0 ? clock_wall_us() + left * 1000 : 0;
}

const char *backend_limited(const struct backend *b) {
  bool open = pace_open(&b->pace, now_of(b), (int)b->unproven);
  return b->state == BACKEND_READY && !open ? b->limited : NULL;
}

/* ---- the credential ---- */

static void retire_all(struct backend *b) {
  b->generation++;
  uv_timer_stop(&b->restart);
  list_for_each_safe(it, &b->workers) {
    backend_retire(container_of(it, struct worker, ring));
  }
}

static void denied(struct worker *k, const struct workers_step *s, const struct wire_done *m) {
  struct backend *b = k->b;
  if (b->paused || b->removed || k->generation != b->generation)
    return; /* known, or said of an older configuration */
  b->paused = true;
  b->paused_until = 0;
  if (m->retry_after_ms > 0) {
    pace_limited(&b->denied, now_of(b), (int64_t)s->began_at, m->retry_after_ms, dice());
    b->paused_until = (uint64_t)b->denied.until_ms;
    wake_at(b, b->denied.until_ms);
  }
  backend_say(b, "paused, because its service refused the credential: %.1000s; %s; its jobs wait",
              m->message && m->message[0] ? m->message : "the plugin gave no reason",
              b->paused_until ? "it tries again by itself"
                              : "mend the credential, then reload the configuration");
  retire_all(b);
  log_error("backend.paused", "backend %s is %s", b->o.name, b->message);
  backend_update(b);
}

/* ---- the rate ---- */

void pause_begins(struct workers_step *s) {
  s->unproven = true;
  s->b->unproven++;
}

void pause_over(struct workers_step *s) {
  if (s->unproven)
    s->b->unproven--;
  s->unproven = false;
}

void pause_served(struct workers_step *s) {
  struct backend *b = s->b;
  if (!s->unproven)
    return;
  pause_over(s);
  if (b->pace.room == 0)
    return;
  pace_fine(&b->pace, (int64_t)s->began_at, b->o.slots);
  if (b->pace.room == 0)
    log_info("backend.unlimited", "backend %s: its service takes all jobs again", b->o.name);
  b->notify = true;
  workers_touch(b->w);
}

static void limited(struct workers_step *s, const struct wire_done *m) {
  struct backend *b = s->b;
  bool news = b->pace.room == 0;
  pause_over(s);
  pace_limited(&b->pace, now_of(b), (int64_t)s->began_at, m->retry_after_ms, dice());
  wake_at(b, b->pace.until_ms);
  char *why = told(b->w, m->message);
  snprintf(b->limited, sizeof b->limited,
           "its service limits the rate, and jobs wait for it: %.200s",
           why && why[0] ? why : "the plugin gave no reason");
  free(why);
  log_write(news ? LOG_WARN : LOG_DEBUG, "backend.limited",
            "backend %s: its service limits the rate; nothing is begun for %lld ms", b->o.name,
            (long long)(b->pace.until_ms - now_of(b)));
}

void pause_heard(struct worker *k, struct workers_step *s, const struct wire_done *m) {
  if (k->remote && m->class == WIRE_AUTH) {
    denied(k, s, m);
  } else if (m->class == WIRE_RETRY && m->code == STEP_CODE_RATE) {
    limited(s, m);
  } else {
    k->b->denied = (struct pace){0};
    pause_served(s);
  }
}

int pause_room(const struct backend *b, int room) {
  if (!pace_open(&b->pace, now_of(b), (int)b->unproven))
    return 0;
  int left = b->pace.room ? b->pace.room - (int)b->unproven : room;
  return left < room ? left : room;
}

void pause_clear(struct backend *b) {
  b->pace = b->denied = (struct pace){0};
  uv_timer_stop(&b->open);
  if (b->paused)
    resume(b);
}
