/* SPDX-License-Identifier: MIT
 *
 * Streams, and files.
 */
#include "http_help.h"

#include <sys/resource.h>

enum { STREAMS = 2000 };

static int setup(void **state) {
  *state = site_new(NULL);
  return 0;
}

static int teardown(void **state) {
  site_free(*state);
  return 0;
}

static int open_stream(struct site *s) {
  int fd = dial(s);
  s->stream = NULL;
  say(s, fd, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->stream);
  return fd;
}

static void hear_text(struct site *s, int fd, struct buf *raw, const char *text) {
  int64_t until = clock_mono_ms() + PATIENCE_MS;
  while (!raw->data || !strstr(raw->data, text)) {
    if (!hear_piece(s, fd, raw) || clock_mono_ms() > until)
      fail_msg("no \"%s\" in the stream", text);
  }
}

static void a_stream_is_written_and_ends(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = open_stream(s);
  hear_text(s, fd, &r.raw, "hello\n");
  assert_true(http_stream_write(s->stream, "two\n", 4));
  hear_text(s, fd, &r.raw, "two\n");
  assert_int_equal(s->closed, 0);
  http_stream_write(s->stream, "three\n", 6);
  http_stream_end(s->stream);
  hear(s, fd, &r, false);
  assert_true(r.whole);
  assert_string_equal(r.body, "hello\ntwo\nthree\n");
  char text[50];
  assert_string_equal(header_of(&r, "Content-Type", text, sizeof text), "text/event-stream");
  WAIT_FOR(s, s->closed == 1);
  /* The connection lives on. */
  say(s, fd, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  hear(s, fd, &r, false);
  assert_int_equal(r.status, 200);
  close(fd);
  reply_drop(&r);
}

static void an_old_client_gets_its_stream_without_chunks(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  say(s, fd, "GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n");
  WAIT_FOR(s, s->stream);
  http_stream_end(s->stream);
  hear(s, fd, &r, false);
  assert_string_equal(r.body, "hello\n");
  close(fd);
  reply_drop(&r);
}

static void a_reader_that_leaves_closes_its_stream(void **state) {
  struct site *s = *state;
  for (int how = 0; how < 3; how++) {
    int fd = open_stream(s);
    struct buf raw = {0};
    hear_text(s, fd, &raw, "hello\n");
    if (how == 1)
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    if (how == 2)
      shutdown(fd, SHUT_WR);
    else
      close(fd);
    WAIT_FOR(s, s->closed == how + 1);
    if (how == 2) {
      assert_true(hear_end(s, fd));
      close(fd);
    }
    buf_free(&raw);
  }
}

static void a_slow_reader_is_noticed(void **state) {
  struct site *s = *state;
  struct buf raw = {0};
  char block[8192];
  int fd = open_stream(s);
  memset(block, 'x', sizeof block);
  bool ok = true;
  size_t wrote = 0;
  for (int i = 0; i < 5000 && ok; i++) {
    ok = http_stream_write(s->stream, block, sizeof block);
    wrote += sizeof block;
    if (i % 8 == 0)
      site_pump(s);
  }
  assert_false(ok);
  assert_int_equal(s->drained, 0);
  int64_t until = clock_mono_ms() + PATIENCE_MS;
  while (s->drained == 0 && clock_mono_ms() < until) {
    assert_true(hear_piece(s, fd, &raw));
    buf_clear(&raw);
  }
  assert_int_equal(s->drained, 1);
  assert_true(http_stream_write(s->stream, block, 10));
  assert_true(wrote > 64 << 10);
  http_stream_end(s->stream);
  assert_true(http_stream_write(s->stream, "after the end", 13));
  WAIT_FOR(s, s->closed == 1 || !hear_piece(s, fd, &raw));
  close(fd);
  buf_free(&raw);
}

static void many_streams_at_once(void **state) {
  struct site *s = *state;
  static int fds[STREAMS];
  static struct http_stream *streams[STREAMS];
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int count = files.rlim_cur > 2 * STREAMS + 100 ? STREAMS : (int)(files.rlim_cur - 100) / 2;
  for (int i = 0; i < count; i++) {
    fds[i] = open_stream(s);
    streams[i] = s->stream;
  }
  for (int i = 0; i < count; i++)
    http_stream_write(streams[i], "event\n", 6);
  for (int i = 0; i < count; i++) {
    struct buf raw = {0};
    hear_text(s, fds[i], &raw, "event\n");
    buf_free(&raw);
  }
  for (int i = 0; i < count; i += 2)
    close(fds[i]);
  WAIT_FOR(s, s->closed == (count + 1) / 2);
  http_stop_accepting(s->http); /* ends the others */
  for (int i = 1; i < count; i += 2) {
    assert_true(hear_end(s, fds[i]));
    close(fds[i]);
  }
  assert_int_equal(s->closed, count);
}

/* All streams together have a bound; who has not read for the longest pays for it. */
static void the_slowest_stream_is_ended_for_the_others(void **state) {
  enum { SLOW = 6, MAX = 200 << 10 };
  struct http_options o = site_options(*state);
  o.streams_max = MAX;
  struct site *s = site_new(&o);
  int fds[SLOW];
  struct http_stream *streams[SLOW];
  char line[3500]; /* one that is cut fits into what an ended stream keeps */
  memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (int i = 0; i < SLOW; i++) {
    fds[i] = open_stream(s);
    streams[i] = s->stream;
    for (int k = 0; k < 65536 && http_stream_write(streams[i], line, sizeof line); k++)
      site_pump(s);
    assert_true(metric_of(s, "lathe_http_streams_bytes") <= MAX);
  }
  assert_true(metric_of(s, "lathe_http_streams_shed_total") >= SLOW - 3);
  /* The first one is told, after a whole line, and its body has an end. */
  struct reply r = {0};
  hear(s, fds[0], &r, false);
  assert_true(r.whole);
  assert_true(r.len > 2 * sizeof line);
  assert_string_equal(r.body + r.len - 6, "x\nbye\n");
  reply_drop(&r);
  /* The last one goes on. */
  http_stream_end(streams[SLOW - 1]);
  hear(s, fds[SLOW - 1], &r, false);
  assert_true(r.whole);
  assert_string_equal(r.body + r.len - 2, "x\n");
  reply_drop(&r);
  for (int i = 0; i < SLOW; i++)
    close(fds[i]);
  WAIT_FOR(s, s->closed == SLOW);
  assert_int_equal(metric_of(s, "lathe_http_streams_bytes"), 0);
  site_free(s);
}

static void closing_closes_streams(void **state) {
  struct site *s = *state;
  int fd = open_stream(s);
  http_close(s->http);
  s->http = NULL;
  assert_int_equal(s->closed, 1);
  close(fd);
}

/* ---- files ---- */

static const char content[] = "0123456789abcdefghij"; /* 20 bytes */
static struct http_file sample;

static void on_file(void *ctx, struct http_request *r) {
  char name[] = "/tmp/lathe-http-XXXXXX";
  struct http_file f = sample;
  (void)ctx;
  f.fd = mkstemp(name);
  unlink(name);
  assert_int_equal(write(f.fd, content, (size_t)f.size), f.size);
  http_reply_file(r, &f);
}

/* ---- large ones: read beside the loop, piece by piece ---- */

enum { LARGE_FILE = 700001, LARGE_MISSING = 1000 };

static char large_byte(size_t at) {
  return (char)(at % 251);
}

static void reply_large(struct http_request *r, int64_t missing) {
  char name[] = "/tmp/lathe-http-XXXXXX", *data = mem_alloc(LARGE_FILE);
  for (size_t i = 0; i < LARGE_FILE; i++)
    data[i] = large_byte(i);
  int fd = mkstemp(name);
  unlink(name);
  assert_int_equal(write(fd, data, (size_t)(LARGE_FILE - missing)), LARGE_FILE - missing);
  free(data);
  http_reply_file(r, &(struct http_file){
                         .fd = fd, .size = LARGE_FILE, .media_type = "model/step", .etag = "t"});
}

static void on_large_file(void *ctx, struct http_request *r) {
  (void)ctx;
  reply_large(r, 0);
}

static void on_shorter(void *ctx, struct http_request *r) {
  (void)ctx;
  reply_large(r, LARGE_MISSING);
}

static const struct http_route file_routes[] = {
    {.method = "GET", .pattern = "/file", .handler = on_file},
    {.method = "GET", .pattern = "/large", .handler = on_large_file},
    {.method = "GET", .pattern = "/shorter", .handler = on_shorter},
    {.method = NULL}};

static void expect_large(struct site *s, const char *headers, size_t first, size_t len) {
  struct reply r = ask(s, "GET", "/large", headers, NULL, 0);
  assert_int_equal(r.len, len);
  for (size_t i = 0; i < len; i++)
    if (r.body[i] != large_byte(first + i))
      fail_msg("byte %zu is not that of the file", first + i);
  reply_drop(&r);
}

static void large_files(void **state) {
  struct site *s = *state;
  expect_large(s, NULL, 0, LARGE_FILE);
  expect_large(s, "Range: bytes=300000-699999\r\n", 300000, 400000);
  expect_large(s, "Range: bytes=-1\r\n", LARGE_FILE - 1, 1);
  struct reply r = ask(s, "HEAD", "/large", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  assert_int_equal(r.len, 0);
  reply_drop(&r);
}

/* Where downloads have had their share of the memory, the pieces are small, and nothing else changes. */
static void large_files_in_little_memory(void **state) {
  struct http_options o = {
      .host = "127.0.0.1", .connections_max = 10, .streams_max = 1 << 10, .routes = file_routes};
  struct site *s = site_new(&o);
  (void)state;
  expect_large(s, NULL, 0, LARGE_FILE);
  site_free(s);
}

/* One that became shorter than it was said to be is broken off: nobody takes it for whole. */
static void a_file_that_became_shorter(void **state) {
  struct site *s = *state;
  struct reply r = {0};
  int fd = dial(s);
  say(s, fd, "GET /shorter HTTP/1.1\r\nHost: localhost\r\n\r\n");
  hear(s, fd, &r, false);
  assert_false(r.whole);
  reply_drop(&r);
  close(fd);
}

static int file_setup(void **state) {
  struct http_options o = {.host = "127.0.0.1", .connections_max = 10, .routes = file_routes};
  *state = site_new(&o);
  sample = (struct http_file){.size = 20, .media_type = "model/step", .etag = "tag"};
  return 0;
}

static void whole_files(void **state) {
  struct site *s = *state;
  char text[300];
  struct reply r = ask(s, "GET", "/file", NULL, NULL, 0);
  expect_text(&r, 200, content);
  assert_string_equal(header_of(&r, "Content-Type", text, sizeof text), "model/step");
  assert_string_equal(header_of(&r, "Content-Length", text, sizeof text), "20");
  assert_string_equal(header_of(&r, "ETag", text, sizeof text), "\"tag\"");
  assert_string_equal(header_of(&r, "Accept-Ranges", text, sizeof text), "bytes");
  assert_string_equal(header_of(&r, "X-Content-Type-Options", text, sizeof text), "nosniff");
  assert_string_equal(header_of(&r, "Cache-Control", text, sizeof text), "private, no-cache");
  assert_null(header_of(&r, "Content-Disposition", text, sizeof text));
  reply_drop(&r);
  sample.download_name = "na\xc3\xafve \"x\".step";
  sample.immutable = true;
  r = ask(s, "HEAD", "/file", "Range: bytes=0-1\r\n", NULL, 0);
  assert_int_equal(r.status, 200);
  assert_string_equal(header_of(&r, "Content-Length", text, sizeof text), "20");
  assert_non_null(strstr(header_of(&r, "Cache-Control", text, sizeof text), "immutable"));
  assert_string_equal(header_of(&r, "Content-Disposition", text, sizeof text),
                      "attachment; filename=\"na__ve _x_.step\"; "
                      "filename*=UTF-8''na%C3%AFve%20%22x%22.step");
  reply_drop(&r);
  sample.size = 0;
  sample.etag = NULL;
  r = ask(s, "GET", "/file", "Range: bytes=0-\r\n", NULL, 0);
  expect_problem(&r, 416, "bad-range");
  reply_drop(&r);
  r = ask(s, "GET", "/file", NULL, NULL, 0);
  assert_int_equal(r.status, 200);
  assert_string_equal(header_of(&r, "Content-Length", text, sizeof text), "0");
  reply_drop(&r);
}

static void parts_of_files(void **state) {
  struct site *s = *state;
  static const struct {
    const char *range;
    int status, first, last;
  } asked[] = {
      {"bytes=0-0", 206, 0, 0},      {"bytes=5-9", 206, 5, 9},
      {"bytes=15-", 206, 15, 19},    {"bytes=-5", 206, 15, 19},
      {"bytes=0-999", 206, 0, 19},   {"bytes=-999", 206, 0, 19},
      {"BYTES= 1-2 ", 206, 1, 2},    {"bytes=3-99999999999999999999", 206, 3, 19},
      {"bytes=20-", 416, 0, 0},      {"bytes=99999999999999999999-", 416, 0, 0},
      {"bytes=-0", 416, 0, 0},       {"bytes=5-1", 200, 0, 19},
      {"lines=1-2", 200, 0, 19},     {"bytes=", 200, 0, 19},
      {"bytes=x-y", 200, 0, 19},     {"bytes=-", 200, 0, 19},
      {"bytes=0-1,3-4", 200, 0, 19}, {"bytes=1-2x", 200, 0, 19},
  };
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    char header[100], text[100], wanted[100];
    snprintf(header, sizeof header, "Range: %s\r\n", asked[i].range);
    struct reply r = ask(s, "GET", "/file", header, NULL, 0);
    if (r.status != asked[i].status)
      fail_msg("%s: %d", asked[i].range, r.status);
    if (r.status == 416) {
      expect_problem(&r, 416, "bad-range");
      assert_string_equal(header_of(&r, "Content-Range", text, sizeof text), "bytes */20");
    } else {
      assert_int_equal(r.len, asked[i].last - asked[i].first + 1);
      assert_int_equal(memcmp(r.body, content + asked[i].first, r.len), 0);
    }
    if (r.status == 206) {
      snprintf(wanted, sizeof wanted, "bytes %d-%d/20", asked[i].first, asked[i].last);
      assert_string_equal(header_of(&r, "Content-Range", text, sizeof text), wanted);
    }
    reply_drop(&r);
  }
}

static void conditions(void **state) {
  struct site *s = *state;
  static const struct {
    const char *headers;
    int status;
    size_t len;
  } asked[] = {
      {"If-None-Match: \"tag\"\r\n", 304, 0},
      {"If-None-Match: W/\"tag\"\r\n", 304, 0},
      {"If-None-Match: \"a\", \"tag\"\r\n", 304, 0},
      {"If-None-Match: *\r\n", 304, 0},
      {"If-None-Match: \"tag\"\r\nRange: bytes=0-1\r\n", 304, 0},
      {"If-None-Match: \"ta\"\r\n", 200, 20},
      {"If-None-Match: tag\r\n", 200, 20},
      {"If-Range: \"tag\"\r\nRange: bytes=0-1\r\n", 206, 2},
      {"If-Range: W/\"tag\"\r\nRange: bytes=0-1\r\n", 200, 20},
      {"If-Range: \"other\"\r\nRange: bytes=0-1\r\n", 200, 20},
      {"If-Range: Sat, 21 Nov 2026 10:00:00 GMT\r\nRange: bytes=0-1\r\n", 200, 20},
      {"If-Match: \"tag\"\r\n", 200, 20},
      {"If-Match: *\r\n", 200, 20},
  };
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    char text[50];
    struct reply r = ask(s, "GET", "/file", asked[i].headers, NULL, 0);
    if (r.status != asked[i].status)
      fail_msg("%s: %d", asked[i].headers, r.status);
    assert_int_equal(r.len, asked[i].len);
    assert_string_equal(header_of(&r, "ETag", text, sizeof text), "\"tag\"");
    reply_drop(&r);
  }
  struct reply r = ask(s, "GET", "/file", "If-Match: \"other\"\r\n", NULL, 0);
  expect_problem(&r, 412, "precondition-failed");
  reply_drop(&r);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FILES(name) cmocka_unit_test_setup_teardown(name, file_setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_stream_is_written_and_ends),
      TEST(an_old_client_gets_its_stream_without_chunks),
      TEST(a_reader_that_leaves_closes_its_stream),
      TEST(a_slow_reader_is_noticed),
      TEST(many_streams_at_once),
      TEST(the_slowest_stream_is_ended_for_the_others),
      TEST(closing_closes_streams),
      FILES(whole_files),
      FILES(parts_of_files),
      FILES(large_files),
      FILES(a_file_that_became_shorter),
      cmocka_unit_test(large_files_in_little_memory),
      FILES(conditions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
