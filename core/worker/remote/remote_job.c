/* SPDX-License-Identifier: MIT */
#include "worker/remote/remote_job.h"

#include "base/backoff.h"
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

struct remote_job *remote_job_new(const struct wire_frame *f, struct err *err) {
  static const enum call first[WIRE_GOES] = {
      [WIRE_SUBMIT] = CALL_SUBMIT, [WIRE_FIND] = CALL_FIND, [WIRE_POLL] = CALL_POLL};
  struct remote_job *j = mem_alloc(sizeof *j);
  struct wire_frame own = *f;
  own.payload = j->payload = memcpy(mem_alloc(f->len + 1), f->payload, f->len);
  if (wire_get_step(&own, &j->step, err) < 0)
    goto bad;
  j->next = first[j->step.go];
  j->called = j->step.go != WIRE_SUBMIT;
  j->began_us = clock_mono_us();
  if (j->step.limits.wall_ms > 0)
    j->deadline_ms = j->began_us / 1000 + j->step.limits.wall_ms;
  if (j->step.go == WIRE_RUN) {
    err_set(err, ERR_PROTOCOL, "a STEP for run(), which a remote plugin does not have");
    goto bad;
  }
  if (j->step.ref && !(j->ref = wire_ref_bytes(j->step.ref, &j->ref_len))) {
    err_set(err, ERR_PROTOCOL, "the reference \"%.100s\" is not one that was ever kept",
            j->step.ref);
    goto bad;
  }
  if (j->step.note && !(j->note = wire_ref_bytes(j->step.note, &j->note_len))) {
    err_set(err, ERR_PROTOCOL, "a note that was never kept");
    goto bad;
  }
  return j;
bad:
  remote_job_free(j);
  return NULL;
}

void remote_job_free(struct remote_job *j) {
  free(j->step.inputs);
  free(j->payload);
  free(j->failed.message);
  free(j->why);
  free(j->ref);
  free(j->note);
  free(j->fault);
  free(j);
}

void remote_job_set_ref(struct remote_job *j, const void *ref, size_t len) {
  free(j->ref);
  j->ref = mem_dup_n(ref, len);
  j->ref_len = len;
}

void remote_job_set_fault(struct remote_job *j, const struct wire_fault *fault) {
  free(j->fault);
  j->fault = fault ? mem_alloc(sizeof *fault) : NULL;
  if (fault)
    *j->fault = *fault;
}

/* ---- when ---- */

/* Doubles from first to last; half of it is jitter, so that jobs that began together spread. */
static int64_t back_off(int tries, int64_t first, int64_t last, uint64_t random) {
  int64_t half = backoff_delay(tries, first, last) / 2;
  return half + random_up_to(random, half);
}

/* Never earlier than was asked for, and a little later for most. */
static int64_t asked_for(int64_t ms, uint64_t random) {
  if (ms > ASKED_LAST_MS)
    ms = ASKED_LAST_MS;
  int64_t spread = ms / 10 < 1000 ? ms / 10 : 1000;
  return ms + random_up_to(random, spread);
}

static int64_t after_retry(struct remote_job *j, const struct remote_job_answer *n,
                           uint64_t random) {
  int64_t delay = back_off(++j->failures, RETRY_FIRST_MS, RETRY_LAST_MS, random);
  int64_t asked = n->retry_after_ms > 0 ? asked_for(n->retry_after_ms, random) : 0;
  return asked > delay ? asked : delay;
}

static int64_t after_pending(struct remote_job *j, const struct remote_job_answer *n,
                             uint64_t random) {
  j->failures = 0;
  j->pendings++;
  if (n->retry_after_ms > 0)
    return asked_for(n->retry_after_ms, random);
  return back_off(j->pendings, POLL_FIRST_MS, POLL_LAST_MS, random);
}

/* ---- what next ---- */

static bool is_retry(int32_t code) {
  return code / 1000 == LATHE_RETRY / 1000;
}

/* A call that gave up when it was told to, and says nothing of the remote. */
static bool is_cancelled(int32_t code) {
  return code / 1000 == LATHE_CANCELLED / 1000;
}

static bool over(const struct remote_job *j, struct remote_job_end *end,
                 const struct remote_job_answer *n, enum wire_class class, bool open) {
  *end = (struct remote_job_end){
      .class = class, .code = n->code, .retry_after_ms = n->retry_after_ms, .open = open};
  if (n->message && n->message[0])
    snprintf(end->message, sizeof end->message, "%s", n->message);
  else
    snprintf(end->message, sizeof end->message,
             "the plugin's %s() failed with result %d and gave no message; the job's log may say "
             "more",
             call_word(j->next), n->code);
  return true;
}

static bool go_on(struct remote_job *j, enum call next, int64_t *delay_ms, int64_t delay) {
  j->next = next;
  *delay_ms = delay;
  return false;
}

/* OK of submit and find is worth nothing without a reference. */
static bool with_reference(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                           int64_t *delay_ms, struct remote_job_end *end) {
  struct remote_job_answer none = {.code = n->code};
  char text[100];
  snprintf(text, sizeof text, "the plugin's %s() returned LATHE_OK without a checkpoint()",
           call_word(j->next));
  none.message = text;
  if (!j->ref)
    return over(j, end, &none, WIRE_PERMANENT, true);
  j->failures = 0;
  return go_on(j, CALL_POLL, delay_ms, back_off(1, POLL_FIRST_MS, POLL_LAST_MS, random));
}

static bool after_submit(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                         int64_t *delay_ms, struct remote_job_end *end) {
  if (n->code == LATHE_OK || (is_retry(n->code) && n->code != LATHE_RETRY_ANEW && j->ref))
    return with_reference(j, n, random, delay_ms, end);
  if (class_of(n->code) == WIRE_QUOTA && j->ref)
    return with_reference(j, n, random, delay_ms, end);
  if (n->code == LATHE_RETRY_RATE) /* the daemon waits for the whole backend, then comes by find */
    return over(j, end, n, WIRE_RETRY, true);
  if (n->code == LATHE_RETRY_ANEW)
    return over(j, end, n, WIRE_RETRY, false);
  if (!is_retry(n->code)) /* what it kept a reference of is there, whatever it says now */
    return over(j, end, n, class_of(n->code), is_cancelled(n->code) || j->ref);
  j->failed.code = n->code;
  j->failed.retry_after_ms = n->retry_after_ms;
  free(j->failed.message);
  j->failed.message = mem_dup(n->message);
  return go_on(j, CALL_FIND, delay_ms, after_retry(j, n, random));
}

static bool after_find(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                       int64_t *delay_ms, struct remote_job_end *end) {
  if (n->code == LATHE_OK)
    return with_reference(j, n, random, delay_ms, end);
  if (n->code == LATHE_NOT_FOUND && j->failed.code) {
    struct remote_job_answer failed = {j->failed.code, 0, j->failed.message};
    j->next = CALL_SUBMIT;
    return over(j, end, &failed, class_of(failed.code), false); /* its delay has passed */
  }
  if (n->code == LATHE_NOT_FOUND) {
    j->failures = 0;
    j->called = false;
    return go_on(j, CALL_SUBMIT, delay_ms, 0);
  }
  if (n->code == LATHE_RETRY_ANEW)
    return over(j, end, n, WIRE_RETRY, false);
  if (is_retry(n->code))
    return go_on(j, CALL_FIND, delay_ms, after_retry(j, n, random));
  return over(j, end, n, class_of(n->code), true);
}

static bool after_poll(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                       int64_t *delay_ms, struct remote_job_end *end) {
  if (n->code == LATHE_PENDING && j->next == CALL_POLL)
    return go_on(j, CALL_POLL, delay_ms, after_pending(j, n, random));
  if (n->code == LATHE_OK)
    return go_on(j, CALL_FETCH, delay_ms, 0);
  if (is_retry(n->code) && n->code != LATHE_RETRY_ANEW)
    return go_on(j, j->next, delay_ms, after_retry(j, n, random));
  if (class_of(n->code) == WIRE_TIMEOUT) { /* nobody says that it is over there */
    j->stopped = WIRE_TIMEOUT;
    j->why = mem_dup(n->message);
    return false;
  }
  return over(j, end, n, class_of(n->code), false);
}

/* ---- the end of all: nobody is served with this credential ---- */

bool remote_job_denied(const struct remote_job *j, const struct remote_job_end *why,
                       struct remote_job_end *end) {
  *end = *why;
  end->open = j->called || j->ref;
  return true;
}

/* A quota that is used up for new submissions leaves the others be. */
static bool is_denied(const struct remote_job *j, int32_t code) {
  enum wire_class class = class_of(code);
  return class == WIRE_AUTH || (class == WIRE_QUOTA && j->next != CALL_SUBMIT);
}

/* ---- the end that was asked for ---- */

static bool stopped(const struct remote_job *j, struct remote_job_end *end, bool open) {
  const char *text = j->stopped == WIRE_TIMEOUT ? "the job ran out of its time" : "cancelled";
  if (j->why && j->why[0])
    text = j->why;
  struct remote_job_answer n = {.code = LATHE_CANCELLED, .message = text};
  return over(j, end, &n, (enum wire_class)j->stopped, open);
}

/* What its cancel() said; a failure: nobody knows. */
static bool cancelled(const struct remote_job *j, struct remote_job_end *end, int32_t code) {
  enum wire_cancel_end there = code == LATHE_OK         ? WIRE_CANCEL_END_STOPPED
                               : code == LATHE_TOO_LATE ? WIRE_CANCEL_END_TOO_LATE
                               : code == LATHE_CHARGED  ? WIRE_CANCEL_END_CHARGED
                                                        : WIRE_CANCEL_END_UNKNOWN;
  stopped(j, end, there == WIRE_CANCEL_END_UNKNOWN);
  end->cancel = there;
  return true;
}

static bool after_cancel(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                         int64_t *delay_ms, struct remote_job_end *end) {
  if (n->code == LATHE_OK || n->code == LATHE_TOO_LATE || n->code == LATHE_CHARGED)
    return cancelled(j, end, n->code);
  bool slowed = n->code == LATHE_RETRY_RATE && j->limits++ < CANCEL_LIMITS;
  if (!slowed && (!is_retry(n->code) || j->failures + 1 >= CANCEL_TRIES))
    return cancelled(j, end, n->code);
  int64_t delay = after_retry(j, n, random);
  j->failures -= slowed;
  return go_on(j, CALL_CANCEL, delay_ms, delay);
}

/* Cancelled or out of time, and no call is under way. */
static bool begin_to_stop(struct remote_job *j, struct remote_job_end *end) {
  if (!j->ref)
    return stopped(j, end, j->called);
  j->next = CALL_CANCEL;
  j->failures = 0;
  return false;
}

bool remote_job_stop(struct remote_job *j, enum wire_class class, struct remote_job_end *end) {
  if (j->stopped)
    return false;
  j->stopped = class;
  return begin_to_stop(j, end);
}

bool remote_job_advance(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                        int64_t *delay_ms, struct remote_job_end *end) {
  static bool (*const after[CALLS])(struct remote_job *, const struct remote_job_answer *, uint64_t,
                                    int64_t *, struct remote_job_end *) = {
      [CALL_SUBMIT] = after_submit, [CALL_FIND] = after_find,     [CALL_POLL] = after_poll,
      [CALL_FETCH] = after_poll,    [CALL_CANCEL] = after_cancel,
  };
  *delay_ms = 0;
  if (is_denied(j, n->code)) /* what there is stays, also what was to be stopped */
    return over(j, end, n, class_of(n->code), j->ref || j->next != CALL_SUBMIT);
  bool ended = after[j->next](j, n, random, delay_ms, end);
  if (!j->stopped || j->next == CALL_CANCEL)
    return ended;
  if (ended && !end->open && !is_cancelled(n->code))
    return stopped(j, end, false); /* it is over there, too */
  *delay_ms = 0;
  return begin_to_stop(j, end);
}
