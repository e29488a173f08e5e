/* SPDX-License-Identifier: MIT
 *
 * Isolation PROCESS: the plugin stays, one step at a time.
 *
 * Two threads share the work, so that a step that ends at once costs no change of threads:
 *
 *   run thread (main):  idle: reads the socket itself --STEP*--> busy: run(), DONE ... --> idle
 *   watch thread:       sleeps --busy for over a millisecond--> reads the socket and the log pipe,
 *                       sends heartbeats, looks at CPU time and memory, until the other is idle
 *
 * So a STEP that comes while the run thread is busy waits in the queue; CANCEL reaches a running
 * step within about two milliseconds (lathed kills a process that does not obey); RECALL gives back
 * what has not begun.  When nothing is to be done both threads sleep for good.
 */
#include "worker/serve.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "worker/backend.h"
#include "worker/jail/home.h"
#include "worker/jail/jail_helper.h"
#include "worker/jail/limits.h"
#include "worker/jail/usage.h"
#include "worker/step.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define WATCH_AFTER_NS  1000000L
#define DONES_PER_WRITE 16 /* the daemon refills while the rest of a batch runs */
#define CPU_CHECK_MS    50
#define MEMORY_CHECK_MS 100
#define LOOK_SHARE      20 /* of the CPU time that a look at the memory took, until the next */

struct waiting { /* a STEP that has not begun */
  struct list ring;
  uint64_t token;
  size_t len;
  char payload[];
};

struct resident {
  struct host *host;
  int log_fd, timer_fd, wake_fd;
  struct logger log;    /* of the running step; between steps, of the backend */
  uint64_t watched;     /* token of the step that the jail helper knows of; under the lock */
  struct folder folder; /* kept from step to step while nothing is left in it */
  unsigned unsent;      /* DONEs in the link's buffer; run thread */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t unwatched;
  struct list queue;
  size_t queued;
  struct lathe_job *current;
  int64_t cpu_end_us;  /* CPU time of the process at which `current` is over its limit; 0: none */
  int64_t below_us;    /* that of what the plugin started, at the first look; -1: not looked yet */
  int64_t cpu_look_ms; /* when to look again */
  int64_t memory_look_ms;
  bool busy, stopping;
  bool health_wanted;   /* health() is to be asked between two steps */
  atomic_bool watching; /* read without the lock by the run thread */
};

/* ---- frames of the daemon; under the lock, on either thread ---- */

static void enqueue(struct resident *r, const struct wire_frame *f) {
  struct waiting *w = mem_alloc(sizeof *w + f->len);
  w->token = f->token;
  w->len = f->len;
  memcpy(w->payload, f->payload, f->len);
  list_push_back(&r->queue, &w->ring);
  r->queued++;
}

static void cancel(struct resident *r, uint64_t token, int class) {
  if (class <= WIRE_OK || class >= WIRE_CLASSES)
    class = WIRE_CANCELLED;
  if (r->current && r->current->token == token) {
    atomic_store(&r->current->cancelled, class);
    return;
  }
  list_for_each_safe(it, &r->queue) {
    struct waiting *w = container_of(it, struct waiting, ring);
    if (w->token != token)
      continue;
    struct step_outcome outcome;
    step_fail(&outcome, (enum wire_class) class, "cancelled before it began");
    step_send(r->host->link, token, &outcome, true);
    list_remove(&w->ring);
    r->queued--;
    free(w);
    return;
  }
  link_flush(r->host->link); /* its DONE may lie in the buffer, behind a long step */
}

static void recall(struct resident *r) {
  uint64_t *tokens = mem_array(r->queued + 1, sizeof *tokens);
  size_t n = 0;
  for (struct list *it; (it = list_pop_front(&r->queue)) != NULL;) {
    struct waiting *w = container_of(it, struct waiting, ring);
    tokens[n++] = w->token;
    free(w);
  }
  r->queued = 0;
  wire_put_recalled(link_begin(r->host->link), tokens, n);
  link_end(r->host->link, true);
  free(tokens);
}

static void resident_take_frame(struct resident *r, const struct wire_frame *f) {
  int64_t class;
  switch (f->type) {
  case WIRE_STEP:
    enqueue(r, f);
    break;
  case WIRE_CANCEL:
    if (wire_get_value(f, &class, NULL) == 0)
      cancel(r, f->token, (int)class);
    break;
  case WIRE_RECALL:
    recall(r);
    break;
  case WIRE_HEALTH:
    r->health_wanted = true;
    break;
  case WIRE_STOP:
    r->stopping = true;
    break;
  default:
    serve_complain(r->host, &(struct err){.text = "a message that no daemon sends"});
  }
}

/* Reads and takes all frames that are there; a daemon that is gone ends the process. */
static void take_frames(struct resident *r) {
  struct wire_frame f;
  int rc;
  if (link_read(r->host->link, false) < 0)
    link_orphaned();
  while ((rc = wire_input_next(&r->host->link->in, &f, NULL)) > 0)
    resident_take_frame(r, &f);
  if (rc < 0)
    link_orphaned();
}

/* ---- the watch thread ---- */

/* Of this process alone. */
static int64_t cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Under the lock.  A step over its CPU time ends here, and the process with it: nothing else stops
 * a plugin that computes.  What it started counts too, from the first look on: a millisecond into
 * the step; in a jail the jail helper looks at those, for they cannot be seen from inside.  The
 * daemon knows what SIGXCPU means. */
static void check_cpu(struct resident *r) {
  int64_t now = clock_mono_ms();
  if (!r->current || !r->cpu_end_us || now < r->cpu_look_ms)
    return;
  r->cpu_look_ms = now + CPU_CHECK_MS;
  int64_t below = usage_below_us() + atomic_load(&r->host->board->left_us);
  if (r->below_us < 0)
    r->below_us = below;
  if (cpu_us() + below - r->below_us < r->cpu_end_us)
    return;
  logger_drain(&r->log, r->log_fd);
  logger_end(&r->log);
  link_flush(r->host->link);
  signal(SIGXCPU, SIG_DFL);
  raise(SIGXCPU);
}

/* Under the lock.  Of the running step, where this process has to look; 0: none. */
static int64_t memory_limit(const struct resident *r) {
  return r->current && !r->host->jail.on ? r->current->step->limits.memory : 0;
}

/* Under the lock.  A step whose processes hold more than its memory ends here, with the process. In
 * a jail the jail helper looks. */
static void check_memory(struct resident *r) {
  struct wire_board *board = r->host->board;
  int64_t now = clock_mono_ms();
  int64_t most = memory_limit(r);
  if (most <= 0 || now < r->memory_look_ms)
    return;
  int64_t start = clock_thread_us(), found = usage_memory(most);
  int64_t pause = (clock_thread_us() - start) * LOOK_SHARE / 1000;
  r->memory_look_ms = now + (pause > MEMORY_CHECK_MS ? pause : MEMORY_CHECK_MS);
  if (found <= most)
    return;
  logger_drain(&r->log, r->log_fd);
  logger_end(&r->log);
  link_flush(r->host->link);
  atomic_store(&board->found, found);
  atomic_store(&board->over, WIRE_OVER_MEMORY);
  kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

/* Under the lock.  Steps that end at once are not worth a word. */
static void tell_jail_helper(struct resident *r) {
  if (!r->host->jail.on || !r->current || r->current->token == r->watched)
    return;
  r->watched = r->current->token;
  jail_helper_watch(r->host->jail_helper, r->watched, &r->current->step->limits);
}

static int watch_timeout(struct resident *r, int64_t heartbeat_at) {
  int64_t left = heartbeat_at - clock_mono_ms();
  int timeout = left < 0 ? 0 : (int)left;
  int due = logger_due_ms(&r->log);
  if (due >= 0 && due < timeout)
    timeout = due;
  if (r->cpu_end_us && timeout > CPU_CHECK_MS)
    timeout = CPU_CHECK_MS;
  if (memory_limit(r) > 0 && timeout > MEMORY_CHECK_MS)
    timeout = MEMORY_CHECK_MS;
  return timeout;
}

/* Until the run thread has nothing to do.  Called and left with the lock. */
static void watch(struct resident *r) {
  struct host *h = r->host;
  int64_t heartbeat_at = clock_mono_ms() + h->heartbeat_ms;
  uint64_t wakes;
  link_flush(h->link); /* DONEs wait for no long step */
  tell_jail_helper(r);
  while (r->busy) {
    struct pollfd fds[] = {
        {.fd = h->link->fd, .events = POLLIN},
        {.fd = r->log_fd, .events = POLLIN},
        {.fd = r->wake_fd, .events = POLLIN},
    };
    int timeout = watch_timeout(r, heartbeat_at);
    pthread_mutex_unlock(&r->lock);
    poll(fds, 3, timeout);
    pthread_mutex_lock(&r->lock);
    if (fds[2].revents && read(r->wake_fd, &wakes, sizeof wakes) < 0)
      continue;
    if (!r->busy)
      break;
    if (fds[0].revents)
      take_frames(r);
    if (fds[1].revents) { /* sent at once: what we hold is lost if the job ends the process now */
      logger_drain(&r->log, r->log_fd);
      logger_flush(&r->log);
      link_flush(h->link);
    }
    check_cpu(r);
    check_memory(r);
    tell_jail_helper(r);
    if (logger_due_ms(&r->log) == 0) {
      logger_flush(&r->log);
      link_flush(h->link);
    }
    if (clock_mono_ms() >= heartbeat_at) {
      wire_put_bare(link_begin(h->link), WIRE_HEARTBEAT, 0);
      link_end(h->link, true);
      heartbeat_at = clock_mono_ms() + h->heartbeat_ms;
    }
  }
}

static void *watch_thread(void *arg) {
  struct resident *r = arg;
  uint64_t times;
  for (;;) {
    if (read(r->timer_fd, &times, sizeof times) < 0 && errno != EINTR)
      return NULL;
    pthread_mutex_lock(&r->lock);
    if (r->busy) {
      r->watching = true;
      watch(r);
      r->watching = false;
      pthread_cond_signal(&r->unwatched);
    }
    pthread_mutex_unlock(&r->lock);
  }
}

/* ---- the run thread ---- */

/* The folder for a step: the one at hand, if nothing is in it and nothing has to go in. */
static int get_folder(struct resident *r, uint64_t token, const struct wire_step *s,
                      struct err *err) {
  if (r->folder.fd >= 0 && s->input_count == 0)
    return 0;
  folder_close(&r->folder, true);
  if (r->host->jail.on) {
    int rc = jail_helper_make(r->host->jail_helper, &r->folder, r->host, token, s, err);
    if (rc == 0)
      home_enter(r->folder.fd);
    return rc;
  }
  return folder_make(&r->folder, r->host->cell, r->host->stem, token, s->inputs, s->input_count,
                     err);
}

/* After a step: an empty folder is kept, one with artifacts goes to the daemon. */
static void put_folder(struct resident *r, uint64_t token, struct step_outcome *out,
                       struct err *err) {
  const struct host *h = r->host;
  if (r->folder.fd < 0 || (out->done.artifact_count == 0 && folder_is_empty(&r->folder)))
    return;
  folder_close(&r->folder, false);
  int rc = h->jail.on ? jail_helper_finish(h->jail_helper, r->folder.token, token, err)
                      : folder_finish(h->cell, h->work_root, h->stem, r->folder.token, token, err);
  if (rc < 0)
    step_spoil(out, WIRE_RETRY, err->text);
  out->done.folder = rc == 0;
}

static void set_current(struct resident *r, struct lathe_job *job, int64_t cpu_end_us) {
  pthread_mutex_lock(&r->lock);
  r->current = job;
  r->cpu_end_us = cpu_end_us;
  r->below_us = -1;
  r->cpu_look_ms = 0;
  pthread_mutex_unlock(&r->lock);
}

static void run_step(struct resident *r, uint64_t token, const struct wire_step *step) {
  struct host *h = r->host;
  struct lathe_job job;
  struct step_outcome outcome;
  struct err err = {0};
  atomic_store(&h->in_step, true);
  job_begin(&job, h, token, step);
  job.folder = &r->folder;
  job.log = &r->log;
  logger_turn_to(&r->log, token, step->limits.log_bytes);
  if (get_folder(r, token, step, &err) < 0) {
    step_fail(&outcome, WIRE_RETRY, err.text);
  } else {
    limits_of_resident(&step->limits);
    /* First: the jail helper, which the watch thread tells of `current`, takes a step that does not
     * run for one that is over, and looks at it no more. */
    atomic_store_explicit(&h->board->running, token, memory_order_release);
    set_current(r, &job, step->limits.cpu_ms > 0 ? cpu_us() + step->limits.cpu_ms * 1000 : 0);
    step_run(&job, &outcome);
    atomic_store_explicit(&h->board->running, 0, memory_order_release);
    set_current(r, NULL, 0);
  }
  fflush(stdout);
  logger_drain(&r->log, r->log_fd);
  logger_end(&r->log);
  logger_turn_to(&r->log, 0, 0);
  put_folder(r, token, &outcome, &err);
  bool cancelled = atomic_load(&job.cancelled) != 0; /* lathed is about to kill us: be quick */
  bool flush = cancelled || atomic_load(&r->watching) || ++r->unsent >= DONES_PER_WRITE;
  step_send(h->link, token, &outcome, flush);
  if (flush)
    r->unsent = 0;
  job_free(&job);
  atomic_store(&h->in_step, false);
  host_renew_now(h);
}

static void run_waiting(struct resident *r, struct waiting *w) {
  struct wire_frame f = {
      .type = WIRE_STEP, .token = w->token, .payload = w->payload, .len = w->len};
  struct wire_step step;
  struct err err = {0};
  if (wire_get_step(&f, &step, &err) == 0) {
    run_step(r, w->token, &step);
    free(step.inputs);
  } else {
    struct step_outcome outcome;
    step_fail(&outcome, WIRE_RETRY, err.text);
    step_send(r->host->link, w->token, &outcome, true);
  }
  free(w);
}

static struct waiting *next_waiting(struct resident *r) {
  pthread_mutex_lock(&r->lock);
  struct list *it = list_pop_front(&r->queue);
  if (it)
    r->queued--;
  pthread_mutex_unlock(&r->lock);
  return it ? container_of(it, struct waiting, ring) : NULL;
}

static bool is_health_wanted(struct resident *r) {
  pthread_mutex_lock(&r->lock);
  bool wanted = r->health_wanted;
  r->health_wanted = false;
  pthread_mutex_unlock(&r->lock);
  return wanted;
}

/* Takes the socket back from the watch thread and waits for steps.  False: there will be none. */
static bool idle(struct resident *r) {
  struct host *h = r->host;
  link_flush(h->link);
  r->unsent = 0;
  pthread_mutex_lock(&r->lock);
  r->busy = false;
  while (r->watching) {
    uint64_t one = 1;
    if (write(r->wake_fd, &one, sizeof one) < 0)
      break;
    pthread_cond_wait(&r->unwatched, &r->lock);
  }
  while (list_empty(&r->queue) && !r->stopping && !r->health_wanted) {
    struct pollfd fds[] = {
        {.fd = h->link->fd, .events = POLLIN},
        {.fd = r->log_fd, .events = POLLIN}, /* threads of the plugin may talk at any time */
    };
    pthread_mutex_unlock(&r->lock);
    poll(fds, 2, -1);
    pthread_mutex_lock(&r->lock);
    if (fds[0].revents)
      take_frames(r);
    if (fds[1].revents) {
      logger_drain(&r->log, r->log_fd);
      logger_flush(&r->log);
      link_flush(h->link);
    }
  }
  r->busy = !list_empty(&r->queue) || r->health_wanted;
  bool busy = r->busy;
  pthread_mutex_unlock(&r->lock);
  if (busy) {
    struct itimerspec soon = {.it_value.tv_nsec = WATCH_AFTER_NS};
    timerfd_settime(r->timer_fd, 0, &soon, NULL);
  }
  return busy;
}

int serve_process(struct host *h) {
  static struct resident r; /* the watch thread outlives this function: destroy() comes after it */
  r = (struct resident){
      .host = h,
      .folder.fd = -1,
      .log_fd = serve_redirect_output(h),
      .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
      .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
  };
  pthread_t thread;
  logger_init(&r.log, h->link, 0, 0);
  r.log.wake_fd = &r.wake_fd; /* the plugin's own lines come by no descriptor that watch() polls */
  list_init(&r.queue);
  pthread_mutex_init(&r.lock, NULL);
  pthread_cond_init(&r.unwatched, NULL);
  if (r.log_fd < 0 || r.timer_fd < 0 || r.wake_fd < 0 ||
      pthread_create(&thread, NULL, watch_thread, &r) != 0) {
    serve_complain(h, &(struct err){.text = "the worker cannot start its watch thread"});
    link_flush(h->link);
    return EXIT_FAILURE;
  }
  do {
    if (is_health_wanted(&r))
      backend_ask_health(h);
    for (struct waiting *w; (w = next_waiting(&r)) != NULL;)
      run_waiting(&r, w);
  } while (idle(&r));
  folder_close(&r.folder, true);
  return 0;
}
