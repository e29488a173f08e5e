/* SPDX-License-Identifier: MIT
 *
 * Requests of the client kit, and what of them arrives: bodies, headers, keys, connections.
 */
#include "net_help.h"

#include <jansson.h>
#include <sys/stat.h>

/* Says what it got: the request line, some headers, the body. */
static void echo(struct served *r) {
  char body[4000];
  snprintf(body, sizeof body, "%.3000s", r->text);
  char *line = strchr(body, '\r');
  if (r->server->arg)
    snprintf(r->server->arg, 65536, "%.60000s", r->text);
  if (line)
    *line = '\0';
  answer_with(r, 200, "Content-Type: text/plain\r\nX-Twice: first\r\nx-twice:  second \r\n", body);
}

static char got[65536];

static void one(const struct server *s, struct lathe_net *net, struct lathe_net_request request) {
  struct lathe_net_answer a = {0};
  (void)s;
  memset(got, 0, sizeof got);
  assert_int_equal(lathe_net_call(net, &request, &a), LATHE_OK);
  lathe_net_free(&a);
}

static bool has(const char *words) {
  return strstr(got, words) != NULL;
}

static void a_request_arrives_as_it_was_given(void **state) {
  struct server s = {0};
  char buf[20];
  (void)state;
  start(&s, echo, got);
  struct lathe_net *net = open_net((struct lathe_net_options){
      .base = s.url, .headers = (struct lathe_net_header[]){{"X-All", "yes", NULL}, {0}}});
  struct lathe_net_answer a = {0};
  struct lathe_net_request get = {
      .path = "/v1/a%2Fb?x=1&y=..",
      .headers = (struct lathe_net_header[]){{"X-Own", NULL, NULL}, {0}}};
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_OK);
  assert_int_equal(a.status, 200);
  assert_int_equal(a.sent, 1);
  assert_string_equal(a.body, "GET /v1/a%2Fb?x=1&y=.. HTTP/1.1");
  assert_int_equal(a.len, strlen(a.body));
  assert_int_equal(a.retry_after_ms, -1);
  assert_string_equal(lathe_net_header(&a, "X-TWICE", buf, sizeof buf), "second");
  assert_null(lathe_net_header(&a, "X-Twice", buf, 6));
  assert_null(lathe_net_header(&a, "X-Twic", buf, sizeof buf));
  assert_true(has("X-All: yes\r\n") && has("X-Own:\r\n") && has("User-Agent: lathe-net/"));
  assert_false(has("Authorization") || has("Expect") || has("Accept-Encoding"));

  one(&s, net, (struct lathe_net_request){.method = "POST"});
  assert_true(has("POST / HTTP/1.1\r\n") && has("Content-Length: 0\r\n") && !has("Content-Type"));
  one(&s, net, (struct lathe_net_request){.method = "DELETE", .path = "/x"});
  assert_true(has("DELETE /x HTTP/1.1\r\n") && !has("Content-Length"));
  one(&s, net, (struct lathe_net_request){.method = "PUT", .body = "a\0b", .body_len = 3});
  assert_true(has("Content-Length: 3\r\n") && has("Content-Type: application/octet-stream\r\n"));
  json_t *json = json_pack("{s:s, s:i}", "a", "\xc3\xa9", "b", 1);
  one(&s, net, (struct lathe_net_request){.json = json, .keyed = 1});
  assert_true(has("POST / ") && has("Content-Type: application/json\r\n") &&
              has("\r\n\r\n{\"a\":\"\xc3\xa9\",\"b\":1}"));
  json_decref(json);
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){.method = "HEAD"}, &a),
                   LATHE_OK);
  assert_int_equal(a.len, 0);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void files_are_sent_whole_in_part_and_in_forms(void **state) {
  struct server s = {0};
  char folder[] = "/tmp/lathe-net.XXXXXX", path[64], none[64];
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/part.step", folder);
  snprintf(none, sizeof none, "%s/none", folder);
  write_file(path, "0123456789");
  start(&s, echo, got);
  struct lathe_net *net = net_to(&s);
  one(&s, net, (struct lathe_net_request){.file = path, .type = "model/step"});
  assert_true(has("POST / ") && has("Content-Type: model/step\r\n") && has("\r\n\r\n0123456789"));
  one(&s, net,
      (struct lathe_net_request){.method = "PUT", .file = path, .file_from = 3, .file_bytes = 4});
  assert_true(has("PUT / ") && has("Content-Length: 4\r\n") && has("\r\n\r\n3456"));
  one(&s, net, (struct lathe_net_request){.file = path, .file_from = 10});
  assert_true(has("Content-Length: 0\r\n"));
  struct lathe_net_field form[] = {
      {.name = "kind", .value = "mesh"}, {.name = "file", .file = path}, {0}};
  one(&s, net, (struct lathe_net_request){.form = form});
  assert_true(has("multipart/form-data") && has("filename=\"part.step\"") && has("\r\nmesh\r\n") &&
              has("0123456789"));

  struct lathe_net_answer a = {0};
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){.file = none}, &a), LATHE_RETRY);
  assert_non_null(strstr(a.why, "none cannot be read"));
  struct lathe_net_field lost[] = {{.name = "file", .file = none}, {0}};
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){.form = lost}, &a), LATHE_RETRY);
  struct lathe_net_request past = {.file = path, .file_from = 8, .file_bytes = 3};
  assert_int_equal(lathe_net_call(net, &past, &a), LATHE_PERMANENT);
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){.file = folder}, &a),
                   LATHE_PERMANENT);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
  unlink(path);
  rmdir(folder);
}

/* ---- keys ---- */

static void a_key_goes_to_its_own_service_alone(void **state) {
  struct server mine = {0}, other = {0};
  char url[100], others[65536] = "";
  (void)state;
  start(&mine, echo, got);
  start(&other, echo, others);
  struct lathe_net_header headers[] = {{"X-Key", "Key ", "KEY"}, {"X-Plain", "p", NULL}, {0}};
  struct lathe_net *net =
      open_net((struct lathe_net_options){.base = mine.url, .token = "KEY", .headers = headers});
  one(&mine, net, (struct lathe_net_request){.path = "/a"});
  assert_true(has("Authorization: Bearer s3cret-Value\r\n") && has("X-Key: Key s3cret-Value\r\n"));
  snprintf(url, sizeof url, "%s/b", mine.url);
  one(&mine, net, (struct lathe_net_request){.path = url});
  assert_true(has("GET /b ") && has("Authorization"));
  the_secret = "renewed";
  struct lathe_net_header own[] = {{"authorization", "Basic ", "KEY"}, {0}};
  one(&mine, net, (struct lathe_net_request){.headers = own});
  assert_true(has("authorization: Basic renewed\r\n") && !has("Bearer"));
  the_secret = "s3cret-Value";
  snprintf(url, sizeof url, "%s/c?sig=1", other.url);
  one(&other, net, (struct lathe_net_request){.path = url, .headers = own});
  assert_non_null(strstr(others, "GET /c?sig=1 "));
  assert_null(strcasestr(others, "authorization"));
  assert_null(strstr(others, "X-"));
  lathe_net_close(net);
  stop(&mine);
  stop(&other);
}

static void redirect(struct served *r) {
  char more[200];
  snprintf(more, sizeof more, "Location: %s?token=hidden\r\n", (char *)r->server->arg);
  answer_with(r, 307, more, "");
}

static void a_redirect_is_followed_without_a_key_only(void **state) {
  struct server from = {0}, to = {0};
  struct lathe_net_answer a = {0};
  struct lathe_net_request get = {.redirects = 5}, post = {.method = "POST", .redirects = 5};
  (void)state;
  start(&to, echo, got);
  start(&from, redirect, to.url);
  struct lathe_net *keyed = open_net((struct lathe_net_options){.base = from.url, .token = "KEY"});
  struct lathe_net *plain = net_to(&from);
  assert_int_equal(lathe_net_call(keyed, &get, &a), LATHE_PERMANENT);
  assert_int_equal(a.status, 307);
  assert_non_null(strstr(a.why, "elsewhere"));
  assert_non_null(strstr(a.why, to.url));
  assert_null(strstr(a.why, "hidden"));
  assert_int_equal(lathe_net_call(plain, &post, &a), LATHE_PERMANENT);
  get.redirects = 0;
  assert_int_equal(lathe_net_call(plain, &get, &a), LATHE_PERMANENT);
  assert_int_equal(atomic_load(&to.requests), 0);
  get.redirects = 1;
  assert_int_equal(lathe_net_call(plain, &get, &a), LATHE_OK);
  assert_int_equal(atomic_load(&to.requests), 1);
  snprintf(to.url, sizeof to.url, "%s", from.url); /* round in a circle */
  assert_int_equal(lathe_net_call(plain, &get, &a), LATHE_PERMANENT);
  lathe_net_free(&a);
  lathe_net_close(keyed);
  lathe_net_close(plain);
  stop(&from);
  stop(&to);
}

static void leak(struct served *r) {
  char body[300];
  int half = 290; /* a sentence that would be cut inside the key */
  snprintf(body, sizeof body, "{\"detail\": \"%.*s%s\", \"code\": \"%s\", \"request_id\": \"%s\"}",
           r->number > 1 ? half - 70 : 0,
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxx",
           the_secret, the_secret, the_secret);
  answer_with(r, 400, "Content-Type: application/json\r\n", body);
}

static void a_key_is_in_no_message(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  struct lathe_job job = {0};
  (void)state;
  start(&s, leak, NULL);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = s.url, .token = "KEY"});
  struct lathe_net_request request = {.path = "/x?key=in-the-query"};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(lathe_net_call(net, &request, &a), LATHE_BAD_INPUT);
    assert_int_equal(lathe_net_fail(net, &job, &a), LATHE_BAD_INPUT);
    assert_non_null(strstr(job.error, "HTTP 400"));
    assert_non_null(strstr(job.error, "/x:"));
    assert_non_null(strstr(job.error, "***"));
    assert_null(strstr(job.error, "s3c"));
    assert_null(strstr(job.error, "in-the-query"));
    assert_null(strcasestr(job.code, "s3c"));
    assert_null(strcasestr(job.request_id, "s3c"));
  }
  struct lathe_net_header unknown[] = {{"X", "", "NO_SUCH"}, {0}},
                          broken[] = {{"X", "", "KEY"}, {0}};
  request.headers = unknown;
  assert_int_equal(lathe_net_call(net, &request, &a), LATHE_AUTH);
  assert_non_null(strstr(a.why, "the secret NO_SUCH is not set"));
  request.headers = broken;
  const char *bad[] = {"two\r\nlines", "", "tab\there"};
  for (size_t i = 0; i < 3; i++) {
    the_secret = bad[i];
    assert_int_equal(lathe_net_call(net, &request, &a), LATHE_AUTH);
    assert_int_equal(a.sent, 0);
  }
  the_secret = "s3cret-Value";
  assert_int_equal(atomic_load(&s.requests), 2);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

static void what_cannot_be_a_client_is_refused(void **state) {
  static const struct lathe_net_header bad_name[] = {{"X Y", "v", NULL}, {0}},
                                       bad_value[] = {{"X", "a\r\nB: c", NULL}, {0}},
                                       secret[] = {{"X", "", "KEY"}, {0}};
  const struct {
    struct lathe_net_options options;
    const char *said;
  } cases[] = {
      {{.base = NULL}, "there is none"},
      {{.base = "example.org"}, "looks like https://"},
      {{.base = "ftp://example.org"}, "must begin with http"},
      {{.base = "file:///etc/passwd"}, ""},
      {{.base = "http://"}, "no URL"},
      {{.base = "http://a b"}, "no URL"},
      {{.base = "http://u:hidden@example.org"}, "a password stands in the URL"},
      {{.base = "http://example.org/?key=hidden"}, "has no query"},
      {{.base = "http://example.org/", .token = "KEY"}, "for all to read"},
      {{.base = "http://example.org/", .headers = secret}, "for all to read"},
      {{.base = "https://example.org", .ca_file = "/none"}, "/none: this file"},
      {{.base = "https://example.org", .key_file = "/dev/null"}, "without its certificate"},
      {{.base = "http://x", .unix_socket = "relative"}, "begins with /"},
      {{.base = "http://x", .headers = bad_name}, "cannot be a header"},
      {{.base = "http://x", .headers = bad_value}, "cannot be a header"},
  };
  struct lathe_net *net;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(lathe_net_open(&host, &cases[i].options, &net), LATHE_PERMANENT);
    assert_null(net);
    if (!strstr(no_job.error, cases[i].said) || strstr(no_job.error, "hidden"))
      fail_msg("%s", no_job.error);
  }
  lathe_net_close(open_net(
      (struct lathe_net_options){.base = "http://example.org", .token = "KEY", .clear = 1}));
  lathe_net_close(
      open_net((struct lathe_net_options){.base = "https://[::1]:1/x/", .token = "KEY"}));
  lathe_net_close(NULL);
}

static void what_cannot_be_a_request_is_not_sent(void **state) {
  static const struct lathe_net_header bad[] = {{"X", "a\nb", NULL}, {0}};
  static const struct lathe_net_request cases[] = {
      {.path = "v1"},
      {.path = "/a b"},
      {.path = "/a\r\nX: y"},
      {.path = "http://u:p@localhost/"},
      {.path = "/", .headers = bad},
      {.path = "https://"},
  };
  struct server s = {0};
  struct lathe_net_answer a = {0};
  (void)state;
  start(&s, echo, NULL);
  struct lathe_net *net = net_to(&s);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(lathe_net_call(net, &cases[i], &a), LATHE_PERMANENT);
    assert_true(a.sent == 0 && a.status == 0 && *a.why && a.body);
  }
  assert_int_equal(atomic_load(&s.requests), 0);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

/* ---- connections ---- */

/* Answers the first request of a connection, reads the second whole and closes. */
static void once(struct served *r) {
  static _Thread_local int served;
  if (served++)
    r->close = true;
  else
    answer_with(r, 200, "", "");
}

static void a_request_is_not_sent_twice(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  (void)state;
  start(&s, once, NULL);
  struct lathe_net *net = net_to(&s);
  struct lathe_net_request get = {0}, paid = {.method = "POST", .body = "x", .body_len = 1},
                           keyed = paid;
  keyed.keyed = 1;
  assert_int_equal(lathe_net_call(net, &get, &a), LATHE_OK);
  assert_int_equal(lathe_net_call(net, &paid, &a),
                   LATHE_OK); /* a connection of its own, where it is the first */
  assert_int_equal(atomic_load(&s.requests), 2);
  assert_int_equal(atomic_load(&s.connections), 2);
  /* Over a used connection, one after another, libcurl sends it again by itself: that is what `keyed` allows. */
  assert_int_equal(lathe_net_call(net, &keyed, &a), LATHE_OK);
  assert_in_range(atomic_load(&s.requests), 4, 5);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

static void shut(struct served *r) {
  r->close = true;
}

static void an_unanswered_request_may_have_been_read(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  struct lathe_net_request paid = {.method = "POST", .body = "x", .body_len = 1};
  (void)state;
  start(&s, shut, NULL);
  struct lathe_net *net = net_to(&s);
  assert_int_equal(lathe_net_call(net, &paid, &a), LATHE_RETRY_DOWN);
  assert_int_equal(a.sent, 1);
  assert_int_equal(a.status, 0);
  assert_int_equal(atomic_load(&s.requests), 1);
  stop(&s); /* and now nobody listens */
  assert_int_equal(lathe_net_call(net, &paid, &a), LATHE_RETRY_DOWN);
  assert_int_equal(a.sent, 0);
  assert_non_null(strstr(a.why, "does the service run"));
  lathe_net_free(&a);
  lathe_net_close(net);
}

static void connections_are_used_again(void **state) {
  struct server s = {0};
  (void)state;
  start(&s, echo, NULL);
  struct lathe_net *net = net_to(&s);
  for (int i = 0; i < 20; i++)
    one(&s, net, (struct lathe_net_request){.path = "/x"});
  assert_int_equal(atomic_load(&s.connections), 1);
  lathe_net_close(net);
  stop(&s);
}

static void a_socket_of_this_machine_will_do(void **state) {
  struct server s = {0};
  (void)state;
  snprintf(s.path, sizeof s.path, "/tmp/lathe-net.%d.sock", (int)getpid());
  start(&s, echo, got);
  struct lathe_net *net = open_net((struct lathe_net_options){
      .base = "http://localhost", .unix_socket = s.path, .token = "KEY"});
  one(&s, net, (struct lathe_net_request){.path = "/there"});
  assert_true(has("GET /there ") && has("Host: localhost\r\n") && has("Bearer s3cret-Value"));
  stop(&s);
  unlink(s.path);
  struct lathe_net_answer a = {0};
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){.path = "/x?y"}, &a),
                   LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "GET /x at /tmp/lathe-net."));
  lathe_net_free(&a);
  lathe_net_close(net);
}

/* ---- threads ---- */

enum { THREADS = 8, CALLS = 50 };
struct caller {
  struct lathe_net *net;
  int id, good;
};

static void *call_often(void *arg) {
  struct caller *c = arg;
  struct lathe_net_answer a = {0};
  char path[40], want[60];
  for (int i = 0; i < CALLS; i++) {
    snprintf(path, sizeof path, "/%d/%d", c->id, i);
    snprintf(want, sizeof want, "%s %s HTTP/1.1", i % 2 ? "PUT" : "GET", path);
    struct lathe_net_request request = {.path = path, .method = i % 2 ? "PUT" : NULL, .keyed = 1};
    c->good += lathe_net_call(c->net, &request, &a) == LATHE_OK && !strcmp(a.body, want);
  }
  lathe_net_free(&a);
  return NULL;
}

static void threads_share_a_client(void **state) {
  struct server s = {0};
  struct caller callers[THREADS];
  pthread_t threads[THREADS];
  (void)state;
  start(&s, echo, NULL);
  struct lathe_net *net = net_to(&s);
  for (int i = 0; i < THREADS; i++) {
    callers[i] = (struct caller){net, i, 0};
    pthread_create(&threads[i], NULL, call_often, &callers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(callers[i].good, CALLS);
  }
  assert_int_equal(atomic_load(&s.requests), THREADS * CALLS);
  assert_in_range(atomic_load(&s.connections), 1, THREADS);
  lathe_net_close(net);
  stop(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_arrives_as_it_was_given),
      cmocka_unit_test(files_are_sent_whole_in_part_and_in_forms),
      cmocka_unit_test(a_key_goes_to_its_own_service_alone),
      cmocka_unit_test(a_redirect_is_followed_without_a_key_only),
      cmocka_unit_test(a_key_is_in_no_message),
      cmocka_unit_test(what_cannot_be_a_client_is_refused),
      cmocka_unit_test(what_cannot_be_a_request_is_not_sent),
      cmocka_unit_test(a_request_is_not_sent_twice),
      cmocka_unit_test(an_unanswered_request_may_have_been_read),
      cmocka_unit_test(connections_are_used_again),
      cmocka_unit_test(a_socket_of_this_machine_will_do),
      cmocka_unit_test(threads_share_a_client),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
