/* SPDX-License-Identifier: MIT
 *
 * Isolation FORK: this process is the zygote.  It has one thread, the plugin is warm in it, and
 * each step runs in a child forked from it.
 *
 *   fork -> [spare child: waits] <- STEP
 *                     |
 *                     v
 *             [child: jail, limits, run(), DONE into its socket, _exit]
 *              |        | stdout, stderr: a pipe          frames: a socket
 *              |        v                                   v
 *              |     zygote: LOG ---------------------- PROGRESS, DONE --------------> daemon
 *   CANCEL -> SIGKILL to the child's group
 *              |
 *   DONE came -+-> kill its group, drain its log, pass DONE on: nobody waits while the kernel takes
 *              |   a big process apart
 *              +-> pidfd says it ended: reap it; without a DONE judge how it ended
 *
 * The child is not trusted: only PROGRESS, LOG and a DONE of its own token pass, each checked as
 * the daemon checks it (wire/check.h), and its guard watches it.  When the zygote dies its children
 * die with it.  A child that is stopped, or that has switched this off, becomes a child of the
 * daemon, which kills it.
 */
#include "worker/serve.h"

#include "worker/fork/zygote.h"

#include "base/clock.h"
#include "base/mem.h"
#include "worker/fork/child.h"
#include "worker/fork/orphans.h"
#include "worker/fork/takeover.h"
#include "worker/jail/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS        4    /* that are watched for a child */
#define SPARE_MS   3    /* into a job the next spare is forked */
#define AGAIN_MS   1000 /* after a fork that failed */
#define ORPHANS_MS 10   /* how soon one that was killed is looked at again */

/* A frame of the daemon. */
static void zygote_frame(struct zygote *z, const struct wire_frame *f) {
  struct wire_step step;
  struct err err = {0};
  int64_t class;
  switch (f->type) {
  case WIRE_STEP:
    if (wire_get_step(f, &step, &err) < 0) {
      zygote_send_done(z, f->token, WIRE_RETRY, err.text, false);
    } else {
      child_start(z, f, &step);
      free(step.inputs);
    }
    break;
  case WIRE_CANCEL:
    if (wire_get_value(f, &class, &err) == 0)
      child_cancel(z, f->token, (int)class);
    break;
  case WIRE_RECALL: /* nothing waits here */
    wire_put_recalled(link_begin(z->host->link), NULL, 0);
    link_end(z->host->link, false);
    break;
  case WIRE_HEALTH:
    health_child_ask(&z->health, z->host, child_forget_others, z);
    break;
  case WIRE_STOP:
    z->stopping = true;
    break;
  default:
    serve_complain(z->host, &(struct err){.text = "a message that no daemon sends"});
  }
}

/* False: the daemon is gone. */
static bool zygote_read(struct zygote *z) {
  struct wire_frame f;
  struct err err = {0};
  if (link_read(z->host->link, false) < 0)
    return false;
  int rc;
  while ((rc = wire_input_next(&z->host->link->in, &f, &err)) > 0)
    zygote_frame(z, &f);
  return rc == 0;
}

/* At once where no job works; else while one does, after its beginning and before its end: that is
 * when the daemon needs the processor. */
static int spare_due_ms(const struct zygote *z) {
  int64_t left = z->spare_at_ms - clock_mono_ms();
  if (z->spare || z->stopping)
    return -1;
  return left < 0 || (z->count == 0 && left <= SPARE_MS) ? 0 : (int)left;
}

static void make_spare(struct zygote *z) {
  if (spare_due_ms(z) != 0)
    return;
  z->spare = child_fork(z);
  if (!z->spare)
    z->spare_at_ms = clock_mono_ms() + AGAIN_MS;
}

static int next_timeout(struct zygote *z, int64_t heartbeat_at) {
  int timeout = parked_pool_due_ms(&z->pool), spare = spare_due_ms(z);
  if (z->orphans && (timeout < 0 || timeout > ORPHANS_MS))
    timeout = ORPHANS_MS;
  if (spare >= 0 && (timeout < 0 || timeout > spare))
    timeout = spare;
  int health = health_child_due_ms(&z->health);
  if (health >= 0 && (timeout < 0 || timeout > health))
    timeout = health;
  if (z->count == 0)
    return timeout;
  int64_t left = heartbeat_at - clock_mono_ms();
  if (timeout < 0 || left < timeout)
    timeout = left < 0 ? 0 : (int)left;
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    int due = c->told ? -1 : logger_due_ms(&c->log);
    if (due >= 0 && due < timeout)
      timeout = due;
    due = c->told ? -1 : guard_due_ms(&c->guard);
    if (due >= 0 && due < timeout)
      timeout = due;
  }
  return timeout;
}

static struct child *child_of(struct zygote *z, pid_t pid) {
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    if (c->pid == pid)
      return c;
  }
  return NULL;
}

static bool is_ours(void *arg, pid_t pid) {
  struct zygote *z = arg;
  return (z->spare && z->spare->pid == pid) || z->sweeper.pid == pid || z->health.pid == pid ||
         parked_pool_has(&z->pool, pid) || child_of(z, pid);
}

static bool is_running(void *arg, pid_t group) {
  const struct child *c = child_of(arg, group);
  return c && !c->told;
}

static void add_left(void *arg, pid_t group, int64_t cpu_us) {
  struct child *c = child_of(arg, group);
  if (c)
    c->guard.left_us += cpu_us;
}

static bool see_to_orphans(struct zygote *z) {
  return orphans_reap(&(struct orphans_care){is_ours, is_running, add_left, z});
}

static void say_refused(void *arg, const char *call) {
  struct child *c = arg;
  char text[100];
  snprintf(text, sizeof text, "the jail refused %s()", call);
  logger_line(&c->log, 2, text);
}

/* What its guard has to see to.  `asked`: what poll() says of its listener. */
static void child_guard(struct child *c, short asked) {
  if (asked & (POLLHUP | POLLERR)) /* nobody is left to ask, and poll() would say so until reaped */
    guard_close(&c->guard);
  else if (asked)
    guard_answer(&c->guard, say_refused, c);
  if (!c->told && guard_due_ms(&c->guard) == 0)
    guard_look(&c->guard);
  if (c->guard.over != WIRE_OVER_NONE && !c->told && !c->guarded) {
    c->guarded = true;
    child_kill(c);
  }
}

/* Serves the children whose fds poll() marked; fds[0] is the daemon's. */
static void serve_children(struct zygote *z, const struct pollfd *fds) {
  size_t i = 1, end = 1 + FDS * z->count, k = end;
  list_for_each_safe(it, &z->pool.all) {
    if (fds[k++].revents)
      parked_heard(z, container_of(it, struct parked, ring));
  }
  if (fds[k++].revents)
    sweeper_heard(&z->sweeper);
  if (fds[k].revents)
    health_child_heard(&z->health, z->host);
  list_for_each_safe(it, &z->children) {
    if (i == end)
      break; /* it began just now */
    struct child *c = container_of(it, struct child, ring);
    if (fds[i].revents & POLLIN) {
      child_ended(z, c);
    } else {
      if (fds[i + 2].revents)
        c->log_open = logger_drain(&c->log, c->log_fd);
      child_guard(c, fds[i + 3].revents);
      if (fds[i + 1].revents)
        child_read(z, c);
      if (logger_due_ms(&c->log) == 0)
        logger_flush(&c->log);
    }
    i += FDS;
  }
}

/* Writes what poll() shall watch; returns how many. */
static size_t watch_list(struct zygote *z, struct pollfd **fds, size_t *cap) {
  size_t need = 3 + FDS * z->count + z->pool.count, n = 0;
  if (!*fds || need > *cap) {
    *cap = need + 8 * FDS;
    *fds = mem_grow(*fds, *cap * sizeof **fds);
  }
  (*fds)[n++] = (struct pollfd){.fd = z->host->link->fd, .events = POLLIN};
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    (*fds)[n++] = (struct pollfd){.fd = c->pidfd, .events = POLLIN};
    (*fds)[n++] = (struct pollfd){.fd = c->socket_open ? c->socket.fd : -1, .events = POLLIN};
    (*fds)[n++] = (struct pollfd){.fd = c->log_open ? c->log_fd : -1, .events = POLLIN};
    (*fds)[n++] = (struct pollfd){.fd = c->guard.listener, .events = POLLIN};
  }
  list_for_each(it, &z->pool.all)(*fds)[n++] =
      (struct pollfd){.fd = container_of(it, struct parked, ring)->socket, .events = POLLIN};
  (*fds)[n++] = (struct pollfd){.fd = z->sweeper.pidfd, .events = POLLIN};
  (*fds)[n++] = (struct pollfd){.fd = z->health.pidfd, .events = POLLIN};
  return n;
}

int serve_fork(struct host *h) {
  struct zygote z = {.host = h};
  struct pollfd *fds = NULL;
  size_t cap = 0;
  int64_t heartbeat_at = 0;
  list_init(&z.children);
  sweeper_init(&z.sweeper);
  health_child_init(&z.health);
  parked_pool_init(&z.pool, h, &z.sweeper);
  h->zygote = getpid();
  orphans_adopt();
  make_spare(&z);
  while (!z.stopping || z.count) {
    size_t n = watch_list(&z, &fds, &cap), before = z.count;
    if (poll(fds, n, next_timeout(&z, heartbeat_at)) < 0 && errno != EINTR)
      break;
    int64_t now = clock_mono_ms();
    serve_children(&z, fds);
    parked_pool_expire(&z.pool);
    health_child_late(&z.health);
    if (z.stopping)
      parked_pool_evict_all(&z.pool);
    if (z.orphans || z.count != before || z.pool.changed)
      z.orphans = see_to_orphans(&z);
    if (fds[0].revents && !zygote_read(&z))
      break;
    if (before == 0 || now >= heartbeat_at) {
      if (before && z.count) {
        wire_put_bare(link_begin(h->link), WIRE_HEARTBEAT, 0);
        link_end(h->link, false);
      }
      heartbeat_at = now + h->heartbeat_ms;
    }
    parked_pool_report(&z.pool);
    link_flush(h->link);
    make_spare(&z);
  }
  if (z.spare)
    child_kill(z.spare);
  list_for_each(it, &z.children) child_kill(container_of(it, struct child, ring));
  parked_pool_evict_all(&z.pool);
  free(fds);
  return 0;
}
