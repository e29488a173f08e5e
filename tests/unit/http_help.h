/* SPDX-License-Identifier: MIT
 *
 * A small server on a free port and a client of raw bytes, both on one thread: whoever waits
 * for bytes runs the loop meanwhile.  Included by the test_http_*.c files.
 */
#ifndef TESTS_HTTP_HELP_H
#define TESTS_HTTP_HELP_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A test that hangs fails; nothing here waits so long on purpose. */
enum { PATIENCE_MS = 120000, LARGE = 8 << 20 };

struct site {
  uv_loop_t loop;
  struct http *http;
  struct metrics *metrics;
  int port;
  /* what the handlers and the sink saw */
  struct http_request *kept; /* by on_keep */
  struct http_stream *stream;
  struct http_content *content; /* by on_take */
  int handled, gone, closed, drained;
  int files_open, files_begun, files_finished, files_aborted, writes;
  /* how the sink behaves */
  int later_every; /* each so many writes ask to wait; 0: none */
  bool later_finish;
  int fail_after; /* writes; 0: never */
  int fail_code;
  struct buf stored; /* of all files, each followed by '|' */
  struct buf seen;   /* written by handlers */
  uv_timer_t later;
  struct http_request *waiting; /* for http_sink_continue */
  int waiting_code;
};

struct file {
  struct site *site;
  struct http_request *r;
};

/* ---- the sink ---- */

static void on_later(uv_timer_t *timer) {
  struct site *s = timer->data;
  struct http_request *r = s->waiting;
  struct err err = {.code = s->waiting_code, .text = "the disk said no"};
  s->waiting = NULL;
  if (r)
    http_sink_continue(r, s->waiting_code, &err);
}

static int ask_to_wait(struct file *f, int code) {
  f->site->waiting = f->r;
  f->site->waiting_code = code;
  uv_timer_start(&f->site->later, on_later, 1, 0);
  return HTTP_LATER;
}

static inline void *sink_begin(void *ctx, struct http_request *r, const char *field,
                               const char *filename, struct err *err) {
  struct site *s = ctx;
  if (strcmp(filename, "refused") == 0) {
    err_set(err, ERR_UNSUPPORTED, "files called refused are refused");
    return NULL;
  }
  struct file *f = mem_alloc(sizeof *f);
  *f = (struct file){.site = s, .r = r};
  s->files_open++;
  s->files_begun++;
  buf_printf(&s->stored, "%s/%s:", field, filename);
  return f;
}

static inline int sink_write(void *file, const void *data, size_t len, struct err *err) {
  struct file *f = file;
  struct site *s = f->site;
  s->writes++;
  if (s->fail_after && s->writes > s->fail_after)
    return err_set(err, s->fail_code, "the disk is full");
  buf_put(&s->stored, data, len);
  if (s->later_every && s->writes % s->later_every == 0)
    return ask_to_wait(f, 0);
  return 0;
}

static inline int sink_finish(void *file, struct err *err) {
  struct file *f = file;
  (void)err;
  f->site->files_finished++;
  buf_putc(&f->site->stored, '|');
  return f->site->later_finish ? ask_to_wait(f, f->site->fail_code) : 0;
}

static inline void sink_abort(void *file) {
  struct file *f = file;
  f->site->files_open--;
  f->site->files_aborted++;
  if (f->site->waiting == f->r)
    f->site->waiting = NULL;
  free(f);
}

static const struct http_sink site_sink = {
    .begin = sink_begin, .write = sink_write, .finish = sink_finish, .abort = sink_abort};

/* ---- handlers ---- */

static inline void reply_text(struct http_request *r, int status, const char *text) {
  struct buf b = {0};
  buf_puts(&b, text);
  http_reply(r, status, "text/plain", &b);
}

static inline void on_echo(void *ctx, struct http_request *r) {
  struct site *s = ctx;
  size_t len;
  const char *body = http_body(r, &len);
  struct buf b = {0};
  s->handled++;
  buf_printf(&b, "%s %s id=%s q=%s client=%s role=%s body=%zu:", http_method(r), http_path(r),
             http_param(r, "id") ? http_param(r, "id") : "-",
             http_query(r, "q") ? http_query(r, "q") : "-", http_client(r), role_word(http_role(r)),
             len);
  buf_put(&b, body, len < 200 ? len : 200);
  http_reply(r, 200, "text/plain", &b);
}

static inline void on_part(void *arg, const char *field, const char *value, size_t len,
                           void *file) {
  struct buf *b = arg;
  buf_printf(b, "[%s=%s%.*s]", field, file ? "FILE" : "", (int)len, value);
}

static inline void on_upload(void *ctx, struct http_request *r) {
  struct site *s = ctx;
  struct buf b = {0};
  s->handled++;
  http_form_each(r, on_part, &b);
  struct file *f = http_take_file(r);
  if (f) {
    s->files_open--;
    free(f);
  }
  buf_printf(&b, " form=%d taken=%d", http_is_form(r), f != NULL);
  http_reply(r, 201, "text/plain", &b);
}

/* Keeps what was gathered past the end of the request. */
static inline void on_take(void *ctx, struct http_request *r) {
  struct site *s = ctx;
  size_t len;
  s->content = http_take_content(r);
  struct buf b = {0};
  http_content_body(s->content, &len);
  buf_printf(&b, "body=%zu size=%zu ", len, http_content_size(s->content));
  http_content_each(s->content, on_part, &b);
  http_reply(r, 200, "text/plain", &b);
}

static inline void on_large(void *ctx, struct http_request *r) {
  (void)ctx;
  struct buf b = {0};
  buf_reserve(&b, LARGE);
  memset(b.data, 'l', LARGE);
  b.len = LARGE;
  http_reply(r, 200, "text/plain", &b);
}

static inline void on_leave(void *ctx, struct http_request *r) { /* takes no file */
  struct site *s = ctx;
  s->handled++;
  reply_text(r, 200, "left");
}

static inline void on_kept_gone(void *arg) {
  struct site *s = arg;
  s->gone++;
  s->kept = NULL;
}

static inline void on_keep(void *ctx, struct http_request *r) {
  struct site *s = ctx;
  s->handled++;
  s->kept = r;
  http_on_abort(r, on_kept_gone, s);
}

static inline void on_closed(void *arg) {
  struct site *s = arg;
  s->closed++;
  s->stream = NULL;
}

static inline void on_drained(void *arg) {
  struct site *s = arg;
  s->drained++;
}

static inline bool on_last_words(void *arg, const char *unsent, size_t len, size_t *keep,
                                 struct buf *words) {
  const char *end = memchr(unsent, '\n', len);
  (void)arg;
  if (!end)
    return false;
  *keep = (size_t)(end - unsent) + 1;
  buf_puts(words, "bye\n");
  return true;
}

static inline void on_stream(void *ctx, struct http_request *r) {
  struct site *s = ctx;
  s->handled++;
  s->stream = http_stream_begin(
      r, 200, "text/event-stream",
      &(struct http_stream_events){
          .drained = on_drained, .closed = on_closed, .last_words = on_last_words, .arg = s});
  http_stream_write(s->stream, "hello\n", 6);
}

static const char *const keys[] = {"q", "limit", NULL};
static const struct http_route site_routes[] = {
    {.method = "GET", .pattern = "/", .handler = on_echo},
    {.method = "GET", .pattern = "/echo", .handler = on_echo, .query = keys},
    {.method = "POST", .pattern = "/echo", .handler = on_echo, .body = HTTP_BODY_BUFFER},
    {.method = "GET", .pattern = "/roles", .handler = on_echo, .role = ROLE_READ},
    {.method = "POST", .pattern = "/roles", .handler = on_echo, .role = ROLE_SUBMIT},
    {.method = "DELETE", .pattern = "/roles", .handler = on_echo, .role = ROLE_ADMIN},
    {.method = "GET", .pattern = "/open", .handler = on_echo, .open = true},
    {.method = "GET", .pattern = "/things/{id}", .handler = on_echo, .query = keys},
    {.method = "DELETE", .pattern = "/things/{id}", .handler = on_echo},
    {.method = "POST", .pattern = "/things/{kind}", .handler = on_upload, .body = HTTP_BODY_FORM},
    {.method = "GET", .pattern = "/things/fixed", .handler = on_echo},
    {.method = "GET", .pattern = "/tree/{id*}", .handler = on_echo},
    {.method = "POST", .pattern = "/raw", .handler = on_upload, .body = HTTP_BODY_SINK},
    {.method = "GET", .pattern = "/large", .handler = on_large},
    {.method = "POST", .pattern = "/take", .handler = on_take, .body = HTTP_BODY_FORM},
    {.method = "POST", .pattern = "/leave", .handler = on_leave, .body = HTTP_BODY_SINK},
    {.method = "GET", .pattern = "/keep", .handler = on_keep},
    {.method = "POST", .pattern = "/keep", .handler = on_keep, .body = HTTP_BODY_FORM},
    {.method = "GET", .pattern = "/stream", .handler = on_stream},
    {.method = NULL},
};

/* ---- the site ---- */

static inline struct http_options site_options(struct site *s) {
  return (struct http_options){.host = "127.0.0.1",
                               .body_max = 100000,
                               .upload_max = 4 << 20,
                               .connections_max = 5000,
                               .routes = site_routes,
                               .sink = &site_sink,
                               .ctx = s,
                               .metrics = s->metrics};
}

static inline struct site *site_new(const struct http_options *options) {
  struct site *s = mem_alloc(sizeof *s);
  struct err err = {0};
  signal(SIGPIPE, SIG_IGN);
  uv_loop_init(&s->loop);
  s->metrics = metrics_new();
  uv_timer_init(&s->loop, &s->later);
  s->later.data = s;
  struct http_options o = options ? *options : site_options(s);
  o.ctx = s;
  o.metrics = s->metrics;
  if (http_open(&s->http, &s->loop, &o, &err))
    fail_msg("%s", err.text);
  s->port = http_port(s->http);
  assert_true(s->port > 0);
  return s;
}

static inline void site_pump(struct site *s) {
  uv_run(&s->loop, UV_RUN_NOWAIT);
}

static inline void site_free(struct site *s) {
  if (s->http)
    http_close(s->http);
  uv_close((uv_handle_t *)&s->later, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&s->loop), 0);
  assert_int_equal(s->files_open, 0);
  metrics_free(s->metrics);
  buf_free(&s->stored);
  buf_free(&s->seen);
  free(s);
}

/* Whether the metrics have such a line. */
static inline bool rendered(struct site *s, struct buf *b, const char *line) {
  buf_clear(b);
  metrics_render(s->metrics, b);
  return strstr(b->data, line) != NULL;
}

static inline long long metric_of(struct site *s, const char *name) {
  char start[100];
  snprintf(start, sizeof start, "\n%s ", name);
  assert_true(rendered(s, &s->seen, start));
  return atoll(strstr(s->seen.data, start) + strlen(start));
}

#define WAIT_FOR(s, what)                                                                          \
  do {                                                                                             \
    int64_t until_ = clock_mono_ms() + PATIENCE_MS;                                                \
    while (!(what)) {                                                                              \
      site_pump(s);                                                                                \
      if (clock_mono_ms() > until_)                                                                \
        fail_msg("waited in vain for: %s", #what);                                                 \
      poll(NULL, 0, 1);                                                                            \
    }                                                                                              \
  } while (0)

/* ---- the client ---- */

static inline int dial(struct site *s) {
  const struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)s->port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  int rc = connect(fd, (const struct sockaddr *)&to, sizeof to);
  assert_true(rc == 0 || errno == EINPROGRESS);
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  while (poll(&p, 1, 1) == 0)
    site_pump(s);
  return fd;
}

/* Sends all of it; false when the server closed first. */
static inline bool say_n(struct site *s, int fd, const void *data, size_t len) {
  const char *p = data;
  int64_t until = clock_mono_ms() + PATIENCE_MS;
  while (len > 0) {
    ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
      return false;
    if (n > 0) {
      p += n;
      len -= (size_t)n;
    }
    site_pump(s);
    if (clock_mono_ms() > until)
      fail_msg("the server takes no more bytes");
  }
  return true;
}

static inline bool say(struct site *s, int fd, const char *text) {
  return say_n(s, fd, text, strlen(text));
}

struct reply {
  int status;
  char *head; /* with the status line, NUL-terminated */
  char *body;
  size_t len;
  bool whole; /* false: the connection ended before */
  struct buf raw;
};

static inline void reply_drop(struct reply *r) {
  free(r->head);
  free(r->body);
  buf_free(&r->raw);
  *r = (struct reply){0};
}

static inline const char *header_of(const struct reply *r, const char *name, char *out,
                                    size_t size) {
  char wanted[100];
  snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
  const char *at = r->head ? strcasestr(r->head, wanted) : NULL;
  if (!at)
    return NULL;
  at += strlen(wanted);
  snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
  return out;
}

/* Bytes of the whole first reply in raw, 0: not whole yet. */
static inline size_t reply_size(struct reply *r, bool no_body, bool ended) {
  char text[64];
  char *end = r->raw.data ? strstr(r->raw.data, "\r\n\r\n") : NULL;
  if (!end)
    return 0;
  size_t head = (size_t)(end - r->raw.data) + 4;
  free(r->head);
  r->head = mem_dup_n(r->raw.data, head - 2);
  r->status = atoi(r->raw.data + 9);
  if (no_body || r->status == 204 || r->status == 304 || r->status == 100)
    return head;
  free(r->body);
  r->body = mem_alloc(r->raw.len + 1);
  r->len = 0;
  if (header_of(r, "Content-Length", text, sizeof text)) {
    size_t len = strtoul(text, NULL, 10);
    if (r->raw.len < head + len)
      return 0;
    memcpy(r->body, r->raw.data + head, len);
    r->len = len;
    return head + len;
  }
  if (!header_of(r, "Transfer-Encoding", text, sizeof text)) {
    r->len = r->raw.len - head;
    memcpy(r->body, r->raw.data + head, r->len);
    return ended ? r->raw.len : 0;
  }
  for (size_t at = head;;) {
    char *line = memmem(r->raw.data + at, r->raw.len - at, "\r\n", 2);
    if (!line)
      return 0;
    size_t chunk = strtoul(r->raw.data + at, NULL, 16);
    at = (size_t)(line - r->raw.data) + 2;
    if (at + chunk + 2 > r->raw.len)
      return 0;
    if (chunk == 0)
      return at + 2;
    memcpy(r->body + r->len, r->raw.data + at, chunk);
    r->len += chunk;
    r->body[r->len] = 0;
    at += chunk + 2;
  }
}

/* Reads one more piece; false at the end of the connection. */
static inline bool hear_piece(struct site *s, int fd, struct buf *raw) {
  char piece[16384];
  site_pump(s);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  poll(&p, 1, 1);
  ssize_t n = recv(fd, piece, sizeof piece, 0);
  if (n > 0)
    buf_put(raw, piece, (size_t)n);
  return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Reads one reply; what follows it stays in r->raw for the next call with the same r. */
static inline void hear(struct site *s, int fd, struct reply *r, bool no_body) {
  int64_t until = clock_mono_ms() + PATIENCE_MS;
  size_t size, seen;
  bool open = true;
  r->status = 0;
  r->len = 0;
  while ((size = reply_size(r, no_body, !open)) == 0 && open) {
    /* The reply is parsed from its beginning each time, so not for each piece of a large one. */
    seen = r->raw.len;
    do {
      open = hear_piece(s, fd, &r->raw);
    } while (open && r->raw.len > seen && r->raw.len < seen + seen / 4 &&
             poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0);
    if (clock_mono_ms() > until)
      fail_msg("waited in vain for a reply; so far: %.200s", r->raw.data ? r->raw.data : "");
  }
  r->whole = size > 0;
  if (r->body)
    r->body[r->len] = 0;
  if (size)
    buf_consume(&r->raw, size);
}

/* True when the server closes the connection. */
static inline bool hear_end(struct site *s, int fd) {
  struct buf rest = {0};
  int64_t until = clock_mono_ms() + PATIENCE_MS;
  bool open = true;
  while (open && clock_mono_ms() < until)
    open = hear_piece(s, fd, &rest);
  buf_free(&rest);
  return !open;
}

/* One request on a connection of its own.  Headers end with CR LF each. */
static inline struct reply ask(struct site *s, const char *method, const char *target,
                               const char *headers, const void *body, size_t len) {
  struct reply r = {0};
  struct buf b = {0};
  int fd = dial(s);
  buf_printf(&b, "%s %s HTTP/1.1\r\n", method, target);
  if (!headers || !strcasestr(headers, "Host:"))
    buf_puts(&b, "Host: localhost\r\n");
  buf_puts(&b, headers ? headers : "");
  if (body)
    buf_printf(&b, "Content-Length: %zu\r\n", len);
  buf_puts(&b, "\r\n");
  buf_put(&b, body ? body : "", len);
  say_n(s, fd, b.data, b.len);
  hear(s, fd, &r, strcmp(method, "HEAD") == 0);
  buf_free(&b);
  close(fd);
  return r;
}

static inline void expect_problem(struct reply *r, int status, const char *slug) {
  char text[200], wanted[100];
  if (r->status != status)
    fail_msg("%d instead of %d: %s", r->status, status, r->body ? r->body : "");
  assert_non_null(header_of(r, "Content-Type", text, sizeof text));
  assert_string_equal(text, "application/problem+json");
  snprintf(wanted, sizeof wanted, "\"type\":\"/problems/%s\"", slug);
  if (!strstr(r->body, wanted))
    fail_msg("not %s but %s", slug, r->body);
  snprintf(wanted, sizeof wanted, "\"status\":%d,", status);
  assert_non_null(strstr(r->body, wanted));
  assert_non_null(strstr(r->body, "\"detail\":\""));
}

static inline void expect_text(struct reply *r, int status, const char *text) {
  if (r->status != status || !strstr(r->body, text))
    fail_msg("%d %s instead of %d %s", r->status, r->body ? r->body : "", status, text);
}

#endif
