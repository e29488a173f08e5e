/* SPDX-License-Identifier: MIT
 *
 *   http_open -> serving -> http_stop_accepting -> http_close -> (one turn of the loop) -> freed
 */
#include "base/fatal.h"
#include "base/mem.h"
#include "base/string_list.h"
#include "http/private.h"
#include "observe/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- settings ---- */

static char **copy_list(const char *const *list) {
  return string_list_copy(list, string_list_count(list));
}

static void settings_free(struct settings *s) {
  free(s->host);
  string_list_free(s->allowed_hosts);
  string_list_free(s->cors_origins);
  public_url_free(&s->public);
  free(s->proxies);
}

static void take_proxies(struct settings *s, const char *const *list) {
  size_t count = string_list_count(list);
  s->proxies = mem_array(count + 1, sizeof *s->proxies);
  for (size_t i = 0; i < count; i++)
    if (address_range_parse(list[i], &s->proxies[s->proxy_count], NULL) == 0)
      s->proxy_count++;
}

void http_reconfigure(struct http *h, const struct http_options *options) {
  struct settings old = h->settings;
  h->settings = (struct settings){
      .body_max = options->body_max,
      .bodies_max = options->bodies_max > 0 ? options->bodies_max : 8 * options->body_max,
      .streams_max = options->streams_max > 0 ? options->streams_max : STREAMS_MAX,
      .upload_max = options->upload_max,
      .connections_max = options->connections_max,
      .idle_timeout_s = options->idle_timeout_s > 0 ? options->idle_timeout_s : IDLE_TIMEOUT_S,
      .host = mem_dup(old.host ? old.host : options->host),
      .allowed_hosts = copy_list(options->allowed_hosts),
      .cors_origins = copy_list(options->cors_origins),
      .authorise = options->authorise,
      .knows = options->knows,
  };
  /* Both were checked by whoever read the configuration. */
  public_url_parse(options->public_url ? options->public_url : "", &h->settings.public, NULL);
  take_proxies(&h->settings, options->trusted_proxies);
  settings_free(&old);
}

/* ---- the socket ---- */

static int try_listen(const struct addrinfo *a, int *out) {
  const int on = 1;
  int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  /* Connections inherit these two. */
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, SOMAXCONN)) {
    int failed = errno;
    close(fd);
    return failed;
  }
  *out = fd;
  return 0;
}

static int open_socket(const char *host, int port, int *fd, struct err *err) {
  char service[16];
  struct addrinfo *list = NULL;
  struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  snprintf(service, sizeof service, "%d", port);
  int rc = getaddrinfo(host, service, &want, &list);
  if (rc)
    return err_set(err, ERR_INVAL, "cannot listen on %s: %s", host, gai_strerror(rc));
  int failed = EADDRNOTAVAIL;
  for (struct addrinfo *a = list; a && failed; a = a->ai_next)
    failed = try_listen(a, fd);
  freeaddrinfo(list);
  if (failed == EADDRINUSE)
    return err_sys(err, failed, "cannot listen on %s:%d; is another daemon running there?", host,
                   port);
  return failed ? err_sys(err, failed, "cannot listen on %s:%d", host, port) : 0;
}

static int port_of(int fd) {
  struct sockaddr_in6 a = {0}; /* the port lies at the same place in both families */
  socklen_t len = sizeof a;
  return getsockname(fd, (struct sockaddr *)&a, &len) ? 0 : ntohs(a.sin6_port);
}

/* ---- opening ---- */

static void on_mhd_log(void *cls, const char *fmt, va_list args) {
  (void)cls;
  char text[500];
  vsnprintf(text, sizeof text, fmt, args);
  text[strcspn(text, "\n")] = 0;
  log_debug("http.mhd", "%s", text);
}

static void on_panic(void *cls, const char *file, unsigned line, const char *reason) {
  (void)cls;
  fatal("libmicrohttpd cannot go on: %s (%s:%u); the process ends", reason ? reason : "no reason",
        file, line);
}

/* The path and the query are decoded by uri.c, from what the client sent. */
static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text) {
  (void)cls, (void)mhd;
  return strlen(text);
}

static int start_mhd(struct http *h, struct err *err) {
  /* Without its inter-thread channel: that is for a polling thread, of which there is none here,
   * and would cost a system call for each resumed request. */
  const unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET |
                         (MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
  MHD_set_panic_func(on_panic, NULL);
  h->mhd = MHD_start_daemon(
      flags, 0, NULL, NULL, request_on_call, h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, h,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)(h->settings.connections_max + 2 * CONNECTIONS_OVER), MHD_OPTION_CONNECTION_TIMEOUT,
      (unsigned)h->settings.idle_timeout_s, MHD_OPTION_NOTIFY_CONNECTION, conn_on_notify, h,
      MHD_OPTION_NOTIFY_COMPLETED, request_on_over, h, MHD_OPTION_URI_LOG_CALLBACK, request_on_uri,
      h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, h, MHD_OPTION_END);
  if (!h->mhd)
    return err_set(err, ERR_SYSTEM,
                   "libmicrohttpd does not start; the log at level debug says why");
  return 0;
}

static void make_metrics(struct http *h) {
  h->seconds = metrics_histogram(h->metrics, "lathe_http_request_seconds",
                                 "Time from the request line to the reply", NULL);
  h->open_conns = metrics_gauge(h->metrics, "lathe_http_connections", "Open connections", NULL);
  h->open_requests = metrics_gauge(h->metrics, "lathe_http_requests_open",
                                   "Requests under way, streams among them", NULL);
  h->open_streams = metrics_gauge(h->metrics, "lathe_http_streams", "Open event streams", NULL);
  h->streams_bytes = metrics_gauge(h->metrics, "lathe_http_streams_bytes",
                                   "Memory of what streams have not sent yet", NULL);
  h->replies_bytes = metrics_gauge(h->metrics, "lathe_http_replies_bytes",
                                   "Memory of answers that are on their way", NULL);
  h->streams_shed = metrics_counter(h->metrics, "lathe_http_streams_shed_total",
                                    "Streams ended because their memory was needed", NULL);
  h->wrong_tokens_total = metrics_counter(h->metrics, "lathe_http_wrong_tokens_total",
                                          "Requests with a token of nobody", NULL);
  h->slowed_tokens_total =
      metrics_counter(h->metrics, "lathe_http_slowed_tokens_total",
                      "Requests with a token that was not looked at: too many were wrong", NULL);
  h->received = metrics_counter(h->metrics, "lathe_http_received_bytes_total",
                                "Bytes of request bodies", NULL);
}

static void free_all(struct http *h) {
  if (h->watch_fd >= 0)
    close(h->watch_fd);
  route_index_free(h->routes);
  budget_leave(h->budget);
  peers_free(h->peers);
  settings_free(&h->settings);
  explicit_bzero(&h->key, sizeof h->key);
  if (h->own_metrics)
    metrics_free(h->own_metrics);
  free(h);
}

static void on_handle_closed(uv_handle_t *handle) {
  struct http *h = handle->data;
  if (--h->handles == 0)
    free_all(h);
}

int http_open(struct http **out, uv_loop_t *loop, const struct http_options *options,
              struct err *err) {
  struct http *h = mem_alloc(sizeof *h);
  int fd = -1;
  h->loop = loop;
  h->listen_fd = -1;
  h->sink = options->sink;
  h->ctx = options->ctx;
  h->has_key = options->key != NULL;
  if (h->has_key)
    h->key = *options->key;
  h->metrics = options->metrics ? options->metrics : (h->own_metrics = metrics_new());
  list_init(&h->waiting_conns);
  list_init(&h->ended);
  list_init(&h->requests);
  list_init(&h->half_closed);
  list_init(&h->lingers);
  list_init(&h->slow_streams);
  list_init(&h->replying);
  make_metrics(h);
  h->budget = budget_new(h->metrics);
  http_reconfigure(h, options);
  h->watch_fd = epoll_create1(EPOLL_CLOEXEC);
  int rc = h->watch_fd < 0 ? err_sys(err, errno, "cannot watch the HTTP connections") : 0;
  if (!rc)
    rc = route_index_new(&h->routes, options->routes, err);
  if (!rc)
    rc = open_socket(options->host, options->port, &fd, err);
  if (!rc)
    rc = start_mhd(h, err);
  if (!rc)
    rc = turn_open(h, fd, err);
  if (!rc) {
    h->port = port_of(fd);
    accept_open(h, fd);
    *out = h;
    return 0;
  }
  if (h->mhd)
    MHD_stop_daemon(h->mhd);
  if (fd >= 0)
    close(fd);
  if (h->handles)
    turn_close(h, on_handle_closed);
  else
    free_all(h);
  return rc;
}

int http_port(const struct http *h) {
  return h->port;
}

/* ---- closing ---- */

void http_stop_accepting(struct http *h) {
  if (h->stopping)
    return;
  h->stopping = true;
  accept_end(h);
  stream_finish_all(h);
  conn_end_waiting(h);
}

void http_close(struct http *h) {
  h->stopping = h->closing = true;
  accept_end(h);
  /* Nothing may be suspended when libmicrohttpd stops.  It then ends every request (on_over). */
  list_for_each_safe(it, &h->requests) {
    request_gone(container_of(it, struct http_request, link));
  }
  MHD_stop_daemon(h->mhd);
  h->mhd = NULL;
  conn_close_lingering(h, 0);
  turn_close(h, on_handle_closed);
}
