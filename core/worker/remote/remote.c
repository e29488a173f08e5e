/* SPDX-License-Identifier: MIT
 *
 * The remote shape of work: one process drives thousands of jobs that run elsewhere.
 *
 *   main thread: socket, stdout, heartbeats, calls that hang
 *     |  STEP -> remote job -> heap, by the time of its next call
 *     v
 *   callers (callers.c; threads, as many as the plugin allows): take what is due, call, put it back
 *
 * What a call means for a job is in remote_job.c.  Between two calls a job is its remote job alone:
 * no folder, no thread, no descriptor.  Nothing is looked at before it is due.
 */
#include "worker/remote/remote.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "worker/backend.h"
#include "worker/remote/callers.h"
#include "worker/remote/crash_owner.h"
#include "worker/remote/due.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
  CALLERS_DEFAULT = 16,   /* where the plugin names no number */
  LOOK_MS = 1000,         /* at the logs and the age of calls, while there are calls */
  SPREAD_PER_JOB_MS = 2,  /* jobs that are taken up again together are polled over so long */
  SPREAD_LAST_MS = 15000, /* but no longer */
  SMALL_CALL_BEATS = 16, /* heartbeats that find, poll and cancel may take: 4 x heartbeat_timeout */
  EXIT_HUNG = 70,
};

/* ---- frames of the daemon; under the lock ---- */

/* One that came while the service serves nobody: it goes back at once, and the daemon knows. */
static bool turn_away(struct remote *c, struct remote_job *j) {
  struct remote_job_end end = {.class = WIRE_RETRY, .code = LATHE_RETRY_RATE};
  int64_t now = clock_mono_ms();
  if (c->denied) {
    remote_job_denied(j, &c->why_denied, &end);
  } else if (j->next == CALL_SUBMIT && c->pace.until_ms > now) {
    end.retry_after_ms = c->pace.until_ms - now;
    snprintf(end.message, sizeof end.message, "%s",
             c->why_slow[0] ? c->why_slow : "the service limits the rate");
  } else {
    return false;
  }
  remote_finish(c, j, &end);
  return true;
}

static void take_step(struct remote *c, const struct wire_frame *f) {
  struct err err = {0};
  struct remote_job *j = remote_job_new(f, &err);
  if (!j) {
    struct remote_job_end end = {.class = WIRE_PERMANENT};
    snprintf(end.message, sizeof end.message, "%s", err.text);
    remote_send_end(c, f->token, &end, clock_mono_us());
    return;
  }
  table_put(&c->jobs, &j->by_token, f->token);
  if (turn_away(c, j))
    return;
  int64_t spread = (int64_t)c->jobs.count * SPREAD_PER_JOB_MS;
  if (spread > SPREAD_LAST_MS)
    spread = SPREAD_LAST_MS;
  remote_put_back(c, j, j->called ? random_up_to(random_next(&c->random), spread) : 0);
}

static struct remote_job *find(const struct remote *c, uint64_t token) {
  struct table_node *n = table_get(&c->jobs, token);
  return n ? container_of(n, struct remote_job, by_token) : NULL;
}

/* The visit of a job that is inside a call, and by whom; NULL for one that is not. */
static struct visit *visit_of(struct remote *c, const struct remote_job *j, struct caller **h) {
  *h = NULL;
  for (int i = 0; i < c->caller_count; i++) {
    *h = c->callers[i];
    if ((*h)->v.j == j)
      return &(*h)->v;
    for (size_t k = 0; k < (*h)->many_count; k++)
      if ((*h)->many[k].j == j)
        return &(*h)->many[k];
  }
  return NULL;
}

/* One that shares its call waits for it, as the others' answers are in it. */
static void stop_inside(struct remote *c, struct remote_job *j, int class) {
  struct caller *h;
  struct visit *v = visit_of(c, j, &h);
  j->stopped = class;
  if (!v)
    return;
  if (v == &h->v)
    h->stop_ms = clock_mono_ms();
  atomic_store(&v->job.cancelled, class);
}

static void cancel(struct remote *c, uint64_t token, int64_t class) {
  struct remote_job *j = find(c, token);
  struct remote_job_end end;
  if (!j || j->stopped)
    return;
  if (class <= WIRE_OK || class >= WIRE_CLASSES)
    class = WIRE_CANCELLED;
  if (j->inside) {
    stop_inside(c, j, (int)class);
    return;
  }
  if (!j->node.at)
    return; /* its result is on the way */
  remote_take_out(c, j);
  if (remote_job_stop(j, (enum wire_class) class, &end))
    remote_finish(c, j, &end);
  else
    remote_put_back(c, j, 0);
}

static void take_answer(struct remote *c, uint64_t token, int64_t code) {
  const struct remote_job *j = find(c, token);
  struct caller *h;
  if (!j || !visit_of(c, j, &h))
    return;
  h->answer = code;
  h->answered = true;
  pthread_cond_broadcast(&c->answered);
}

static void take_frame(void *arg, const struct wire_frame *f) {
  struct remote *c = arg;
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
  case WIRE_HEALTH:
    backend_ask_health_aside(c->host);
    break;
  case WIRE_RESUMED:
    c->pace = (struct pace){0};
    break;
  case WIRE_STOP:
    c->stopping = true;
    break;
  default:
    serve_complain(c->host, &(struct err){.text = "a message that no daemon sends"});
  }
}

/* ---- calls that hang ---- */

static bool hangs(const struct remote *c, const struct caller *h, int64_t now) {
  int64_t beat = c->host->heartbeat_ms;
  bool small = h->call != CALL_SUBMIT && h->call != CALL_FETCH; /* those carry files */
  if (h->asking)                                                /* it waits for lathed's disk */
    return false;
  return (small && now - h->since_ms > SMALL_CALL_BEATS * beat) ||
         (h->stop_ms && now - h->stop_ms > REMOTE_STOP_BEATS * beat);
}

/* A thread cannot be ended, so the process is, and the next one takes the jobs up.  Only the one
 * whose call hangs pays; of many in one call none does. */
static void give_up(struct remote *c, struct caller *h, int64_t now) {
  struct host *host = c->host;
  const struct remote_job *j = h->v.j;
  long long seconds = (long long)(now - h->since_ms) / 1000;
  struct err err;
  err_set(&err, ERR_BUSY,
          "%s() of %s%s had not returned after %lld s; the worker ends, and its other jobs go on "
          "with the next one",
          j ? call_word(h->call) : "poll_many", j ? "job " : "several jobs",
          j ? j->step.job_id : "", seconds);
  if (j) {
    struct remote_job_end end = {.class = j->stopped ? (enum wire_class)j->stopped : WIRE_CRASHED,
                                 .open = true,
                                 .cancel = h->call == CALL_CANCEL ? WIRE_CANCEL_END_UNKNOWN
                                                                  : WIRE_CANCEL_END_NONE};
    snprintf(end.message, sizeof end.message, "the plugin's %s() had not returned after %lld s",
             call_word(h->call), seconds);
    atomic_store(&host->board->crash_owner,
                 h->v.job.token); /* which has its end: nobody else is it */
    logger_flush(&h->v.log);
    serve_complain(host, &err);
    remote_send_end(c, h->v.job.token, &end, j->began_us);
  } else {
    serve_complain(host, &err);
    link_flush(host->link);
  }
  _exit(EXIT_HUNG);
}

static void flush_log(struct remote *c, struct visit *v) {
  if (!v->j || logger_due_ms(&v->log) != 0)
    return;
  logger_flush(&v->log);
  link_flush(c->host->link);
}

/* Under the lock. */
static void look_at_calls(struct remote *c, int64_t now) {
  for (int i = 0; i < c->caller_count; i++) {
    struct caller *h = c->callers[i];
    if (!h->in_call || (h->v.j && !h->v.j->inside)) /* its result is on the way */
      continue;
    flush_log(c, &h->v);
    for (size_t k = 0; k < h->many_count; k++)
      flush_log(c, &h->many[k]);
    if (hangs(c, h, now))
      give_up(c, h, now);
  }
}

/* ---- the main thread ---- */

static int64_t sooner(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* How long to sleep; -1: until something comes.  Under the lock. */
static int time_left(struct remote *c, int64_t heartbeat_at, int64_t now) {
  if (c->jobs.count == 0 && !c->active) {
    c->wakes_ms = INT64_MAX;
    return -1;
  }
  c->wakes_ms = heartbeat_at;
  if (c->active)
    c->wakes_ms = sooner(c->wakes_ms, now + LOOK_MS);
  c->wakes_ms = sooner(c->wakes_ms, remote_next(c, now));
  return c->wakes_ms <= now ? 0 : (int)(c->wakes_ms - now);
}

/* False: the daemon is gone. */
static bool serve_once(struct remote *c, int64_t *heartbeat_at) {
  const struct serve_wait w = {c->log_fd, c->wake_fd, &c->lock, take_frame, c};
  int64_t now = clock_mono_ms();
  pthread_mutex_lock(&c->lock);
  remote_wake(c);
  look_at_calls(c, now);
  bool busy = c->jobs.count > 0;
  int timeout = time_left(c, *heartbeat_at, now);
  pthread_mutex_unlock(&c->lock);
  bool there = serve_wait(c->host, &w, timeout);
  serve_heartbeat(c->host, busy, heartbeat_at);
  return there;
}

int serve_remote(struct host *h) {
  struct remote *c = mem_alloc(sizeof *c); /* its threads may outlive this function */
  uint32_t most = h->plugin.d.max_concurrency ? h->plugin.d.max_concurrency : CALLERS_DEFAULT;
  int64_t heartbeat_at = 0;
  *c = (struct remote){
      .host = h,
      .log_fd = serve_redirect_output(h),
      .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
      .random = (uint64_t)clock_mono_us() ^ (uint64_t)getpid() << 32,
  };
  remote_share(c, (int)(most < WIRE_INSIDE_MAX ? most : WIRE_INSIDE_MAX));
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->answered, NULL);
  crash_owner_watch(h->board);
  atomic_store(&h->remote, c);
  while (!c->stopping)
    if (!serve_once(c, &heartbeat_at))
      link_orphaned();
  return 0; /* STOP comes when there is no job any more */
}
