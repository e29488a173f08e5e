/* SPDX-License-Identifier: MIT
 *
 * Bodies: gathered, as forms, straight to the sink; limits, waiting sinks, clients that leave in
 * every phase.  Whatever happens, every file of the sink is taken or aborted once (site_free).
 */
#include "http_help.h"

static const char form_type[] = "Content-Type: multipart/form-data; boundary=b\r\n";

static int setup(void **state) {
  *state = site_new(NULL);
  return 0;
}

static int teardown(void **state) {
  site_free(*state);
  return 0;
}

static void put_file(struct buf *b, const char *field, const char *name, size_t len) {
  buf_printf(b, "--b\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n",
             field, name);
  for (size_t i = 0; i < len; i++)
    buf_putc(b, (char)(i % 251 ? i % 251 : '\r'));
  buf_puts(b, "\r\n");
}

static void put_field(struct buf *b, const char *field, const char *value) {
  buf_printf(b, "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", field, value);
}

static struct reply send_form(struct site *s, const char *target, struct buf *b) {
  buf_puts(b, "--b--\r\n");
  struct reply r = ask(s, "POST", target, form_type, b->data, b->len);
  buf_free(b);
  return r;
}

static void forms_reach_the_handler(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  put_field(&b, "steps", "5");
  put_file(&b, "file", "p.step", 3);
  put_field(&b, "empty", "");
  put_file(&b, "nobody", "", 0);
  struct reply r = send_form(s, "/things/mesh", &b);
  expect_text(&r, 201, "[steps=5][file=FILE][empty=] form=1 taken=1");
  assert_string_equal(s->stored.data, "file/p.step:\r\x01\x02|");
  reply_drop(&r);
  put_file(&b, "file", "", 3);
  r = send_form(s, "/raw", &b);
  expect_text(&r, 201, "[file=FILE] form=1 taken=1");
  reply_drop(&r);
  r = ask(s, "POST", "/things/mesh", "Content-Type: application/json\r\n", "{}", 2);
  expect_text(&r, 201, " form=0 taken=0");
  reply_drop(&r);
}

static void raw_bodies_reach_the_sink(void **state) {
  struct site *s = *state;
  struct reply r = ask(s, "POST", "/raw", NULL, "raw bytes", 9);
  expect_text(&r, 201, "[=FILE] form=0 taken=1");
  assert_string_equal(s->stored.data, "/:raw bytes|");
  reply_drop(&r);
  r = ask(s, "POST", "/raw", NULL, "", 0); /* an empty file is a file */
  expect_text(&r, 201, "taken=1");
  reply_drop(&r);
}

static void chunked_bodies(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  say(s, fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  say(s, fd, "3\r\nabc\r\n");
  say(s, fd, "4;x=y\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n");
  hear(s, fd, &r, false);
  expect_text(&r, 200, "body=7:abcdefg");
  close(fd);
  reply_drop(&r);
}

static void continue_is_said_only_when_the_body_is_wanted(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  say(s, fd,
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: "
      "100-continue\r\n\r\n");
  hear(s, fd, &r, false);
  assert_int_equal(r.status, 100);
  say(s, fd, "hi");
  hear(s, fd, &r, false);
  expect_text(&r, 200, "body=2:hi");
  say(s, fd,
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\nExpect: 100-continue"
      "\r\n\r\n");
  hear(s, fd, &r, false);
  expect_problem(&r, 413, "too-large");
  assert_true(hear_end(s, fd));
  close(fd);
  reply_drop(&r);
}

/* ---- limits ---- */

static void bodies_over_the_limit(void **state) {
  struct site *s = *state;
  static const struct {
    const char *method, *target;
    size_t len;
  } much[] = {{"POST", "/echo", 100001},
              {"POST", "/raw", (4 << 20) + 1},
              {"GET", "/echo", 1},
              {"POST", "/things/x", 100001}};
  char *bytes = mem_alloc(5 << 20);
  for (size_t i = 0; i < sizeof much / sizeof *much; i++) {
    struct reply r = ask(s, much[i].method, much[i].target, NULL, bytes, much[i].len);
    expect_problem(&r, 413, "too-large");
    reply_drop(&r);
  }
  assert_int_equal(s->files_begun, 0); /* nothing was read for it */
  struct reply r = ask(s, "POST", "/echo", NULL, bytes, 100000);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
  free(bytes);
}

/* Without a length the limit holds while the body arrives. */
static void chunked_bodies_over_the_limit(void **state) {
  struct site *s = *state;
  static const char *const targets[] = {"/echo", "/raw"};
  char *chunk = mem_alloc(65536 + 20);
  size_t head = (size_t)sprintf(chunk, "10000\r\n");
  memset(chunk + head, 'x', 65536);
  memcpy(chunk + head + 65536, "\r\n", 2);
  for (int i = 0; i < 2; i++) {
    struct reply r = {0};
    int fd = dial(s);
    struct buf b = {0};
    buf_printf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
               targets[i]);
    say_n(s, fd, b.data, b.len);
    for (int k = 0; k < 100 && say_n(s, fd, chunk, head + 65538); k++)
      continue;
    hear(s, fd, &r, false);
    expect_problem(&r, 413, "too-large");
    assert_true(hear_end(s, fd));
    close(fd);
    buf_free(&b);
    reply_drop(&r);
  }
  free(chunk);
  assert_int_equal(s->handled, 0);
  assert_int_equal(s->files_open, 0);
}

static void fields_over_the_limit(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  char *value = mem_alloc(100002);
  memset(value, 'v', 100001);
  put_field(&b, "big", value);
  struct reply r = send_form(s, "/things/x", &b);
  expect_problem(&r, 413, "too-large");
  reply_drop(&r);
  free(value);
}

static void broken_forms(void **state) {
  struct site *s = *state;
  static const char *const bad[] = {
      "",
      "--b",
      "--b\r\n\r\n",
      "--c--\r\n",
      "--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nno end",
      "--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nend\r\n--b\r\n\r\nx"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct reply r = ask(s, "POST", "/things/x", form_type, bad[i], strlen(bad[i]));
    expect_problem(&r, 400, "bad-request");
    reply_drop(&r);
  }
  struct reply r = ask(s, "POST", "/things/x", "Content-Type: multipart/form-data\r\n", "x", 1);
  expect_problem(&r, 400, "bad-request");
  reply_drop(&r);
  assert_int_equal(s->handled, 0);
  assert_int_equal(s->files_begun, 2);
  assert_int_equal(s->files_open, 0);
}

/* ---- sinks that wait or fail ---- */

static void a_sink_may_wait(void **state) {
  struct site *s = *state;
  s->later_every = 7;
  s->later_finish = true;
  struct buf b = {0}, wanted = {0};
  put_field(&b, "before", "1");
  put_file(&b, "file", "big", 2000000);
  put_file(&b, "file", "small", 10);
  put_field(&b, "after", "2");
  struct reply r = send_form(s, "/things/x", &b);
  expect_text(&r, 201, "[before=1][file=FILE][file=FILE][after=2] form=1 taken=1");
  put_file(&wanted, "file", "big", 2000000);
  const char *content = strstr(wanted.data, "\r\n\r\n") + 4;
  assert_int_equal(memcmp(s->stored.data, "file/big:", 9), 0);
  assert_int_equal(memcmp(s->stored.data + 9, content, 2000000), 0);
  assert_int_equal(memcmp(s->stored.data + 9 + 2000000, "|file/small:", 12), 0);
  assert_true(s->writes > 20);
  assert_int_equal(s->files_finished, 2);
  WAIT_FOR(s, s->files_aborted == 1); /* the second, which was not taken */
  buf_free(&wanted);
  reply_drop(&r);
}

static void a_raw_sink_may_wait(void **state) {
  struct site *s = *state;
  s->later_every = 3;
  s->later_finish = true;
  char *bytes = mem_alloc(1000000);
  memset(bytes, 'y', 1000000);
  struct reply r = ask(s, "POST", "/raw", NULL, bytes, 1000000);
  expect_text(&r, 201, "taken=1");
  assert_int_equal(s->stored.len, 2 + 1000000 + 1);
  reply_drop(&r);
  free(bytes);
}

/* Several chunks lie in one buffer; the sink asks to wait after each. */
static void a_sink_may_wait_between_chunks(void **state) {
  struct site *s = *state;
  s->later_every = 1;
  struct buf b = {0};
  struct reply r = {0};
  buf_puts(&b, "POST /raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 200; i++)
    buf_printf(&b, "3\r\n%03d\r\n", i);
  buf_puts(&b, "0\r\n\r\n");
  int fd = dial(s);
  say_n(s, fd, b.data, b.len);
  hear(s, fd, &r, false);
  expect_text(&r, 201, "taken=1");
  assert_int_equal(s->writes, 200);
  assert_int_equal(s->stored.len, 2 + 600 + 1);
  assert_int_equal(memcmp(s->stored.data, "/:000001002", 11), 0);
  assert_int_equal(memcmp(s->stored.data + 2 + 597, "199|", 4), 0);
  close(fd);
  buf_free(&b);
  reply_drop(&r);
}

static void a_sink_may_fail(void **state) {
  struct site *s = *state;
  static const struct {
    int code, status;
    const char *slug;
  } codes[] = {{ERR_NO_SPACE, 503, "storage-failed"},
               {ERR_IO, 503, "storage-failed"},
               {ERR_LIMIT, 413, "too-large"},
               {ERR_INVAL, 400, "bad-request"},
               {ERR_SYSTEM, 500, "internal"}};
  char text[50];
  s->fail_after = 3;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    for (int form = 0; form < 2; form++) {
      struct buf b = {0};
      s->writes = 0;
      s->fail_code = codes[i].code;
      put_file(&b, "file", "big", 1000000);
      struct reply r;
      if (form)
        r = send_form(s, "/raw", &b);
      else
        r = ask(s, "POST", "/raw", NULL, b.data, b.len);
      expect_problem(&r, codes[i].status, codes[i].slug);
      assert_non_null(strstr(r.body, "the disk is full"));
      assert_string_equal(header_of(&r, "Connection", text, sizeof text), "close");
      if (codes[i].status == 503)
        assert_non_null(header_of(&r, "Retry-After", text, sizeof text));
      reply_drop(&r);
      buf_free(&b);
      WAIT_FOR(s, s->files_open == 0);
    }
  }
  assert_int_equal(s->handled, 0);
}

static void a_sink_may_fail_late(void **state) {
  struct site *s = *state;
  s->later_finish = true;
  s->fail_code = ERR_NO_SPACE;
  struct buf b = {0};
  put_file(&b, "file", "f", 10);
  struct reply r = send_form(s, "/things/x", &b);
  expect_problem(&r, 503, "storage-failed");
  assert_non_null(strstr(r.body, "the disk said no"));
  reply_drop(&r);
  r = ask(s, "POST", "/raw", NULL, "x", 1);
  expect_problem(&r, 503, "storage-failed");
  reply_drop(&r);
  assert_int_equal(s->handled, 0);
  WAIT_FOR(s, s->files_aborted == 2);
}

static void a_sink_may_refuse(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  put_file(&b, "file", "fine", 10);
  put_file(&b, "file", "refused", 10);
  struct reply r = send_form(s, "/things/x", &b);
  expect_problem(&r, 415, "unsupported-media-type");
  assert_int_equal(s->handled, 0);
  WAIT_FOR(s, s->files_aborted == 1);
  reply_drop(&r);
}

static void what_the_handler_leaves_is_aborted(void **state) {
  struct site *s = *state;
  struct reply r = ask(s, "POST", "/leave", NULL, "bytes", 5);
  expect_text(&r, 200, "left");
  WAIT_FOR(s, s->files_aborted == 1);
  reply_drop(&r);
}

/* ---- clients that leave ---- */

static void leave(int fd, bool reset) {
  if (reset)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
  close(fd);
}

static void an_upload_that_stops_is_forgotten(void **state) {
  struct site *s = *state;
  static const char head[] =
      "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
  char bytes[5000] = {0};
  int aborted = 0;
  for (int how = 0; how < 8; how++) {
    /* Bit 0: reset; bit 1: while the sink waits; bit 2: the end comes with the last bytes. */
    bool waits = how & 2;
    s->later_every = waits ? 1 : 0;
    s->writes = 0;
    int begun = s->files_begun, fd = dial(s);
    struct buf b = {0};
    buf_puts(&b, head);
    buf_put(&b, bytes, sizeof bytes);
    if (how & 4) {
      assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
    } else {
      say_n(s, fd, b.data, b.len);
      WAIT_FOR(s, s->files_begun > begun && s->writes > 0);
    }
    leave(fd, how & 1);
    WAIT_FOR(s, s->files_open == 0 && s->files_begun == s->files_aborted);
    assert_true(s->files_aborted >= aborted);
    aborted = s->files_aborted;
    buf_free(&b);
  }
  assert_int_equal(s->handled, 0);
}

/* Much lies in the socket, and the end behind it, when the server comes to read. */
static void an_upload_that_stops_before_it_is_read_is_forgotten(void **state) {
  struct site *s = *state;
  char *bytes = mem_alloc(1 << 20);
  for (int every = 0; every < 8; every++) {
    struct buf b = {0};
    int fd = dial(s), begun = s->files_begun;
    s->later_every = every;
    buf_puts(&b, "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n");
    buf_put(&b, bytes, 1 << 20);
    assert_true(send(fd, b.data, b.len, MSG_NOSIGNAL) > 50000);
    close(fd);
    WAIT_FOR(s, s->files_begun > begun && s->files_open == 0);
    buf_free(&b);
  }
  free(bytes);
}

/* A client that has sent all may still wait for the answer. */
static void a_half_closed_client_may_upload(void **state) {
  struct site *s = *state;
  s->later_finish = true;
  for (int every = 0; every < 40; every += 13) {
    struct buf b = {0};
    struct reply r = {0};
    int fd = dial(s);
    s->later_every = every;
    buf_puts(&b, "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    buf_reserve(&b, 1000000);
    memset(b.data + b.len, 'x', 1000000);
    b.len += 1000000;
    say_n(s, fd, b.data, b.len);
    shutdown(fd, SHUT_WR);
    hear(s, fd, &r, false);
    expect_text(&r, 201, "taken=1");
    close(fd);
    buf_free(&b);
    reply_drop(&r);
  }
}

static void a_client_may_leave_while_the_sink_finishes(void **state) {
  struct site *s = *state;
  s->later_finish = true;
  for (int how = 0; how < 2; how++) {
    int fd = dial(s);
    say(s, fd, "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
    WAIT_FOR(s, s->files_finished == how + 1);
    leave(fd, how == 0);
    WAIT_FOR(s, s->files_open == 0);
  }
}

static void a_client_may_leave_while_the_handler_thinks(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  put_file(&b, "file", "f", 1000);
  buf_puts(&b, "--b--\r\n");
  for (int how = 0; how < 2; how++) {
    struct buf all = {0};
    buf_printf(&all, "POST /keep HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n",
               form_type, b.len);
    buf_put(&all, b.data, b.len);
    int fd = dial(s);
    say_n(s, fd, all.data, all.len);
    WAIT_FOR(s, s->kept);
    leave(fd, how == 0);
    WAIT_FOR(s, s->gone == how + 1 && s->files_aborted == how + 1);
    buf_free(&all);
  }
  buf_free(&b);
}

static void closing_in_the_middle_of_everything(void **state) {
  struct site *s = *state;
  int fds[4];
  s->later_every = 1;
  for (int i = 0; i < 4; i++)
    fds[i] = dial(s);
  say(s, fds[0], "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  say(s, fds[1], "POST /keep HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
  say(s, fds[2], "POST /raw HTTP/1.1\r\nHo");
  WAIT_FOR(s, s->kept && s->files_open == 1);
  uv_timer_stop(&s->later); /* the sink never goes on */
  http_close(s->http);
  s->http = NULL;
  assert_int_equal(s->gone, 1);
  assert_int_equal(s->files_open, 0);
  for (int i = 0; i < 4; i++) {
    assert_true(hear_end(s, fds[i]));
    close(fds[i]);
  }
}

static void a_refused_body_does_not_eat_the_reply(void **state) {
  struct site *s = *state;
  char *bytes = mem_alloc(3 << 20);
  for (int i = 0; i < 5; i++) {
    struct reply r = ask(s, "POST", "/nothing", NULL, bytes, 3 << 20);
    expect_problem(&r, 404, "not-found");
    assert_true(r.whole);
    reply_drop(&r);
  }
  free(bytes);
}

static void content_outlives_its_request(void **state) {
  struct site *s = *state;
  struct buf b = {0};
  put_field(&b, "steps", "5");
  put_file(&b, "file", "p.step", 3);
  put_field(&b, "mode", "fine");
  struct reply r = send_form(s, "/take", &b);
  expect_text(&r, 200, "body=0 size=5 [steps=5][mode=fine]");
  reply_drop(&r);
  WAIT_FOR(s, metric_of(s, "lathe_http_requests_open") == 0);
  assert_true(metric_of(s, "lathe_http_bodies_bytes") > 0);
  http_content_free(s->content);
  assert_int_equal(metric_of(s, "lathe_http_bodies_bytes"), 0);
  r = ask(s, "POST", "/take", NULL, "some text", 9);
  expect_text(&r, 200, "body=9 size=9");
  reply_drop(&r);
  http_content_forget(s->content);
  assert_true(metric_of(s, "lathe_http_bodies_bytes") > 0);
  http_content_free(s->content);
  assert_int_equal(metric_of(s, "lathe_http_bodies_bytes"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(forms_reach_the_handler),
      TEST(raw_bodies_reach_the_sink),
      TEST(chunked_bodies),
      TEST(continue_is_said_only_when_the_body_is_wanted),
      TEST(bodies_over_the_limit),
      TEST(chunked_bodies_over_the_limit),
      TEST(fields_over_the_limit),
      TEST(broken_forms),
      TEST(a_sink_may_wait),
      TEST(a_raw_sink_may_wait),
      TEST(a_sink_may_wait_between_chunks),
      TEST(a_sink_may_fail),
      TEST(a_sink_may_fail_late),
      TEST(a_sink_may_refuse),
      TEST(what_the_handler_leaves_is_aborted),
      TEST(an_upload_that_stops_is_forgotten),
      TEST(an_upload_that_stops_before_it_is_read_is_forgotten),
      TEST(a_half_closed_client_may_upload),
      TEST(a_client_may_leave_while_the_sink_finishes),
      TEST(a_client_may_leave_while_the_handler_thinks),
      TEST(closing_in_the_middle_of_everything),
      TEST(a_refused_body_does_not_eat_the_reply),
      TEST(content_outlives_its_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
