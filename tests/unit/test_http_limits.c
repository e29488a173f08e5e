/* SPDX-License-Identifier: MIT
 *
 * What is bounded for all clients together: connections, the memory of bodies, the memory of
 * answers.  At a bound the daemon says so, and goes on as soon as there is room.
 */
#include "http_help.h"

#include "http/private.h"

#include <sys/resource.h>

static int setup(void **state) {
  *state = site_new(NULL);
  return 0;
}

static int teardown(void **state) {
  site_free(*state);
  return 0;
}

/* ---- connections ---- */

static void too_many_connections_are_told(void **state) {
  struct http_options o = site_options(*state);
  o.connections_max = 2;
  struct site *s = site_new(&o);
  int fds[3];
  struct reply r = {0};
  for (int i = 0; i < 3; i++) {
    fds[i] = dial(s);
    say(s, fds[i], "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear(s, fds[i], &r, false);
    if (i < 2)
      assert_int_equal(r.status, 200);
    else
      expect_problem(&r, 503, "too-many-connections");
  }
  assert_true(hear_end(s, fds[2]));
  for (int i = 0; i < 3; i++)
    close(fds[i]);
  reply_drop(&r);
  site_free(s);
}

/* All that may wait for a connection and do not speak. */
static void accepting_goes_on_after_the_limit(void **state) {
  struct http_options o = site_options(*state);
  enum { LIMIT = 4, ALL = 200 };
  o.connections_max = LIMIT;
  struct site *s = site_new(&o);
  int fds[ALL];
  struct reply r = {0};
  for (int i = 0; i < ALL; i++)
    fds[i] = dial(s);
  for (int i = 0; i < 20; i++)
    site_pump(s);
  int late = dial(s);
  say(s, late, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (int i = 0; i < ALL; i++)
    close(fds[i]);
  hear(s, late, &r, false);
  assert_true(r.status == 200 || r.status == 503);
  close(late);
  reply_drop(&r);
  WAIT_FOR(s, rendered(s, &s->seen, "lathe_http_connections 0\n"));
  r = ask(s, "GET", "/echo", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
  site_free(s);
}

/* They come back without the end of any connection: some other part of the program had them. */
static void accepting_goes_on_when_there_are_descriptors_again(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  struct rlimit files, few;
  int fillers[256], count = 0;
  int silent = dial(s), late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  WAIT_FOR(s, rendered(s, &s->seen, "lathe_http_connections 1\n"));
  getrlimit(RLIMIT_NOFILE, &files);
  few = (struct rlimit){.rlim_cur = 200, .rlim_max = files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  while (count < 256 && (fillers[count] = dup(silent)) >= 0)
    count++;
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)s->port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof to), 0);
  fcntl(late, F_SETFL, O_NONBLOCK);
  say(s, late, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (int i = 0; i < 20; i++)
    site_pump(s);
  assert_true(rendered(s, &s->seen, "lathe_http_connections 1\n"));
  while (count > 0)
    close(fillers[--count]);
  setrlimit(RLIMIT_NOFILE, &files);
  hear(s, late, &r, false);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
  close(late);
  close(silent);
}

/* As libuv does where the listening socket reports an error: it stops to look, and says so once. */
static void accepting_goes_on_after_an_error_of_the_socket(void **state) {
  struct site *s = *state;
  uv_poll_t *listening = &s->http->listen_poll;
  uv_poll_stop(listening);
  listening->poll_cb(listening, UV_EBADF, 0);
  assert_false(s->http->accepting);
  struct reply r = ask(s, "GET", "/echo", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  assert_true(s->http->accepting);
  reply_drop(&r);
}

/* ---- the memory of all bodies ---- */

enum { BODY = 100000, HALF = 90000, BODIES = 310000, CLIENTS = 8 };

static struct site *small_site(void) {
  struct site *s = site_new(&(struct http_options){.host = "127.0.0.1",
                                                   .body_max = BODY,
                                                   .bodies_max = BODIES,
                                                   .upload_max = 4 << 20,
                                                   .connections_max = 100,
                                                   .routes = site_routes,
                                                   .sink = &site_sink});
  return s;
}

static int send_half(struct site *s, const char *bytes) {
  char head[200];
  int fd = dial(s);
  snprintf(head, sizeof head,
           "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", BODY);
  say(s, fd, head);
  say_n(s, fd, bytes, HALF);
  for (int i = 0; i < 20; i++)
    site_pump(s);
  assert_true(metric_of(s, "lathe_http_bodies_bytes") <= BODIES + BODIES / 8);
  return fd;
}

static void the_memory_of_bodies_is_bounded(void **state) {
  (void)state;
  struct site *s = small_site();
  char *bytes = mem_alloc(BODY);
  int fds[CLIENTS], refused = 0;
  struct reply r = {0};
  for (int i = 0; i < CLIENTS; i++)
    fds[i] = send_half(s, bytes);
  /* There is still room for the small ones. */
  r = ask(s, "POST", "/echo", NULL, "small", 5);
  expect_text(&r, 200, "body=5:small");
  reply_drop(&r);
  for (int i = 0; i < CLIENTS; i++) {
    char text[20];
    say_n(s, fds[i], bytes, BODY - HALF);
    hear(s, fds[i], &r, false);
    if (r.status == 200) {
      reply_drop(&r);
      continue;
    }
    refused++;
    expect_problem(&r, 503, "too-many-bodies");
    assert_non_null(header_of(&r, "Retry-After", text, sizeof text));
    reply_drop(&r);
  }
  assert_true(refused > 0 && refused < CLIENTS);
  for (int i = 0; i < CLIENTS; i++)
    close(fds[i]);
  WAIT_FOR(s, metric_of(s, "lathe_http_requests_open") == 0);
  assert_int_equal(metric_of(s, "lathe_http_bodies_bytes"), 0);
  free(bytes);
  site_free(s);
}

static void a_body_that_stalls_gives_way(void **state) {
  (void)state;
  struct site *s = small_site();
  char *bytes = mem_alloc(BODY);
  int stalled[3];
  struct reply r = {0};
  for (int i = 0; i < 3; i++)
    stalled[i] = send_half(s, bytes);
  for (int64_t end = clock_mono_ms() + 2200; clock_mono_ms() < end; poll(NULL, 0, 10))
    site_pump(s);
  r = ask(s, "POST", "/echo", NULL, bytes, BODY);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
  hear(s, stalled[0], &r, false);
  expect_problem(&r, 503, "too-many-bodies");
  reply_drop(&r);
  for (int i = 0; i < 3; i++)
    close(stalled[i]);
  free(bytes);
  site_free(s);
}

/* ---- the memory of answers ---- */

static void answers_that_nobody_reads_are_bounded(void **state) {
  enum { READERS = 6 };
  struct http_options o = site_options(*state);
  o.streams_max = 3 * LARGE;
  struct site *s = site_new(&o);
  int fds[READERS], answered = 0;
  struct reply r = {0};
  for (int i = 0; i < READERS; i++) {
    fds[i] = dial(s);
    say(s, fds[i], "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int k = 0; k < 20; k++)
      site_pump(s);
    assert_true(metric_of(s, "lathe_http_replies_bytes") <= 3 * LARGE);
  }
  hear(s, fds[READERS - 1], &r, false);
  expect_problem(&r, 503, "too-many-answers");
  reply_drop(&r);
  /* After a while the oldest ones give way. */
  for (int64_t end = clock_mono_ms() + 2200; clock_mono_ms() < end; poll(NULL, 0, 10))
    site_pump(s);
  r = ask(s, "GET", "/large", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  assert_int_equal(r.len, LARGE);
  reply_drop(&r);
  for (int i = 0; i < READERS - 1; i++) {
    hear(s, fds[i], &r, false);
    answered += r.whole && r.status == 200;
    reply_drop(&r);
  }
  assert_true(answered < READERS - 1);
  for (int i = 0; i < READERS; i++)
    close(fds[i]);
  WAIT_FOR(s, metric_of(s, "lathe_http_requests_open") == 0);
  assert_int_equal(metric_of(s, "lathe_http_replies_bytes"), 0);
  site_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(too_many_connections_are_told),
      TEST(accepting_goes_on_after_the_limit),
      TEST(accepting_goes_on_when_there_are_descriptors_again),
      TEST(accepting_goes_on_after_an_error_of_the_socket),
      TEST(the_memory_of_bodies_is_bounded),
      TEST(a_body_that_stalls_gives_way),
      TEST(answers_that_nobody_reads_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
