/* SPDX-License-Identifier: MIT
 *
 * The remote shape of work: one process drives thousands of jobs that run elsewhere.
 *
 *   main thread: socket, stdout, heartbeats, calls that hang
 *     |  STEP -> errand -> heap, by the time of its next call
 *     v
 *   hands (threads, as many as the plugin allows): take what is due, make the call, put it back
 *
 * What a call means for a job is in errand.c.  Between two calls a job is its errand alone: no
 * folder, no thread, no descriptor.  Nothing is looked at before it is due.
 */
#include "worker/serve.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/culprit.h"
#include "worker/errand.h"
#include "worker/step.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
  HANDS_DEFAULT = 16,     /* where the plugin names no number */
  LOOK_MS = 1000,         /* at the logs and the age of calls, while there are calls */
  SPREAD_PER_JOB_MS = 2,  /* jobs that are taken up again together are polled over so long */
  SPREAD_LAST_MS = 15000, /* but no longer */
  SMALL_CALL_BEATS = 16, /* heartbeats that find, poll and cancel may take: 4 x heartbeat_timeout */
  STOP_BEATS = 4,        /* and a call of a job that is to end: heartbeat_timeout */
  EXIT_HUNG = 70,
};

struct hand { /* a thread */
  struct crew *c;
  int slot;         /* on the board */
  struct errand *e; /* what follows: while it has one */
  struct lathe_job job;
  struct logger log;
  struct folder folder;
  enum call call;
  int64_t since_ms, stop_ms; /* when the call began; when it was told to end, or 0 */
  bool asking, answered;     /* its checkpoint */
  int64_t answer;
};

struct crew {
  struct host *host;
  int log_fd, wake_fd;
  int most;

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t work, answered;
  struct table errands;
  struct heap waiting;
  struct hand *hands[WIRE_INSIDE_MAX];
  int hand_count, idle, active;
  int64_t wakes_ms; /* when the main thread looks again */
  uint64_t random;
  bool stopping;
};

static bool due_before(const struct heap_node *a, const struct heap_node *b) {
  return container_of(a, struct errand, node)->due_ms <
         container_of(b, struct errand, node)->due_ms;
}

static uint64_t dice(struct crew *c) {
  c->random ^= c->random << 13;
  c->random ^= c->random >> 7;
  c->random ^= c->random << 17;
  return c->random;
}

/* ---- who takes what is due; under the lock ---- */

static struct errand *first(const struct crew *c) {
  struct heap_node *top = heap_top(&c->waiting);
  return top ? container_of(top, struct errand, node) : NULL;
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

/* After any change of what is first: somebody takes it now, or the main thread wakes in time. */
static void rouse(struct crew *c) {
  const struct errand *e = first(c);
  if (!e)
    return;
  if (e->due_ms > clock_mono_ms()) {
    uint64_t one = 1;
    if (e->due_ms < c->wakes_ms && write(c->wake_fd, &one, sizeof one) == sizeof one)
      c->wakes_ms = e->due_ms;
  } else if (c->idle > 0) {
    pthread_cond_signal(&c->work);
  } else if (c->hand_count < c->most) {
    hire(c);
  }
}

static void put_back(struct crew *c, struct errand *e, int64_t delay_ms) {
  e->due_ms = clock_mono_ms() + delay_ms;
  heap_push(&c->waiting, &e->node);
  rouse(c);
}

/* ---- the end of a job ---- */

static void send_end(struct crew *c, uint64_t token, const struct errand_end *end,
                     int64_t began_us) {
  struct step_outcome outcome;
  step_fail(&outcome, end->class, end->message);
  outcome.done.code = end->code;
  outcome.done.retry_after_ms = end->retry_after_ms;
  outcome.done.open = end->open;
  outcome.done.run_us = clock_mono_us() - began_us;
  step_send(c->host->link, token, &outcome, true);
}

/* Under the lock; nobody else knows it any more. */
static void dismiss(struct crew *c, struct errand *e, const struct errand_end *end) {
  table_remove(&c->errands, &e->by_token);
  send_end(c, e->by_token.key, end, e->began_us);
  errand_free(e);
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
      .deadline_ms = e->deadline_ms,
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
  if (folder_make(&h->folder, host->work_root, host->backend, h->job.token, s->inputs,
                  s->input_count, &err) == 0)
    return true;
  folder_close(&h->folder, true);
  snprintf(h->job.message, sizeof h->job.message, "%s", err.text);
  *code = h->call == CALL_SUBMIT ? LATHE_RETRY_ANEW : LATHE_RETRY; /* nothing was begun */
  return false;
}

/* Sends the result of a fetch that went well.  Not under the lock: artifacts are hashed. */
static void deliver(struct hand *h) {
  struct crew *c = h->c;
  struct step_outcome outcome;
  step_conclude(&h->job, LATHE_OK, h->e->began_us, &outcome);
  folder_close(&h->folder, false);
  outcome.done.workdir = h->folder.path;
  pthread_mutex_lock(&c->lock);
  struct errand *e = h->e;
  h->e = NULL;
  table_remove(&c->errands, &e->by_token);
  pthread_mutex_unlock(&c->lock);
  step_send(c->host->link, h->job.token, &outcome, true);
  errand_free(e);
}

/* Under the lock: what follows from a call. */
static void follow(struct hand *h, int32_t code) {
  struct crew *c = h->c;
  struct errand *e = h->e;
  struct errand_news news = {code, h->job.retry_after_ms, h->job.message};
  struct errand_end end;
  int64_t delay_ms;
  if (errand_advance(e, &news, dice(c), &delay_ms, &end))
    dismiss(c, e, &end);
  else
    put_back(c, e, delay_ms);
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
  c->active++;
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
  c->active--;
}

static void *hand_thread(void *arg) {
  struct hand *h = arg;
  struct crew *c = h->c;
  culprit_thread();
  pthread_mutex_lock(&c->lock);
  for (;;) {
    struct errand *e = first(c);
    if (!e || e->due_ms > clock_mono_ms()) {
      c->idle++;
      pthread_cond_wait(&c->work, &c->lock);
      c->idle--;
      continue;
    }
    heap_remove(&c->waiting, &e->node);
    rouse(c); /* the next one may be due, too */
    make_call(h, e);
  }
  return NULL;
}

/* ---- frames of the daemon; under the lock ---- */

static void take_step(struct crew *c, const struct wire_frame *f) {
  struct err err = {0};
  struct errand *e = errand_new(f, &err);
  if (!e) {
    struct errand_end end = {.class = WIRE_PERMANENT};
    snprintf(end.message, sizeof end.message, "%s", err.text);
    send_end(c, f->token, &end, clock_mono_us());
    return;
  }
  table_put(&c->errands, &e->by_token, f->token);
  int64_t spread = (int64_t)c->errands.count * SPREAD_PER_JOB_MS;
  if (spread > SPREAD_LAST_MS)
    spread = SPREAD_LAST_MS;
  put_back(c, e, e->called ? (int64_t)(dice(c) % (uint64_t)spread) : 0);
}

static struct errand *find(const struct crew *c, uint64_t token) {
  struct table_node *n = table_get(&c->errands, token);
  return n ? container_of(n, struct errand, by_token) : NULL;
}

static struct hand *hand_of(struct crew *c, const struct errand *e) {
  for (int i = 0; i < c->hand_count; i++)
    if (c->hands[i]->e == e)
      return c->hands[i];
  return NULL;
}

static void cancel(struct crew *c, uint64_t token, int64_t class) {
  struct errand *e = find(c, token);
  struct errand_end end;
  if (!e || e->stopped)
    return;
  if (class <= WIRE_OK || class >= WIRE_CLASSES)
    class = WIRE_CANCELLED;
  if (e->inside) {
    struct hand *h = hand_of(c, e);
    e->stopped = (int)class;
    h->stop_ms = clock_mono_ms();
    atomic_store(&h->job.cancelled, (int)class);
    return;
  }
  if (!e->node.at)
    return; /* its result is on the way */
  heap_remove(&c->waiting, &e->node);
  if (errand_stop(e, (enum wire_class) class, &end))
    dismiss(c, e, &end);
  else
    put_back(c, e, 0);
}

static void take_answer(struct crew *c, uint64_t token, int64_t code) {
  const struct errand *e = find(c, token);
  struct hand *h = e ? hand_of(c, e) : NULL;
  if (!h)
    return;
  h->answer = code;
  h->answered = true;
  pthread_cond_broadcast(&c->answered);
}

static void take_frame(struct crew *c, const struct wire_frame *f) {
  int64_t value;
  switch (f->type) {
  case WIRE_STEP:
    take_step(c, f);
    break;
  case WIRE_CANCEL:
    if (wire_get_value(f, &value, NULL) == 0)
      cancel(c, f->token, value);
    break;
  case WIRE_CHECKPOINTED:
    if (wire_get_value(f, &value, NULL) == 0)
      take_answer(c, f->token, value);
    break;
  case WIRE_STOP:
    c->stopping = true;
    break;
  default:
    serve_complain(c->host, &(struct err){.text = "a message that no daemon sends"});
  }
}

/* ---- calls that hang ---- */

static bool hangs(const struct crew *c, const struct hand *h, int64_t now) {
  int64_t beat = c->host->heartbeat_ms;
  bool small = h->call != CALL_SUBMIT && h->call != CALL_FETCH; /* those carry files */
  if (h->asking)                                                /* it waits for lathed's disk */
    return false;
  return (small && now - h->since_ms > SMALL_CALL_BEATS * beat) ||
         (h->stop_ms && now - h->stop_ms > STOP_BEATS * beat);
}

/* A thread cannot be ended, so the process is, and the next one takes the jobs up.  Only the one
 * whose call hangs pays. */
static void give_up(struct crew *c, struct hand *h, int64_t now) {
  struct host *host = c->host;
  struct errand_end end = {.class = h->e->stopped ? (enum wire_class)h->e->stopped : WIRE_CRASHED,
                           .open = true};
  struct err err;
  snprintf(end.message, sizeof end.message, "the plugin's %s() had not returned after %lld s",
           call_word(h->call), (long long)(now - h->since_ms) / 1000);
  err_set(&err, ERR_BUSY,
          "%s() of job %s had not returned after %lld s; the worker ends, and its other jobs go on "
          "with the next one",
          call_word(h->call), h->e->step.job_id, (long long)(now - h->since_ms) / 1000);
  atomic_store(&host->board->culprit, h->job.token); /* which has its end: nobody else is it */
  logger_flush(&h->log);
  serve_complain(host, &err);
  send_end(c, h->job.token, &end, h->e->began_us);
  _exit(EXIT_HUNG);
}

/* Under the lock. */
static void look_at_calls(struct crew *c, int64_t now) {
  for (int i = 0; i < c->hand_count; i++) {
    struct hand *h = c->hands[i];
    if (!h->e || !h->e->inside)
      continue;
    if (logger_due_ms(&h->log) == 0) {
      logger_flush(&h->log);
      link_flush(c->host->link);
    }
    if (hangs(c, h, now))
      give_up(c, h, now);
  }
}

/* ---- the main thread ---- */

static int64_t sooner(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* How long to sleep; -1: until something comes.  Under the lock. */
static int time_left(struct crew *c, int64_t heartbeat_at, int64_t now) {
  const struct errand *e = first(c);
  if (c->errands.count == 0 && !c->active) {
    c->wakes_ms = INT64_MAX;
    return -1;
  }
  c->wakes_ms = heartbeat_at;
  if (c->active)
    c->wakes_ms = sooner(c->wakes_ms, now + LOOK_MS);
  if (e && e->due_ms > now)
    c->wakes_ms = sooner(c->wakes_ms, e->due_ms);
  return c->wakes_ms <= now ? 0 : (int)(c->wakes_ms - now);
}

/* False: the daemon is gone. */
static bool serve_once(struct crew *c, int64_t *heartbeat_at) {
  struct host *h = c->host;
  struct wire_frame f;
  struct pollfd fds[] = {
      {.fd = h->link->fd, .events = POLLIN},
      {.fd = c->log_fd, .events = POLLIN},
      {.fd = c->wake_fd, .events = POLLIN},
  };
  uint64_t wakes;
  int64_t now = clock_mono_ms();
  int rc;
  pthread_mutex_lock(&c->lock);
  rouse(c);
  look_at_calls(c, now);
  bool busy = c->errands.count > 0;
  int timeout = time_left(c, *heartbeat_at, now);
  pthread_mutex_unlock(&c->lock);
  poll(fds, 3, timeout);
  if (fds[2].revents && read(c->wake_fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN)
    return false;
  if (fds[0].revents && link_read(h->link, false) < 0)
    return false;
  pthread_mutex_lock(&c->lock);
  while ((rc = wire_input_next(&h->link->in, &f, NULL)) > 0)
    take_frame(c, &f);
  pthread_mutex_unlock(&c->lock);
  if (fds[1].revents) {
    logger_drain(&h->log, c->log_fd);
    logger_flush(&h->log);
    link_flush(h->link);
  }
  now = clock_mono_ms();
  if (busy && now >= *heartbeat_at) {
    wire_put_bare(link_begin(h->link), WIRE_HEARTBEAT, 0);
    link_end(h->link, true);
  }
  if (!busy || now >= *heartbeat_at)
    *heartbeat_at = now + h->heartbeat_ms;
  return rc == 0;
}

int serve_remote(struct host *h) {
  struct crew *c = mem_alloc(sizeof *c); /* its threads may outlive this function */
  uint32_t most = h->plugin.d.max_concurrency ? h->plugin.d.max_concurrency : HANDS_DEFAULT;
  int64_t heartbeat_at = 0;
  *c = (struct crew){
      .host = h,
      .log_fd = serve_redirect_output(h),
      .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
      .most = (int)(most < WIRE_INSIDE_MAX ? most : WIRE_INSIDE_MAX),
      .waiting.before = due_before,
      .random = (uint64_t)clock_mono_us() ^ (uint64_t)getpid() << 32,
  };
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->answered, NULL);
  culprit_watch(h->board);
  while (!c->stopping)
    if (!serve_once(c, &heartbeat_at))
      link_orphaned();
  return 0; /* STOP comes when there is no job any more */
}
