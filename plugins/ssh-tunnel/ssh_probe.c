/* SPDX-License-Identifier: MIT
 *
 * ssh accepts on its socket whatever is at the other end, so the tunnel is up when the daemon there has
 * answered a request.
 */
#include "ssh_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char request[] = "GET /api/health HTTP/1.1\r\n"
                              "Host: localhost\r\n"
                              "Connection: close\r\n"
                              "\r\n";

bool ssh_probe_begin(struct ssh_probe *p, const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  ssh_probe_end(p);
  memcpy(a.sun_path, path, strnlen(path, sizeof a.sun_path - 1));
  p->sent = p->got = 0;
  p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (p->fd >= 0 && connect(p->fd, (struct sockaddr *)&a, sizeof a) == 0)
    return true;
  ssh_probe_end(p);
  return false;
}

short ssh_probe_events(const struct ssh_probe *p) {
  return p->sent < sizeof request - 1 ? POLLOUT : POLLIN;
}

enum probe ssh_probe_go_on(struct ssh_probe *p) {
  ssize_t n;
  if (p->sent < sizeof request - 1) {
    n = send(p->fd, request + p->sent, sizeof request - 1 - p->sent, MSG_NOSIGNAL);
    if (n < 0)
      return errno == EAGAIN || errno == EINTR ? PROBE_WAITS : PROBE_CLOSED;
    p->sent += (size_t)n;
    return PROBE_WAITS;
  }
  n = recv(p->fd, p->answer + p->got, sizeof p->answer - p->got, 0);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR ? PROBE_WAITS : PROBE_CLOSED;
  p->got += (size_t)n;
  if (p->got >= 7)
    return memcmp(p->answer, "HTTP/1.", 7) == 0 ? PROBE_ANSWERED : PROBE_NO_HTTP;
  return n == 0 ? (p->got ? PROBE_NO_HTTP : PROBE_CLOSED) : PROBE_WAITS;
}

void ssh_probe_end(struct ssh_probe *p) {
  if (p->fd >= 0)
    close(p->fd);
  p->fd = -1;
}
