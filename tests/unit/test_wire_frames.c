/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/death.h"
#include "wire/fact.h"
#include "wire/messages.h"
#include "wire/preview.h"
#include "wire/ref.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Hands `data` to the input in pieces of `piece` bytes; returns the frames that came, or the error.
 */
static int feed(struct wire_input *in, const char *data, size_t len, size_t piece,
                void (*each)(const struct wire_frame *)) {
  int frames = 0;
  for (size_t at = 0; at < len; at += piece) {
    size_t n = len - at < piece ? len - at : piece;
    struct wire_frame f;
    int rc;
    memcpy(wire_input_room(in, n), data + at, n);
    wire_input_added(in, n);
    while ((rc = wire_input_next(in, &f, NULL)) > 0) {
      frames++;
      if (each)
        each(&f);
    }
    if (rc < 0)
      return rc;
  }
  return frames;
}

static struct wire_frame only(struct wire_input *in, const struct buf *b) {
  struct wire_frame f = {0};
  memcpy(wire_input_room(in, b->len), b->data, b->len);
  wire_input_added(in, b->len);
  assert_int_equal(wire_input_next(in, &f, NULL), 1);
  return f;
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct wire_setting settings[] = {{"a", "1", "x.ini:1"}, {"b", "", "x.ini:2"}};
static struct wire_input_file inputs[] = {{"part.step", "/blobs/aa"}, {"b.stl", "/blobs/bb"}};

static void put_one_of_each(struct buf *b) {
  const char *kinds[] = {"mesh", "preview"};
  uint64_t tokens[] = {5, 6, UINT64_MAX};
  struct wire_artifact artifacts[] = {
      {.name = "a.txt", .media_type = "text/plain", .path = "sub/a.txt"}};
  wire_put_hello(b, &(struct wire_hello){WIRE_VERSION, "p", "1.0", "cpu", WIRE_FORK, 3, 2, 4, 4,
                                         5000, kinds, 2, false});
  wire_put_config(
      b, &(struct wire_config){"local", "/w", 9, 4, 500, -5, 1, 64, 7, 8, settings, 2, settings, 1},
      NULL);
  wire_put_ready(b, DIGEST, kinds, 2);
  wire_put_refused(b, true, "why not");
  wire_put_step(b, 7,
                &(struct wire_step){"01J",
                                    "mesh",
                                    NULL,
                                    "{}",
                                    2,
                                    {1, 2, 3, 4, 5},
                                    inputs,
                                    2,
                                    WIRE_RUN,
                                    NULL,
                                    NULL,
                                    2,
                                    "scope"},
                NULL);
  wire_put_value(b, WIRE_CANCEL, 7, WIRE_TIMEOUT);
  wire_put_recalled(b, tokens, 3);
  wire_put_progress(b, 7, &(struct wire_progress){500, "faces", 3, 9});
  wire_put_log(b, 7, 1, "a\0b\n", 4);
  wire_put_preview(b, 7,
                   &(struct wire_preview){.artifact = {.name = "p.png", .media_type = "image/png"},
                                          .data = "a\0b",
                                          .len = 3});
  wire_put_fact(b, 7, &(struct wire_fact){"cost.actual", "0.5", false});
  wire_put_parked(b, &(struct wire_parked){2, 100, 3});
  wire_put_jail(b, WIRE_JAIL_PARTIAL, "something");
  wire_put_kind(b, &(struct wire_kind){"mesh", false, "{}"}, NULL);
  wire_put_checkpoint(b, 7, "there/1");
  wire_put_note(b, 7, "line 7");
  wire_put_backend(b, &(struct wire_backend){WIRE_PAUSED, WIRE_BY_HEALTH, WIRE_AUTH, 9, "red"});
  wire_put_done(b, 7,
                &(struct wire_done){WIRE_RETRY, 3100, 9, 10, "later", NULL, true, artifacts, 1,
                                    false, WIRE_CANCEL_END_CHARGED, "quota.used", "req-7"},
                NULL);
}

static void messages_survive_the_way(void **state) {
  (void)state;
  struct buf b = {0};
  struct wire_input in = {0};
  const char *kinds[] = {"mesh", "preview"};
  struct wire_hello hello;
  wire_put_hello(&b, &(struct wire_hello){WIRE_VERSION, "p", "1.0", "cpu", WIRE_FORK, 3, 2,
                                          WIRE_NEEDS_DEVICES, 4, 5000, kinds, 2, false});
  struct wire_frame f = only(&in, &b);
  assert_int_equal(f.type, WIRE_HELLO);
  assert_int_equal(wire_get_hello(&f, &hello, NULL), 0);
  assert_int_equal(hello.flags, WIRE_REPEATABLE);
  assert_int_equal(hello.rights, WIRE_NEEDS_DEVICES);
  assert_int_equal(hello.threads, 4);
  assert_int_equal(hello.cancel_grace_ms, 5000);
  assert_int_equal(hello.kind_count, 2);
  assert_string_equal(hello.kinds[1], "preview");
  free(hello.kinds);

  struct wire_kind kind;
  struct err err = {0};
  buf_clear(&b);
  assert_int_equal(wire_put_kind(&b, &(struct wire_kind){"turn", false, "{\"a\": 1}"}, &err), 0);
  f = only(&in, &b);
  assert_int_equal(wire_get_kind(&f, &kind, NULL), 0);
  assert_string_equal(kind.name, "turn");
  assert_string_equal(kind.json, "{\"a\": 1}");
  assert_false(kind.withdrawn);
  assert_int_equal(wire_put_kind(&b, &(struct wire_kind){"Turn", false, NULL}, &err), ERR_INVAL);
  assert_int_equal(wire_put_kind(&b, &(struct wire_kind){"turn", false, "[]"}, &err), ERR_INVAL);
  assert_non_null(strstr(err.text, "one JSON object"));

  const char **declared, *libraries;
  size_t count;
  buf_clear(&b);
  wire_put_ready(&b, DIGEST, kinds, 2);
  f = only(&in, &b);
  assert_int_equal(wire_get_ready(&f, &libraries, &declared, &count, NULL), 0);
  assert_int_equal(count, 2);
  assert_string_equal(declared[0], "mesh");
  free(declared);

  struct wire_config config;
  buf_clear(&b);
  wire_put_config(
      &b,
      &(struct wire_config){"local", "/w", 9, 4, 500, -5, 1, 64, 7, 8, settings, 2, settings, 1},
      NULL);
  f = only(&in, &b);
  assert_int_equal(wire_get_config(&f, &config, NULL), 0);
  assert_int_equal(config.nice, -5);
  assert_int_equal(config.cell, 9);
  assert_string_equal(config.settings[1].where, "x.ini:2");
  assert_string_equal(config.secrets[0].value, "1");
  free(config.settings);
  free(config.secrets);

  struct wire_step step;
  buf_clear(&b);
  wire_put_step(&b, 7,
                &(struct wire_step){"01J",
                                    "mesh",
                                    NULL,
                                    "{}",
                                    2,
                                    {1, 2, 3, 4, 5},
                                    inputs,
                                    2,
                                    WIRE_RUN,
                                    NULL,
                                    NULL,
                                    2,
                                    "scope"},
                NULL);
  f = only(&in, &b);
  assert_int_equal(f.token, 7);
  assert_int_equal(wire_get_step(&f, &step, NULL), 0);
  assert_null(step.idem_key);
  assert_int_equal(step.limits.log_bytes, 5);
  assert_string_equal(step.inputs[1].path, "/blobs/bb");
  free(step.inputs);

  struct wire_done done;
  struct wire_artifact artifact = {
      .name = "a.txt", .media_type = "text/plain", .path = "sub/a.txt"};
  buf_clear(&b);
  wire_put_done(&b, UINT64_MAX,
                &(struct wire_done){WIRE_RETRY, -1, 9, 10, "later", NULL, true, &artifact, 1, true,
                                    WIRE_CANCEL_END_TOO_LATE, NULL, NULL},
                NULL);
  f = only(&in, &b);
  assert_true(f.token == UINT64_MAX);
  assert_int_equal(wire_get_done(&f, &done, NULL), 0);
  assert_int_equal(done.code, -1);
  assert_true(done.open);
  assert_int_equal(done.cancel, WIRE_CANCEL_END_TOO_LATE);
  assert_string_equal(done.message, "later");
  assert_null(done.result_json);
  assert_true(done.folder);
  assert_string_equal(done.artifacts[0].path, "sub/a.txt");
  free(done.artifacts);
  buf_free(&b);
  wire_input_free(&in);
}

static void remote_steps_survive_the_way(void **state) {
  (void)state;
  struct buf b = {0};
  struct wire_input in = {0};
  struct wire_step step = {.job_id = "01J", .kind = "k", .spec_json = "{}", .go = WIRE_POLL};
  struct err err = {0};
  const char *ref;
  wire_put_step(&b, 7, &step, NULL);
  struct wire_frame f = only(&in, &b);
  assert_int_equal(wire_get_step(&f, &step, &err), ERR_PROTOCOL); /* a poll for what? */
  buf_clear(&b);
  step.ref = "there/1";
  wire_put_step(&b, 7, &step, NULL);
  f = only(&in, &b);
  assert_int_equal(wire_get_step(&f, &step, NULL), 0);
  assert_int_equal(step.go, WIRE_POLL);
  assert_string_equal(step.ref, "there/1");
  buf_clear(&b);
  step.go = WIRE_GOES;
  wire_put_step(&b, 7, &step, NULL);
  f = only(&in, &b);
  assert_int_equal(wire_get_step(&f, &step, &err), ERR_PROTOCOL);
  buf_clear(&b);
  wire_put_checkpoint(&b, 7, "there/1");
  f = only(&in, &b);
  assert_int_equal(f.token, 7);
  assert_int_equal(wire_get_checkpoint(&f, &ref, NULL), 0);
  assert_string_equal(ref, "there/1");
  buf_clear(&b);
  wire_put_checkpoint(&b, 7, "");
  f = only(&in, &b);
  assert_int_equal(wire_get_checkpoint(&f, &ref, &err), ERR_PROTOCOL);
  buf_clear(&b);
  char *huge = memset(mem_alloc(WIRE_TEXT_MAX + 2), 'x', WIRE_TEXT_MAX + 1);
  wire_put_checkpoint(&b, 7, huge);
  free(huge);
  f = only(&in, &b);
  assert_int_equal(wire_get_checkpoint(&f, &ref, &err), ERR_PROTOCOL);
  buf_clear(&b);
  wire_put_hello(&b, &(struct wire_hello){.wire_version = WIRE_VERSION,
                                          .plugin = "p",
                                          .version = "1",
                                          .device = "net",
                                          .isolation = WIRE_FORK,
                                          .remote = true});
  struct wire_hello hello;
  f = only(&in, &b);
  assert_int_equal(wire_get_hello(&f, &hello, &err), ERR_PROTOCOL); /* a fork keeps no reference */
  buf_free(&b);
  wire_input_free(&in);
}

static void words_on_a_backend_are_checked(void **state) {
  static const struct {
    struct wire_backend m;
    int rc;
  } rows[] = {
      {{WIRE_WELL, WIRE_BY_PLUGIN, WIRE_OK, 0, NULL}, 0},
      {{WIRE_PAUSED, WIRE_BY_START, WIRE_QUOTA, INT64_MAX, "no credit\nat all"}, 0},
      {{WIRE_PAUSED + 1, WIRE_BY_PLUGIN, WIRE_OK, 0, ""}, ERR_PROTOCOL},
      {{WIRE_PAUSED, WIRE_CAUSES, WIRE_OK, 0, ""}, ERR_PROTOCOL},
      {{WIRE_PAUSED, WIRE_BY_PLUGIN, WIRE_LOST, 0, ""}, ERR_PROTOCOL},
  };
  struct buf b = {0};
  struct wire_input in = {0};
  struct wire_backend m;
  struct err err = {0};
  const char *note;
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    buf_clear(&b);
    wire_put_backend(&b, &rows[i].m);
    struct wire_frame f = only(&in, &b);
    assert_int_equal(wire_get_backend(&f, &m, &err), rows[i].rc);
    if (rows[i].rc == 0)
      assert_in_range(m.for_ms, 0, WIRE_WAIT_MAX_MS);
  }
  buf_clear(&b);
  wire_put_note(&b, 7, "");
  struct wire_frame f = only(&in, &b);
  assert_int_equal(wire_get_note(&f, &note, &err), ERR_PROTOCOL);
  buf_free(&b);
  wire_input_free(&in);
}

static void references_are_text_and_back(void **state) {
  static const struct {
    const char *bytes;
    size_t len;
    const char *text;
  } rows[] = {
      {"fc-01ABC", 8, "fc-01ABC"},
      {"https://h/x y%20z", 17, "https://h/x y%20z"},
      {"gr\xc3\xbc", 4, "gr\xc3\xbc"},
      {"a\nb", 3, "base64:YQpi"},
      {"\0", 1, "base64:AA=="},
      {"\xff\xfe", 2, "base64://4="},
      {"base64:x", 8, "base64:YmFzZTY0Ong="}, /* looks like ours */
  };
  size_t len;
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *text = wire_ref_text(rows[i].bytes, rows[i].len);
    assert_string_equal(text, rows[i].text);
    char *bytes = wire_ref_bytes(text, &len);
    assert_non_null(bytes);
    assert_int_equal(len, rows[i].len);
    assert_memory_equal(bytes, rows[i].bytes, len);
    free(bytes);
    free(text);
  }
  assert_null(wire_ref_bytes("base64:abc", &len));
  assert_null(wire_ref_bytes("base64:a*c=", &len));
}

static int count_of[32];

static void count_types(const struct wire_frame *f) {
  count_of[f->type]++;
}

static void frames_arrive_in_any_pieces(void **state) {
  static const size_t pieces[] = {1, 2, 3, 7, 16, 17, 100, 4096};
  struct buf b = {0};
  (void)state;
  put_one_of_each(&b);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    struct wire_input in = {0};
    memset(count_of, 0, sizeof count_of);
    assert_int_equal(feed(&in, b.data, b.len, pieces[i], count_types), 18);
    assert_int_equal(count_of[WIRE_DONE], 1);
    assert_int_equal(count_of[WIRE_LOG], 1);
    wire_input_free(&in);
  }
  buf_free(&b);
}

/* Decodes whatever it is as whatever it says it is: must neither crash nor read outside. */
static void decode(const struct wire_frame *f) {
  struct wire_hello hello;
  struct wire_config config;
  struct wire_step step;
  struct wire_done done;
  struct wire_progress progress;
  const char **declared;
  uint64_t *tokens;
  int64_t value;
  int32_t level;
  bool again;
  const char *text;
  size_t n;
  switch (f->type) {
  case WIRE_HELLO:
    if (wire_get_hello(f, &hello, NULL) == 0)
      free(hello.kinds);
    break;
  case WIRE_READY:
    if (wire_get_ready(f, &text, &declared, &n, NULL) == 0)
      free(declared);
    break;
  case WIRE_CONFIG:
    if (wire_get_config(f, &config, NULL) == 0) {
      free(config.settings);
      free(config.secrets);
    }
    break;
  case WIRE_STEP:
    if (wire_get_step(f, &step, NULL) == 0)
      free(step.inputs);
    break;
  case WIRE_DONE:
    if (wire_get_done(f, &done, NULL) == 0)
      free(done.artifacts);
    break;
  case WIRE_RECALLED:
    if (wire_get_recalled(f, &tokens, &n, NULL) == 0)
      free(tokens);
    break;
  case WIRE_PROGRESS:
    wire_get_progress(f, &progress, NULL);
    break;
  case WIRE_REFUSED:
    wire_get_refused(f, &again, &text, NULL);
    break;
  case WIRE_CHECKPOINT:
    wire_get_checkpoint(f, &text, NULL);
    break;
  case WIRE_NOTE:
    wire_get_note(f, &text, NULL);
    break;
  case WIRE_BACKEND:
    wire_get_backend(f, &(struct wire_backend){0}, NULL);
    break;
  case WIRE_PARKED:
    wire_get_parked(f, &(struct wire_parked){0}, NULL);
    break;
  case WIRE_PREVIEW:
    wire_get_preview(f, &(struct wire_preview){0}, NULL);
    break;
  case WIRE_FACT:
    wire_get_fact(f, &(struct wire_fact){0}, NULL);
    break;
  case WIRE_KIND:
    wire_get_kind(f, &(struct wire_kind){0}, NULL);
    break;
  case WIRE_JAIL:
    wire_get_jail(f, &(enum wire_jail_state){0}, &text, NULL);
    break;
  case WIRE_LOG:
    wire_get_log(f, &level, &text, &n, NULL);
    break;
  default:
    wire_get_value(f, &value, NULL);
  }
}

/* A frame cut off anywhere inside is malformed for its decoder. */
static void truncated_payloads_are_refused(void **state) {
  struct buf b = {0};
  struct wire_input in = {0};
  struct wire_step step;
  struct err err = {0};
  (void)state;
  wire_put_step(&b, 7,
                &(struct wire_step){"01J",
                                    "mesh",
                                    NULL,
                                    "{}",
                                    2,
                                    {1, 2, 3, 4, 5},
                                    inputs,
                                    2,
                                    WIRE_RUN,
                                    NULL,
                                    NULL,
                                    2,
                                    "scope"},
                NULL);
  struct wire_frame f = only(&in, &b);
  size_t whole = f.len;
  for (f.len = 0; f.len < whole; f.len++) {
    char *exact = malloc(f.len ? f.len : 1); /* so that a sanitizer sees one byte too far */
    memcpy(exact, f.payload, f.len);
    struct wire_frame cut = f;
    cut.payload = exact;
    assert_int_equal(wire_get_step(&cut, &step, &err), ERR_PROTOCOL);
    free(exact);
  }
  assert_non_null(strstr(err.text, "STEP"));
  buf_free(&b);
  wire_input_free(&in);
}

static void garbage_does_no_harm(void **state) {
  struct buf good = {0};
  (void)state;
  put_one_of_each(&good);
  srand(20261121);
  for (int round = 0; round < 20000; round++) {
    struct wire_input in = {0};
    char *data = malloc(good.len);
    memcpy(data, good.data, good.len);
    for (int hits = 1 + rand() % 8; hits > 0; hits--)
      data[(size_t)rand() % good.len] = (char)(round % 3 ? rand() : 0xff);
    feed(&in, data, good.len, 1 + (size_t)rand() % good.len, decode);
    wire_input_free(&in);
    free(data);
  }
  for (int round = 0; round < 5000; round++) {
    char data[600];
    struct wire_input in = {0};
    for (size_t i = 0; i < sizeof data; i++)
      data[i] = (char)rand();
    if (round % 2) { /* an honest header, so that the decoders are reached */
      memset(data, 0, WIRE_HEADER);
      data[0] = 100;
      data[4] = (char)(1 + rand() % 14);
    }
    feed(&in, data, sizeof data, 64, decode);
    wire_input_free(&in);
  }
  buf_free(&good);
}

static void lengths_are_bounded(void **state) {
  char header[WIRE_HEADER] = {0};
  struct wire_input in = {0};
  struct wire_frame f;
  struct err err = {0};
  (void)state;
  header[3] = 0x7f;
  memcpy(wire_input_room(&in, sizeof header), header, sizeof header);
  wire_input_added(&in, sizeof header);
  assert_int_equal(wire_input_next(&in, &f, &err), ERR_PROTOCOL);
  wire_input_free(&in);

  char *huge = malloc(WIRE_MAX_PAYLOAD + 10);
  memset(huge, 'x', WIRE_MAX_PAYLOAD + 9);
  huge[WIRE_MAX_PAYLOAD + 9] = '\0';
  struct buf b = {0};
  wire_put_bare(&b, WIRE_READY, 0);
  size_t before = b.len;
  struct wire_step step = {.job_id = "j", .kind = "k", .spec_json = huge};
  assert_int_equal(wire_put_step(&b, 1, &step, &err), ERR_LIMIT);
  assert_int_equal(b.len, before); /* what was there stays whole */
  free(huge);
  buf_free(&b);
}

static void text_holds_no_nul(void **state) {
  struct buf b = {0};
  struct wire_input in = {0};
  bool again;
  const char *text;
  (void)state;
  size_t start = wire_begin(&b, WIRE_REFUSED, 0);
  wire_put_u32(&b, 0);
  wire_put_bytes(&b, "a\0b", 3);
  wire_end(&b, start, NULL);
  struct wire_frame f = only(&in, &b);
  assert_int_equal(wire_get_refused(&f, &again, &text, NULL), ERR_PROTOCOL);
  buf_free(&b);
  wire_input_free(&in);
}

static void deaths_are_judged(void **state) {
  static const struct {
    struct wire_death death;
    enum wire_class class;
    const char *says;
  } cases[] = {
      {{.signal = SIGSEGV}, WIRE_CRASHED, "SIGSEGV"},
      {{.signal = SIGKILL}, WIRE_CRASHED, "killed by the system"},
      {{.exit_code = 9}, WIRE_CRASHED, "exit code 9"},
      {{.signal = SIGXCPU}, WIRE_LIMIT, "job_cpu"},
      {{.signal = SIGXFSZ}, WIRE_LIMIT, "job_output"},
      {{.signal = SIGABRT, .said_no_memory = true}, WIRE_LIMIT, "job_memory"},
      {{.signal = SIGSEGV, .max_rss = 95 << 20}, WIRE_LIMIT, "job_memory"},
      {{.signal = SIGSEGV, .max_rss = 20 << 20}, WIRE_CRASHED, "SIGSEGV"},
  };
  static const struct wire_limits limits = {
      .cpu_ms = 1000, .memory = 100 << 20, .output_bytes = 1 << 20};
  static const struct wire_limits none;
  char text[800];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(wire_judge(&cases[i].death, &limits, text, sizeof text), cases[i].class);
    assert_non_null(strstr(text, cases[i].says));
    /* Without a limit nothing can have run into one. */
    assert_int_equal(wire_judge(&cases[i].death, &none, text, sizeof text), WIRE_CRASHED);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_survive_the_way),
      cmocka_unit_test(remote_steps_survive_the_way),
      cmocka_unit_test(words_on_a_backend_are_checked),
      cmocka_unit_test(references_are_text_and_back),
      cmocka_unit_test(frames_arrive_in_any_pieces),
      cmocka_unit_test(truncated_payloads_are_refused),
      cmocka_unit_test(garbage_does_no_harm),
      cmocka_unit_test(lengths_are_bounded),
      cmocka_unit_test(text_holds_no_nul),
      cmocka_unit_test(deaths_are_judged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
