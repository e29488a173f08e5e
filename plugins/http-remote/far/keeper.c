/* SPDX-License-Identifier: MIT
 *
 * The keeper: looks now and then how full it is at the far daemon and whether its kinds are the same,
 * and tells the backend's log when it is gone and when it is back.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
  BUSY_MS = 2000,    /* how often, while jobs are there */
  IDLE_MS = 30000,   /* and else */
  LATELY_MS = 10000, /* while jobs are there */
  KINDS_MS = 60000,
};

bool far_rest(struct far *f, int64_t ms) {
  int64_t end = lathe_net_now() + ms;
  struct timespec at = {.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000};
  pthread_mutex_lock(&f->lock);
  if (!f->closing)
    pthread_cond_timedwait(&f->changed, &f->lock, &at);
  bool closing = f->closing != 0;
  pthread_mutex_unlock(&f->lock);
  return closing;
}

static bool is_busy(struct far *f) {
  pthread_mutex_lock(&f->lock);
  bool busy = f->live_count > 0 && lathe_net_now() - f->active_ms < LATELY_MS;
  pthread_mutex_unlock(&f->lock);
  return busy;
}

static bool kinds_are_due(struct far *f, int64_t kinds_ms) {
  pthread_mutex_lock(&f->lock);
  bool due = f->look_now || lathe_net_now() - kinds_ms >= KINDS_MS;
  f->look_now = false;
  pthread_mutex_unlock(&f->lock);
  return due;
}

/* Each change is told once. */
static void tell(const struct far *f, const struct lathe_net_answer *a, bool *down) {
  char text[400];
  bool is_down = a->result != LATHE_OK;
  if (is_down == *down)
    return;
  *down = is_down;
  snprintf(text, sizeof text, "the far daemon at %.300s answers again", f->where);
  f->host->log(f->host, NULL, is_down ? 2 : 1, is_down ? a->why : text);
}

/* Everything that was known of another daemon, or another database, is of no use. */
static void look_who(struct far *f, struct lathe_net_answer *a) {
  char before[sizeof f->instance], text[700];
  snprintf(before, sizeof before, "%s", f->instance);
  if (far_hello(f, a) != LATHE_OK || strcmp(before, f->instance) == 0)
    return;
  snprintf(
      text, sizeof text,
      "another daemon answers at %.300s now (%.60s, before %.60s); jobs that the old one had are "
      "begun anew there",
      f->where, f->instance, before);
  f->host->log(f->host, NULL, 2, text);
}

void *far_keeper(void *far) {
  struct far *f = far;
  struct lathe_net_answer a = {.result = LATHE_OK};
  int64_t kinds_ms = lathe_net_now();
  bool down = false;
  while (!far_rest(f, is_busy(f) ? BUSY_MS : IDLE_MS)) {
    bool due = kinds_are_due(f, kinds_ms) || down;
    if (due) {
      kinds_ms = lathe_net_now();
      look_who(f, &a);
    }
    if ((!due || (a.result == LATHE_OK && far_kinds(f, &a) == LATHE_OK)))
      far_room(f, &a);
    tell(f, &a, &down);
  }
  lathe_net_free(&a);
  return NULL;
}
