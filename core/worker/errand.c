/* SPDX-License-Identifier: MIT */
#include "worker/errand.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/class.h"

#include <lathe/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  POLL_FIRST_MS = 250, /* as lathe/plugin.h says */
  POLL_LAST_MS = 15000,
  RETRY_FIRST_MS = 500,
  RETRY_LAST_MS = 30000,
  CANCEL_TRIES = 4,
  CANCEL_LIMITS = 20, /* of a service that limits the rate: these do not count as failures */
};
#define ASKED_LAST_MS (30 * 86400000LL) /* past that, sums with it would be at risk */

const char *call_word(enum call c) {
  static const char *const words[CALLS] = {"submit", "find", "poll", "fetch", "cancel"};
  return words[c];
}

/* ---- memory ---- */

struct errand *errand_new(const struct wire_frame *f, struct err *err) {
  static const enum call first[WIRE_GOES] = {
      [WIRE_SUBMIT] = CALL_SUBMIT, [WIRE_FIND] = CALL_FIND, [WIRE_POLL] = CALL_POLL};
  struct errand *e = mem_alloc(sizeof *e);
  struct wire_frame own = *f;
  own.payload = e->payload = memcpy(mem_alloc(f->len + 1), f->payload, f->len);
  if (wire_get_step(&own, &e->step, err) < 0)
    goto bad;
  e->next = first[e->step.go];
  e->called = e->step.go != WIRE_SUBMIT;
  e->began_us = clock_mono_us();
  if (e->step.limits.wall_ms > 0)
    e->deadline_ms = e->began_us / 1000 + e->step.limits.wall_ms;
  if (e->step.go == WIRE_RUN) {
    err_set(err, ERR_PROTOCOL, "a STEP for run(), which a remote plugin does not have");
    goto bad;
  }
  if (e->step.ref && !(e->ref = wire_ref_bytes(e->step.ref, &e->ref_len))) {
    err_set(err, ERR_PROTOCOL, "the reference \"%.100s\" is not one that was ever kept",
            e->step.ref);
    goto bad;
  }
  return e;
bad:
  errand_free(e);
  return NULL;
}

void errand_free(struct errand *e) {
  free(e->step.inputs);
  free(e->payload);
  free(e->failed.message);
  free(e->why);
  free(e->ref);
  free(e);
}

void errand_set_ref(struct errand *e, const void *ref, size_t len) {
  free(e->ref);
  e->ref = mem_dup_n(ref, len);
  e->ref_len = len;
}

/* ---- when ---- */

/* Doubles from first to last; half of it is jitter, so that jobs that began together spread. */
static int64_t back_off(int tries, int64_t first, int64_t last, uint64_t random) {
  int64_t delay = first;
  for (int i = 1; i < tries && delay < last; i++)
    delay *= 2;
  if (delay > last)
    delay = last;
  return delay / 2 + (int64_t)(random % (uint64_t)(delay / 2 + 1));
}

/* Never earlier than was asked for, and a little later for most. */
static int64_t asked_for(int64_t ms, uint64_t random) {
  if (ms > ASKED_LAST_MS)
    ms = ASKED_LAST_MS;
  int64_t spread = ms / 10 < 1000 ? ms / 10 : 1000;
  return ms + (int64_t)(random % (uint64_t)(spread + 1));
}

static int64_t after_retry(struct errand *e, const struct errand_news *n, uint64_t random) {
  int64_t delay = back_off(++e->failures, RETRY_FIRST_MS, RETRY_LAST_MS, random);
  int64_t asked = n->retry_after_ms > 0 ? asked_for(n->retry_after_ms, random) : 0;
  return asked > delay ? asked : delay;
}

static int64_t after_pending(struct errand *e, const struct errand_news *n, uint64_t random) {
  e->failures = 0;
  e->pendings++;
  if (n->retry_after_ms > 0)
    return asked_for(n->retry_after_ms, random);
  return back_off(e->pendings, POLL_FIRST_MS, POLL_LAST_MS, random);
}

/* ---- what next ---- */

static bool is_retry(int32_t code) {
  return code / 1000 == LATHE_RETRY / 1000;
}

/* A call that gave up when it was told to, and says nothing of the remote. */
static bool is_cancelled(int32_t code) {
  return code / 1000 == LATHE_CANCELLED / 1000;
}

static bool over(const struct errand *e, struct errand_end *end, const struct errand_news *n,
                 enum wire_class class, bool open) {
  *end = (struct errand_end){
      .class = class, .code = n->code, .retry_after_ms = n->retry_after_ms, .open = open};
  if (n->message && n->message[0])
    snprintf(end->message, sizeof end->message, "%s", n->message);
  else
    snprintf(end->message, sizeof end->message,
             "the plugin's %s() failed with result %d and gave no message; the job's log may say "
             "more",
             call_word(e->next), n->code);
  return true;
}

static bool go_on(struct errand *e, enum call next, int64_t *delay_ms, int64_t delay) {
  e->next = next;
  *delay_ms = delay;
  return false;
}

/* OK of submit and find is worth nothing without a reference. */
static bool with_reference(struct errand *e, const struct errand_news *n, uint64_t random,
                           int64_t *delay_ms, struct errand_end *end) {
  struct errand_news none = {.code = n->code};
  char text[100];
  snprintf(text, sizeof text, "the plugin's %s() returned LATHE_OK without a checkpoint()",
           call_word(e->next));
  none.message = text;
  if (!e->ref)
    return over(e, end, &none, WIRE_PERMANENT, true);
  e->failures = 0;
  return go_on(e, CALL_POLL, delay_ms, back_off(1, POLL_FIRST_MS, POLL_LAST_MS, random));
}

static bool after_submit(struct errand *e, const struct errand_news *n, uint64_t random,
                         int64_t *delay_ms, struct errand_end *end) {
  if (n->code == LATHE_OK || (is_retry(n->code) && n->code != LATHE_RETRY_ANEW && e->ref))
    return with_reference(e, n, random, delay_ms, end);
  if (n->code == LATHE_RETRY_RATE) /* the daemon waits for the whole backend, then comes by find */
    return over(e, end, n, WIRE_RETRY, true);
  if (n->code == LATHE_RETRY_ANEW)
    return over(e, end, n, WIRE_RETRY, false);
  if (!is_retry(n->code)) /* what it kept a reference of is there, whatever it says now */
    return over(e, end, n, class_of(n->code), is_cancelled(n->code) || e->ref);
  e->failed.code = n->code;
  e->failed.retry_after_ms = n->retry_after_ms;
  free(e->failed.message);
  e->failed.message = mem_dup(n->message);
  return go_on(e, CALL_FIND, delay_ms, after_retry(e, n, random));
}

static bool after_find(struct errand *e, const struct errand_news *n, uint64_t random,
                       int64_t *delay_ms, struct errand_end *end) {
  if (n->code == LATHE_OK)
    return with_reference(e, n, random, delay_ms, end);
  if (n->code == LATHE_NOT_FOUND && e->failed.code) {
    struct errand_news failed = {e->failed.code, 0, e->failed.message};
    e->next = CALL_SUBMIT;
    return over(e, end, &failed, WIRE_RETRY, false); /* its delay has passed */
  }
  if (n->code == LATHE_NOT_FOUND) {
    e->failures = 0;
    e->called = false;
    return go_on(e, CALL_SUBMIT, delay_ms, 0);
  }
  if (n->code == LATHE_RETRY_ANEW)
    return over(e, end, n, WIRE_RETRY, false);
  if (is_retry(n->code))
    return go_on(e, CALL_FIND, delay_ms, after_retry(e, n, random));
  return over(e, end, n, class_of(n->code), true);
}

static bool after_poll(struct errand *e, const struct errand_news *n, uint64_t random,
                       int64_t *delay_ms, struct errand_end *end) {
  if (n->code == LATHE_PENDING && e->next == CALL_POLL)
    return go_on(e, CALL_POLL, delay_ms, after_pending(e, n, random));
  if (n->code == LATHE_OK)
    return go_on(e, CALL_FETCH, delay_ms, 0);
  if (is_retry(n->code) && n->code != LATHE_RETRY_ANEW)
    return go_on(e, e->next, delay_ms, after_retry(e, n, random));
  if (class_of(n->code) == WIRE_TIMEOUT) { /* nobody says that it is over there */
    e->stopped = WIRE_TIMEOUT;
    e->why = mem_dup(n->message);
    return false;
  }
  return over(e, end, n, class_of(n->code), false);
}

/* ---- the end of all: nobody is served with this credential ---- */

bool errand_denied(const struct errand *e, const struct errand_end *why, struct errand_end *end) {
  *end = *why;
  end->class = WIRE_AUTH;
  end->open = e->called || e->ref;
  return true;
}

static bool is_denied(int32_t code) {
  return class_of(code) == WIRE_AUTH;
}

/* ---- the end that was asked for ---- */

static bool stopped(const struct errand *e, struct errand_end *end, bool open) {
  const char *text = e->stopped == WIRE_TIMEOUT ? "the job ran out of its time" : "cancelled";
  if (e->why && e->why[0])
    text = e->why;
  struct errand_news n = {.code = LATHE_CANCELLED, .message = text};
  return over(e, end, &n, (enum wire_class)e->stopped, open);
}

static bool after_cancel(struct errand *e, const struct errand_news *n, uint64_t random,
                         int64_t *delay_ms, struct errand_end *end) {
  if (n->code == LATHE_OK)
    return stopped(e, end, false);
  bool slowed = n->code == LATHE_RETRY_RATE && e->limits++ < CANCEL_LIMITS;
  if (!slowed && (!is_retry(n->code) || e->failures + 1 >= CANCEL_TRIES))
    return stopped(e, end, true);
  int64_t delay = after_retry(e, n, random);
  e->failures -= slowed;
  return go_on(e, CALL_CANCEL, delay_ms, delay);
}

/* Cancelled or out of time, and no call is under way. */
static bool begin_to_stop(struct errand *e, struct errand_end *end) {
  if (!e->ref)
    return stopped(e, end, e->called);
  e->next = CALL_CANCEL;
  e->failures = 0;
  return false;
}

bool errand_stop(struct errand *e, enum wire_class class, struct errand_end *end) {
  if (e->stopped)
    return false;
  e->stopped = class;
  return begin_to_stop(e, end);
}

bool errand_advance(struct errand *e, const struct errand_news *n, uint64_t random,
                    int64_t *delay_ms, struct errand_end *end) {
  static bool (*const after[CALLS])(struct errand *, const struct errand_news *, uint64_t,
                                    int64_t *, struct errand_end *) = {
      [CALL_SUBMIT] = after_submit, [CALL_FIND] = after_find,     [CALL_POLL] = after_poll,
      [CALL_FETCH] = after_poll,    [CALL_CANCEL] = after_cancel,
  };
  *delay_ms = 0;
  if (is_denied(n->code)) /* what there is stays, also what was to be stopped */
    return over(e, end, n, WIRE_AUTH, e->ref || e->next != CALL_SUBMIT);
  bool ended = after[e->next](e, n, random, delay_ms, end);
  if (!e->stopped || e->next == CALL_CANCEL)
    return ended;
  if (ended && !end->open && !is_cancelled(n->code))
    return stopped(e, end, false); /* it is over there, too */
  *delay_ms = 0;
  return begin_to_stop(e, end);
}
