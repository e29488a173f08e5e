/* SPDX-License-Identifier: MIT
 *
 * The hands of a remote worker: which call is made next, the call, and what follows from it.
 */
#include "worker/crew.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/culprit.h"
#include "worker/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- who takes what is due; under the lock ---- */

/* Which hands a call may use: none of the three waits for hands that the others hold. */
static enum lane lane_of(enum call call) {
  static const enum lane lanes[CALLS] = {[CALL_SUBMIT] = LANE_SUBMIT,
                                         [CALL_FIND] = LANE_SUBMIT,
                                         [CALL_POLL] = LANE_REST,
                                         [CALL_FETCH] = LANE_REST,
                                         [CALL_CANCEL] = LANE_CANCEL};
  return lanes[call];
}

static bool due_before(const struct heap_node *a, const struct heap_node *b) {
  return container_of(a, struct errand, node)->due_ms <
         container_of(b, struct errand, node)->due_ms;
}

void crew_share(struct crew *c, int most) {
  c->most = most;
  c->reserve[LANE_CANCEL] = most >= 16 ? most / 8 : most >= 2;
  c->reserve[LANE_SUBMIT] = most >= 8 ? most / 4 : most >= 3;
  c->reserve[LANE_REST] = c->reserve[LANE_SUBMIT];
  for (int i = 0; i < LANES; i++)
    c->waiting[i].before = due_before;
}

static struct errand *first(const struct crew *c, enum lane lane) {
  struct heap_node *top = heap_top(&c->waiting[lane]);
  return top ? container_of(top, struct errand, node) : NULL;
}

/* Is there a hand for this lane that is not kept for another? */
static bool has_hand(const struct crew *c, enum lane lane) {
  int kept = 0;
  for (int i = 0; i < LANES; i++)
    if (i != (int)lane && c->reserve[i] > c->busy[i])
      kept += c->reserve[i] - c->busy[i];
  return c->most - c->active > kept;
}

/* A service that limits the rate is still told of cancels. */
static bool is_open(const struct crew *c, enum lane lane, int64_t now) {
  return lane == LANE_CANCEL || pace_open(&c->pace, now, c->busy[LANE_SUBMIT] + c->busy[LANE_REST]);
}

/* The errand whose call is made now; NULL: none. */
static struct errand *pick(const struct crew *c, int64_t now) {
  struct errand *best = NULL;
  for (int lane = 0; lane < LANES; lane++) {
    struct errand *e = first(c, (enum lane)lane);
    if (!e || e->due_ms > now || !has_hand(c, (enum lane)lane) || !is_open(c, (enum lane)lane, now))
      continue;
    if (lane == LANE_CANCEL)
      return e;
    if (!best || e->due_ms < best->due_ms)
      best = e;
  }
  return best;
}

int64_t crew_next(const struct crew *c, int64_t now) {
  int64_t next = INT64_MAX;
  for (int lane = 0; lane < LANES; lane++) {
    const struct errand *e = first(c, (enum lane)lane);
    int64_t at = e ? e->due_ms : INT64_MAX;
    if (e && lane != LANE_CANCEL && at < c->pace.until_ms)
      at = c->pace.until_ms;
    if (at > now && at < next) /* what is due already waits for a hand, and that looks again */
      next = at;
  }
  return next;
}

static void *hand_thread(void *arg);

static void hire(struct crew *c) {
  struct hand *h = mem_alloc(sizeof *h);
  pthread_t thread;
  h->c = c;
  h->slot = c->hand_count;
  if (pthread_create(&thread, NULL, hand_thread, h) != 0) {
    free(h);
    return;
  }
  pthread_detach(thread);
  c->hands[c->hand_count++] = h;
}

void crew_rouse(struct crew *c) {
  int64_t now = clock_mono_ms();
  if (pick(c, now)) {
    if (c->idle > 0)
      pthread_cond_signal(&c->work);
    else if (c->hand_count < c->most)
      hire(c);
  }
  int64_t next = crew_next(c, now);
  uint64_t one = 1;
  if (next < c->wakes_ms && write(c->wake_fd, &one, sizeof one) == sizeof one)
    c->wakes_ms = next;
}

void crew_put_back(struct crew *c, struct errand *e, int64_t delay_ms) {
  e->due_ms = clock_mono_ms() + delay_ms;
  heap_push(&c->waiting[lane_of(e->next)], &e->node);
  crew_rouse(c);
}

void crew_take_out(struct crew *c, struct errand *e) {
  heap_remove(&c->waiting[lane_of(e->next)], &e->node);
}

uint64_t crew_dice(struct crew *c) {
  c->random ^= c->random << 13;
  c->random ^= c->random >> 7;
  c->random ^= c->random << 17;
  return c->random;
}

/* ---- the end of a job ---- */

void crew_send_end(struct crew *c, uint64_t token, const struct errand_end *end, int64_t began_us) {
  struct step_outcome outcome;
  step_fail(&outcome, end->class, end->message);
  outcome.done.code = end->code;
  outcome.done.retry_after_ms = end->retry_after_ms;
  outcome.done.open = end->open;
  outcome.done.run_us = clock_mono_us() - began_us;
  step_send(c->host->link, token, &outcome, true);
}

void crew_dismiss(struct crew *c, struct errand *e, const struct errand_end *end) {
  table_remove(&c->errands, &e->by_token);
  crew_send_end(c, e->by_token.key, end, e->began_us);
  errand_free(e);
}

/* The credential is refused: no call of anybody is made any more, and the daemon keeps what is
 * there until a person has mended it. */
static void deny_all(struct crew *c, const struct errand_end *why) {
  struct errand_end end;
  c->denied = true;
  c->why_denied = *why;
  for (int lane = 0; lane < LANES; lane++)
    for (struct errand *e; (e = first(c, (enum lane)lane)) != NULL;) {
      crew_take_out(c, e);
      errand_denied(e, why, &end);
      crew_dismiss(c, e, &end);
    }
}

/* ---- one call ---- */

static int32_t keep_reference(struct lathe_job *job, const void *ref, size_t len) {
  struct hand *h = container_of(job, struct hand, job);
  struct crew *c = h->c;
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
    errand_set_ref(h->e, ref, len);
  pthread_mutex_unlock(&c->lock);
  free(text);
  if (code == 0)
    return LATHE_OK;
  snprintf(job->message, sizeof job->message,
           "the reference could not be kept: lathed cannot write to its disk");
  return LATHE_RETRY;
}

/* A cancel is made when the job's own time may be over, and gets time of its own. */
static int64_t deadline_of(const struct hand *h) {
  if (h->call != CALL_CANCEL)
    return h->e->deadline_ms;
  return h->since_ms + CREW_STOP_BEATS * (int64_t)h->c->host->heartbeat_ms;
}

static int32_t call_plugin(struct hand *h) {
  const struct lathe_remote *r = &h->c->host->plugin.remote;
  lathe_step *const calls[CALLS] = {r->submit, r->find, r->poll, r->fetch, r->cancel};
  const struct errand *e = h->e;
  const struct wire_step *s = &e->step;
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
  culprit_enter(h->job.token);
  int32_t code = calls[h->call](h->c->host->self, &h->job, &request, with_ref ? e->ref : NULL,
                                with_ref ? e->ref_len : 0);
  culprit_enter(0);
  return code;
}

/* The work folder of submit and fetch.  False: there is none, and news say so. */
static bool make_folder(struct hand *h, int32_t *code) {
  struct host *host = h->c->host;
  const struct wire_step *s = &h->e->step;
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
static void deliver(struct hand *h) {
  struct crew *c = h->c;
  struct step_outcome outcome;
  step_conclude(&h->job, LATHE_OK, h->e->began_us, &outcome);
  folder_close(&h->folder, false);
  outcome.done.folder = true;
  pthread_mutex_lock(&c->lock);
  struct errand *e = h->e;
  h->e = NULL;
  pace_fine(&c->pace, h->since_ms, c->most);
  table_remove(&c->errands, &e->by_token);
  pthread_mutex_unlock(&c->lock);
  step_send(c->host->link, h->job.token, &outcome, true);
  errand_free(e);
}

/* Under the lock: what follows from a call, for its job and for all. */
static void follow(struct hand *h, int32_t code) {
  struct crew *c = h->c;
  struct errand *e = h->e;
  struct errand_news news = {code, h->job.retry_after_ms, h->job.message};
  struct errand_end end;
  int64_t delay_ms;
  if (code == LATHE_RETRY_RATE) {
    pace_limited(&c->pace, clock_mono_ms(), h->since_ms, h->job.retry_after_ms, crew_dice(c));
    snprintf(c->why_slow, sizeof c->why_slow, "%.299s", h->job.message);
  } else {
    pace_fine(&c->pace, h->since_ms, c->most);
  }
  bool over = errand_advance(e, &news, crew_dice(c), &delay_ms, &end);
  if (!over && c->denied)
    over = errand_denied(e, &c->why_denied, &end);
  int64_t closed_ms = c->pace.until_ms - clock_mono_ms();
  if (over && end.code == LATHE_RETRY_RATE && end.retry_after_ms < closed_ms)
    end.retry_after_ms = closed_ms; /* the daemon's clock is to be no earlier than this one */
  if (over)
    crew_dismiss(c, e, &end);
  else
    crew_put_back(c, e, delay_ms);
  if (over && end.class == WIRE_AUTH && !c->denied)
    deny_all(c, &end);
}

static void say_failure(struct hand *h, int32_t code) {
  char text[1100];
  if (code / 1000 != LATHE_RETRY / 1000 || h->e->failures > 0)
    return; /* the end says why; and the log is not for repetition */
  snprintf(text, sizeof text, "%s: %s (result %d); it is tried again", call_word(h->call),
           h->job.message[0] ? h->job.message : "no message", code);
  logger_line(&h->log, 2, text);
}

static void begin_call(struct hand *h, struct errand *e) {
  struct crew *c = h->c;
  h->e = e;
  h->call = e->next;
  h->since_ms = clock_mono_ms();
  h->stop_ms = 0;
  e->inside = true;
  e->called = true;
  job_begin(&h->job, c->host, e->by_token.key, &e->step);
  if (h->call == CALL_SUBMIT || h->call == CALL_FIND)
    h->job.checkpoint = keep_reference;
  logger_init(&h->log, c->host->link, e->by_token.key, e->step.limits.log_bytes);
  h->log.total = e->log_total;
  h->log.cut = e->log_cut;
  h->job.progress_mark = e->progress_mark;
  h->job.log = &h->log;
  atomic_store(&c->host->board->inside[h->slot], e->by_token.key);
}

/* Called and left with the lock. */
static void make_call(struct hand *h, struct errand *e) {
  struct crew *c = h->c;
  int32_t code;
  begin_call(h, e);
  pthread_mutex_unlock(&c->lock);
  bool made = make_folder(h, &code);
  if (made)
    code = call_plugin(h);
  say_failure(h, code);
  job_flush_progress(&h->job);
  logger_end(&h->log);
  bool fetched = made && h->call == CALL_FETCH && code == LATHE_OK;
  if (!fetched)
    folder_close(&h->folder, true);
  pthread_mutex_lock(&c->lock);
  e->inside = false;
  e->log_total = h->log.total;
  e->log_cut = h->log.cut;
  e->progress_mark = h->job.progress_mark;
  if (fetched) {
    pthread_mutex_unlock(&c->lock);
    deliver(h);
    pthread_mutex_lock(&c->lock);
  } else {
    follow(h, code);
    h->e = NULL;
  }
  link_flush(c->host->link); /* the log, when nothing else was sent */
  atomic_store(&c->host->board->inside[h->slot], 0);
  job_free(&h->job);
  logger_free(&h->log);
}

static void *hand_thread(void *arg) {
  struct hand *h = arg;
  struct crew *c = h->c;
  culprit_thread();
  pthread_mutex_lock(&c->lock);
  for (;;) {
    struct errand *e = pick(c, clock_mono_ms());
    if (!e) {
      c->idle++;
      pthread_cond_wait(&c->work, &c->lock);
      c->idle--;
      continue;
    }
    enum lane lane = lane_of(e->next);
    crew_take_out(c, e);
    c->active++;
    c->busy[lane]++;
    crew_rouse(c); /* the next one may be due, too */
    make_call(h, e);
    c->active--;
    c->busy[lane]--;
    crew_rouse(c); /* what had no hand may have one now */
  }
  return NULL;
}
