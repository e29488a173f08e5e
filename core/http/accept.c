/* SPDX-License-Identifier: MIT
 *
 * Taking connections from the listening socket.
 *
 *   listening --CONNECTIONS_OVER past the limit--> full --a connection ended--> listening
 *       |
 *       +--no file descriptor, no memory, error--> short --RETRY_MS-----------> listening
 *
 * libmicrohttpd could accept by itself, but it looks again only when one of its connections ends or
 * moves: with streams open, or with all ended at once, that may take a minute.  What waits in the
 * backlog meanwhile is not lost.
 */
#include "http/private.h"
#include "observe/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 64, RETRY_MS = 100, SILENCE_MS = 10000 };

static bool is_full(const struct http *h) {
  return h->connections >= h->settings.connections_max + CONNECTIONS_OVER;
}

static void pause_accepting(struct http *h) {
  h->accepting = false;
  uv_poll_stop(&h->listen_poll);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void accept_again(struct http *h) {
  if (h->accepting || h->listen_fd < 0 || is_full(h))
    return;
  h->accepting = true;
  uv_poll_start(&h->listen_poll, UV_READABLE, on_connection);
}

static void on_retry(uv_timer_t *timer) {
  accept_again(timer->data);
}

/* Somebody else (a job, an upload, another process) may free what is short, and nobody tells us. So
 * it is with an error of the socket: it may pass. */
static void wait_for_resources(struct http *h, int failed) {
  uint64_t now = uv_now(h->accept_retry.loop);
  if (now >= h->short_silent_until) {
    log_warn("http.accept",
             "no connection can be accepted: %s; trying again each %d ms, and silent about it for "
             "%d s",
             strerror(failed), RETRY_MS, SILENCE_MS / 1000);
    h->short_silent_until = now + SILENCE_MS;
  }
  pause_accepting(h);
  uv_timer_start(&h->accept_retry, on_retry, RETRY_MS, 0);
}

/* The connection was gone before it was accepted; others are not concerned. */
static bool is_of_one_connection(int failed) {
  return failed == ECONNABORTED || failed == EINTR || failed == EPROTO || failed == EPERM ||
         failed == ENETDOWN || failed == ENOPROTOOPT || failed == EHOSTDOWN || failed == ENONET ||
         failed == EHOSTUNREACH || failed == EOPNOTSUPP || failed == ENETUNREACH;
}

/* libuv has stopped to look at the socket by now, and tells of it once. */
static void on_socket_error(struct http *h, int status) {
  int failed = 0;
  socklen_t len = sizeof failed;
  if (getsockopt(h->listen_fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 || failed == 0)
    failed = -status; /* libuv's codes are those of the system */
  wait_for_resources(h, failed);
}

static void on_connection(uv_poll_t *poll, int status, int events) {
  (void)events;
  struct http *h = poll->data;
  if (status < 0) {
    on_socket_error(h, status);
    return;
  }
  for (int i = 0; i < BURST && h->accepting; i++) {
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    if (is_full(h)) {
      pause_accepting(h);
      return;
    }
    int fd = accept4(h->listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return;
    if (fd < 0 && is_of_one_connection(errno))
      continue;
    if (fd < 0) {
      wait_for_resources(h, errno);
      return;
    }
    MHD_add_connection(h->mhd, fd, (struct sockaddr *)&from, len); /* closes it where it fails */
  }
}

void accept_open(struct http *h, int fd) {
  h->listen_fd = fd;
  h->listen_poll.data = h->accept_retry.data = h;
  accept_again(h);
}

void accept_room(struct http *h) {
  accept_again(h);
}

void accept_end(struct http *h) {
  if (h->listen_fd < 0)
    return;
  pause_accepting(h);
  uv_timer_stop(&h->accept_retry);
  close(h->listen_fd);
  h->listen_fd = -1;
}
