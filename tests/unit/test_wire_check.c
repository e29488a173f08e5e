/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/messages.h"

#include <stdlib.h>
#include <string.h>

static void test_texts(void **state) {
  (void)state;
  assert_true(wire_is_text("gr\xc3\xbc\xc3\x9f", 6, false));
  assert_true(wire_is_text("a\tb\nc", 5, true));
  assert_false(wire_is_text("a\tb\nc", 5, false));
  assert_false(wire_is_text("a\rb", 3, true));
  assert_false(wire_is_text("\x1b[2J", 4, true));
  assert_false(wire_is_text("\x7f", 1, true));
  assert_false(wire_is_text("\xc2\x9b", 2, true)); /* CSI, as one character */
  assert_true(wire_is_text("\xc2\xa0", 2, true));
  assert_false(wire_is_text("\xc2", 1, true));
  assert_false(wire_is_text("a\0b", 3, true));
}

static void test_names(void **state) {
  static const struct {
    const char *text;
    bool kind, media, path;
  } rows[] = {
      {"mesh", true, false, true},
      {"acme.img-2_b", true, false, true},
      {"Mesh", false, false, true},
      {"2d", false, false, true},
      {"", false, false, false},
      {"model/stl", false, true, true},
      {"text/plain; charset=utf-8", false, true, true},
      {"application/vnd.a+json;v=1", false, true, true},
      {"text/", false, false, false},
      {"/plain", false, false, false},
      {"text/html\r\nX: y", false, false, true}, /* a path may be anything but a way out */
      {"text/html,", false, false, true},
      {"a/../b", false, false, false},
      {"..", false, false, false},
      {"a/..b", false, true, true},
      {"./a", false, true, false},
      {"a//b", false, false, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(wire_is_kind(rows[i].text), rows[i].kind);
    assert_int_equal(wire_is_media_type(rows[i].text), rows[i].media);
    assert_int_equal(wire_is_path_below(rows[i].text), rows[i].path);
  }
}

static struct wire_frame only(struct wire_input *in, const struct buf *b) {
  struct wire_frame f = {0};
  memcpy(wire_input_room(in, b->len), b->data, b->len);
  wire_input_added(in, b->len);
  assert_int_equal(wire_input_next(in, &f, NULL), 1);
  return f;
}

/* What a careless plugin says is made to fit by who sends it. */
static void test_what_is_sent_is_taken(void **state) {
  struct buf b = {0};
  struct wire_input in = {0};
  struct wire_done done;
  struct wire_progress progress;
  const char *text;
  int32_t level;
  size_t len;
  char *flood = malloc(3 << 20);
  (void)state;
  memset(flood, 0x9b, (3 << 20) - 1);
  flood[(3 << 20) - 1] = '\0';
  wire_put_done(
      &b, 1,
      &(struct wire_done){
          .class = WIRE_RETRY, .message = flood, .retry_after_ms = INT64_MAX, .run_us = -5},
      NULL);
  struct wire_frame f = only(&in, &b);
  assert_int_equal(wire_get_done(&f, &done, NULL), 0);
  assert_true(strlen(done.message) <= WIRE_TEXT_LIMIT && strlen(done.message) > 3000);
  assert_true(done.retry_after_ms == WIRE_WAIT_MAX_MS && done.run_us == 0);
  buf_clear(&b);
  wire_put_progress(&b, 1,
                    &(struct wire_progress){500,
                                            "a\n\x1b"
                                            "b",
                                            1, 2});
  f = only(&in, &b);
  assert_int_equal(wire_get_progress(&f, &progress, NULL), 0);
  assert_string_equal(progress.what, "a\xef\xbf\xbd\xef\xbf\xbd"
                                     "b");
  buf_clear(&b);
  wire_put_log(&b, 1, 1, flood, 3 << 20);
  f = only(&in, &b);
  assert_int_equal(wire_get_log(&f, &level, &text, &len, NULL), 0);
  assert_true(len <= WIRE_LOG_MAX && len > WIRE_LOG_MAX - 4);
  free(flood);
  buf_free(&b);
  wire_input_free(&in);
}

/* The first thing that is wrong is named. */
static void test_what_is_wrong_is_named(void **state) {
  struct wire_artifact fine = {.name = "a", .media_type = "b/c", .path = "a"},
                       same[] = {{.name = "x", .media_type = "b/c", .path = "a"},
                                 {.name = "x", .media_type = "b/c", .path = "b"}};
  const struct {
    struct wire_done done;
    const char *word;
  } rows[] = {
      {{.result_json = "[]"}, "result.json"},
      {{.class = WIRE_LOST}, "class"},
      {{.retry_after_ms = -1}, "time to wait"},
      {{.folder = true,
        .artifact_count = 1,
        .artifacts = &(struct wire_artifact){.name = "../a", .media_type = "b/c", .path = "a"}},
       "name of an artifact"},
      {{.folder = true,
        .artifact_count = 1,
        .artifacts = &(struct wire_artifact){.name = "a", .media_type = "bc", .path = "a"}},
       "media type"},
      {{.folder = true,
        .artifact_count = 1,
        .artifacts = &(struct wire_artifact){.name = "a", .media_type = "b/c", .path = "/a"}},
       "path"},
      {{.artifact_count = 1, .artifacts = &fine}, "without a folder"},
      {{.folder = true, .artifact_count = 2, .artifacts = same}, "one name"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct buf b = {0};
    struct wire_input in = {0};
    struct wire_done done;
    struct err err = {0};
    wire_put_done(&b, 1, &rows[i].done, NULL);
    struct wire_frame f = only(&in, &b);
    assert_int_equal(wire_get_done(&f, &done, &err), ERR_PROTOCOL);
    assert_null(done.artifacts);
    if (!strstr(err.text, rows[i].word))
      fail_msg("%s: %s", rows[i].word, err.text);
    buf_free(&b);
    wire_input_free(&in);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_what_is_sent_is_taken),
      cmocka_unit_test(test_what_is_wrong_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
