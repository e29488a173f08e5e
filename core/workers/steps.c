/* SPDX-License-Identifier: MIT
 *
 * Steps on their way: pending -> sent -> over; `done` is told exactly once for each.
 *
 *   workers_run -> pending --dispatch--> sent (to one worker) --DONE----------------> done
 *                    ^  |                  |   |
 *                    |  |                  |   +-- the worker died: crashed or lost -> done
 *                    |  +-- no worker: lost, or cancelled -> doomed --end of turn---> done
 *                    +------ RECALLED -----+
 *
 * A PROCESS worker is sent several short steps ahead.  When its first one takes longer than thought
 * while others wait behind it, they are recalled and go where a slot is free.
 */
#include "workers/internal.h"

#include "base/mem.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECALL_MS        5
#define PROCESS_LEAST_MS 3     /* for cancelled() to be seen, whatever the admin's grace is */
#define PROCESS_GRACE_MS 1000  /* where neither the plugin nor the admin says */
#define PROCESS_MOST_MS  10000 /* that a plugin may ask for where the admin does not say */
/* For the zygote to kill the child: one that holds gigabytes takes a second to go on a busy
 * machine, and killing the zygote ends its other jobs too. */
#define FORK_GRACE_MS   5000
#define SHARED_GRACE_MS 2000
#define LATE_MS         1000 /* a tick as late as this: we were asleep, not the workers */

static uint64_t now_of(const struct backend *b) {
  return uv_now(b->w->loop);
}

static void step_free(struct workers_step *s) {
  buf_free(&s->frame);
  free(s->doom_text);
  free(s);
}

void steps_unlink(struct workers_step *s) {
  struct backend *b = s->b;
  list_remove(&s->ring);
  if (s->worker) {
    s->worker->count--;
    table_remove(&s->worker->by_token, &s->by_token);
  } else {
    b->pending_count--;
  }
  s->worker = NULL;
}

void steps_tell(struct workers_step *s, const struct step_result *r) {
  struct backend *b = s->b;
  pause_over(s);
  b->running--;
  b->notify = true;
  workers_touch(b->w);
  if (b->m_running)
    metric_set(b->m_running, (double)b->running);
  void *owner = s->owner;
  struct step_result out = *r;
  char *message = client_text(b->w, r->message);
  out.message = message;
  step_free(s);
  b->w->events.done(b->w->events.ctx, owner, &out);
  free(message);
}

void steps_doom(struct workers_step *s, enum step_class class, const char *text) {
  steps_unlink(s);
  s->doom = class;
  s->doom_text = mem_dup(text);
  list_push_back(&s->b->doomed, &s->ring);
  workers_touch(s->b->w);
}

void steps_tell_doomed(struct backend *b) {
  for (struct list *it; (it = list_pop_front(&b->doomed)) != NULL;) {
    struct workers_step *s = container_of(it, struct workers_step, ring);
    char text[1000];
    snprintf(text, sizeof text, "%s", s->doom_text);
    steps_tell(s, &(struct step_result){
                      .class = s->doom, .message = text, .open = s->open, .inside = s->inside});
  }
  if (b->removed && b->worker_count == 0)
    backend_close(b);
}

/* What the plugin asks for, up to what the admin allows. */
static uint64_t process_grace_of(const struct backend *b) {
  int64_t asked = b->cancel_grace_ms, most = b->o.cancel_grace_ms;
  int64_t grace = asked ? asked : most > 0 ? most : PROCESS_GRACE_MS;
  most = most > 0 ? most : PROCESS_MOST_MS;
  grace = grace < most ? grace : most;
  return (uint64_t)(grace > PROCESS_LEAST_MS ? grace : PROCESS_LEAST_MS);
}

/* How long a step that was told to end may take to do so. */
static uint64_t grace_of(const struct backend *b) {
  switch (b->isolation) {
  case WIRE_FORK:
    return FORK_GRACE_MS;
  case WIRE_PROCESS:
    return process_grace_of(b);
  default: /* SHARED; or the backend changed its plugin meanwhile */
    return SHARED_GRACE_MS;
  }
}

/* A remote may hold something of it, and has to be told of its end. */
static bool begun_elsewhere(const struct workers_step *s) {
  return s->go == STEP_FIND || s->go == STEP_POLL;
}

void steps_lose_pending(struct backend *b) {
  list_for_each_safe(it, &b->pending) {
    struct workers_step *s = container_of(it, struct workers_step, ring);
    char text[300];
    snprintf(text, sizeof text, "backend %s has no worker for the job now", b->o.name);
    if (s->cancel_class && !begun_elsewhere(s))
      steps_doom(s, (enum step_class)s->cancel_class, "cancelled before it began");
    else
      steps_doom(s, STEP_LOST, text);
  }
}

void steps_drop_all(struct backend *b) {
  list_for_each_safe(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    for (struct list *s; (s = list_pop_front(&k->steps)) != NULL;)
      step_free(container_of(s, struct workers_step, ring));
    table_free(&k->by_token);
    k->count = 0;
  }
  for (struct list *s; (s = list_pop_front(&b->pending)) != NULL;)
    step_free(container_of(s, struct workers_step, ring));
  for (struct list *s; (s = list_pop_front(&b->doomed)) != NULL;)
    step_free(container_of(s, struct workers_step, ring));
  b->running = b->pending_count = b->unproven = 0;
}

void steps_folder(const struct worker *k, uint64_t token, char *path) {
  snprintf(path, PATH_MAX, "%s/%s-%" PRIu64 ".%" PRIu64, k->b->w->work_root, k->b->o.name, k->cell,
           token);
}

/* ---- handing over ---- */

struct workers_step *workers_run(struct backend *b, const struct step *step) {
  struct workers_step *s = mem_alloc(sizeof *s);
  struct err err = {0};
  struct wire_input_file *inputs = NULL;
  if (step->input_count)
    inputs = mem_array(step->input_count, sizeof *inputs);
  for (size_t i = 0; i < step->input_count; i++)
    inputs[i] = (struct wire_input_file){step->inputs[i].name, step->inputs[i].path};
  struct wire_step m = {
      .job_id = step->job_id,
      .kind = step->kind,
      .idem_key = step->idem_key,
      .spec_json = step->spec_json,
      .attempt = step->attempt,
      .limits = {step->limits.wall_ms, step->limits.cpu_ms, step->limits.memory,
                 step->limits.output_bytes, step->limits.log_bytes},
      .inputs = inputs,
      .input_count = step->input_count,
      .go = (int32_t)step->go,
      .ref = step->ref,
      .note = step->note,
      .threads = step->threads > 0 ? (uint32_t)step->threads : 1,
      .park_scope = step->park_scope,
  };
  s->b = b;
  s->go = step->go;
  s->owner = step->owner;
  s->token = b->w->next_token++;
  s->limits = m.limits;
  s->progress.left = s->facts.left = s->notes.left = PROGRESS_BURST;
  s->previews.left = PREVIEW_BURST;
  list_push_back(&b->pending, &s->ring);
  b->pending_count++;
  b->running++;
  if (s->go == STEP_RUN || s->go == STEP_SUBMIT || s->go == STEP_FIND)
    pause_begins(s);
  workers_touch(b->w);
  if (wire_put_step(&s->frame, s->token, &m, &err) < 0)
    steps_doom(s, STEP_BAD_INPUT, err.text);
  free(inputs);
  return s;
}

/* The step is inside the plugin from now on, or as good as. */
static void begin(struct workers_step *s) {
  struct backend *b = s->b;
  s->began_at = now_of(b);
  if (s->limits.wall_ms > 0)
    backend_want_tick(b, s->began_at + (uint64_t)s->limits.wall_ms);
  if (s->cancel_class && !s->worker->remote) {
    s->kill_at = s->began_at + grace_of(b);
    backend_want_tick(b, s->kill_at);
  }
}

void steps_head(struct worker *k) {
  if (list_empty(&k->steps))
    return;
  struct workers_step *s = container_of(k->steps.next, struct workers_step, ring);
  if (!s->began_at)
    begin(s);
  if (k->count > 1 && !k->recalled)
    backend_want_tick(k->b, s->began_at + RECALL_MS);
}

static void send_step(struct worker *k, struct workers_step *s) {
  struct backend *b = k->b;
  list_remove(&s->ring);
  b->pending_count--;
  if (k->count == 0) {
    k->heard_at = now_of(b);
    backend_want_tick(b, k->heard_at + (uint64_t)b->o.heartbeat_timeout_ms);
  }
  s->worker = k;
  k->used = true;
  list_push_back(&k->steps, &s->ring);
  table_put(&k->by_token, &s->by_token, s->token);
  k->count++;
  buf_put(worker_out(k), s->frame.data, s->frame.len);
  if (k->remote) { /* there may be thousands, and none is sent twice */
    buf_free(&s->frame);
    if (s->cancel_class)
      wire_put_value(worker_out(k), WIRE_CANCEL, s->token, s->cancel_class);
  }
  if (b->isolation == WIRE_PROCESS)
    steps_head(k);
  else
    begin(s);
}

/* The ready worker with the fewest steps, if it takes one more. */
static struct worker *choose(struct backend *b) {
  struct worker *best = NULL;
  size_t depth = (size_t)backend_depth(b);
  list_for_each(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    if (!backend_is_ready(k) || k->recalled)
      continue;
    if (b->isolation == WIRE_PROCESS && k->count >= depth)
      continue;
    if (!best || k->count < best->count)
      best = k;
  }
  return best;
}

bool steps_dispatch(struct backend *b) {
  while (!list_empty(&b->pending)) {
    struct worker *k = choose(b);
    if (!k)
      break;
    send_step(k, container_of(b->pending.next, struct workers_step, ring));
  }
  if (list_empty(&b->pending))
    return false;
  bool any = false;
  list_for_each(it, &b->workers) {
    any |= backend_is_ready(container_of(it, struct worker, ring));
  }
  if (!any) {
    steps_lose_pending(b);
    steps_tell_doomed(b);
  }
  return !any;
}

/* ---- cancelling ---- */

static void end_with(struct workers_step *s, enum step_class class) {
  struct backend *b = s->b;
  if (s->cancel_class)
    return;
  s->cancel_class = (int)class;
  wire_put_value(worker_out(s->worker), WIRE_CANCEL, s->token, (int64_t) class);
  if (!s->began_at || s->worker->remote)
    return; /* it waits inside the worker, and is taken out there; or see workers_cancel */
  s->kill_at = now_of(b) + grace_of(b);
  backend_want_tick(b, s->kill_at);
}

void workers_cancel(struct workers_step *s) {
  if (s->doom_text)
    return; /* it is over already */
  if (s->worker)
    end_with(s, STEP_CANCELLED);
  else if (begun_elsewhere(s))
    s->cancel_class = STEP_CANCELLED; /* sent on its heels */
  else
    steps_doom(s, STEP_CANCELLED, "cancelled before it began");
}

/* ---- deadlines ---- */

/* Is there a worker that could take what waits behind a long step? */
static bool someone_is_free(const struct backend *b) {
  list_for_each(it, &b->workers) {
    const struct worker *k = container_of(it, struct worker, ring);
    if (backend_is_ready(k) && k->count == 0)
      return true;
  }
  return false;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  return a && a < b ? a : b;
}

static uint64_t tick_step(struct worker *k, struct workers_step *s, uint64_t now) {
  uint64_t next = 0;
  if (!s->began_at)
    return 0;
  if (s->limits.wall_ms > 0 && !s->cancel_class) {
    uint64_t end = s->began_at + (uint64_t)s->limits.wall_ms;
    if (now >= end)
      end_with(s, STEP_TIMEOUT);
    else
      next = end;
  }
  if (s->kill_at && now >= s->kill_at)
    worker_kill(k, s->token, "a step was %s and did not end",
                s->cancel_class == STEP_TIMEOUT ? "over its time" : "cancelled");
  else if (s->kill_at)
    next = sooner(next, s->kill_at);
  return next;
}

/* Asks for what waits behind a step that runs longer than thought.  Returns when to look again, or
 * 0. */
static uint64_t tick_recall(struct worker *k, uint64_t now) {
  if (k->b->isolation != WIRE_PROCESS || k->count < 2 || k->recalled)
    return 0;
  struct workers_step *head = container_of(k->steps.next, struct workers_step, ring);
  uint64_t due = head->began_at + RECALL_MS;
  if (now < due)
    return due;
  if (!someone_is_free(k->b))
    return now + RECALL_MS;
  k->recalled = true;
  wire_put_bare(worker_out(k), WIRE_RECALL, 0);
  return 0;
}

static uint64_t tick_worker(struct worker *k, uint64_t now) {
  struct backend *b = k->b;
  uint64_t next = 0;
  if (k->killed)
    return 0;
  if (k->state == WORKER_LOADING || k->state == WORKER_CREATING) {
    next = k->started_at + (uint64_t)b->o.ready_timeout_ms;
    if (now < next)
      return next;
    worker_kill(k, 0,
                "it was not ready within %" PRId64 " ms (ready_timeout); its plugin hangs in %s",
                b->o.ready_timeout_ms, k->state == WORKER_LOADING ? "loading" : "create()");
    return 0;
  }
  if (k->stop_sent) {
    if (now < k->stop_at)
      return k->stop_at;
    worker_kill(k, 0, "it did not stop when asked");
    return 0;
  }
  if (k->count == 0)
    return 0;
  uint64_t silent = k->heard_at + (uint64_t)b->o.heartbeat_timeout_ms;
  if (now >= silent) {
    worker_kill(k, 0, "it gave no sign of life for %" PRId64 " ms (heartbeat_timeout)",
                b->o.heartbeat_timeout_ms);
    return 0;
  }
  next = sooner(tick_recall(k, now), silent);
  list_for_each(it, &k->steps) {
    uint64_t at = tick_step(k, container_of(it, struct workers_step, ring), now);
    next = sooner(at, next);
  }
  return next;
}

void steps_tick(struct backend *b) {
  uint64_t now = now_of(b), next = 0;
  bool late = b->tick_at && now > b->tick_at + LATE_MS;
  b->tick_at = 0;
  list_for_each_safe(it, &b->workers) {
    struct worker *k = container_of(it, struct worker, ring);
    if (late)
      k->heard_at = now;
    uint64_t at = tick_worker(k, now);
    if (at)
      next = sooner(next, at);
  }
  if (next)
    backend_want_tick(b, next);
}
