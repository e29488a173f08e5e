/* SPDX-License-Identifier: MIT
 *
 * Services and networks that are broken, slow or hostile: a clear class, a clear sentence, an end.
 */
#include "net_help.h"

#include <dlfcn.h>
#include <jansson.h>
#include <netdb.h>
#include <signal.h>

/* ---- answers that have no end ---- */

static void endless_body(struct served *r) {
  static const char block[8192] = {'x'};
  put(r, "HTTP/1.1 200 OK\r\n\r\n");
  while (!stopping(r) && put_bytes(r, block, sizeof block))
    ;
  r->close = true;
}

static void endless_headers(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\n");
  while (!stopping(r) && put(r, "X-Again: and again\r\n"))
    ;
  r->close = true;
}

static void endless_header(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\nX-Long: ");
  while (!stopping(r) && put(r, "and so on and so on and so on "))
    ;
  r->close = true;
}

static void endless_interim(struct served *r) {
  while (!stopping(r) && put(r, "HTTP/1.1 100 Continue\r\nX-Wait: a bit\r\n\r\n"))
    ;
  r->close = true;
}

static void endless_failure(struct served *r) {
  put(r, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Type: text/html\r\n\r\n");
  while (!stopping(r) && put(r, "<p>wait</p>"))
    ;
  r->close = true;
}

static void declared_long(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx");
  hold(r);
}

static void json_bomb(struct served *r) {
  static char deep[100001];
  memset(deep, '[', sizeof deep - 1);
  answer_with(r, 200, "Content-Type: application/json\r\n", deep);
}

static void page(struct served *r) {
  answer_with(r, 200, "Content-Type: text/html; charset=utf-8\r\n", "<html>Please log in</html>");
}

static void bad_gateway(struct served *r) {
  answer_with(r, 502, "Content-Type: text/html\r\n", "<html>Bad Gateway</html>");
}

static void gibberish(struct served *r) {
  put(r, "SSH-2.0-OpenSSH_9.2\r\n");
  r->close = true;
}

static void short_body(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  r->close = true;
}

static void late_refusal(struct served *r) {
  put(r, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  r->close = true;
}

static void broken_server_is_told(void **state) {
  static const struct {
    serve_fn *serve;
    int32_t result, status;
    int64_t retry_after_ms;
    const char *said;
  } cases[] = {
      {endless_body, LATHE_RETRY_DOWN, 200, -1, "longer than the 1048576 bytes"},
      {endless_headers, LATHE_RETRY_DOWN, 200, -1, "more than 64 KB of headers"},
      {endless_header, LATHE_RETRY_DOWN, 200, -1, "header of the answer is too long"},
      {endless_interim, LATHE_RETRY_DOWN, 100, -1, "more than 64 KB of headers"},
      {endless_failure, LATHE_RETRY_RATE, 503, 7000, "HTTP 503 with text/html (from a proxy?)"},
      {bad_gateway, LATHE_RETRY_DOWN, 502, -1, "HTTP 502 with text/html (from a proxy?)"},
      {gibberish, LATHE_RETRY_DOWN, 0, -1, "does not speak HTTP"},
      {short_body, LATHE_RETRY_DOWN, 200, -1, "the answer was cut"},
      {late_refusal, LATHE_BAD_INPUT, 413, -1, "larger than the service takes"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct server s = {0};
    struct lathe_net_answer a = {0};
    start(&s, cases[i].serve, NULL);
    struct lathe_net *net = net_to(&s);
    struct lathe_net_request post = {.method = "POST", .path = "/x"};
    assert_int_equal(lathe_net_call(net, &post, &a), cases[i].result);
    if (a.status != cases[i].status || a.retry_after_ms != cases[i].retry_after_ms ||
        !strstr(a.why, cases[i].said))
      fail_msg("%zu: status %d, retry after %lld, %s", i, a.status, (long long)a.retry_after_ms,
               a.why);
    assert_ptr_equal(strstr(a.why, "POST http://localhost:"), a.why);
    assert_int_equal(atomic_load(&s.requests), 1);
    lathe_net_free(&a);
    lathe_net_close(net);
    stop(&s);
  }
}

static void json_that_is_none_or_a_bomb_is_told(void **state) {
  static const struct {
    serve_fn *serve;
    const char *said;
  } cases[] = {
      {json_bomb, "nested deeper than 64"},
      {page, "HTTP 200 with text/html: a page and no JSON; a proxy or a login page"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct server s = {0};
    struct lathe_net_answer a = {0};
    start(&s, cases[i].serve, NULL);
    struct lathe_net *net = net_to(&s);
    assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){0}, &a), LATHE_OK);
    assert_null(lathe_net_json(&a));
    assert_int_equal(a.result, LATHE_RETRY_DOWN);
    if (!strstr(a.why, cases[i].said))
      fail_msg("%s", a.why);
    lathe_net_free(&a);
    lathe_net_close(net);
    stop(&s);
  }
}

static void an_answer_may_be_as_long_as_was_said(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  (void)state;
  start(&s, declared_long, NULL);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = s.url, .stall_ms = 50});
  struct lathe_net_request get = {.answer_max = 1};
  assert_int_equal(lathe_net_call(net, &get, &a),
                   LATHE_RETRY_DOWN); /* what it promises costs nothing */
  assert_non_null(strstr(a.why, "not a byte moved"));
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

/* ---- classes ---- */

static void as_asked(struct served *r) {
  static const char body[] =
      "{\"error\": {\"type\": \"Invalid Thing\", \"message\": \"no \\u001b[31m such thing\"}}";
  int status = atoi(strchr(r->text, '/') + 1);
  answer_with(r, status, "Content-Type: application/json\r\nX-Request-Id: req 1\r\n", body);
}

static void each_status_has_its_class(void **state) {
  static const struct {
    int status;
    int32_t result;
  } cases[] = {
      {200, LATHE_OK},         {201, LATHE_OK},         {202, LATHE_OK},
      {301, LATHE_PERMANENT},  {303, LATHE_PERMANENT},  {400, LATHE_BAD_INPUT},
      {401, LATHE_AUTH},       {402, LATHE_QUOTA},      {403, LATHE_AUTH},
      {404, LATHE_PERMANENT},  {407, LATHE_AUTH},       {408, LATHE_RETRY_DOWN},
      {409, LATHE_PERMANENT},  {410, LATHE_PERMANENT},  {413, LATHE_BAD_INPUT},
      {415, LATHE_BAD_INPUT},  {418, LATHE_PERMANENT},  {421, LATHE_RETRY_DOWN},
      {422, LATHE_BAD_INPUT},  {425, LATHE_RETRY_DOWN}, {429, LATHE_RETRY_RATE},
      {500, LATHE_RETRY_DOWN}, {501, LATHE_PERMANENT},  {502, LATHE_RETRY_DOWN},
      {503, LATHE_RETRY_DOWN}, {504, LATHE_RETRY_DOWN}, {505, LATHE_PERMANENT},
      {507, LATHE_RETRY_DOWN}, {508, LATHE_PERMANENT},  {520, LATHE_RETRY_DOWN},
      {777, LATHE_PERMANENT},
  };
  struct server s = {0};
  struct lathe_net_answer a = {0};
  struct lathe_job job = {0};
  char path[10];
  (void)state;
  start(&s, as_asked, NULL);
  struct lathe_net *net = net_to(&s);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "/%d", cases[i].status);
    if (lathe_net_call(net, &(struct lathe_net_request){.path = path}, &a) != cases[i].result)
      fail_msg("%d: %d", cases[i].status, a.result);
    if (cases[i].result == LATHE_OK)
      continue;
    assert_non_null(strstr(a.why, a.status >= 400 ? "no  [31m such thing; "
                                                  : "it sends its clients elsewhere"));
    assert_int_equal(lathe_net_fail(net, &job, &a), cases[i].result);
    assert_string_equal(job.code, "invalid_thing");
    assert_string_equal(job.request_id, "req_1");
  }
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

static void pause_for(struct served *r) {
  char more[200];
  snprintf(more, sizeof more, "Date: Sun, 13 Sep 2020 12:26:40 GMT\r\nRetry-After: %s\r\n",
           (char *)r->server->arg);
  answer_with(r, 429, more, "");
}

static void a_pause_is_taken_from_the_service_or_not_at_all(void **state) {
  static struct {
    char *value;
    int64_t ms;
  } cases[] = {
      {"4", 4000},
      {"Sun, 13 Sep 2020 12:27:40 GMT", 60000}, /* by its own clock */
      {"-1", -1},
      {"9999999999", 3600000},
      {"99999999999999999999999", -1},
      {"in a while", -1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct server s = {0};
    struct lathe_net_answer a = {0};
    struct lathe_job job = {.retry_after_ms = -7};
    start(&s, pause_for, cases[i].value);
    struct lathe_net *net = net_to(&s);
    assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){0}, &a), LATHE_RETRY_RATE);
    assert_int_equal(a.retry_after_ms, cases[i].ms);
    lathe_net_fail(net, &job, &a);
    assert_int_equal(job.retry_after_ms, cases[i].ms >= 0 ? cases[i].ms : -7);
    lathe_net_free(&a);
    lathe_net_close(net);
    stop(&s);
  }
}

/* ---- time ---- */

static void silent(struct served *r) {
  hold(r);
}

static void dripping(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\n\r\n");
  while (!stopping(r) && put(r, "x"))
    usleep(5000);
  r->close = true;
}

static void every_wait_has_an_end(void **state) {
  struct server s = {0}, drips = {0};
  struct lathe_net_answer a = {0};
  (void)state;
  start(&s, silent, NULL);
  start(&drips, dripping, NULL);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = s.url, .stall_ms = 100}),
                   *drip =
                       open_net((struct lathe_net_options){.base = drips.url, .stall_ms = 1000});
  struct lathe_net_request get = {.path = "/x"};
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "not a byte moved for"));
  assert_int_equal(a.sent, 1);
  get.deadline_ms = lathe_net_now() + 100;
  get.wait_ms = 60000; /* by agreement: now the deadline is first */
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_TIMEOUT);
  get.deadline_ms = lathe_net_now() + 100;
  assert_int_equal(lathe_net_call(drip, &get, &a), LATHE_TIMEOUT);
  assert_int_equal(lathe_net_call(drip, &get, &a), LATHE_TIMEOUT); /* it is over already */
  assert_int_equal(a.sent, 0);
  get.deadline_ms = 0;
  get.most_ms = 100;
  assert_int_equal(lathe_net_call(drip, &get, &a), LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "no whole answer within 100 ms; it was connected"));
  lathe_net_free(&a);
  lathe_net_close(net);
  lathe_net_close(drip);
  stop(&s);
  stop(&drips);
}

/* A listener that accepts nothing: the kernel takes the connection, and what its buffers hold. */
static void an_upload_that_nobody_reads_is_given_up(void **state) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof here;
  struct lathe_net_answer a = {0};
  char url[60];
  size_t size = 64 << 20;
  char *body = calloc(1, size);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  (void)state;
  assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here) | listen(fd, 1), 0);
  getsockname(fd, (struct sockaddr *)&here, &len);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(here.sin_port));
  struct lathe_net *net = open_net((struct lathe_net_options){.base = url, .stall_ms = 100});
  struct lathe_net_request post = {.body = body, .body_len = size};
  assert_int_equal(lathe_net_call(net, &post, &a), LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "not a byte moved"));
  lathe_net_free(&a);
  lathe_net_close(net);
  close(fd);
  free(body);
}

/* ---- cancellation ---- */

static atomic_int resolving, let_go;

/* libcurl asks this one: a name server that does not answer. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  if (node && !strcmp(node, "hangs.example")) {
    atomic_fetch_add(&resolving, 1);
    while (!atomic_load(&let_go))
      usleep(1000);
    atomic_fetch_sub(&resolving, 1);
    return EAI_AGAIN;
  }
  *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
  return real(node, service, hints, res);
}

struct canceller {
  struct lathe_job *job;
  atomic_int *when;
};

static void *cancel_when(void *arg) {
  struct canceller *c = arg;
  while (!atomic_load(c->when))
    usleep(1000);
  atomic_store(&c->job->cancelled, 1);
  return NULL;
}

static void cancel_of(const char *base, atomic_int *when, struct lathe_net_request request) {
  struct lathe_job job = {0};
  struct lathe_net_answer a = {0};
  pthread_t thread;
  struct canceller c = {&job, when};
  struct lathe_net *net =
      open_net((struct lathe_net_options){.base = base, .stall_ms = -1, .connect_ms = 1000000});
  request.job = &job;
  pthread_create(&thread, NULL, cancel_when, &c);
  assert_int_equal(lathe_net_call(net, &request, &a), LATHE_CANCELLED);
  pthread_join(thread, NULL);
  assert_int_equal(lathe_net_call(net, &request, &a), LATHE_CANCELLED); /* nothing is begun */
  assert_int_equal(a.sent, 0);
  lathe_net_free(&a);
  lathe_net_close(net);
}

static void a_cancelled_job_ends_its_call(void **state) {
  struct server s = {0}, drips = {0};
  (void)state;
  start(&s, silent, NULL);
  start(&drips, dripping, NULL);
  cancel_of(s.url, &s.requests, (struct lathe_net_request){0});
  cancel_of(drips.url, &drips.requests, (struct lathe_net_request){.answer_max = 1 << 30});
  stop(&s);
  stop(&drips);
}

static void a_name_server_that_hangs_holds_nobody(void **state) {
  struct lathe_net_answer a = {0};
  (void)state;
  cancel_of("http://hangs.example", &resolving, (struct lathe_net_request){0});
  struct lathe_net *net =
      open_net((struct lathe_net_options){.base = "http://hangs.example", .connect_ms = 100});
  struct lathe_net_request get = {.path = "/x"};
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "Resolving timed out"));
  assert_int_equal(a.sent, 0);
  get.deadline_ms = lathe_net_now() + 50;
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_TIMEOUT);
  assert_non_null(strstr(a.why, "no connection stood yet"));
  lathe_net_free(&a);
  lathe_net_close(net);
  atomic_store(&let_go, 1);
  while (atomic_load(&resolving))
    usleep(1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(broken_server_is_told),
      cmocka_unit_test(json_that_is_none_or_a_bomb_is_told),
      cmocka_unit_test(an_answer_may_be_as_long_as_was_said),
      cmocka_unit_test(each_status_has_its_class),
      cmocka_unit_test(a_pause_is_taken_from_the_service_or_not_at_all),
      cmocka_unit_test(every_wait_has_an_end),
      cmocka_unit_test(an_upload_that_nobody_reads_is_given_up),
      cmocka_unit_test(a_cancelled_job_ends_its_call),
      cmocka_unit_test(a_name_server_that_hangs_holds_nobody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
