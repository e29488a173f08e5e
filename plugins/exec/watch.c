/* SPDX-License-Identifier: MIT
 *
 * The watch thread.  It sleeps in epoll:
 *
 *   stderr        at all times: on to our own stderr, which is the job's log, and into the tail
 *   stdout, exit  armed only while no job runs: a command that dies or talks then is replaced
 *                 before the next job comes
 *   stop          destroy()
 */
#include "exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DRAIN_MOST (1 << 20) /* at a time: a flood shall not hold the lock for ever */

enum { STDERR, STDOUT, EXIT, STOP };

static void control(struct exec *x, int op, int fd, uint32_t events, uint32_t tag) {
  if (fd >= 0)
    epoll_ctl(x->epoll, op, fd, &(struct epoll_event){.events = events, .data = {.u32 = tag}});
}

/* ---- stderr; under the lock ---- */

static void keep_tail(struct exec *x, const char *data, size_t len) {
  if (len > TAIL_MOST) {
    data += len - TAIL_MOST;
    len = TAIL_MOST;
  }
  if (x->tail_len + len > TAIL_MOST) {
    size_t drop = x->tail_len + len - TAIL_MOST;
    x->tail_len -= drop;
    memmove(x->tail, x->tail + drop, x->tail_len);
  }
  memcpy(x->tail + x->tail_len, data, len);
  x->tail_len += len;
}

static void pass_on(const char *data, size_t len) {
  while (len) {
    ssize_t n = write(STDERR_FILENO, data, len);
    if (n < 0 && errno != EINTR)
      return;
    data += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
}

static void drain_stderr(struct exec *x) {
  char piece[16384];
  for (size_t total = 0; x->err >= 0 && total < DRAIN_MOST;) {
    ssize_t n = read(x->err, piece, sizeof piece);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EAGAIN)
      return;
    if (n <= 0) {
      close(x->err);
      x->err = -1;
      return;
    }
    keep_tail(x, piece, (size_t)n);
    pass_on(piece, (size_t)n);
    total += (size_t)n;
  }
}

void watch_last_lines(struct exec *x, char *out, size_t size) {
  size_t lines = 0, n = 0;
  pthread_mutex_lock(&x->lock);
  drain_stderr(x);
  while (x->tail_len && strchr("\r\n", x->tail[x->tail_len - 1]))
    x->tail_len--;
  size_t from = x->tail_len;
  while (from > 0 && x->tail_len - from < size - 10 && lines < 3)
    lines += x->tail[--from] == '\n';
  from += from < x->tail_len && x->tail[from] == '\n';
  for (; from < x->tail_len && n + 4 < size; from++) {
    char c = x->tail[from];
    if (c == '\n' && n)
      n += (size_t)snprintf(out + n, 4, " | ");
    else if (c != '\r')
      out[n++] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
  }
  out[n] = '\0';
  pthread_mutex_unlock(&x->lock);
}

/* ---- while no job runs; under the lock ---- */

static void arm(struct exec *x) {
  control(x, EPOLL_CTL_MOD, x->out, EPOLLIN | EPOLLONESHOT, STDOUT);
  control(x, EPOLL_CTL_MOD, x->pidfd, EPOLLIN | EPOLLONESHOT, EXIT);
}

/* A message while it has no job.  False with x->fault. */
static bool take_unasked(struct exec *x, const json_t *message, const char *type,
                         const char *line) {
  const char *wrong = NULL;
  if (strcmp(type, "pong") == 0)
    return true;
  if (strcmp(type, "log") == 0) {
    line_log(x, NULL, message);
    return true;
  }
  if (!kinds_is_message(type))
    snprintf(x->fault, sizeof x->fault, "sent \"%.40s\" while it had no job", type);
  else if ((wrong = kinds_take(x, message, line)) != NULL)
    snprintf(x->fault, sizeof x->fault, "%s", wrong);
  else
    return true;
  return false;
}

static void look(struct exec *x) {
  char *text;
  size_t len;
  enum line got;
  while ((got = line_wait(x, 0, &text, &len)) == LINE_HERE) {
    const char *type;
    json_t *message = line_parse(x, text, len, &type);
    bool harmless = message && take_unasked(x, message, type, text);
    json_decref(message);
    if (!harmless)
      break;
  }
  if (got == LINE_NONE) {
    arm(x);
    return;
  }
  if (got == LINE_END) {
    process_fault(x, NULL);
  } else {
    char what[sizeof x->fault];
    snprintf(what, sizeof what, "%s",
             got == LINE_TOO_LONG ? "wrote a line of more than 1 MiB" : x->fault);
    process_fault(x, what);
  }
  x->host->log(x->host, NULL, 3, x->fault);
  if (x->renewal)
    x->renewal->renew(x->host, x->fault);
}

static void *watch_thread(void *arg) {
  struct exec *x = arg;
  for (;;) {
    struct epoll_event e;
    if (epoll_wait(x->epoll, &e, 1, -1) < 1)
      continue;
    if (e.data.u32 == STOP)
      return NULL;
    pthread_mutex_lock(&x->lock);
    if (e.data.u32 == STDERR)
      drain_stderr(x);
    else if (!x->busy && !x->dead)
      look(x);
    pthread_mutex_unlock(&x->lock);
  }
}

/* ---- from the host's thread ---- */

bool watch_begin(struct exec *x) {
  x->busy = true;
  x->epoll = epoll_create1(EPOLL_CLOEXEC);
  x->stop_fd = eventfd(0, EFD_CLOEXEC);
  control(x, EPOLL_CTL_ADD, x->stop_fd, EPOLLIN, STOP);
  x->has_thread = x->epoll >= 0 && x->stop_fd >= 0 &&
                  pthread_create(&x->thread, NULL, watch_thread, x) == 0;
  return x->has_thread;
}

void watch_end(struct exec *x) {
  uint64_t one = 1;
  if (x->has_thread && write(x->stop_fd, &one, sizeof one) == sizeof one)
    pthread_join(x->thread, NULL);
  if (x->epoll >= 0)
    close(x->epoll);
  if (x->stop_fd >= 0)
    close(x->stop_fd);
}

void watch_command(struct exec *x) {
  control(x, EPOLL_CTL_ADD, x->err, EPOLLIN, STDERR);
  control(x, EPOLL_CTL_ADD, x->out, EPOLLONESHOT, STDOUT);
  control(x, EPOLL_CTL_ADD, x->pidfd, EPOLLONESHOT, EXIT);
}

void watch_busy(struct exec *x) {
  pthread_mutex_lock(&x->lock);
  x->busy = true;
  x->tail_len = 0;
  control(x, EPOLL_CTL_MOD, x->out, EPOLLONESHOT, STDOUT);
  pthread_mutex_unlock(&x->lock);
}

void watch_idle(struct exec *x) {
  pthread_mutex_lock(&x->lock);
  drain_stderr(x);
  x->busy = false;
  if (!x->dead && x->reading.len > x->taken)
    look(x); /* epoll does not see what was read already */
  else if (!x->dead)
    arm(x);
  pthread_mutex_unlock(&x->lock);
}
