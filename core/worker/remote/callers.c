/* SPDX-License-Identifier: MIT
 *
 * The callers of a remote worker: the call, and what follows from it.
 */
#include "worker/remote/callers.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/class.h"
#include "worker/remote/crash_owner.h"
#include "worker/remote/due.h"
#include "worker/remote/many.h"
#include "worker/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the end of a job ---- */

void remote_send_end(struct remote *c, uint64_t token, const struct remote_job_end *end,
                     int64_t began_us) {
  struct step_outcome outcome;
  step_fail(&outcome, end->class, end->message);
  outcome.done.code = end->code;
  outcome.done.retry_after_ms = end->retry_after_ms;
  outcome.done.open = end->open;
  outcome.done.cancel = (int32_t)end->cancel;
  if (end->fault.code[0])
    outcome.done.error_code = end->fault.code;
  if (end->fault.request_id[0])
    outcome.done.request_id = end->fault.request_id;
  outcome.done.run_us = clock_mono_us() - began_us;
  step_send(c->host->link, token, &outcome, true);
}

void remote_finish(struct remote *c, struct remote_job *j, const struct remote_job_end *end) {
  table_remove(&c->jobs, &j->by_token);
  remote_forget_index(c, j);
  remote_send_end(c, j->by_token.key, end, j->began_us);
  remote_job_free(j);
}

/* The credential is refused: no call of anybody is made any more, and the daemon keeps what is
 * there until a person has mended it. */
static void deny_all(struct remote *c, const struct remote_job_end *why) {
  struct remote_job_end end;
  c->denied = true;
  c->why_denied = *why;
  for (int queue = 0; queue < QUEUES; queue++)
    for (struct remote_job *j; (j = remote_first(c, (enum queue)queue)) != NULL;) {
      remote_take_out(c, j);
      remote_job_denied(j, why, &end);
      remote_finish(c, j, &end);
    }
}

/* No quota is left for new ones: those that wait to be submitted are not. */
static void deny_new(struct remote *c, const struct remote_job_end *why) {
  struct heap *heap = &c->waiting[QUEUE_SUBMIT];
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
  struct caller *h = container_of(job, struct caller, v.job);
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
  if (code == 0) {
    remote_forget_index(c, h->v.j);
    remote_job_set_ref(h->v.j, ref, len);
    remote_index(c, h->v.j);
  }
  pthread_mutex_unlock(&c->lock);
  free(text);
  if (code == 0)
    return LATHE_OK;
  snprintf(job->message, sizeof job->message,
           "the reference could not be kept: lathed cannot write to its disk");
  return LATHE_RETRY;
}

/* The call's own request stays as it is: the next call finds it. */
static int32_t keep_note(struct lathe_job *job, const void *data, size_t len) {
  struct visit *v = container_of(job, struct visit, job);
  const char *wrong = !data || len < 1 || len > WIRE_NOTE_MAX ? "it has 1 to 1024 bytes"
                      : !v->j->ref                            ? "it comes after checkpoint()"
                                                              : NULL;
  if (wrong) {
    snprintf(job->message, sizeof job->message, "note() was given %zu bytes; %s", len, wrong);
    return LATHE_PERMANENT;
  }
  free(v->note);
  v->note = mem_dup_n(data, len);
  v->note_len = len;
  char *text = wire_ref_text(data, len);
  logger_flush(&v->log); /* it may be a cursor of the log: that goes first */
  wire_put_note(link_begin(job->link), job->token, text);
  link_end(job->link, true);
  free(text);
  return LATHE_OK;
}

/* A cancel is made when the job's own time may be over, and gets time of its own. */
static int64_t deadline_of(const struct caller *h) {
  if (h->call != CALL_CANCEL)
    return h->v.j->deadline_ms;
  return h->since_ms + REMOTE_STOP_BEATS * (int64_t)h->c->host->heartbeat_ms;
}

struct lathe_request remote_request(const struct visit *v, int64_t deadline_ms) {
  const struct wire_step *s = &v->j->step;
  return (struct lathe_request){
      .struct_size = sizeof(struct lathe_request),
      .attempt = (uint32_t)s->attempt,
      .id = s->job_id,
      .kind = s->kind,
      .idem_key = s->idem_key ? s->idem_key : s->job_id,
      .spec = s->spec_json,
      .workdir = v->job.folder ? v->job.folder->path : NULL,
      .deadline_ms = deadline_ms,
      .note = v->j->note,
      .note_len = v->j->note_len,
      .threads = s->threads,
  };
}

static int32_t call_plugin(struct caller *h) {
  const struct lathe_remote *r = &h->c->host->plugin.remote;
  lathe_step *const calls[CALLS] = {r->submit, r->find, r->poll, r->fetch, r->cancel};
  const struct remote_job *j = h->v.j;
  struct lathe_request request = remote_request(&h->v, deadline_of(h));
  bool with_ref = h->call != CALL_SUBMIT && h->call != CALL_FIND;
  crash_owner_enter(h->v.job.token);
  int32_t code = calls[h->call](h->c->host->self, &h->v.job, &request, with_ref ? j->ref : NULL,
                                with_ref ? j->ref_len : 0);
  crash_owner_enter(0);
  return code;
}

/* The work folder of submit and fetch.  False: there is none, and news say so. */
static bool make_folder(struct caller *h, int32_t *code) {
  struct host *host = h->c->host;
  const struct wire_step *s = &h->v.j->step;
  struct err err = {0};
  h->folder.fd = -1;
  if (h->call != CALL_SUBMIT && h->call != CALL_FETCH)
    return true;
  h->v.job.folder = &h->folder;
  if (folder_make(&h->folder, host->work_root, host->stem, h->v.job.token, s->inputs,
                  s->input_count, &err) == 0)
    return true;
  folder_close(&h->folder, true);
  snprintf(h->v.job.message, sizeof h->v.job.message, "%s", err.text);
  *code = h->call == CALL_SUBMIT ? LATHE_RETRY_ANEW : LATHE_RETRY; /* nothing was begun */
  return false;
}

/* Sends the result of a fetch that went well.  Not under the lock: a file is read. */
static void deliver(struct caller *h) {
  struct remote *c = h->c;
  struct step_outcome outcome;
  step_conclude(&h->v.job, LATHE_OK, h->v.j->began_us, &outcome);
  folder_close(&h->folder, false);
  outcome.done.folder = true;
  pthread_mutex_lock(&c->lock);
  struct remote_job *j = h->v.j;
  h->v.j = NULL;
  pace_fine(&c->pace, h->since_ms, c->most);
  table_remove(&c->jobs, &j->by_token);
  remote_forget_index(c, j);
  pthread_mutex_unlock(&c->lock);
  step_send(c->host->link, h->v.job.token, &outcome, true);
  remote_job_free(j);
}

/* Under the lock.  The end has the words of the call that it is about: after a find, of the submit before. */
static void name_fault(struct visit *v, int32_t code, struct remote_job_end *end) {
  const struct wire_fault *own = &v->job.fault;
  if (own->code[0] || own->request_id[0])
    remote_job_set_fault(v->j, own);
  else if (code != LATHE_NOT_FOUND)
    remote_job_set_fault(v->j, NULL);
  if (end && !v->j->stopped && v->j->fault)
    end->fault = *v->j->fault;
}

static void keep_pace(struct remote *c, const struct visit *v, int64_t since_ms, int32_t code) {
  if (!is_rate(code)) {
    pace_fine(&c->pace, since_ms, c->most);
    return;
  }
  pace_limited(&c->pace, clock_mono_ms(), since_ms, v->job.retry_after_ms, random_next(&c->random));
  snprintf(c->why_slow, sizeof c->why_slow, "%.299s", v->job.message);
}

void remote_follow(struct remote *c, struct visit *v, int64_t since_ms, int32_t code) {
  struct remote_job *j = v->j;
  struct remote_job_answer news = {code, v->job.retry_after_ms, v->job.message};
  struct remote_job_end end;
  int64_t delay_ms;
  keep_pace(c, v, since_ms, code);
  bool over = remote_job_advance(j, &news, random_next(&c->random), &delay_ms, &end);
  name_fault(v, code, over ? &end : NULL);
  if (!over && c->denied)
    over = remote_job_denied(j, &c->why_denied, &end);
  int64_t closed_ms = c->pace.until_ms - clock_mono_ms();
  if (over && is_rate(end.code) && end.retry_after_ms < closed_ms)
    end.retry_after_ms = closed_ms; /* the daemon's clock must not come before this one */
  if (over)
    remote_finish(c, j, &end);
  else
    remote_put_back(c, j, delay_ms);
  v->j = NULL;
  if (over && end.class == WIRE_QUOTA && !end.open)
    deny_new(c, &end);
  else if (over && (end.class == WIRE_AUTH || end.class == WIRE_QUOTA) && !c->denied)
    deny_all(c, &end);
}

void remote_say_failure(struct visit *v, enum call call, int32_t code) {
  char text[1100];
  if (code / 1000 != LATHE_RETRY / 1000 || v->j->failures > 0)
    return; /* the end says why; and the log is not for repetition */
  snprintf(text, sizeof text, "%s: %s (result %d); it is tried again", call_word(call),
           v->job.message[0] ? v->job.message : "no message", code);
  logger_line(&v->log, 2, text);
}

/* ---- a job inside a call ---- */

void remote_visit_begin(struct remote *c, struct visit *v, struct remote_job *j) {
  *v = (struct visit){.j = j};
  j->inside = true;
  j->called = true;
  job_begin(&v->job, c->host, j->by_token.key, &j->step);
  v->job.note = keep_note;
  logger_init(&v->log, c->host->link, j->by_token.key, j->step.limits.log_bytes);
  v->log.total = j->log_total;
  v->log.cut = j->log_cut;
  v->job.progress_mark = j->progress_mark;
  v->job.log = &v->log;
}

void remote_visit_leave(struct visit *v) {
  struct remote_job *j = v->j;
  j->inside = false;
  j->log_total = v->log.total;
  j->log_cut = v->log.cut;
  j->progress_mark = v->job.progress_mark;
  if (!v->note)
    return;
  free(j->note);
  j->note = v->note;
  j->note_len = v->note_len;
  v->note = NULL;
}

void remote_visit_free(struct visit *v) {
  job_free(&v->job);
  logger_free(&v->log);
}

/* Called and left with the lock. */
static void make_call(struct caller *h, struct remote_job *j) {
  struct remote *c = h->c;
  int32_t code;
  h->call = j->next;
  remote_visit_begin(c, &h->v, j);
  if (h->call == CALL_SUBMIT || h->call == CALL_FIND)
    h->v.job.checkpoint = keep_reference;
  remote_wake(c); /* the next one may be due, too */
  pthread_mutex_unlock(&c->lock);
  bool made = make_folder(h, &code);
  if (made)
    code = call_plugin(h);
  remote_say_failure(&h->v, h->call, code);
  job_flush(&h->v.job);
  logger_end(&h->v.log);
  bool fetched = made && h->call == CALL_FETCH && code == LATHE_OK;
  if (!fetched)
    folder_close(&h->folder, true);
  pthread_mutex_lock(&c->lock);
  remote_visit_leave(&h->v);
  if (fetched) {
    pthread_mutex_unlock(&c->lock);
    deliver(h);
    pthread_mutex_lock(&c->lock);
  } else {
    remote_follow(c, &h->v, h->since_ms, code);
  }
  remote_visit_free(&h->v);
}

/* Called and left with the lock. */
static void serve_due(struct caller *h, struct remote_job *j) {
  struct remote *c = h->c;
  enum lane lane = remote_lane(j->next);
  remote_take_out(c, j);
  c->active++;
  c->busy[lane]++;
  h->in_call = true;
  h->since_ms = clock_mono_ms();
  h->stop_ms = 0;
  atomic_store(&c->host->board->inside[h->slot], j->by_token.key);
  if (j->next == CALL_POLL && c->host->plugin.remote.poll_many)
    remote_poll_many(h, j);
  else
    make_call(h, j);
  link_flush(c->host->link); /* the log, when nothing else was sent */
  atomic_store(&c->host->board->inside[h->slot], 0);
  h->in_call = false;
  c->active--;
  c->busy[lane]--;
}

void *remote_caller(void *arg) {
  struct caller *h = arg;
  struct remote *c = h->c;
  crash_owner_thread();
  pthread_mutex_lock(&c->lock);
  for (;;) {
    struct remote_job *j = remote_pick(c, clock_mono_ms());
    if (!j) {
      c->idle++;
      pthread_cond_wait(&c->work, &c->lock);
      c->idle--;
      continue;
    }
    serve_due(h, j);
    remote_wake(c); /* what had no caller may have one now */
  }
  return NULL;
}
