/* SPDX-License-Identifier: MIT
 *
 * A remote job whose host dies at every point where it may, and goes on in a fresh process that
 * holds nothing but the job's key and, past the checkpoint, its reference.
 *
 *   submit -x- checkpoint -x- ... OK -x- poll -x- ... OK -x- fetch -x- artifact -x- OK
 *           find                     poll             poll/fetch
 */
#include "base/mem.h"
#include "child.h"
#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINTS_MOST = 8 };

struct call { /* one step in one process */
  struct tool *tool;
  enum remote_step step;
  const struct example *example;
  struct plan plan;
  struct record *record; /* shared memory */
  bool to_the_end;       /* poll until it is no longer pending */
  bool many;             /* poll_many() */
};

static void do_call(void *arg) {
  struct call *c = arg;
  if (!sim_open(c->tool, HOST_OF_TODAY))
    return;
  if (c->many)
    sim_poll_many(c->tool, c->example, c->record);
  else if (c->to_the_end)
    life_poll(c->tool, c->example, c->record);
  else
    sim_step(c->tool, c->step, c->example, &c->plan, c->record);
}

/* True: the step returned, or died where it was to die. */
static bool in_fresh_process(struct call *c) {
  bool planned = c->plan.before_checkpoint || c->plan.after_checkpoint || c->plan.after_artifact;
  c->record->returned = false;
  struct ending e = child_run(do_call, c, c->tool->limit_ms);
  if (planned && e.exit_code == DIED_ON_PURPOSE && !e.signal)
    return true;
  if (!ending_is_clean(&e)) {
    fail(c->tool, "a fresh process %s in %s", ending_text(&e), c->tool->finding->where);
    return false;
  }
  return c->record->returned;
}

static bool step_in_fresh(struct tool *t, enum remote_step step, const struct example *e,
                          struct record *r) {
  struct call c = {.tool = t, .step = step, .example = e, .record = r};
  return in_fresh_process(&c);
}

static const char *said(const struct record *r) {
  return r->error[0] ? r->error : "no message";
}

/* What poll() says of a job, poll_many() says, too. */
static bool many_agrees(struct tool *t, const struct example *e, struct record *r) {
  struct call call = {.tool = t, .step = TO_POLL, .example = e, .record = r, .many = true};
  int32_t alone = r->result;
  if (!t->facts->poll_many)
    return true;
  if (!in_fresh_process(&call))
    return false;
  if (r->result != alone)
    fail(t, "poll_many() gave %d for a job of which poll() says %d: %s", r->result, alone, said(r));
  return !has_failed(t);
}

/* From a reference to the end: each step in a process of its own, and each twice. */
static bool go_on(struct tool *t, struct example *e, struct record *r, const char *after) {
  struct call poll = {.tool = t, .step = TO_POLL, .example = e, .record = r, .to_the_end = true};
  for (int twice = 0; twice < 2; twice++) {
    if (!in_fresh_process(&poll))
      return false;
    if (r->result != LATHE_OK) {
      fail(t, "%s, poll() in a fresh process gave %d%s: %s", after, r->result,
           twice ? " when it was repeated" : "", said(r));
      return false;
    }
  }
  if (!many_agrees(t, e, r))
    return false;
  for (int twice = 0; twice < 2; twice++) {
    example_again(t, e);
    if (!step_in_fresh(t, TO_FETCH, e, r))
      return false;
    if (r->result != LATHE_OK) {
      fail(t, "%s, fetch() in a fresh process gave %d%s: %s", after, r->result,
           twice ? " when it was repeated" : "", said(r));
      return false;
    }
    life_judge(t, e, r);
  }
  return true;
}

/* Died before the reference was durable: find, and only where it finds nothing submit again. */
static bool find_or_submit(struct tool *t, const struct example *e, struct record *r) {
  uint64_t before = r->offered;
  r->ref_len = 0;
  r->finished_checkpoints = 0;
  if (!step_in_fresh(t, TO_FIND, e, r))
    return false;
  if (r->result == LATHE_OK && r->finished_checkpoints == 0) {
    fail(t, "find() gave LATHE_OK without a checkpoint()");
    return false;
  }
  if (r->result == LATHE_OK)
    return true;
  if (r->result != LATHE_NOT_FOUND) {
    fail(t, "find() in a fresh process gave %d: %s", r->result, said(r));
    return false;
  }
  if (!step_in_fresh(t, TO_SUBMIT, e, r))
    return false;
  if (r->result != LATHE_OK)
    fail(t, "submit() after find() had found nothing gave %d: %s", r->result, said(r));
  else if (before && r->offered != before)
    fail(t, "the host died inside checkpoint(), find() found nothing, and the second submit() gave "
            "another reference: the job runs twice there, and is paid twice. Send "
            "request->idem_key with the submission and look it up in find()");
  return !has_failed(t);
}

/* The host dies at one checkpoint of submit().  Sets *more when there may be a later one. */
static void die_at(struct tool *t, const char *kind, struct record *r, int nth, bool after,
                   bool *more) {
  struct example e;
  char name[NAME_SIZE], point[NAME_SIZE];
  snprintf(name, sizeof name, "%s-%d-%s", after ? "after" : "before", nth, kind);
  snprintf(point, sizeof point, "after a death %s checkpoint %d", after ? "past" : "inside", nth);
  memset(r, 0, sizeof *r);
  if (example_make(t, kind, name, &e)) {
    struct call c = {.tool = t, .step = TO_SUBMIT, .example = &e, .record = r};
    if (after)
      c.plan.after_checkpoint = nth;
    else
      c.plan.before_checkpoint = nth;
    bool ok = in_fresh_process(&c);
    if (ok && r->returned) { /* it had no such checkpoint */
      *more = false;
      if (r->result != LATHE_OK)
        fail(t, "submit() gave %d: %s", r->result, said(r));
    } else if (ok) {
      bool durable = r->finished_checkpoints > 0;
      if (durable || find_or_submit(t, &e, r))
        go_on(t, &e, r, point);
    }
  }
  example_free(&e);
}

/* It stopped, had ended before, or is paid for: an answer, each. */
static bool is_end_of_cancel(int32_t result) {
  return result == LATHE_OK || result == LATHE_TOO_LATE || result == LATHE_CHARGED;
}

/* Dies in fetch(), past its first artifact. */
static void die_in_fetch(struct tool *t, const char *kind, struct record *r) {
  struct example e;
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "fetch-%s", kind);
  memset(r, 0, sizeof *r);
  if (example_make(t, kind, name, &e) && step_in_fresh(t, TO_SUBMIT, &e, r) &&
      r->result == LATHE_OK) {
    struct call poll = {.tool = t, .step = TO_POLL, .example = &e, .record = r, .to_the_end = true};
    struct call fetch = {
        .tool = t, .step = TO_FETCH, .example = &e, .record = r, .plan = {.after_artifact = 1}};
    if (in_fresh_process(&poll) && r->result == LATHE_OK && in_fresh_process(&fetch) &&
        !r->returned)
      go_on(t, &e, r, "after a death inside fetch()");
    if (!has_failed(t) && step_in_fresh(t, TO_CANCEL, &e, r) && !is_end_of_cancel(r->result))
      fail(t, "cancel() of a job that is over gave %d; give LATHE_OK or LATHE_TOO_LATE", r->result);
  }
  example_free(&e);
}

static void find_nothing(struct tool *t, const char *kind, struct record *r) {
  struct example e;
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "never-%s", kind);
  memset(r, 0, sizeof *r);
  if (example_make(t, kind, name, &e) && step_in_fresh(t, TO_FIND, &e, r) &&
      r->result != LATHE_NOT_FOUND)
    fail(t, "find() of a key that was never submitted gave %d; give LATHE_NOT_FOUND", r->result);
  example_free(&e);
}

/* Cancelled in a fresh process, twice; what poll() says next must not be "pending" for ever. */
void check_remote_cancel(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  struct example e;
  char name[NAME_SIZE];
  for (int i = 0; i < t->facts->kind_count && !has_failed(t); i++) {
    snprintf(name, sizeof name, "cancel%d", i);
    memset(r, 0, sizeof *r);
    if (example_make(t, t->facts->kinds[i], name, &e) && step_in_fresh(t, TO_SUBMIT, &e, r) &&
        r->result == LATHE_OK) {
      for (int twice = 0; twice < 2; twice++)
        if (step_in_fresh(t, TO_CANCEL, &e, r) && !is_end_of_cancel(r->result))
          fail(t, "%s: cancel()%s gave %d: %s", e.kind, twice ? " when it was repeated" : "",
               r->result, said(r));
      struct call poll = {
          .tool = t, .step = TO_POLL, .example = &e, .record = r, .to_the_end = true};
      if (!has_failed(t))
        in_fresh_process(&poll);
    }
    example_free(&e);
  }
}

void check_resume(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  if (!t->facts->remote) {
    skip(t, "the plugin computes here (run); this is for remote steps");
    return;
  }
  for (int i = 0; i < t->facts->kind_count && !has_failed(t); i++) {
    const char *kind = t->facts->kinds[i];
    bool more = true;
    find_nothing(t, kind, r);
    for (int nth = 1; more && nth <= CHECKPOINTS_MOST && !has_failed(t); nth++) {
      die_at(t, kind, r, nth, false, &more);
      if (more && !has_failed(t))
        die_at(t, kind, r, nth, true, &more);
    }
    if (!has_failed(t))
      die_in_fetch(t, kind, r);
  }
}
