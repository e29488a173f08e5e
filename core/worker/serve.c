/* SPDX-License-Identifier: MIT */
#include "worker/serve.h"

#include "base/clock.h"

#include <fcntl.h>
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
