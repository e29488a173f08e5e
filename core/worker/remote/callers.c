/* SPDX-License-Identifier: MIT
 *
 * The callers of a remote worker: which call is made next, the call, and what follows from it.
 */
#include "worker/remote/remote.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/remote/crash_owner.h"
#include "worker/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- who takes what is due; under the lock ---- */

/* Which callers a call may use: none of the three waits for callers that the others hold. */
static enum lane lane_of(enum call call) {
  static const enum lane lanes[CALLS] = {[CALL_SUBMIT] = LANE_SUBMIT,
                                         [CALL_FIND] = LANE_SUBMIT,
                                         [CALL_POLL] = LANE_REST,
                                         [CALL_FETCH] = LANE_REST,
                                         [CALL_CANCEL] = LANE_CANCEL};
  return lanes[call];
}

static bool due_before(const struct heap_node *a, const struct heap_node *b) {
  return container_of(a, struct remote_job, node)->due_ms <
         container_of(b, struct remote_job, node)->due_ms;
}

void remote_share(struct remote *c, int most) {
  c->most = most;
  c->reserve[LANE_CANCEL] = most >= 16 ? most / 8 : most >= 2;
  c->reserve[LANE_SUBMIT] = most >= 8 ? most / 4 : most >= 3;
  c->reserve[LANE_REST] = c->reserve[LANE_SUBMIT];
  for (int i = 0; i < LANES; i++)
    c->waiting[i].before = due_before;
}

static struct remote_job *first(const struct remote *c, enum lane lane) {
  struct heap_node *top = heap_top(&c->waiting[lane]);
  return top ? container_of(top, struct remote_job, node) : NULL;
}

/* Is there a caller for this lane that is not kept for another? */
static bool has_caller(const struct remote *c, enum lane lane) {
  int kept = 0;
  for (int i = 0; i < LANES; i++)
    if (i != (int)lane && c->reserve[i] > c->busy[i])
      kept += c->reserve[i] - c->busy[i];
  return c->most - c->active > kept;
}

/* A service that limits the rate is still told of cancels. */
static bool is_open(const struct remote *c, enum lane lane, int64_t now) {
  return lane == LANE_CANCEL || pace_open(&c->pace, now, c->busy[LANE_SUBMIT] + c->busy[LANE_REST]);
}

/* The remote job whose call is made now; NULL: none. */
static struct remote_job *pick(const struct remote *c, int64_t now) {
  struct remote_job *best = NULL;
  for (int lane = 0; lane < LANES; lane++) {
    struct remote_job *j = first(c, (enum lane)lane);
    if (!j || j->due_ms > now || !has_caller(c, (enum lane)lane) ||
        !is_open(c, (enum lane)lane, now))
      continue;
    if (lane == LANE_CANCEL)
      return j;
    if (!best || j->due_ms < best->due_ms)
      best = j;
  }
  return best;
}

int64_t remote_next(const struct remote *c, int64_t now) {
  int64_t next = INT64_MAX;
  for (int lane = 0; lane < LANES; lane++) {
    const struct remote_job *j = first(c, (enum lane)lane);
    int64_t at = j ? j->due_ms : INT64_MAX;
    if (j && lane != LANE_CANCEL && at < c->pace.until_ms)
      at = c->pace.until_ms;
    if (at > now && at < next) /* what is due already waits for a caller, and that looks again */
      next = at;
  }
  return next;
}

static void *caller_thread(void *arg);

static void start_caller(struct remote *c) {
  struct caller *h = mem_alloc(sizeof *h);
  pthread_t thread;
  h->c = c;
  h->slot = c->caller_count;
  if (pthread_create(&thread, NULL, caller_thread, h) != 0) {
    free(h);
    return;
  }
  pthread_detach(thread);
  c->callers[c->caller_count++] = h;
}

void remote_wake(struct remote *c) {
  int64_t now = clock_mono_ms();
  if (pick(c, now)) {
    if (c->idle > 0)
      pthread_cond_signal(&c->work);
    else if (c->caller_count < c->most)
      start_caller(c);
  }
  int64_t next = remote_next(c, now);
  uint64_t one = 1;
  if (next < c->wakes_ms && write(c->wake_fd, &one, sizeof one) == sizeof one)
    c->wakes_ms = next;
}

void remote_put_back(struct remote *c, struct remote_job *j, int64_t delay_ms) {
  j->due_ms = clock_mono_ms() + delay_ms;
  heap_push(&c->waiting[lane_of(j->next)], &j->node);
  remote_wake(c);
}

void remote_take_out(struct remote *c, struct remote_job *j) {
  heap_remove(&c->waiting[lane_of(j->next)], &j->node);
}

/* ---- the end of a job ---- */

void remote_send_end(struct remote *c, uint64_t token, const struct remote_job_end *end,
                     int64_t began_us) {
  struct step_outcome outcome;
  step_fail(&outcome, end->class, end->message);
  outcome.done.code = end->code;
  outcome.done.retry_after_ms = end->retry_after_ms;
  outcome.done.open = end->open;
  if (end->fault.code[0])
    outcome.done.error_code = end->fault.code;
  if (end->fault.request_id[0])
    outcome.done.request_id = end->fault.request_id;
  outcome.done.run_us = clock_mono_us() - began_us;
  step_send(c->host->link, token, &outcome, true);
}

void remote_finish(struct remote *c, struct remote_job *j, const struct remote_job_end *end) {
  table_remove(&c->jobs, &j->by_token);
  remote_send_end(c, j->by_token.key, end, j->began_us);
  remote_job_free(j);
}

/* The credential is refused: no call of anybody is made any more, and the daemon keeps what is
 * there until a person has mended it. */
static void deny_all(struct remote *c, const struct remote_job_end *why) {
  struct remote_job_end end;
  c->denied = true;
  c->why_denied = *why;
  for (int lane = 0; lane < LANES; lane++)
    for (struct remote_job *j; (j = first(c, (enum lane)lane)) != NULL;) {
      remote_take_out(c, j);
      remote_job_denied(j, why, &end);
      remote_finish(c, j, &end);
    }
}

/* No quota is left for new ones: those that wait to be submitted are not. */
static void deny_new(struct remote *c, const struct remote_job_end *why) {
  struct heap *heap = &c->waiting[LANE_SUBMIT];
  for (uint32_t i = 0; i < heap->count;) {
    struct remote_job *j = container_of(heap->nodes[i], struct remote_job, node);
    struct remote_job_end end;
    if (j->next != CALL_SUBMIT || j->called) {
      i++;
      continue;
    }
    remote_take_out(c, j);
    remote_job_denied(j, why, &end);
    remote_finish(c, j, &end);
    i = 0; /* the heap has another order now */
  }
}

/* ---- one call ---- */

static int32_t keep_reference(struct lathe_job *job, const void *ref, size_t len) {
  struct caller *h = container_of(job, struct caller, job);
  struct remote *c = h->c;
  if (!ref || len < 1 || len > WIRE_REF_MAX) {
    snprintf(job->message, sizeof job->message,
             "checkpoint() was given a reference of %zu bytes; it has 1 to %d", len, WIRE_REF_MAX);
    return LATHE_PERMANENT;
  }
  char *text = wire_ref_text(ref, len);
  pthread_mutex_lock(&c->lock);
  h->asking = true;
  h->answered = false;
  wire_put_checkpoint(link_begin(job->link), job->token, text);
  link_end(job->link, true);
  while (!h->answered)
    pthread_cond_wait(&c->answered, &c->lock);
  h->asking = false;
  int64_t code = h->answer;
  if (code == 0)
    remote_job_set_ref(h->j, ref, len);
  pthread_mutex_unlock(&c->lock);
  free(text);
  if (code == 0)
    return LATHE_OK;
  snprintf(job->message, sizeof job->message,
           "the reference could not be kept: lathed cannot write to its disk");
  return LATHE_RETRY;
}

/* A cancel is made when the job's own time may be over, and gets time of its own. */
static int64_t deadline_of(const struct caller *h) {
  if (h->call != CALL_CANCEL)
    return h->j->deadline_ms;
  return h->since_ms + REMOTE_STOP_BEATS * (int64_t)h->c->host->heartbeat_ms;
}

static int32_t call_plugin(struct caller *h) {
  const struct lathe_remote *r = &h->c->host->plugin.remote;
  lathe_step *const calls[CALLS] = {r->submit, r->find, r->poll, r->fetch, r->cancel};
  const struct remote_job *j = h->j;
  const struct wire_step *s = &j->step;
  struct lathe_request request = {
      .struct_size = sizeof request,
      .attempt = (uint32_t)s->attempt,
      .id = s->job_id,
      .kind = s->kind,
      .idem_key = s->idem_key ? s->idem_key : s->job_id,
      .spec = s->spec_json,
      .workdir = h->job.folder ? h->folder.path : NULL,
      .deadline_ms = deadline_of(h),
  };
  bool with_ref = h->call != CALL_SUBMIT && h->call != CALL_FIND;
  crash_owner_enter(h->job.token);
  int32_t code = calls[h->call](h->c->host->self, &h->job, &request, with_ref ? j->ref : NULL,
                                with_ref ? j->ref_len : 0);
  crash_owner_enter(0);
  return code;
}

/* The work folder of submit and fetch.  False: there is none, and news say so. */
static bool make_folder(struct caller *h, int32_t *code) {
  struct host *host = h->c->host;
  const struct wire_step *s = &h->j->step;
  struct err err = {0};
  h->folder.fd = -1;
  if (h->call != CALL_SUBMIT && h->call != CALL_FETCH)
    return true;
  h->job.folder = &h->folder;
  if (folder_make(&h->folder, host->work_root, host->stem, h->job.token, s->inputs, s->input_count,
                  &err) == 0)
    return true;
  folder_close(&h->folder, true);
  snprintf(h->job.message, sizeof h->job.message, "%s", err.text);
  *code = h->call == CALL_SUBMIT ? LATHE_RETRY_ANEW : LATHE_RETRY; /* nothing was begun */
  return false;
}

/* Sends the result of a fetch that went well.  Not under the lock: a file is read. */
static void deliver(struct caller *h) {
  struct remote *c = h->c;
  struct step_outcome outcome;
  step_conclude(&h->job, LATHE_OK, h->j->began_us, &outcome);
  folder_close(&h->folder, false);
  outcome.done.folder = true;
  pthread_mutex_lock(&c->lock);
  struct remote_job *j = h->j;
  h->j = NULL;
  pace_fine(&c->pace, h->since_ms, c->most);
  table_remove(&c->jobs, &j->by_token);
  pthread_mutex_unlock(&c->lock);
  step_send(c->host->link, h->job.token, &outcome, true);
  remote_job_free(j);
}

/* Under the lock.  The end has the words of the call that it is about: after a find, of the submit before. */
static void name_fault(struct caller *h, int32_t code, struct remote_job_end *end) {
  const struct wire_fault *own = &h->job.fault;
  if (own->code[0] || own->request_id[0])
    h->j->fault = *own;
  else if (code != LATHE_NOT_FOUND)
    h->j->fault = (struct wire_fault){0};
  if (end && !h->j->stopped)
    end->fault = h->j->fault;
}

/* Under the lock: what follows from a call, for its job and for all. */
static void follow(struct caller *h, int32_t code) {
  struct remote *c = h->c;
  struct remote_job *j = h->j;
  struct remote_job_answer news = {code, h->job.retry_after_ms, h->job.message};
  struct remote_job_end end;
  int64_t delay_ms;
  if (code == LATHE_RETRY_RATE) {
    pace_limited(&c->pace, clock_mono_ms(), h->since_ms, h->job.retry_after_ms,
                 random_next(&c->random));
    snprintf(c->why_slow, sizeof c->why_slow, "%.299s", h->job.message);
  } else {
    pace_fine(&c->pace, h->since_ms, c->most);
  }
  bool over = remote_job_advance(j, &news, random_next(&c->random), &delay_ms, &end);
  name_fault(h, code, over ? &end : NULL);
  if (!over && c->denied)
    over = remote_job_denied(j, &c->why_denied, &end);
  int64_t closed_ms = c->pace.until_ms - clock_mono_ms();
  if (over && end.code == LATHE_RETRY_RATE && end.retry_after_ms < closed_ms)
    end.retry_after_ms = closed_ms; /* the daemon's clock must not come before this one */
  if (over)
    remote_finish(c, j, &end);
  else
    remote_put_back(c, j, delay_ms);
  if (over && end.class == WIRE_QUOTA && !end.open)
    deny_new(c, &end);
  else if (over && (end.class == WIRE_AUTH || end.class == WIRE_QUOTA) && !c->denied)
    deny_all(c, &end);
}

static void say_failure(struct caller *h, int32_t code) {
  char text[1100];
  if (code / 1000 != LATHE_RETRY / 1000 || h->j->failures > 0)
    return; /* the end says why; and the log is not for repetition */
  snprintf(text, sizeof text, "%s: %s (result %d); it is tried again", call_word(h->call),
           h->job.message[0] ? h->job.message : "no message", code);
  logger_line(&h->log, 2, text);
}

static void begin_call(struct caller *h, struct remote_job *j) {
  struct remote *c = h->c;
  h->j = j;
  h->call = j->next;
  h->since_ms = clock_mono_ms();
  h->stop_ms = 0;
  j->inside = true;
  j->called = true;
  job_begin(&h->job, c->host, j->by_token.key, &j->step);
  if (h->call == CALL_SUBMIT || h->call == CALL_FIND)
    h->job.checkpoint = keep_reference;
  logger_init(&h->log, c->host->link, j->by_token.key, j->step.limits.log_bytes);
  h->log.total = j->log_total;
  h->log.cut = j->log_cut;
  h->job.progress_mark = j->progress_mark;
  h->job.log = &h->log;
  atomic_store(&c->host->board->inside[h->slot], j->by_token.key);
}

/* Called and left with the lock. */
static void make_call(struct caller *h, struct remote_job *j) {
  struct remote *c = h->c;
  int32_t code;
  begin_call(h, j);
  pthread_mutex_unlock(&c->lock);
  bool made = make_folder(h, &code);
  if (made)
    code = call_plugin(h);
  say_failure(h, code);
  job_flush(&h->job);
  logger_end(&h->log);
  bool fetched = made && h->call == CALL_FETCH && code == LATHE_OK;
  if (!fetched)
    folder_close(&h->folder, true);
  pthread_mutex_lock(&c->lock);
  j->inside = false;
  j->log_total = h->log.total;
  j->log_cut = h->log.cut;
  j->progress_mark = h->job.progress_mark;
  if (fetched) {
    pthread_mutex_unlock(&c->lock);
    deliver(h);
    pthread_mutex_lock(&c->lock);
  } else {
    follow(h, code);
    h->j = NULL;
  }
  link_flush(c->host->link); /* the log, when nothing else was sent */
  atomic_store(&c->host->board->inside[h->slot], 0);
  job_free(&h->job);
  logger_free(&h->log);
}

static void *caller_thread(void *arg) {
  struct caller *h = arg;
  struct remote *c = h->c;
  crash_owner_thread();
  pthread_mutex_lock(&c->lock);
  for (;;) {
    struct remote_job *j = pick(c, clock_mono_ms());
    if (!j) {
      c->idle++;
      pthread_cond_wait(&c->work, &c->lock);
      c->idle--;
      continue;
    }
    enum lane lane = lane_of(j->next);
    remote_take_out(c, j);
    c->active++;
    c->busy[lane]++;
    remote_wake(c); /* the next one may be due, too */
    make_call(h, j);
    c->active--;
    c->busy[lane]--;
    remote_wake(c); /* what had no caller may have one now */
  }
  return NULL;
}
