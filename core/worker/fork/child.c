/* SPDX-License-Identifier: MIT
 *
 * A child of the zygote, as the zygote sees it: forked, given its step, heard, stopped, ended.
 */
#include "worker/fork/child.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/fact.h"
#include "wire/preview.h"
#include "worker/fork/forked.h"
#include "worker/fork/park.h"
#include "worker/fork/takeover.h"
#include "worker/fork/verify_result.h"
#include "worker/jail/guard.h"
#include "worker/secrets.h"
#include "worker/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARE_MS 3  /* into a job the next spare is forked */
#define READS    16 /* of 64 KiB, of a child in one turn; the kernel's buffer has less */

static void child_close_fds(struct child *c) {
  close(c->pidfd);
  close(c->log_fd);
  close(c->socket.fd);
  guard_close(&c->guard);
}

/* In a new child: what it has of others' jobs goes, descriptors and texts.  A job may be taken
 * over, and reads its own memory. */
void child_forget_others(void *arg) {
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

void zygote_send_done(struct zygote *z, uint64_t token, enum wire_class class, const char *message,
                      bool folder) {
  struct step_outcome outcome;
  step_fail(&outcome, class, message);
  outcome.done.folder = folder;
  step_send(z->host->link, token, &outcome, false);
}

/* A child that waits for its step, or NULL when the system has no more to give. */
struct child *child_fork(struct zygote *z) {
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

void child_start(struct zygote *z, const struct wire_frame *f, const struct wire_step *step) {
  struct child *c = z->spare;
  z->spare = NULL;
  if (c && !child_give(z, c, f)) /* it was killed while it waited: the job shall not suffer */
    c = NULL;
  if (!c && ((c = child_fork(z)) == NULL || !child_give(z, c, f))) {
    parked_pool_evict_all(&z->pool);
    zygote_send_done(z, f->token, WIRE_RETRY,
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

void child_cancel(struct zygote *z, uint64_t token, int class) {
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
void child_read(struct zygote *z, struct child *c) {
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

void child_ended(struct zygote *z, struct child *c) {
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
    zygote_send_done(z, c->token, class, text, true);
  }
  parked_pool_maker_over(&z->pool, c->pid, c->told || c->cancel_class, true);
  if (c->cell && !parked_pool_uses(&z->pool, c->cell))
    sweeper_remove(&z->sweeper, c->cell);
  list_remove(&c->ring);
  z->count--;
  logger_free(&c->log);
  child_free(c);
}
