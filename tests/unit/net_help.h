/* SPDX-License-Identifier: MIT
 *
 * A small HTTP server in threads, and a host, for the tests of the client kit.  The server reads a
 * request and calls the test's function, which writes whatever it likes, also what no server should.
 */
#ifndef NET_HELP_H
#define NET_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lathe/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the host ---- */

struct lathe_job {
  atomic_int cancelled;
  char error[1000], code[70], request_id[140];
  int64_t retry_after_ms;
};

static struct lathe_job no_job; /* what is said without a job */
static const char *the_secret = "s3cret-Value";

static void host_error(struct lathe_job *job, const char *text) {
  struct lathe_job *to = job ? job : &no_job;
  snprintf(to->error, sizeof to->error, "%s", text);
}

static void host_error_code(struct lathe_job *job, const char *code, const char *id) {
  snprintf(job->code, sizeof job->code, "%s", code ? code : "");
  snprintf(job->request_id, sizeof job->request_id, "%s", id ? id : "");
}

static void host_retry_after(struct lathe_job *job, int64_t ms) {
  job->retry_after_ms = ms;
}

static int32_t host_cancelled(struct lathe_job *job) {
  return atomic_load(&job->cancelled);
}

static int32_t host_secret(const struct lathe_host *host, const char *name, char *buf,
                           size_t *len) {
  (void)host;
  if (strcmp(name, "KEY") != 0)
    return LATHE_NOT_FOUND;
  size_t need = strlen(the_secret);
  if (need >= *len)
    return LATHE_PERMANENT;
  memcpy(buf, the_secret, need + 1);
  *len = need;
  return LATHE_OK;
}

static const struct lathe_host host = {
    .struct_size = sizeof host,
    .abi_major = LATHE_ABI_MAJOR,
    .error = host_error,
    .error_code = host_error_code,
    .retry_after = host_retry_after,
    .cancelled = host_cancelled,
    .secret = host_secret,
};

/* ---- the server ---- */

struct server;
struct served { /* one request */
  struct server *server;
  int fd;
  void *tls;
  int number;     /* of the request, from 1 on, over all connections */
  int connection; /* from 1 on */
  char *text;     /* head and body */
  size_t head, len;
  bool close; /* after this one */
};
typedef void serve_fn(struct served *);

struct server {
  serve_fn *serve;
  void *arg;
  int fd, port;
  char url[64], path[108];
  atomic_int requests, connections, stopping;
  pthread_t thread, threads[64];
  int fds[64];
  /* TLS: set by net_tls_help.h */
  void *(*tls_accept)(struct server *, int fd);
  ssize_t (*tls_io)(void *tls, bool out, void *data, size_t len);
  void (*tls_end)(void *tls);
  void *tls;
};

static bool put_bytes(struct served *r, const void *data, size_t len) {
  while (len) {
    ssize_t n = r->tls ? r->server->tls_io(r->tls, true, (void *)data, len)
                       : send(r->fd, data, len, MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    data = (const char *)data + n;
    len -= (size_t)n;
  }
  return true;
}

__attribute__((format(printf, 2, 3))) static bool put(struct served *r, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return put_bytes(r, text, (size_t)len);
}

/* A whole answer; `more`: further headers, each with its CRLF. */
static inline void answer_with(struct served *r, int status, const char *more, const char *body) {
  put(r, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", status, more, strlen(body));
  put_bytes(r, body, strlen(body));
}

static inline bool stopping(const struct served *r) {
  return atomic_load(&r->server->stopping);
}

/* Until the far side is gone, or the server ends. */
static inline void hold(struct served *r) {
  char byte;
  struct pollfd p = {.fd = r->fd, .events = POLLIN};
  r->close = true;
  while (!stopping(r)) {
    if (poll(&p, 1, 20) > 0 && recv(r->fd, &byte, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN)
      return;
  }
}

static inline bool asks(const struct served *r, const char *words) {
  return strstr(r->text, words) != NULL;
}

static size_t body_length(const char *head) {
  const char *at = strcasestr(head, "\r\nContent-Length:");
  return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* false: the connection is over. */
static bool read_request(struct served *r) {
  size_t room = 65536;
  r->text = malloc(room);
  r->len = r->head = 0;
  for (;;) {
    if (r->len + 65536 > room)
      r->text = realloc(r->text, room *= 2);
    ssize_t n = r->tls ? r->server->tls_io(r->tls, false, r->text + r->len, room - r->len - 1)
                       : recv(r->fd, r->text + r->len, room - r->len - 1, 0);
    if (n <= 0)
      return false;
    r->len += (size_t)n;
    r->text[r->len] = '\0';
    if (r->text[0] == 0x16) /* TLS, where none is spoken */
      return true;
    char *end = r->head ? NULL : strstr(r->text, "\r\n\r\n");
    if (end)
      r->head = (size_t)(end - r->text) + 4;
    if (r->head && r->len >= r->head + body_length(r->text))
      return true;
  }
}

struct connection {
  struct server *server;
  int fd, number;
};

static void *serve_connection(void *arg) {
  struct connection c = *(struct connection *)arg;
  struct served r = {.server = c.server, .fd = c.fd, .connection = c.number};
  free(arg);
  if (c.server->tls_accept && !(r.tls = c.server->tls_accept(c.server, c.fd)))
    r.close = true;
  while (!r.close && read_request(&r)) {
    r.number = atomic_fetch_add(&c.server->requests, 1) + 1;
    c.server->serve(&r);
    free(r.text);
    r.text = NULL;
  }
  free(r.text);
  if (r.tls)
    c.server->tls_end(r.tls);
  shutdown(c.fd, SHUT_RDWR);
  return NULL;
}

static void *serve_all(void *arg) {
  struct server *s = arg;
  for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
    int at = atomic_fetch_add(&s->connections, 1);
    if (at >= 64) {
      close(fd);
      break;
    }
    struct connection *c = malloc(sizeof *c);
    *c = (struct connection){s, fd, at + 1};
    s->fds[at] = fd;
    pthread_create(&s->threads[at], NULL, serve_connection, c);
  }
  return NULL;
}

static void start(struct server *s, serve_fn *serve, void *arg) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  socklen_t len = sizeof here;
  s->serve = serve;
  s->arg = arg;
  s->fd = socket(*s->path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*s->path) {
    snprintf(local.sun_path, sizeof local.sun_path, "%s", s->path);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&local, sizeof local), 0);
  } else {
    assert_int_equal(bind(s->fd, (struct sockaddr *)&here, sizeof here), 0);
    getsockname(s->fd, (struct sockaddr *)&here, &len);
    s->port = ntohs(here.sin_port);
  }
  listen(s->fd, 64);
  snprintf(s->url, sizeof s->url, "%s://localhost:%d", s->tls ? "https" : "http", s->port);
  assert_int_equal(pthread_create(&s->thread, NULL, serve_all, s), 0);
}

static inline void stop(struct server *s) {
  atomic_store(&s->stopping, 1);
  shutdown(s->fd, SHUT_RDWR);
  pthread_join(s->thread, NULL);
  int count = atomic_load(&s->connections);
  for (int i = 0; i < count && i < 64; i++)
    shutdown(s->fds[i], SHUT_RDWR);
  for (int i = 0; i < count && i < 64; i++) {
    pthread_join(s->threads[i], NULL);
    close(s->fds[i]);
  }
  close(s->fd);
}

/* ---- the client ---- */

static inline struct lathe_net *open_net(struct lathe_net_options options) {
  struct lathe_net *net;
  assert_int_equal(lathe_net_open(&host, &options, &net), LATHE_OK);
  return net;
}

static inline struct lathe_net *net_to(const struct server *s) {
  return open_net((struct lathe_net_options){.base = s->url});
}

#endif
