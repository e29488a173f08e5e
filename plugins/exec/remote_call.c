/* SPDX-License-Identifier: MIT
 *
 * One request, from the thread of its caller.
 */
#include "remote.h"

#include <stdlib.h>
#include <string.h>

enum {
  LOOK_MS = 100,       /* how soon a cancel is seen */
  LAST_WAIT_MS = 10000 /* for the reference of a submission that is cancelled */
};

/* ---- whose turn it is; under the lock ---- */

/* So many requests without an answer are one too many: a command puts fresh threads in the place of
 * those that hang, but for one that has a single thread. */
static int lost_most(int concurrency) {
  return concurrency == 1 ? 1 : 2 * concurrency;
}

bool is_hung(const struct remote *c) {
  return c->lost_count >= lost_most(c->concurrency);
}

static bool has_room(const struct remote *c, enum lane lane) {
  int all = c->concurrency, kept = all < 2 ? 0 : all < 8 ? 1 : all / 4;
  if (is_hung(c)) /* it is about to be replaced, and what it is given dies with it */
    return false;
  if (lane == LANE_CANCEL)
    return true;
  return c->busy[LANE_START] + c->busy[LANE_REST] < all && c->busy[lane] < all - kept;
}

/* Is one of its jobs cancelled?  The host ends a job only when its call has returned. */
static bool is_stopped(const struct call *k) {
  const struct lathe_host *h = k->remote->x->host;
  if (k->lane == LANE_CANCEL)
    return false;
  for (size_t i = 0; i < k->count; i++)
    if (h->cancelled(k->items[i]->job))
      return true;
  return false;
}

/* CALL_OVER: now. */
static enum outcome wait_for_turn(struct call *k) {
  struct remote *c = k->remote;
  for (;;) {
    if (c->up && has_room(c, k->lane))
      return CALL_OVER;
    if (c->stopping || (!c->up && (!k->patient || exec_now_ms() >= k->end_ms)))
      return CALL_DOWN;
    if (exec_now_ms() >= k->end_ms)
      return CALL_LATE;
    if (is_stopped(k))
      return CALL_STOPPED;
    link_wait(c, &c->changed, LOOK_MS);
  }
}

/* ---- under way ---- */

static void begin(struct call *k, char *line) {
  struct remote *c = k->remote;
  k->next = c->calls;
  c->calls = k;
  k->sent = true;
  c->busy[k->lane]++;
  link_put(c, line);
}

/* The command goes on with what nobody waits for any more, and is told so. */
static void drop(struct call *k) {
  struct remote *c = k->remote;
  if (c->lost_count < LOST_MOST)
    c->lost[c->lost_count++] = k->number;
  link_put(c, line_of(json_pack("{s:s, s:I}", "type", "drop", "request", (json_int_t)k->number)));
}

static void end(struct call *k) {
  struct remote *c = k->remote;
  struct call **at = &c->calls;
  while (*at != k)
    at = &(*at)->next;
  *at = k->next;
  c->busy[k->lane]--;
  pthread_cond_broadcast(&c->changed);
  for (struct said *s; (s = k->first) != NULL;) {
    k->first = s->next;
    said_free(s);
  }
}

static void take_first(struct call *k) {
  struct said *s = k->first;
  k->first = s->next;
  if (!k->first)
    k->last = &k->first;
  pthread_mutex_unlock(&k->remote->lock);
  said_take(k, s);
  said_free(s);
  pthread_mutex_lock(&k->remote->lock);
}

/* A submission that is under way ends with its reference, if it can: without one nobody could stop
 * what it began. */
static bool gives_up_when_stopped(const struct call *k) {
  return strcmp(k->word, "submit") != 0;
}

/* Under the lock, as all here; let go while a message is worked off. */
static enum outcome converse(struct call *k) {
  bool told = false;
  for (;;) {
    if (k->first) {
      take_first(k);
      if (k->over)
        return CALL_OVER;
      continue;
    }
    if (k->died)
      return CALL_DIED;
    if (exec_now_ms() >= k->end_ms)
      return CALL_LATE;
    if (!told && is_stopped(k)) {
      if (gives_up_when_stopped(k))
        return CALL_STOPPED;
      told = true;
      int64_t last_ms = exec_now_ms() + LAST_WAIT_MS;
      k->end_ms = last_ms < k->end_ms ? last_ms : k->end_ms;
      link_put(k->remote,
               line_of(json_pack("{s:s, s:I}", "type", "drop", "request", (json_int_t)k->number)));
    }
    link_wait(k->remote, &k->changed, LOOK_MS);
  }
}

enum outcome call_make(struct call *k, char *(*write)(const struct call *)) {
  struct remote *c = k->remote;
  pthread_mutex_lock(&c->lock);
  k->number = ++c->last_number;
  pthread_mutex_unlock(&c->lock);
  k->open = k->count;
  k->over = k->sent = k->died = k->alone = k->refused = false;
  k->kept = LATHE_OK;
  k->first = NULL;
  k->last = &k->first;
  char *line = write(k);
  link_condition(&k->changed);
  pthread_mutex_lock(&c->lock);
  enum outcome how = wait_for_turn(k);
  if (how == CALL_OVER) {
    begin(k, line);
    line = NULL;
    how = converse(k);
    if (how == CALL_LATE || how == CALL_STOPPED)
      drop(k);
    end(k);
  }
  pthread_mutex_unlock(&c->lock);
  pthread_cond_destroy(&k->changed);
  free(line);
  return how;
}
