/* SPDX-License-Identifier: MIT
 *
 * The checks under the real lathe-worker: what is checked is what will run.
 */
#include "base/mem.h"
#include "life.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

static void say_not_completed(struct tool *t, const struct example *e, const struct outcome *out) {
  fail(t, "the example job of %s did not complete under lathe-worker (result %d): %s", e->kind,
       out->code, out->message);
}

/* A job of each kind. */
static void run_each(struct tool *t, struct rig *r) {
  struct example e;
  struct outcome out;
  for (int i = 0; i < t->facts->kind_count; i++) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "job%d", i);
    if (example_make(t, t->facts->kinds[i], name, &e) && rig_run(r, &e, -1, &out)) {
      if (out.class != STEP_OK)
        say_not_completed(t, &e, &out);
      else
        example_check_artifacts(t, &e, out.artifacts, out.artifact_count);
      note(t, "%s: %lld ms, %zu artifacts", e.kind, (long long)out.took_ms, out.artifact_count);
    }
    example_free(&e);
  }
}

/* Calls against the header's rules, which the worker bears. */
static void watch_each(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  struct example e;
  if (!sim_open(t, HOST_OF_TODAY))
    return;
  for (int i = 0; i < t->facts->kind_count; i++) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "watched%d", i);
    if (example_make(t, t->facts->kinds[i], name, &e) && life_must(t, &e, r))
      life_judge(t, &e, r);
    example_free(&e);
  }
}

void check_job(struct tool *t) {
  struct rig *r = rig_open(t, 1);
  if (!r)
    return;
  run_each(t, r);
  rig_note_jail(r);
  rig_close(r);
  if (!has_failed(t))
    watch_each(t);
}

/* ---- cancel ---- */

enum { CANCELS = 3, TOO_SHORT_MS = 5 };

/* Cancels at a moment left to chance, then runs the job to its end.  True: it was running when it
 * was cancelled. */
static bool cancel_once(struct tool *t, struct rig *r, struct example *e, int64_t took_ms) {
  struct outcome out;
  int restarts = rig_restarts(r);
  int64_t after = 1 + next_random(t, took_ms > 500 ? 250 : (unsigned)took_ms / 2 + 1);
  example_again(t, e);
  if (!rig_run(r, e, after, &out))
    return true;
  if (out.class == STEP_OK)
    return false; /* it was faster */
  if (out.class != STEP_CANCELLED) {
    fail(t, "%s, cancelled after %lld ms, ended with %d: %s", e->kind, (long long)after, out.code,
         out.message);
    return true;
  }
  example_again(t, e);
  if (!rig_ready(r) || !rig_run(r, e, -1, &out))
    return true;
  if (out.class != STEP_OK)
    fail(t, "after a cancelled job the next one of %s gave %d: %s", e->kind, out.code, out.message);
  if (rig_restarts(r) > restarts && t->facts->isolation == LATHE_SHARED)
    fail(t,
         "%s, cancelled after %lld ms, had not returned 2 s later: the worker with all of its jobs "
         "was killed. Ask host->cancelled() often and return LATHE_CANCELLED",
         e->kind, (long long)after);
  else if (rig_restarts(r) > restarts)
    note(
        t,
        "%s had not returned 3 ms after the cancel: past cancel_grace_ms of the descriptor (%u ms; "
        "the admin may allow less) its process is killed, and the next start takes %lld ms",
        e->kind, t->facts->cancel_grace_ms, (long long)t->facts->create_ms);
  return true;
}

static bool cancel_kind(struct tool *t, struct rig *r, const char *kind) {
  struct example e;
  struct outcome out;
  bool seen = false;
  if (example_make(t, kind, "cancelled", &e) && rig_run(r, &e, -1, &out)) {
    int64_t took = out.took_ms;
    for (int i = 0; took >= TOO_SHORT_MS && i < CANCELS && !has_failed(t); i++)
      seen |= cancel_once(t, r, &e, took);
  }
  example_free(&e);
  return seen;
}

void check_cancel(struct tool *t) {
  if (t->facts->remote) {
    check_remote_cancel(t);
    return;
  }
  struct rig *r = rig_open(t, 1);
  bool seen = false;
  if (!r)
    return;
  for (int i = 0; i < t->facts->kind_count && !has_failed(t); i++)
    seen |= cancel_kind(t, r, t->facts->kinds[i]);
  if (!seen)
    skip(t, "the example jobs are over too soon to be cancelled; give a longer one with --params "
            "or --input");
  rig_close(r);
}
