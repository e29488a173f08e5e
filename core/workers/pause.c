/* SPDX-License-Identifier: MIT
 *
 * What a service says of all jobs of a backend, not of one.
 *
 *   STEP_AUTH                the credential is refused.  The backend is paused and stopped: its
 *                            workers go, the jobs wait with their references.
 *   STEP_QUOTA               quota or credit is used up.  The backend is paused, and running jobs
 *                            continue; if the service refuses those too, it is stopped.
 *   the plugin's word        backend_state(), create(), health(): paused, slowed, well
 *   STEP_CODE_RATE           no step is begun before a time; then one, and when that is served
 *                            two, four ..., until all slots are in use again.  The other backends
 *                            of its limit group wait as long.
 *
 * A pause ends at the time that the plugin gave.  Without a time it ends when health() says that all
 * is well (health.c), when a person resumes the backend, or at a reload.  A backend that was stopped
 * goes on with new workers.
 */
#include "workers/internal.h"

#include "base/clock.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct {
  const char *word, *says, *mend; /* mend: what a person does before it is resumed */
} pauses[] = {
    [PAUSE_CREDENTIAL] = {"credential", "its service refused the credential",
                          "mend the credential"},
    [PAUSE_QUOTA] = {"quota", "its quota or credit is used up", "raise it"},
    [PAUSE_PLUGIN] = {"plugin", "the plugin says so", "see to that"},
    [PAUSE_HEALTH] = {"health", "it is not well", "see to that"},
};

static uint64_t dice(void) {
  uint64_t n = 0;
  return getrandom(&n, sizeof n, GRND_NONBLOCK) == sizeof n ? n : 0;
}

static int64_t now_of(const struct backend *b) {
  return (int64_t)uv_now(b->w->loop);
}

/* ---- when it opens again ---- */

static void retire_all(struct backend *b) {
  b->generation++;
  b->capacity = 0;
  uv_timer_stop(&b->restart);
  list_for_each_safe(it, &b->workers) {
    backend_retire(container_of(it, struct worker, ring));
  }
}

static void on_open(uv_timer_t *timer) {
  struct backend *b = timer->data;
  if (b->pause && b->paused_until && (int64_t)b->paused_until <= now_of(b)) {
    pause_end(b);
    return;
  }
  b->notify = true;
  workers_touch(b->w);
}

static void wake_at(struct backend *b, int64_t at) {
  int64_t left = at - now_of(b);
  uv_timer_start(&b->open, on_open, left > 0 ? (uint64_t)left : 0, 0);
}

void pause_end(struct backend *b) {
  if (!b->pause)
    return;
  b->pause = PAUSE_NONE;
  b->stopped = b->start_denied = b->has_message = false;
  b->paused_until = 0;
  b->failures = 0;
  uv_timer_stop(&b->restart);
  log_info("backend.resumed", "backend %s goes on", b->o.name);
  if (b->pace.until_ms > now_of(b))
    wake_at(b, b->pace.until_ms);
  backend_fill(b);
  backend_update(b);
}

int64_t backend_resumes_us(const struct backend *b) {
  int64_t at = b->pause ? (int64_t)b->paused_until : b->pace.until_ms;
  int64_t left = at - now_of(b);
  return left > 0 ? clock_wall_us() + left * 1000 : 0;
}

static bool is_open(const struct backend *b) {
  return pace_open(&b->pace, now_of(b), (int)b->unproven) && !(b->told_slow && b->unproven > 0);
}

const char *backend_limited(const struct backend *b) {
  bool slow = b->told_slow || !is_open(b);
  return b->state == BACKEND_READY && slow ? b->limited : NULL;
}

const char *backend_reason(const struct backend *b) {
  return b->state == BACKEND_PAUSED ? pauses[b->pause].word : backend_limited(b) ? "rate" : NULL;
}

/* ---- paused ---- */

/* Stopped: no call is made any more, also not about jobs that it has. */
static void pause_now(struct backend *b, enum pause why, bool stop, int64_t for_ms,
                      const char *text) {
  b->pause = why;
  b->paused_until = for_ms > 0 ? (uint64_t)(now_of(b) + for_ms) : 0;
  if (b->paused_until)
    wake_at(b, (int64_t)b->paused_until);
  char end[200] = "it tries again by itself";
  if (!b->paused_until)
    snprintf(end, sizeof end,
             "%s, then `lathe backends resume %.100s` or reload the configuration%s",
             pauses[why].mend, b->o.name,
             b->flags & WIRE_HAS_HEALTH ? "; it also goes on when it is well" : "");
  backend_say(b, "paused, because %s: %.900s; %s; its jobs wait", pauses[why].says,
              text && text[0] ? text : "the plugin gave no reason", end);
  log_error("backend.paused", "backend %s is %s", b->o.name, b->message);
  if (stop && !b->stopped) {
    b->stopped = true;
    retire_all(b);
    backend_fill(b); /* a worker that may be asked */
  }
  backend_update(b);
}

/* Which of them a result is; a stronger reason takes the place of a weaker one. */
static bool is_news(const struct backend *b, enum pause why) {
  return !b->removed && (!b->pause || why < b->pause);
}

/* A time that the service names again and again is believed less and less. */
static int64_t pause_time(struct backend *b, int64_t began_ms, int64_t asked_ms) {
  if (asked_ms <= 0)
    return 0;
  pace_limited(&b->denied, now_of(b), began_ms, asked_ms, dice());
  return b->denied.until_ms - now_of(b);
}

static void denied(struct worker *k, const struct workers_step *s, const struct wire_done *m) {
  struct backend *b = k->b;
  enum pause why = m->class == WIRE_AUTH ? PAUSE_CREDENTIAL : PAUSE_QUOTA;
  bool stop = why == PAUSE_CREDENTIAL || (k->remote && m->open);
  if (k->generation != b->generation ||
      !(is_news(b, why) || (b->pause == why && stop > b->stopped)))
    return; /* known, or said of an older configuration */
  pause_now(b, why, stop, pause_time(b, (int64_t)s->began_at, m->retry_after_ms), m->message);
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

static bool shares_limit(const struct backend *a, const struct backend *b) {
  const char *group = a->o.limit_group;
  return a != b && group && *group && b->o.limit_group && strcmp(group, b->o.limit_group) == 0;
}

/* One quota for all of a group: what one of them is told closes the others as long. */
static void close_group(struct backend *b) {
  list_for_each(it, &b->w->backends) {
    struct backend *other = container_of(it, struct backend, ring);
    if (!shares_limit(b, other) || other->removed)
      continue;
    pace_close(&other->pace, b->pace.until_ms);
    if (!other->pause)
      wake_at(other, other->pace.until_ms);
    snprintf(
        other->limited, sizeof other->limited,
        "backend %.63s of its limit group '%.63s' was told to wait, and jobs wait for it: %.90s",
        b->o.name, b->o.limit_group, b->limited);
    backend_update(other);
  }
}

static void slow_down(struct backend *b, int64_t began_ms, int64_t for_ms, const char *text) {
  bool news = b->pace.room == 0;
  pace_limited(&b->pace, now_of(b), began_ms, for_ms, dice());
  if (!b->pause)
    wake_at(b, b->pace.until_ms);
  char *why = client_text(b->w, text);
  snprintf(b->limited, sizeof b->limited,
           "its service limits the rate, and jobs wait for it: %.200s",
           why && why[0] ? why : "the plugin gave no reason");
  free(why);
  close_group(b);
  log_write(news ? LOG_WARN : LOG_DEBUG, "backend.limited",
            "backend %s: its service limits the rate; nothing is begun for %lld ms", b->o.name,
            (long long)(b->pace.until_ms - now_of(b)));
}

void pause_heard(struct worker *k, struct workers_step *s, const struct wire_done *m) {
  if (m->class == WIRE_AUTH || m->class == WIRE_QUOTA) {
    denied(k, s, m);
  } else if (m->class == WIRE_RETRY && m->code == STEP_CODE_RATE) {
    pause_over(s);
    slow_down(s->b, (int64_t)s->began_at, m->retry_after_ms, m->message);
  } else {
    k->b->denied = (struct pace){0};
    pause_served(s);
  }
}

int pause_room(const struct backend *b, int room) {
  if (!is_open(b))
    return 0;
  int left = b->pace.room ? b->pace.room - (int)b->unproven : room;
  if (b->told_slow)
    left = 1 - (int)b->unproven;
  return left < room ? left : room;
}

/* ---- what the plugin says by itself ---- */

static void is_well(struct backend *b, bool by_health) {
  if (by_health && b->paused_until)
    return; /* its time is known */
  b->told_slow = false;
  pause_end(b);
  backend_update(b);
}

static void is_slow(struct backend *b, const struct wire_backend *m) {
  if (m->for_ms == 0)
    b->told_slow = true;
  slow_down(b, now_of(b), m->for_ms, m->why);
  backend_update(b);
}

static enum pause pause_of(const struct wire_backend *m) {
  return m->class == WIRE_AUTH        ? PAUSE_CREDENTIAL
         : m->class == WIRE_QUOTA     ? PAUSE_QUOTA
         : m->cause == WIRE_BY_HEALTH ? PAUSE_HEALTH
                                      : PAUSE_PLUGIN;
}

/* create() or ready() would not go on; REFUSED follows. */
static void is_not_begun(struct backend *b, const struct wire_backend *m) {
  if (m->state == WIRE_SLOWED) {
    b->start_wait_ms = m->for_ms;
    return;
  }
  b->start_denied = true;
  pause_now(b, pause_of(m), true, pause_time(b, now_of(b), m->for_ms), m->why);
}

void pause_told(struct backend *b, const struct wire_backend *m) {
  if (m->cause == WIRE_BY_START)
    is_not_begun(b, m);
  else if (m->state == WIRE_WELL)
    is_well(b, m->cause == WIRE_BY_HEALTH);
  else if (m->state == WIRE_SLOWED)
    is_slow(b, m);
  else if (is_news(b, pause_of(m)) || (b->pause == PAUSE_PLUGIN && m->cause == WIRE_BY_PLUGIN))
    pause_now(b, pause_of(m), m->class == WIRE_AUTH, m->for_ms, m->why);
}

/* ---- what ends all of it ---- */

/* The workers keep a pace of their own. */
static void tell_workers(struct backend *b) {
  list_for_each(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    if (k->remote && backend_is_ready(k))
      wire_put_bare(worker_out(k), WIRE_RESUMED, 0);
  }
}

void pause_clear(struct backend *b) {
  bool renew = b->stopped;
  b->pace = b->denied = (struct pace){0};
  b->told_slow = b->word.waits = false;
  uv_timer_stop(&b->open);
  uv_timer_stop(&b->word.timer);
  if (renew) /* a person has mended what create() read */
    retire_all(b);
  pause_end(b);
  tell_workers(b);
  backend_update(b);
}

bool workers_resume(struct backend *b) {
  bool any = b->pause || b->told_slow || b->pace.room != 0;
  if (any) {
    log_info("backend.resume", "backend %s is resumed by a person", b->o.name);
    pause_clear(b);
  }
  return any;
}
