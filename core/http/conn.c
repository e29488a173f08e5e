/* SPDX-License-Identifier: MIT
 *
 * One TCP connection, beside what libmicrohttpd keeps of it.
 *
 *   accepted -> [awaits a head] -> has a request -> [awaits a head] -> ... -> closed
 *                     |                  |                                      |
 *                 too slow: shut    hang-up: request_gone            lingers if refused early
 *
 * libmicrohttpd does not look at a suspended connection, so each socket is also in an epoll set of
 * our own, edge-triggered and for hang-ups only: one system call per connection, none per request.
 *
 * A connection that is closed while the client still sends would be reset, and the reset may
 * overtake the reply.  Where the room refuses a body it therefore keeps the socket a little longer
 * and reads what comes into nothing.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct late_reader {
  enum watched watched;
  struct list link;
  int64_t until_ms;
  int fd;
};

struct conn *conn_of(struct MHD_Connection *mhd) {
  return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void end_reading(struct conn *c) {
  list_remove(&c->fin_link);
  list_push_back(&c->h->ended, &c->fin_link);
  turn_wake(c->h);
}

void conn_awaits_head(struct conn *c) {
  c->request = NULL;
  c->since_ms = clock_mono_ms();
  list_push_back(&c->h->waiting_conns, &c->link);
  if (c->h->stopping)
    end_reading(c);
}

/* What a client has sent already is still answered. */
void conn_end_waiting(struct http *h) {
  list_for_each(it, &h->waiting_conns) {
    end_reading(container_of(it, struct conn, link));
  }
}

void conn_has_head(struct conn *c, struct http_request *r) {
  c->request = r;
  list_remove(&c->link);
}

/* libmicrohttpd counts its time-out from the last byte; a head that trickles in byte by byte needs
 * this one.  Its bytes wake us, so no timer is needed. */
void conn_close_slow(struct http *h, int64_t now_ms) {
  while (!list_empty(&h->waiting_conns)) {
    struct conn *c = container_of(h->waiting_conns.next, struct conn, link);
    if (now_ms - c->since_ms < HEAD_TIMEOUT_MS)
      return;
    list_remove(&c->link);
    shutdown(c->fd, SHUT_RDWR);
  }
}

/* ---- lingering ---- */

static void linger_begin(struct conn *c) {
  struct http *h = c->h;
  if (h->lingering >= LINGER_MAX || h->closing)
    return;
  int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
  if (fd < 0)
    return;
  struct late_reader *l = mem_alloc(sizeof *l);
  *l = (struct late_reader){
      .watched = WATCHED_LINGER, .until_ms = clock_mono_ms() + LINGER_MS, .fd = fd};
  struct epoll_event want = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = l};
  if (epoll_ctl(h->watch_fd, EPOLL_CTL_ADD, fd, &want)) {
    close(fd);
    free(l);
    return;
  }
  list_push_back(&h->lingers, &l->link);
  h->lingering++;
  turn_wake(h); /* arms the timer */
}

static void linger_end(struct http *h, struct late_reader *l) {
  list_remove(&l->link);
  h->lingering--;
  close(l->fd);
  free(l);
}

static void linger_read(struct http *h, struct late_reader *l) {
  char nothing[16384];
  for (int i = 0; i < 64; i++) {
    ssize_t n = recv(l->fd, nothing, sizeof nothing, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (n <= 0) {
      linger_end(h, l);
      return;
    }
  }
}

int64_t conn_close_lingering(struct http *h, int64_t now_ms) {
  while (!list_empty(&h->lingers)) {
    struct late_reader *l = container_of(h->lingers.next, struct late_reader, link);
    if (!h->closing && l->until_ms > now_ms)
      return l->until_ms;
    linger_end(h, l);
  }
  return 0;
}

/* ---- hang-ups ---- */

static void conn_hung_up(struct conn *c, uint32_t events) {
  struct http_request *r = c->request;
  if (!c->half_closed) {
    c->half_closed = true;
    end_reading(c);
  }
  if (!r || !r->suspended)
    return; /* libmicrohttpd sees it itself */
  /* Who only closed the sending side may still wait for the reply; a stream's reader does not. */
  if ((events & (EPOLLERR | EPOLLHUP)) || r->stream.open)
    request_gone(r);
  else
    request_half_closed(r);
}

/* Bytes and the end after them may come as one event.  libmicrohttpd then reads the bytes, takes
 * the short read for all there is, and waits for an event that was already.  Our shutting what the
 * client has shut makes a new one and loses nothing; but it helps only once the bytes are read. */
void conn_tell_ended(struct http *h) {
  list_for_each_safe(it, &h->ended) {
    struct conn *c = container_of(it, struct conn, fin_link);
    char byte;
    if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
      continue;
    list_remove(&c->fin_link);
    shutdown(c->fd, SHUT_RD);
  }
}

void conn_on_watch(struct http *h) {
  struct epoll_event events[64];
  int count = epoll_wait(h->watch_fd, events, 64, 0);
  for (int i = 0; i < count; i++) {
    enum watched *what = events[i].data.ptr;
    if (*what == WATCHED_LINGER)
      linger_read(h, events[i].data.ptr);
    else
      conn_hung_up(events[i].data.ptr, events[i].events);
  }
}

/* ---- its life ---- */

static void conn_begin(struct http *h, struct MHD_Connection *mhd, void **socket_context) {
  struct conn *c = mem_alloc(sizeof *c);
  *c = (struct conn){
      .watched = WATCHED_CONN,
      .h = h,
      .mhd = mhd,
      .fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
  };
  list_init(&c->fin_link);
  *socket_context = c;
  struct epoll_event want = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
  epoll_ctl(h->watch_fd, EPOLL_CTL_ADD, c->fd, &want);
  conn_awaits_head(c);
  c->over = ++h->connections > h->settings.connections_max;
  metric_add(h->open_conns, 1);
}

static void conn_end(struct conn *c) {
  struct http *h = c->h;
  epoll_ctl(h->watch_fd, EPOLL_CTL_DEL, c->fd, NULL);
  if (c->request)
    request_lost(c->request);
  if (c->linger && !c->half_closed)
    linger_begin(c);
  list_remove(&c->link);
  list_remove(&c->fin_link);
  h->connections--;
  metric_add(h->open_conns, -1);
  free(c);
  accept_room(h);
}

void conn_on_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                    enum MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    conn_begin(cls, mhd, socket_context);
  } else if (*socket_context) {
    conn_end(*socket_context);
    *socket_context = NULL;
  }
}
