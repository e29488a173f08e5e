/* SPDX-License-Identifier: MIT
 *
 * The link thread: lines to the command and from it, and its life.
 *
 *   up --ends, breaks the protocol, hangs--> down --at once--> start --ready--> up
 *                                             ^                  |
 *                                             +---- pause <--failed, or it ended before it did anything
 *
 * A command that died while it worked is started again at once: the pause is for one that does not
 * come up, so that no job pays for another's crash.
 */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_FIRST_MS = 100, PAUSE_LAST_MS = 30000 };

void link_condition(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

void link_wait(struct remote *c, pthread_cond_t *cond, int64_t ms) {
  int64_t at = exec_now_ms() + (ms > 0 ? ms : 0);
  struct timespec t = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
  pthread_cond_timedwait(cond, &c->lock, &t);
}

static void wake(struct remote *c) {
  uint64_t one = 1;
  if (write(c->x->wake, &one, sizeof one) < 0)
    return; /* it is full, so the thread is awake */
}

void link_put(struct remote *c, char *line) {
  line_add(&c->outbox, line);
  free(line);
  wake(c);
}

/* ---- what the command says of the whole backend ---- */

static const char *take_backend_state(struct remote *c, const json_t *m) {
  static const char *const words[] = {"well", "slowed", "paused"};
  const struct lathe_host *h = c->x->host;
  const char *word = line_text(m, "state");
  double for_s = json_number_value(json_object_get(m, "for_s"));
  for (int32_t i = 0; word && i < 3; i++) {
    if (strcmp(word, words[i]) != 0)
      continue;
    if (LATHE_CAN(h, backend_state))
      h->backend_state(h, i, for_s > 0 && for_s < 1e9 ? (int64_t)(for_s * 1000) : 0,
                       line_text(m, "why"));
    return NULL;
  }
  return "sent a backend_state whose \"state\" is none of well, slowed, paused";
}

static const char *take_capacity(struct remote *c, const json_t *m) {
  const struct lathe_host *h = c->x->host;
  const json_t *jobs = json_object_get(m, "jobs");
  if (!json_is_integer(jobs) || json_integer_value(jobs) < 0)
    return "sent a capacity without a number \"jobs\"";
  json_int_t n = json_integer_value(jobs);
  if (LATHE_CAN(h, capacity))
    h->capacity(h, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
  return NULL;
}

static const char *take_wake(struct remote *c, const json_t *m) {
  const struct lathe_host *h = c->x->host;
  const json_t *ref = json_object_get(m, "ref");
  if (!json_is_string(ref))
    return "sent a wake without a \"ref\"";
  if (LATHE_CAN(h, wake))
    h->wake(h, json_string_value(ref), json_string_length(ref));
  return NULL;
}

static const char *take_pong(struct remote *c, const json_t *m) {
  (void)c, (void)m; /* that it came is all */
  return NULL;
}

static const char *take_log(struct remote *c, const json_t *m) {
  line_log(c->x, NULL, m);
  return NULL;
}

static const struct {
  const char *type;
  const char *(*take)(struct remote *, const json_t *);
} of_the_backend[] = {
    {"backend_state", take_backend_state},
    {"capacity", take_capacity},
    {"wake", take_wake},
    {"pong", take_pong},
    {"log", take_log},
};

/* ---- what it says to a request ---- */

static bool is_end(const char *type) {
  return strcmp(type, "answer") == 0 || strcmp(type, "error") == 0;
}

/* Under the lock: an answer that nobody waits for. */
static void forget_lost(struct remote *c, uint64_t number) {
  for (int i = 0; i < c->lost_count; i++)
    if (c->lost[i] == number) {
      c->lost[i] = c->lost[--c->lost_count];
      return;
    }
}

/* Gives the message to the one who waits; takes it. */
static const char *hand_over(struct remote *c, json_t *m, const char *type, const char *line) {
  json_int_t number = json_integer_value(json_object_get(m, "request"));
  uint64_t n = number > 0 ? (uint64_t)number : 0;
  const char *wrong = NULL;
  struct said *s = NULL;
  pthread_mutex_lock(&c->lock);
  struct call *k = c->calls;
  while (k && k->number != n)
    k = k->next;
  if (k) {
    s = malloc(sizeof *s);
    char *copy = strdup(line);
    if (!s || !copy)
      abort();
    *s = (struct said){.message = m, .line = copy};
    *k->last = s;
    k->last = &s->next;
    pthread_cond_signal(&k->changed);
  } else if (n == 0 || n > c->last_number) {
    wrong = "sent a message for a request that was never made";
  } else if (is_end(type)) {
    forget_lost(c, n);
  }
  c->answered |= is_end(type);
  pthread_mutex_unlock(&c->lock);
  if (!s)
    json_decref(m);
  return wrong;
}

static bool is_known(const char *type) {
  static const char *const types[] = {"answer",   "error", "checkpoint", "note",
                                      "progress", "log",   "artifact",   "report"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(type, types[i]) == 0)
      return true;
  return false;
}

/* NULL, or what is wrong. */
static const char *take_line(struct remote *c, const char *text, size_t len) {
  static _Thread_local char unknown[100];
  const char *type, *wrong;
  json_t *m = line_parse(c->x, text, len, &type);
  if (!m)
    return c->x->fault;
  bool to_request = json_object_get(m, "request") != NULL;
  for (size_t i = 0; !to_request && i < sizeof of_the_backend / sizeof *of_the_backend; i++)
    if (strcmp(type, of_the_backend[i].type) == 0) {
      wrong = of_the_backend[i].take(c, m);
      json_decref(m);
      return wrong;
    }
  if (!to_request && kinds_is_message(type)) {
    wrong = kinds_take(c->x, m, text);
    json_decref(m);
    return wrong;
  }
  if (is_known(type))
    return hand_over(c, m, type, text);
  snprintf(unknown, sizeof unknown, "sent a message of the unknown type \"%.40s\"", type);
  json_decref(m);
  return unknown;
}

/* ---- its end, and the next one ---- */

/* The command is ended, x->fault says why: all that is asked of it is told. */
static void go_down(struct remote *c) {
  struct exec *x = c->x;
  x->host->log(x->host, NULL, 3, x->fault);
  pthread_mutex_lock(&c->lock);
  bool worked = c->answered || c->calls || c->lost_count; /* it took a request at least */
  bool alone = c->calls && !c->calls->next && !c->lost_count;
  c->up = false;
  c->outbox.len = 0;
  c->lost_count = 0;
  snprintf(c->why, sizeof c->why, "%s", x->fault);
  for (struct call *k = c->calls; k; k = k->next) {
    k->died = true;
    k->alone = alone;
    pthread_cond_signal(&k->changed);
  }
  c->failed_starts = worked ? 0 : c->failed_starts + 1;
  pthread_mutex_unlock(&c->lock);
}

static void fail_with(struct remote *c, const char *what) {
  char copy[sizeof c->x->fault];
  snprintf(copy, sizeof copy, "%s", what);
  process_fault(c->x, copy);
  go_down(c);
}

static int64_t pause_of(int failed) {
  int64_t ms = PAUSE_FIRST_MS;
  while (--failed > 0 && ms < PAUSE_LAST_MS)
    ms *= 2;
  return ms < PAUSE_LAST_MS ? ms : PAUSE_LAST_MS;
}

/* False: it is time to stop. */
static bool pause_before(struct remote *c) {
  const struct lathe_host *h = c->x->host;
  int64_t pause_ms = c->failed_starts ? pause_of(c->failed_starts) : 0, left;
  int64_t end_ms = exec_now_ms() + pause_ms;
  if (c->failed_starts && LATHE_CAN(h, backend_state)) { /* for a time: this process may end */
    h->backend_state(h, LATHE_BACKEND_PAUSED, pause_ms + c->x->start_ms, c->why);
    c->told_paused = true;
  }
  pthread_mutex_lock(&c->lock);
  while (!c->stopping && (left = end_ms - exec_now_ms()) > 0)
    link_wait(c, &c->changed, left);
  bool stopping = c->stopping;
  pthread_mutex_unlock(&c->lock);
  return !stopping;
}

/* Under the lock. */
static void come_up(struct remote *c) {
  c->up = true;
  c->answered = false;
  c->concurrency = c->x->concurrency;
  c->poll_many = (size_t)c->x->poll_many;
}

static void start_again(struct remote *c) {
  struct exec *x = c->x;
  if (!pause_before(c))
    return;
  watch_busy(x); /* what the last one said is over */
  if (start_command(x) != LATHE_OK) {
    x->host->log(x->host, NULL, 3, x->fault);
    pthread_mutex_lock(&c->lock);
    c->failed_starts++;
    snprintf(c->why, sizeof c->why, "%s", x->fault);
    pthread_mutex_unlock(&c->lock);
    return;
  }
  c->heard_ms = exec_now_ms();
  if (c->told_paused)
    x->host->backend_state(x->host, LATHE_BACKEND_WELL, 0, NULL);
  c->told_paused = false;
  pthread_mutex_lock(&c->lock);
  come_up(c);
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

/* ---- the thread ---- */

/* What waits in the outbox is the link thread's from here on.  Is it asked for anything? */
static bool take_outbox(struct remote *c, bool *too_many_lost) {
  pthread_mutex_lock(&c->lock);
  struct piece all = c->outbox;
  c->outbox = (struct piece){0};
  bool asked = c->calls != NULL;
  *too_many_lost = is_hung(c);
  pthread_mutex_unlock(&c->lock);
  if (all.len)
    piece_append(&c->x->sending, all.data, all.len);
  free(all.data);
  return asked;
}

/* Asks a command that is silent for long while it has work whether it lives, if it said that it
 * answers.  False: it does not. */
static bool look_alive(struct remote *c, int64_t now) {
  struct exec *x = c->x;
  if (now - c->heard_ms >= x->ping_ms && c->pinged_ms > c->heard_ms)
    return false;
  if (now - c->heard_ms >= x->ping_ms / 2 && c->pinged_ms <= c->heard_ms) {
    c->pinged_ms = now;
    line_send(x, json_pack("{s:s}", "type", "ping"));
  }
  return true;
}

static void serve(struct remote *c) {
  struct exec *x = c->x;
  char *text, what[150];
  size_t len;
  bool too_many;
  bool asked = take_outbox(c, &too_many), watched = asked && x->pings && x->ping_ms > 0;
  if (!asked)
    c->heard_ms = exec_now_ms();
  int wait_ms = too_many ? 0 : watched ? (int)(x->ping_ms / 4 + 1) : -1;
  enum line got = line_wait(x, wait_ms, &text, &len); /* what it said before counts, too */
  int64_t now = exec_now_ms();
  const char *wrong = NULL;
  if (got == LINE_HERE) {
    c->heard_ms = now;
    wrong = take_line(c, text, len);
  } else if (got == LINE_TOO_LONG) {
    wrong = "wrote a line of more than 1 MiB";
  } else if (got == LINE_END) {
    process_fault(x, NULL);
    go_down(c);
    return;
  } else if (too_many) {
    snprintf(what, sizeof what,
             "left %d requests without an answer for longer than request_timeout and "
             "transfer_timeout allow",
             c->lost_count);
    wrong = what;
  } else if (watched && !look_alive(c, now)) {
    snprintf(what, sizeof what,
             "gave no sign of life for %.3g s, also not to a ping (ping_timeout)",
             (double)x->ping_ms / 1000);
    wrong = what;
  }
  if (wrong)
    fail_with(c, wrong);
}

static bool is_stopping(struct remote *c) {
  pthread_mutex_lock(&c->lock);
  bool stopping = c->stopping;
  pthread_mutex_unlock(&c->lock);
  return stopping;
}

static void *link_thread(void *arg) {
  struct remote *c = arg;
  while (!is_stopping(c)) {
    if (c->x->dead)
      start_again(c);
    else
      serve(c);
  }
  setup_stop(c->x); /* here, for the keeper ends with the thread that started it */
  return NULL;
}

struct remote *link_open(struct exec *x) {
  struct remote *c = calloc(1, sizeof *c);
  if (!c)
    return NULL;
  c->x = x;
  come_up(c);
  pthread_mutex_init(&c->lock, NULL);
  pthread_mutex_init(&c->suspects, NULL);
  link_condition(&c->changed);
  x->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  c->has_thread = x->wake >= 0 && pthread_create(&c->thread, NULL, link_thread, c) == 0;
  if (c->has_thread)
    return c;
  link_close(c);
  return NULL;
}

void link_close(struct remote *c) {
  pthread_mutex_lock(&c->lock);
  c->stopping = true;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  if (c->has_thread) {
    wake(c);
    pthread_join(c->thread, NULL);
  }
  if (c->x->wake >= 0)
    close(c->x->wake);
  c->x->wake = -1;
  free(c->outbox.data);
  pthread_cond_destroy(&c->changed);
  pthread_mutex_destroy(&c->suspects);
  pthread_mutex_destroy(&c->lock);
  free(c);
}
