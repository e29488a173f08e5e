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
 * die with it; those that are stopped or know better come to the daemon, which ends them.
 */
#include "worker/serve.h"

#include "worker/fork/zygote.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/fact.h"
#include "wire/preview.h"
#include "worker/fork/forked.h"
#include "worker/fork/orphans.h"
#include "worker/fork/park.h"
#include "worker/jail/guard.h"
#include "worker/secrets.h"
#include "worker/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS        4    /* that are watched for a child */
#define SPARE_MS   3    /* into a job the next spare is forked */
#define READS      16   /* of 64 KiB, of a child in one turn; the kernel's buffer has less */
#define AGAIN_MS   1000 /* after a fork that failed */
#define ORPHANS_MS 10   /* how soon one that was killed is looked at again */

static void child_close_fds(struct child *c) {
  close(c->pidfd);
  close(c->log_fd);
  close(c->socket.fd);
  guard_close(&c->guard);
}

/* In a new child: what it has of others' jobs goes, descriptors and texts.  A job may be taken
 * over, and reads its own memory. */
static void child_forget_others(void *arg) {
  struct zygote *z = arg;
  struct link *daemon = z->host->link;
  close(daemon->fd);
  buf_wipe(&daemon->in.buf);
  buf_wipe(&daemon->out);
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    child_close_fds(c);
    buf_wipe(&c->step);
    buf_wipe(&c->done);
    buf_wipe(&c->socket.in.buf);
    buf_wipe(&c->log.ready);
    buf_wipe(&c->log.partial);
  }
  parked_pool_close(&z->pool);
  if (z->sweeper.pidfd >= 0)
    close(z->sweeper.pidfd);
  if (z->health.pid) {
    close(z->health.pidfd);
    close(z->health.fd);
  }
}

static void send_done(struct zygote *z, uint64_t token, enum wire_class class, const char *message,
                      bool folder) {
  struct step_outcome outcome;
  step_fail(&outcome, class, message);
  outcome.done.folder = folder;
  step_send(z->host->link, token, &outcome, false);
}

/* A child that waits for its step, or NULL when the system has no more to give. */
static struct child *child_fork(struct zygote *z) {
  int pair[2], pipe_fds[2];
  pid_t self = getpid();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return NULL;
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
    close(pair[0]);
    close(pair[1]);
    return NULL;
  }
  fflush(NULL);    /* or the child would print it again */
  secrets_renew(); /* what it reads at its beginning may be gone by then */
  pid_t pid = fork();
  if (pid == 0) {
    close(pair[0]); /* or it would not see the zygote leave */
    child_forget_others(z);
    forked_main(z->host, pair[1], pipe_fds[1], self);
  }
  close(pair[1]);
  close(pipe_fds[1]);
  int pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
  if (pidfd < 0) {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
    }
    close(pair[0]);
    close(pipe_fds[0]);
    return NULL;
  }
  setpgid(pid, pid); /* whoever comes first */
  fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
  struct child *c = mem_alloc(sizeof *c);
  c->pid = pid;
  c->pidfd = pidfd;
  c->log_fd = pipe_fds[0];
  c->log_open = c->socket_open = true;
  c->guard.listener = -1;
  link_init(&c->socket, pair[0]);
  c->socket.in.max = WIRE_MAX_ANSWER;
  return c;
}

static void child_free(struct child *c) {
  child_close_fds(c);
  wire_input_free(&c->socket.in);
  buf_free(&c->socket.out);
  pthread_mutex_destroy(&c->socket.lock);
  buf_wipe(&c->done);
  buf_wipe(&c->step);
  free(c->scope);
  free(c->cell);
  free(c);
}

static bool child_send(struct zygote *z, struct child *c, const struct wire_frame *f) {
  if (z->host->jail.on && !jail_take_listener(c->socket.fd, &c->guard.listener))
    return false;
  struct buf out = {0};
  wire_put_value(&out, WIRE_RESUME, f->token, (int64_t)z->pool.count);
  size_t start = wire_begin(&out, WIRE_STEP, f->token), at = 0;
  buf_put(&out, f->payload, f->len);
  wire_end(&out, start, NULL);
  while (at < out.len) {
    ssize_t n = send(c->socket.fd, out.data + at, out.len - at, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR)
      break;
    at += n > 0 ? (size_t)n : 0;
  }
  bool given = at == out.len;
  buf_wipe(&out);
  return given;
}

/* Hands the child its step, after the number of parked processes.  False: it is dead, and gone. */
static bool child_give(struct zygote *z, struct child *c, const struct wire_frame *f) {
  if (child_send(z, c, f))
    return true;
  waitpid(c->pid, NULL, 0);
  folder_drop_ahead(z->host->work_root, z->host->stem, c->pid);
  child_free(c);
  return false;
}

void child_began(struct zygote *z, struct child *c, int64_t input_bytes) {
  const struct host *h = z->host;
  struct folder folder = {.fd = -1, .input_bytes = input_bytes};
  folder_path(folder.path, sizeof folder.path, c->cell ? c->cell : h->work_root, h->stem, c->token);
  guard_begin(&c->guard, c->pid, &c->limits, h->processes, &folder);
  list_push_back(&z->children, &c->ring);
  z->count++;
  wire_put_bare(link_begin(h->link), WIRE_BEGAN, c->token);
  link_end(h->link, false);
}

static void child_start(struct zygote *z, const struct wire_frame *f,
                        const struct wire_step *step) {
  struct child *c = z->spare;
  z->spare = NULL;
  if (c && !child_give(z, c, f)) /* it was killed while it waited: the job shall not suffer */
    c = NULL;
  if (!c && ((c = child_fork(z)) == NULL || !child_give(z, c, f))) {
    parked_pool_evict_all(&z->pool);
    send_done(z, f->token, WIRE_RETRY,
              "no process could be started for the job: the system is out of "
              "processes, file descriptors or memory",
              false);
    return;
  }
  c->token = f->token;
  c->limits = step->limits;
  c->began_us = clock_mono_us();
  z->spare_at_ms = clock_mono_ms() + SPARE_MS;
  if (z->host->parks) {
    buf_put(&c->step, f->payload, f->len);
    c->scope = mem_dup(step->park_scope);
    if (z->host->jail.on)
      c->cell = folder_cell_of(z->host->work_root, z->host->stem, c->token);
  }
  logger_init(&c->log, z->host->link, c->token, step->limits.log_bytes);
  child_began(z, c, folder_input_bytes(step->inputs, step->input_count));
}

void child_kill(struct child *c) {
  if (kill(-c->pid, SIGKILL) < 0)
    kill(c->pid, SIGKILL);
}

static void child_cancel(struct zygote *z, uint64_t token, int class) {
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    if (c->token != token || c->told)
      continue;
    c->cancel_class = class > WIRE_OK && class < WIRE_CLASSES ? class : WIRE_CANCELLED;
    child_kill(c);
    return;
  }
}

static bool child_asks(struct zygote *z, struct child *c, const struct wire_frame *f) {
  struct wire_reader r = wire_reader(f);
  const char *key = wire_get_text(&r);
  wire_require(&r, strlen(key) <= PARK_KEY_MAX, "the key");
  if (wire_reader_end(&r, wire_type_word(f->type), NULL) < 0 || c->told || c->cancel_class)
    return c->told || c->cancel_class;
  if (f->type == WIRE_PARK)
    child_park(z, c, key);
  else
    child_resume(z, c, key);
  return true;
}

/* Its folder goes to where the daemon looks for it. */
static void child_move_folder(struct zygote *z, struct child *c) {
  if (c->cell)
    folder_finish(c->cell, z->host->work_root, z->host->stem, c->token, c->token, NULL);
}

/* As it is. */
static bool child_pass(struct zygote *z, const struct wire_frame *f) {
  struct buf *out = link_begin(z->host->link);
  size_t start = wire_begin(out, f->type, f->token);
  buf_put(out, f->payload, f->len);
  wire_end(out, start, NULL);
  link_end(z->host->link, false);
  return true;
}

/* A frame of the child.  False: it broke the protocol. */
static bool child_frame(struct zygote *z, struct child *c, const struct wire_frame *f) {
  struct wire_progress progress;
  struct wire_done done;
  struct wire_fact fact;
  struct wire_preview preview;
  int32_t level;
  const char *text;
  size_t len;
  bool of_backend = f->token == 0; /* log() without a job, backend_state(), capacity() */
  if ((f->token != c->token && !of_backend) || c->done.len)
    return false;
  if (of_backend && f->type != WIRE_LOG)
    return child_speaks(z, f);
  switch (f->type) {
  case WIRE_PROGRESS:
    if (wire_get_progress(f, &progress, NULL) < 0)
      return false;
    logger_flush(&c->log); /* lines that came before stay before */
    wire_put_progress(link_begin(z->host->link), c->token, &progress);
    link_end(z->host->link, false);
    return true;
  case WIRE_LOG:
    if (wire_get_log(f, &level, &text, &len, NULL) < 0)
      return false;
    logger_line(of_backend ? &z->host->log : &c->log, level, text);
    if (of_backend)
      logger_flush(&z->host->log);
    return true;
  case WIRE_FACT:
    return wire_get_fact(f, &fact, NULL) == 0 && child_pass(z, f);
  case WIRE_PREVIEW:
    return wire_get_preview(f, &preview, NULL) == 0 && child_pass(z, f);
  case WIRE_DONE:
    if (wire_get_done(f, &done, NULL) < 0)
      return false;
    free(done.artifacts);
    buf_put(&c->done, f->payload, f->len);
    return true;
  case WIRE_PARK:
  case WIRE_RESUME:
    return child_asks(z, c, f);
  default:
    return false;
  }
}

/* Passes its DONE on.  What its group still runs could touch the outputs, so it ends first. */
static void child_tell(struct zygote *z, struct child *c) {
  child_kill(c);
  logger_drain(&c->log, c->log_fd);
  logger_end(&c->log);
  child_move_folder(z, c);
  parked_pool_maker_over(&z->pool, c->pid, true, false);
  child_put_done(c, link_begin(z->host->link));
  link_end(z->host->link, false);
  c->told = true;
  c->log_open = c->socket_open = false;
}

/* Not more at once than a socket holds: a child that talks without an end shall hold nobody, and
 * what it says waits in our memory for the daemon. */
static void child_read(struct zygote *z, struct child *c) {
  struct wire_frame f;
  int got = 0;
  for (int i = 0; i < READS; i++) {
    if (c->broken || c->told || (got = link_read(&c->socket, false)) <= 0)
      break;
    int rc;
    while ((rc = wire_input_next(&c->socket.in, &f, NULL)) > 0 && child_frame(z, c, &f))
      ;
    if (rc != 0) {
      c->broken = true;
      child_kill(c);
    }
  }
  if (got < 0)
    c->socket_open = false;
  if (c->done.len && !c->broken && !c->told)
    child_tell(z, c);
}

static void child_ended(struct zygote *z, struct child *c) {
  int status = 0;
  struct rusage used = {0};
  char text[800];
  kill(-c->pid, SIGKILL); /* what it left running; not yet reaped, so the group is still its own */
  while (wait4(c->pid, &status, 0, &used) < 0 && errno == EINTR)
    ;
  if (!c->told)
    child_read(z, c);
  if (!c->told) {
    logger_drain(&c->log, c->log_fd);
    logger_end(&c->log);
    child_move_folder(z, c);
    child_put_usage(c, &used, link_begin(z->host->link));
    link_end(z->host->link, false);
    enum wire_class class = child_judge(c, status, &used, text, sizeof text);
    send_done(z, c->token, class, text, true);
  }
  parked_pool_maker_over(&z->pool, c->pid, c->told || c->cancel_class, true);
  if (c->cell && !parked_pool_uses(&z->pool, c->cell))
    sweeper_remove(&z->sweeper, c->cell);
  list_remove(&c->ring);
  z->count--;
  logger_free(&c->log);
  child_free(c);
}

/* A frame of the daemon. */
static void zygote_frame(struct zygote *z, const struct wire_frame *f) {
  struct wire_step step;
  struct err err = {0};
  int64_t class;
  switch (f->type) {
  case WIRE_STEP:
    if (wire_get_step(f, &step, &err) < 0) {
      send_done(z, f->token, WIRE_RETRY, err.text, false);
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
