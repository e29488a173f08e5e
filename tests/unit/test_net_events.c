/* SPDX-License-Identifier: MIT
 *
 * A stream of events over a request: how it goes on, ends, breaks and is cancelled.
 */
#include "net_help.h"

struct heard {
  char text[1000];
  const char *last; /* data that ends it */
  int32_t answer;
  atomic_int count;
};

static int32_t hear(void *user, const struct lathe_net_event *e) {
  struct heard *h = user;
  size_t len = strlen(h->text);
  snprintf(h->text + len, sizeof h->text - len, "%s=%s ", e->name, e->data);
  atomic_fetch_add(&h->count, 1);
  return h->last && !strcmp(e->data, h->last) ? h->answer : LATHE_PENDING;
}

static void head(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
         "Transfer-Encoding: chunked\r\n\r\n");
}

static void chunk(struct served *r, const char *text) {
  put(r, "%zx\r\n%s\r\n", strlen(text), text);
}

static void three(struct served *r) {
  head(r);
  chunk(r, "event: progress\nid: 1\ndata: a\n\nda");
  chunk(r, "ta: b\n\n:\n\nid: 2\n");
  chunk(r, "data: c\n\n");
  if (asks(r, "/ends"))
    put(r, "0\r\n\r\n");
  else if (asks(r, "/cut"))
    r->close = true;
  else
    hold(r);
}

static void other(struct served *r) {
  if (asks(r, "/page"))
    answer_with(r, 200, "Content-Type: text/html\r\n", "data: a\n\n");
  else if (asks(r, "/empty"))
    put(r, "HTTP/1.1 204 No more\r\n\r\n");
  else if (asks(r, "/gone"))
    answer_with(r, 404, "", "data: a\n\n");
  else
    answer_with(r, 200, "", "data: a\n\n");
}

static void endless(struct served *r) {
  head(r);
  while (!stopping(r) && put(r, "5\r\ndata:\r\n"))
    ;
  r->close = true;
}

static void beating(struct served *r) {
  head(r);
  while (!stopping(r) && put(r, "2\r\n:\n\r\n"))
    usleep(5000);
  r->close = true;
}

struct kase {
  serve_fn *serve;
  struct lathe_net_request request;
  struct heard heard;
  int32_t result;
  const char *text, *id, *why;
};

static void listen_to(struct kase *k) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  start(&s, k->serve, NULL);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = s.url, .stall_ms = 100});
  int32_t rc = lathe_net_events(net, &k->request, hear, &k->heard, &a);
  if (rc != k->result || rc != a.result || strcmp(k->heard.text, k->text) != 0 ||
      strcmp(a.last_id, k->id) != 0 || !strstr(a.why, k->why))
    fail_msg("%s: %d, %s, %s, %s", k->request.path, rc, k->heard.text, a.last_id, a.why);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

static void a_stream_ends_in_one_of_its_ways(void **state) {
  static const char all[] = "progress=a message=b message=c ";
  struct kase cases[] = {
      {three, {.path = "/ends"}, {.last = NULL}, LATHE_PENDING, all, "2", ""},
      {three,
       {.path = "/ends"},
       {.last = "b", .answer = LATHE_OK},
       LATHE_OK,
       "progress=a message=b ",
       "1",
       ""},
      {three,
       {.path = "/stays"},
       {.last = "c", .answer = LATHE_RETRY_ANEW},
       LATHE_RETRY_ANEW,
       all,
       "2",
       ""},
      {three, {.path = "/cut"}, {.last = NULL}, LATHE_RETRY_DOWN, all, "2", "; "},
      {three, {.path = "/stays", .wait_ms = 80}, {.last = NULL}, LATHE_PENDING, all, "2", ""},
      {three, {.path = "/stays"}, {.last = NULL}, LATHE_RETRY_DOWN, all, "2", "not a byte moved"},
      {beating, {.path = "/beats", .wait_ms = 300}, {.last = NULL}, LATHE_PENDING, "", "", ""},
      {beating,
       {.path = "/beats", .most_ms = 300},
       {.last = NULL},
       LATHE_RETRY_DOWN,
       "",
       "",
       "within 300 ms"},
      {other,
       {.path = "/page"},
       {.last = NULL},
       LATHE_RETRY_DOWN,
       "",
       "",
       "text/html is no stream of events"},
      {other,
       {.path = "/nothing"},
       {.last = NULL},
       LATHE_RETRY_DOWN,
       "",
       "",
       "no Content-Type is no stream"},
      {other, {.path = "/gone"}, {.last = NULL}, LATHE_PERMANENT, "", "", "HTTP 404"},
      {other, {.path = "/empty"}, {.last = NULL}, LATHE_PENDING, "", "", ""},
      {endless,
       {.path = "/x", .answer_max = 5000},
       {.last = NULL},
       LATHE_RETRY_DOWN,
       "",
       "",
       "longer than the 5000"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    listen_to(&cases[i]);
}

static void *cancel_after_one(void *arg) {
  void **both = arg;
  struct heard *h = both[0];
  struct lathe_job *job = both[1];
  while (!atomic_load(&h->count))
    usleep(1000);
  atomic_store(&job->cancelled, 1);
  return NULL;
}

static void a_cancelled_job_hears_no_more(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  struct heard heard = {0};
  struct lathe_job job = {0};
  void *both[] = {&heard, &job};
  pthread_t thread;
  (void)state;
  start(&s, three, NULL);
  struct lathe_net *net = net_to(&s);
  struct lathe_net_request get = {.path = "/stays", .job = &job};
  pthread_create(&thread, NULL, cancel_after_one, both);
  assert_int_equal(lathe_net_events(net, &get, hear, &heard, &a), LATHE_CANCELLED);
  pthread_join(thread, NULL);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stream_ends_in_one_of_its_ways),
      cmocka_unit_test(a_cancelled_job_hears_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
