/* SPDX-License-Identifier: MIT
 *
 * How a job moves from the child that was forked for it into a parked process.
 */
#include "worker/fork/takeover.h"
#include "base/clock.h"
#include "base/mem.h"
#include "worker/fork/child.h"
#include "worker/fork/park.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The key in the pool: what the plugin calls it, behind what the daemon knows of it. */
static char *full_key(const struct child *c, const char *key) {
  return c->scope ? mem_printf("%s %s", c->scope, key) : NULL;
}

/* A place in the pool; -1: there is none for it. */
static int admit(struct zygote *z, const struct child *c, const char *key) {
  char *full = full_key(c, key);
  int given =
      full ? parked_pool_admit(&z->pool, full, c->pid, c->guard.listener, c->cell, &c->limits) : -1;
  free(full);
  return given;
}

void child_park(struct zygote *z, struct child *c, const char *key) {
  /* One at a time: who has left and does not say that it waits stays a part of the job. */
  int given = c->guard.left ? -1 : admit(z, c, key);
  c->guard.may_leave = given >= 0;
  park_send(c->socket.fd, given < 0 ? PARK_NO : PARK_YES, (const int[]){given, -1});
  if (given >= 0)
    close(given);
}

void parked_heard(struct zygote *z, struct parked *p) {
  pid_t maker = parked_pool_hear(&z->pool, p);
  list_for_each(it, &z->children) {
    struct child *c = container_of(it, struct child, ring);
    if (c->pid != maker)
      continue;
    if (parked_pool_has(&z->pool, c->guard.left)) /* stopped: it is no part of the job any more */
      c->guard.left = 0;
    park_send(c->socket.fd, PARK_READY, NULL);
  }
}

/* The parked process as a child; p is used up.  NULL: the system has no more to give. */
static struct child *adopt(struct zygote *z, struct parked *p, int *log_end) {
  int pipe_fds[2], pidfd = pidfd_open(p->pid, 0);
  if (pidfd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0) {
    if (pidfd >= 0)
      close(pidfd);
    return NULL;
  }
  fcntl(pidfd, F_SETFD, FD_CLOEXEC);
  fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
  struct child *c = mem_alloc(sizeof *c);
  c->pid = p->pid;
  c->pidfd = pidfd;
  c->log_fd = pipe_fds[0];
  c->log_open = c->socket_open = true;
  c->guard.listener = p->listener;
  c->cell = p->cell;
  link_init(&c->socket, p->socket);
  c->socket.in.max = WIRE_MAX_ANSWER;
  *log_end = pipe_fds[1];
  parked_pool_take(&z->pool, p);
  return c;
}

/* The job goes from `old`, which ends, to `c`. */
static void hand_over(struct zygote *z, struct child *old, struct child *c, int64_t input_bytes) {
  c->token = old->token;
  c->limits = old->limits;
  c->began_us = old->began_us;
  c->step = old->step;
  old->step = (struct buf){0};
  c->scope = old->scope;
  old->scope = NULL;
  logger_end(&old->log);
  logger_init(&c->log, z->host->link, c->token, c->limits.log_bytes);
  c->log.total = old->log.total;
  old->told = true;
  old->log_open = old->socket_open = false;
  child_kill(old);
  child_began(z, c, input_bytes);
}

static bool send_step(struct child *c) {
  struct buf *out = link_begin(&c->socket);
  size_t start = wire_begin(out, WIRE_STEP, c->token);
  buf_put(out, c->step.data, c->step.len);
  wire_end(out, start, NULL);
  size_t at = 0;
  while (at < out->len) {
    ssize_t n = send(c->socket.fd, out->data + at, out->len - at, MSG_NOSIGNAL);
    if (n <= 0)
      break;
    at += (size_t)n;
  }
  bool sent = at == out->len;
  buf_clear(out);
  link_end(&c->socket, false);
  return sent;
}

/* It leaves a copy of itself before it begins, under the same key. */
static void let_go(struct zygote *z, struct child *c, const char *key, int log_end) {
  int next = admit(z, c, key);
  c->guard.may_leave = next >= 0;
  kill(-c->pid, SIGCONT);
  /* One that died meanwhile is judged when its end is seen. */
  if (park_send(c->socket.fd, PARK_GO, (const int[]){log_end, next}) == 0)
    send_step(c);
  if (next >= 0)
    close(next);
  z->pool.hits++;
}

/* The jobs before it had the cell: what they left there for a later one, perhaps millions of files,
 * is nothing to remove here.  Without a cell it is the empty folder that the job's own child made.
 */
static bool is_free(const char *cell, const char *stem, uint64_t token) {
  char path[PATH_MAX];
  struct stat st;
  if (!cell)
    return true;
  folder_path(path, sizeof path, cell, stem, token);
  return lstat(path, &st) < 0 && errno == ENOENT;
}

void child_resume(struct zygote *z, struct child *old, const char *key) {
  char *full = full_key(old, key);
  struct parked *p = full ? parked_pool_find(&z->pool, full, &old->limits) : NULL;
  struct wire_frame f = {
      .type = WIRE_STEP, .token = old->token, .payload = old->step.data, .len = old->step.len};
  struct wire_step step;
  struct folder folder = {.fd = -1};
  struct child *c = NULL;
  int log_end;
  free(full);
  if (p && wire_get_step(&f, &step, NULL) == 0) {
    const char *root = p->cell ? p->cell : z->host->work_root;
    if (is_free(p->cell, z->host->stem, old->token) &&
        folder_make(&folder, root, z->host->stem, old->token, step.inputs, step.input_count,
                    NULL) == 0)
      c = adopt(z, p, &log_end);
    folder_close(&folder, !c);
    free(step.inputs);
  }
  if (!c) {
    park_send(old->socket.fd, PARK_NO, NULL);
    return;
  }
  hand_over(z, old, c, folder.input_bytes);
  let_go(z, c, key, log_end);
  close(log_end);
  free(p->key);
  free(p);
}
