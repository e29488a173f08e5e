/* SPDX-License-Identifier: MIT
 *
 * Requests and replies over a real socket: routes, malformed input, keep-alive,
 * clients that leave.
 */
#include "http_help.h"

static int setup(void **state) {
  *state = site_new(NULL);
  return 0;
}

static int teardown(void **state) {
  site_free(*state);
  return 0;
}

static void a_request_reaches_its_handler(void **state) {
  struct site *s = *state;
  char text[200];
  struct reply r = ask(s, "GET", "/things/a%20b?q=1%2B1", NULL, NULL, 0);
  expect_text(&r, 200, "GET /things/a%20b id=a b q=1+1 client= role=admin body=0:");
  assert_string_equal(header_of(&r, "X-Content-Type-Options", text, sizeof text), "nosniff");
  assert_string_equal(header_of(&r, "Cache-Control", text, sizeof text), "no-store");
  assert_string_equal(header_of(&r, "Content-Type", text, sizeof text), "text/plain");
  assert_non_null(header_of(&r, "Date", text, sizeof text));
  assert_null(header_of(&r, "Vary", text, sizeof text));
  reply_drop(&r);
  r = ask(s, "GET", "/things/fixed", NULL, NULL, 0);
  expect_text(&r, 200, "id=- ");
  reply_drop(&r);
  r = ask(s, "POST", "/echo", NULL, "some \0 text", 11);
  expect_text(&r, 200, "body=11:some ");
  reply_drop(&r);
}

static void head_is_get_without_a_body(void **state) {
  struct site *s = *state;
  char get[50], head[50];
  struct reply r = ask(s, "GET", "/things/1", NULL, NULL, 0);
  assert_non_null(header_of(&r, "Content-Length", get, sizeof get));
  reply_drop(&r);
  r = ask(s, "HEAD", "/things/1", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  assert_non_null(header_of(&r, "Content-Length", head, sizeof head));
  assert_int_equal(atoi(head), atoi(get) + 1); /* it says HEAD in place of GET */
  reply_drop(&r);
}

static void unknown_paths_and_methods(void **state) {
  struct site *s = *state;
  char text[100];
  static const char *const nothing[] = {"/nothing",       "/things",      "/things/",
                                        "//echo",         "/echo/",       "/things/..",
                                        "/things/%2e%2e", "/things/a%2fb"};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
    struct reply r = ask(s, "GET", nothing[i], NULL, NULL, 0);
    expect_problem(&r, 404, "not-found");
    reply_drop(&r);
  }
  struct reply r = ask(s, "PUT", "/things/1", NULL, "x", 1);
  expect_problem(&r, 405, "method-not-allowed");
  assert_string_equal(header_of(&r, "Allow", text, sizeof text),
                      "GET, HEAD, DELETE, POST, OPTIONS");
  reply_drop(&r);
  r = ask(s, "BREW", "/echo", NULL, NULL, 0);
  expect_problem(&r, 405, "method-not-allowed");
  reply_drop(&r);
  r = ask(s, "OPTIONS", "/echo", NULL, NULL, 0);
  assert_int_equal(r.status, 204);
  assert_string_equal(header_of(&r, "Allow", text, sizeof text), "GET, HEAD, POST, OPTIONS");
  assert_null(header_of(&r, "Content-Length", text, sizeof text));
  reply_drop(&r);
  r = ask(s, "OPTIONS", "*", NULL, NULL, 0);
  assert_int_equal(r.status, 204);
  reply_drop(&r);
  assert_int_equal(s->handled, 0);
}

static void bad_targets(void **state) {
  struct site *s = *state;
  static const char *const bad[] = {"/%00", "/a%zz", "/%ff", "/echo?q=%ff", "echo", "/a#b", "*"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct reply r = ask(s, "GET", bad[i], NULL, NULL, 0);
    if (strcmp(bad[i], "*") == 0)
      expect_problem(&r, 404, "not-found");
    else
      expect_problem(&r, 400, "bad-request");
    reply_drop(&r);
  }
}

/* What libmicrohttpd answers itself is not application/problem+json, but it is an error, and the
 * connection ends. */
static void what_is_not_http(void **state) {
  struct site *s = *state;
  static const char *const garbage[] = {
      "GET\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 7\r\n\r\nabcde",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /raw HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\n",
  };
  for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
    struct reply r = {0};
    int fd = dial(s);
    say(s, fd, garbage[i]);
    shutdown(fd, SHUT_WR);
    hear(s, fd, &r, false);
    if (r.status && r.status < 400)
      fail_msg("%zu: %d", i, r.status);
    assert_true(hear_end(s, fd));
    close(fd);
    reply_drop(&r);
  }
  struct buf b = {0};
  buf_puts(&b, "GET /echo HTTP/1.1\r\nHost: localhost\r\nX: ");
  for (int i = 0; i < 50000; i++)
    buf_putc(&b, 'x');
  buf_puts(&b, "\r\n\r\n");
  int fd = dial(s);
  struct reply r = {0};
  say_n(s, fd, b.data, b.len);
  hear(s, fd, &r, false);
  assert_true(r.status == 0 || r.status >= 400);
  close(fd);
  reply_drop(&r);
  buf_free(&b);
  assert_int_equal(s->handled, 0);
  r = ask(s, "GET", "/echo", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
}

static void ambiguous_heads_are_refused(void **state) {
  struct site *s = *state;
  static const char *const bad[] = {
      "Host: localhost\r\nHost: localhost\r\n",
      "Content-Length: 3\r\nContent-Length: 3\r\n",
      "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding : chunked\r\n",
      "X Y: 1\r\n",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct buf b = {0};
    struct reply r = {0};
    int fd = dial(s);
    buf_printf(&b, "POST /echo HTTP/1.1\r\n%s%s\r\nabc", bad[i],
               i == 0 ? "" : "Host: localhost\r\n");
    say_n(s, fd, b.data, b.len);
    hear(s, fd, &r, false);
    expect_problem(&r, 400, "bad-request");
    assert_true(hear_end(s, fd));
    close(fd);
    buf_free(&b);
    reply_drop(&r);
  }
  assert_int_equal(s->handled, 0);
}

/* ---- connections ---- */

static void keep_alive_and_pipelining(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  for (int i = 0; i < 3; i++) {
    say(s, fd, "GET /things/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear(s, fd, &r, false);
    assert_int_equal(r.status, 200);
  }
  struct buf many = {0};
  for (int i = 0; i < 100; i++)
    buf_printf(&many, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%03d", 3,
               i);
  buf_puts(&many, "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  say_n(s, fd, many.data, many.len);
  for (int i = 0; i < 100; i++) {
    char wanted[20];
    snprintf(wanted, sizeof wanted, "body=3:%03d", i);
    hear(s, fd, &r, false);
    expect_text(&r, 200, wanted);
  }
  hear(s, fd, &r, false);
  expect_problem(&r, 404, "not-found");
  assert_true(hear_end(s, fd));
  buf_free(&many);
  reply_drop(&r);
  close(fd);
}

static void a_reply_may_come_later(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  /* The second request must wait for the first. */
  say(s, fd,
      "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->kept);
  assert_int_equal(s->handled, 1);
  http_add_header(s->kept, "X-Two", "a\r\nX-Evil: b");
  http_add_header(s->kept, "Cache-Control", "max-age=5");
  http_problem(s->kept, 0, "queue-full", 7, "full of \"%s\"", "jobs");
  hear(s, fd, &r, false);
  char text[100];
  expect_problem(&r, 503, "queue-full");
  assert_string_equal(header_of(&r, "Retry-After", text, sizeof text), "7");
  assert_string_equal(header_of(&r, "Cache-Control", text, sizeof text), "max-age=5");
  assert_null(header_of(&r, "X-Evil", text, sizeof text));
  assert_non_null(strstr(r.body, "full of \\\"jobs\\\""));
  hear(s, fd, &r, false);
  expect_text(&r, 200, "GET /echo");
  assert_int_equal(s->gone, 0);
  reply_drop(&r);
  close(fd);
}

static void a_client_that_leaves_is_told_once(void **state) {
  struct site *s = *state;
  /* 0: reset; 1: plain close */
  for (int how = 0; how < 2; how++) {
    int fd = dial(s);
    say(s, fd, "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
    WAIT_FOR(s, s->kept);
    if (how == 0)
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
    WAIT_FOR(s, s->gone == how + 1);
  }
  for (int i = 0; i < 20; i++)
    site_pump(s);
  assert_int_equal(s->gone, 2);
}

static void a_half_closed_client_gets_its_reply(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  say(s, fd, "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  shutdown(fd, SHUT_WR);
  WAIT_FOR(s, s->kept);
  for (int i = 0; i < 10; i++)
    site_pump(s);
  assert_non_null(s->kept);
  reply_text(s->kept, 200, "late");
  hear(s, fd, &r, false);
  expect_text(&r, 200, "late");
  assert_int_equal(s->gone, 0);
  close(fd);
  fd = dial(s);
  say(s, fd, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  shutdown(fd, SHUT_WR);
  hear(s, fd, &r, false);
  assert_int_equal(r.status, 200);
  close(fd);
  reply_drop(&r);
}

static void silence_ends_a_connection(void **state) {
  struct http_options o = site_options(*state);
  o.idle_timeout_s = 1;
  struct site *s = site_new(&o);
  int silent = dial(s), half = dial(s), kept = dial(s);
  say(s, half, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Le");
  say(s, kept, "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->kept);
  assert_true(hear_end(s, silent));
  assert_true(hear_end(s, half));
  /* A request that waits for us does not run out of time. */
  struct reply r = {0};
  assert_non_null(s->kept);
  reply_text(s->kept, 200, "patience");
  hear(s, kept, &r, false);
  expect_text(&r, 200, "patience");
  reply_drop(&r);
  close(silent);
  close(half);
  close(kept);
  site_free(s);
}

static void an_idle_server_sleeps(void **state) {
  struct site *s = *state;
  int fd = dial(s);
  struct reply r = {0};
  say(s, fd, "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  hear(s, fd, &r, false);
  close(fd);
  reply_drop(&r);
  /* A timer of a connection that is gone rings once more at most; without it there is none. */
  struct site *fresh = site_new(NULL);
  for (int i = 0; i < 10; i++)
    site_pump(fresh);
  assert_int_equal(uv_backend_timeout(&fresh->loop), -1);
  site_free(fresh);
}

static void a_taken_port_is_named(void **state) {
  struct site *s = *state;
  struct http_options o = site_options(s);
  struct http *other;
  struct err err;
  o.port = s->port;
  assert_true(http_open(&other, &s->loop, &o, &err) < 0);
  char port[16];
  snprintf(port, sizeof port, ":%d", s->port);
  assert_non_null(strstr(err.text, port));
}

static void stopping(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int kept = dial(s), idle = dial(s);
  say(s, kept, "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->kept);
  http_stop_accepting(s->http);
  http_stop_accepting(s->http);
  reply_text(s->kept, 200, "still");
  hear(s, kept, &r, false);
  expect_text(&r, 200, "still");
  assert_true(hear_end(s, kept)); /* told to close */
  assert_true(hear_end(s, idle));
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)s->port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_not_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  close(fd);
  close(kept);
  close(idle);
  reply_drop(&r);
}

static void closing_tells_who_waits(void **state) {
  struct site *s = *state;
  int fd = dial(s);
  say(s, fd, "GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->kept);
  http_close(s->http);
  s->http = NULL;
  assert_int_equal(s->gone, 1);
  assert_true(hear_end(s, fd));
  close(fd);
}

static void requests_are_counted(void **state) {
  struct site *s = *state;
  struct reply r = ask(s, "GET", "/echo", NULL, NULL, 0);
  reply_drop(&r);
  r = ask(s, "GET", "/nothing", NULL, NULL, 0);
  reply_drop(&r);
  int fd = dial(s);
  say(s, fd, "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  hear(s, fd, &r, false);
  close(fd);
  struct buf b = {0};
  WAIT_FOR(s, rendered(s, &b, "lathe_http_connections 0\n"));
  assert_non_null(strstr(b.data, "lathe_http_requests_total{method=\"GET\",code=\"2xx\"} 1"));
  assert_non_null(strstr(b.data, "lathe_http_requests_total{method=\"GET\",code=\"4xx\"} 1"));
  assert_non_null(strstr(b.data, "lathe_http_requests_total{method=\"other\",code=\"4xx\"} 1"));
  assert_non_null(strstr(b.data, "lathe_http_request_seconds_count 3"));
  buf_free(&b);
  reply_drop(&r);
}

/* ---- what libmicrohttpd gives up itself ---- */

static void put_many(struct buf *b, const char *piece, int times) {
  for (int i = 0; i < times; i++)
    buf_puts(b, piece);
}

#define TEN(text)     text text text text text text text text text text
#define HUNDRED(text) TEN(TEN(text))

/* A request with so many of each; tails: what may follow the target. */
static void put_request(struct buf *b, const char *method, const char *arg, int args,
                        const char *header, int headers, const char *tail) {
  buf_printf(b, "%s /echo?q", method);
  put_many(b, arg, args);
  buf_puts(b, " HTTP/1.1\r\nHost: localhost\r\n");
  put_many(b, header, headers);
  buf_puts(b, tail);
}

/* Sends it and reads to the end.  Returns the status of the first reply, 0 without one. */
static int status_of(struct site *s, const struct buf *b) {
  struct reply r = {0};
  int fd = dial(s);
  say_n(s, fd, b->data, b->len);
  shutdown(fd, SHUT_WR);
  hear(s, fd, &r, false);
  int status = r.status;
  hear_end(s, fd);
  close(fd);
  reply_drop(&r);
  return status;
}

static void what_the_library_gives_up_is_freed(void **state) {
  struct site *s = *state;
  static const char *const methods[] = {"GET", "HEAD", "POST", "BREW"};
  static const struct {
    const char *arg, *header, *tail;
    int args, headers;
    int least; /* status; 0: none need come */
  } cases[] = {
      {"&a", "", "\r\n", 160, 0, 400},
      {"&a", "", "\r\n", 200, 0, 400},
      {"&a=b", "", "\r\n", 1000, 0, 400},
      {"&abcdefgh=%41", "", "\r\n", 500, 0, 400},
      {"&a", "X: y\r\n", "\r\n", 100, 100, 400},
      {"", "X: y\r\n", "\r\n", 0, 200, 400},
      {"", "Cookie: a=b; c=d; e=f\r\n", "\r\n", 0, 200, 400},
      {"", "Cookie: " HUNDRED("a=b;") HUNDRED("a=b;") "\r\n", "\r\n", 0, 1, 400},
      {"", "", "no colon\r\n\r\n", 0, 0, 400},
      {"", "", "X: y\r\n folded\r\n\r\n", 0, 0, 200},
      {"", "", "Content-Length: x\r\n\r\n", 0, 0, 400},
      {"", "", "Content-Length: 99999999999999999999\r\n\r\n", 0, 0, 400},
      {"", "", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 0, 400},
      {"", "", "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXYZ\r\n", 0, 0, 400},
      {"", "", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad trailer\r\n\r\n", 0, 0, 400},
      {"", "", "Content-Length: 9\r\n\r\nabc", 0, 0, 0},
      {"", "", "X: unfinished", 0, 0, 0},
  };
  struct buf b = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t m = 0; m < 4; m++) {
      buf_clear(&b);
      put_request(&b, methods[m], cases[i].arg, cases[i].args, cases[i].header, cases[i].headers,
                  cases[i].tail);
      int status = status_of(s, &b);
      if (status < cases[i].least)
        fail_msg("case %zu, %s: %d", i, methods[m], status);
      /* The same behind a request that is in order. */
      put_request(&b, "GET", "", 0, "", 0, "\r\n");
      struct buf piped = {0};
      put_request(&piped, "GET", "", 0, "", 0, "\r\n");
      buf_put(&piped, b.data, b.len);
      assert_int_equal(status_of(s, &piped), 200);
      buf_free(&piped);
    }
  }
  buf_free(&b);
  WAIT_FOR(s, rendered(s, &s->seen, "lathe_http_requests_open 0\n"));
  WAIT_FOR(s, rendered(s, &s->seen, "lathe_http_connections 0\n"));
}

static void a_query_of_too_many_parameters_is_answered(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  for (int args = 60; args < 400; args += 5) {
    buf_clear(&b);
    buf_puts(&b, "/echo?q=1");
    put_many(&b, "&a=b", args);
    struct reply r = ask(s, "GET", b.data, NULL, NULL, 0);
    expect_problem(&r, 400, "bad-request"); /* from 64 on for their number, before for being many */
    reply_drop(&r);
  }
  buf_free(&b);
  WAIT_FOR(s, rendered(s, &s->seen, "lathe_http_requests_open 0\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_request_reaches_its_handler),
      TEST(head_is_get_without_a_body),
      TEST(unknown_paths_and_methods),
      TEST(bad_targets),
      TEST(what_is_not_http),
      TEST(ambiguous_heads_are_refused),
      TEST(keep_alive_and_pipelining),
      TEST(a_reply_may_come_later),
      TEST(a_client_that_leaves_is_told_once),
      TEST(a_half_closed_client_gets_its_reply),
      TEST(silence_ends_a_connection),
      TEST(an_idle_server_sleeps),
      TEST(a_taken_port_is_named),
      TEST(stopping),
      TEST(closing_tells_who_waits),
      TEST(requests_are_counted),
      TEST(what_the_library_gives_up_is_freed),
      TEST(a_query_of_too_many_parameters_is_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
