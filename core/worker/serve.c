/* SPDX-License-Identifier: MIT */
#include "worker/serve.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int serve_redirect_output(struct host *h) {
  int fds[2] = {h->log_fds[0], h->log_fds[1]};
  if (fds[0] < 0 && pipe2(fds, O_CLOEXEC) < 0)
    return -1;
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  fflush(NULL);
  dup2(fds[1], STDOUT_FILENO);
  dup2(fds[1], STDERR_FILENO);
  close(fds[1]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  return fds[0];
}

void serve_send_output(struct host *h, int log_fd) {
  logger_drain(&h->log, log_fd);
  logger_flush(&h->log);
  link_flush(h->link);
}

void serve_heartbeat(struct host *h, bool busy, int64_t *at) {
  int64_t now = clock_mono_ms();
  if (busy && now >= *at) {
    wire_put_bare(link_begin(h->link), WIRE_HEARTBEAT, 0);
    link_end(h->link, true);
  }
  if (!busy || now >= *at)
    *at = now + h->heartbeat_ms;
}

void serve_complain(struct host *h, const struct err *err) {
  logger_line(&h->log, 3, err->text);
  logger_flush(&h->log);
}

bool serve_wait(struct host *h, const struct serve_wait *w, int timeout_ms) {
  struct wire_frame f;
  struct pollfd fds[] = {
      {.fd = h->link->fd, .events = POLLIN},
      {.fd = w->log_fd, .events = POLLIN},
      {.fd = w->wake_fd, .events = POLLIN}, /* poll() passes over a negative one */
  };
  uint64_t wakes;
  int rc;
  poll(fds, 3, timeout_ms);
  if (fds[2].revents && read(w->wake_fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN)
    return false;
  if (fds[0].revents && link_read(h->link, false) < 0)
    return false;
  pthread_mutex_lock(w->lock);
  while ((rc = wire_input_next(&h->link->in, &f, NULL)) > 0)
    w->take(w->arg, &f);
  pthread_mutex_unlock(w->lock);
  if (fds[1].revents)
    serve_send_output(h, w->log_fd);
  return rc == 0;
}
