/* SPDX-License-Identifier: MIT
 *
 * Isolation SHARED: one process, many steps at once, each on a thread of its own.
 *
 *   main thread: socket, heartbeats, stdout (of no one step, so it goes to the backend's log)
 *     |  STEP -> queue
 *     v
 *   threads (slots, at most max_concurrency): take a step, run(), send DONE
 *
 * Threads are started when they are first needed, and stay.
 */
#include "worker/serve.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "worker/backend.h"
#include "worker/jail/usage.h"
#include "worker/step.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task { /* a step, waiting or running */
  struct list ring;
  struct lathe_job job;
  struct logger log;
  struct wire_step step;
  struct folder folder;
  char *payload; /* that `step` points into */
};

struct pool {
  struct host *host;
  int log_fd;
  size_t most;
  int64_t memory_before,
      memory_look_ms; /* what it held before the first step; when to look again */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t work, ended;
  struct list queue, running;
  size_t queued, active, threads, idle;
  bool stopping;
};

static void task_free(struct task *t) {
  job_free(&t->job);
  logger_free(&t->log);
  free(t->step.inputs);
  free(t->payload);
  free(t);
}

static void task_run(struct pool *c, struct task *t) {
  struct host *h = c->host;
  struct step_outcome outcome;
  struct err err = {0};
  if (folder_make(&t->folder, h->work_root, h->stem, t->job.token, t->step.inputs,
                  t->step.input_count, &err) < 0)
    step_fail(&outcome, WIRE_RETRY, err.text);
  else
    step_run(&t->job, &outcome);
  folder_close(&t->folder, false);
  outcome.done.folder = true;
  logger_end(&t->log);
  pthread_mutex_lock(&c->lock);
  list_remove(&t->ring); /* nobody cancels it from here on */
  pthread_mutex_unlock(&c->lock);
  step_send(h->link, t->job.token, &outcome, true);
  task_free(t);
}

static void *pool_thread(void *arg) {
  struct pool *c = arg;
  pthread_mutex_lock(&c->lock);
  for (;;) {
    struct list *it = list_pop_front(&c->queue);
    if (!it) {
      c->idle++;
      pthread_cond_wait(&c->work, &c->lock);
      c->idle--;
      continue;
    }
    struct task *t = container_of(it, struct task, ring);
    c->queued--;
    c->active++;
    list_push_back(&c->running, &t->ring);
    pthread_mutex_unlock(&c->lock);
    task_run(c, t);
    pthread_mutex_lock(&c->lock);
    c->active--;
    pthread_cond_signal(&c->ended);
  }
  return NULL;
}

static void refuse_step(struct pool *c, uint64_t token, enum wire_class class, const char *why) {
  struct step_outcome outcome;
  step_fail(&outcome, class, why);
  step_send(c->host->link, token, &outcome, true);
}

/* Under the lock. */
static void add_task(struct pool *c, const struct wire_frame *f) {
  struct task *t = mem_alloc(sizeof *t);
  struct wire_frame own = *f;
  struct err err = {0};
  pthread_t thread;
  t->payload = mem_alloc(f->len + 1);
  memcpy(t->payload, f->payload, f->len);
  own.payload = t->payload;
  job_begin(&t->job, c->host, f->token, &t->step);
  if (wire_get_step(&own, &t->step, &err) < 0) {
    refuse_step(c, f->token, WIRE_RETRY, err.text);
    task_free(t);
    return;
  }
  logger_init(&t->log, c->host->link, f->token, t->step.limits.log_bytes);
  t->job.log = &t->log;
  t->job.folder = &t->folder;
  t->folder.fd = -1;
  list_push_back(&c->queue, &t->ring);
  c->queued++;
  if (c->idle < c->queued && c->threads < c->most &&
      pthread_create(&thread, NULL, pool_thread, c) == 0) {
    pthread_detach(thread);
    c->threads++;
  }
  pthread_cond_signal(&c->work);
}

/* Under the lock. */
static void cancel(struct pool *c, uint64_t token, int class) {
  if (class <= WIRE_OK || class >= WIRE_CLASSES)
    class = WIRE_CANCELLED;
  list_for_each(it, &c->running) {
    struct task *t = container_of(it, struct task, ring);
    if (t->job.token == token)
      atomic_store(&t->job.cancelled, class);
  }
  list_for_each_safe(it, &c->queue) {
    struct task *t = container_of(it, struct task, ring);
    if (t->job.token != token)
      continue;
    list_remove(&t->ring);
    c->queued--;
    refuse_step(c, token, (enum wire_class) class, "cancelled before it began");
    task_free(t);
  }
}

/* Under the lock. */
static void pool_take_frame(void *arg, const struct wire_frame *f) {
  struct pool *c = arg;
  int64_t class;
  switch (f->type) {
  case WIRE_STEP:
    add_task(c, f);
    break;
  case WIRE_CANCEL:
    if (wire_get_value(f, &class, NULL) == 0)
      cancel(c, f->token, (int)class);
    break;
  case WIRE_RECALL: /* steps are sent one for each slot, so nothing waits here for long */
    wire_put_recalled(link_begin(c->host->link), NULL, 0);
    link_end(c->host->link, true);
    break;
  case WIRE_HEALTH:
    backend_ask_health_aside(c->host);
    break;
  case WIRE_STOP:
    c->stopping = true;
    break;
  default:
    serve_complain(c->host, &(struct err){.text = "a message that no daemon sends"});
  }
}

/* Under the lock: sends what waited long enough in the logs. */
static void flush_logs(struct pool *c) {
  list_for_each(it, &c->running) {
    struct logger *log = &container_of(it, struct task, ring)->log;
    if (logger_due_ms(log) == 0) {
      logger_flush(log);
      link_flush(c->host->link);
    }
  }
}

#define LOG_LOOK_MS    20  /* how often the logs of running steps are looked at */
#define MEMORY_LOOK_MS 100 /* and the memory */
#define LOOK_SHARE     20  /* of the CPU time that a look took, until the next */

/* Under the lock.  What the running steps may hold in all; 0: no limit, or none runs. */
static int64_t memory_limit(struct pool *c) {
  int64_t sum = 0;
  list_for_each(it, &c->running) {
    int64_t one = container_of(it, struct task, ring)->step.limits.memory;
    if (one <= 0 || __builtin_add_overflow(sum, one, &sum))
      return 0;
  }
  return sum;
}

/* Nobody knows whose a page is: the process ends when it holds more than all of its steps together
 * may, beside what it held before the first. */
static void check_memory(struct pool *c) {
  struct wire_board *board = c->host->board;
  int64_t now = clock_mono_ms();
  if (now < c->memory_look_ms)
    return;
  pthread_mutex_lock(&c->lock);
  int64_t most = memory_limit(c);
  pthread_mutex_unlock(&c->lock);
  if (most <= 0 || __builtin_add_overflow(most, c->memory_before, &most))
    return;
  int64_t start = clock_thread_us(), found = usage_memory(most);
  int64_t pause = (clock_thread_us() - start) * LOOK_SHARE / 1000;
  c->memory_look_ms = now + (pause > MEMORY_LOOK_MS ? pause : MEMORY_LOOK_MS);
  if (found <= most)
    return;
  link_flush(c->host->link);
  atomic_store(&board->found, found - c->memory_before);
  atomic_store(&board->over, WIRE_OVER_MEMORY);
  kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

/* False: the daemon is gone. */
static bool serve_once(struct pool *c, int64_t *heartbeat_at) {
  const struct serve_wait w = {c->log_fd, -1, &c->lock, pool_take_frame, c};
  pthread_mutex_lock(&c->lock);
  bool active = c->active || c->queued;
  flush_logs(c);
  pthread_mutex_unlock(&c->lock);
  bool there = serve_wait(c->host, &w, active ? LOG_LOOK_MS : -1);
  serve_heartbeat(c->host, active, heartbeat_at);
  check_memory(c);
  return there;
}

int serve_shared(struct host *h) {
  struct pool *c = mem_alloc(sizeof *c); /* its threads may outlive this function */
  uint32_t most = h->plugin.d.max_concurrency;
  int64_t heartbeat_at = 0;
  *c = (struct pool){
      .host = h,
      .log_fd = serve_redirect_output(h),
      .most = most && most < h->slots ? most : h->slots,
      .memory_before = usage_memory(INT64_MAX),
  };
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->ended, NULL);
  list_init(&c->queue);
  list_init(&c->running);
  while (!c->stopping)
    if (!serve_once(c, &heartbeat_at))
      link_orphaned();
  /* STOP comes when lathed waits for no step any more, but for ones it gave up. */
  pthread_mutex_lock(&c->lock);
  while (c->queued || c->active)
    pthread_cond_wait(&c->ended, &c->lock);
  pthread_mutex_unlock(&c->lock);
  return 0;
}
