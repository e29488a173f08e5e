/* SPDX-License-Identifier: MIT
 *
 * What the library of http-remote keeps of jobs at the far daemon, and how a job is put into words for it.
 */
#include "private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ONE "01JD0000000000000000000000"
#define TWO "01JD0000000000000000000001"

static struct far *make(void) {
  static struct lathe_host host = {.struct_size = sizeof host}; /* nothing of it is called here */
  struct far *f = calloc(1, sizeof *f);
  f->host = &host;
  f->where = (char *)(uintptr_t) "http://far";
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->changed, NULL);
  return f;
}

static void drop(struct far *f) {
  far_jobs_free(f);
  pthread_cond_destroy(&f->changed);
  pthread_mutex_destroy(&f->lock);
  free(f);
}

static void an_id_is_26_digits(void **state) {
  char id[FAR_ID + 1];
  (void)state;
  assert_true(far_id_of(ONE, FAR_ID, id));
  assert_string_equal(id, ONE);
  assert_false(far_id_of(ONE, FAR_ID - 1, id));
  assert_false(far_id_of(ONE "0", FAR_ID + 1, id));
  assert_false(far_id_of("01jd0000000000000000000000", FAR_ID, id));
  assert_false(far_id_of("01JD000000000000000000000/", FAR_ID, id));
  assert_false(far_id_of("01JD00000000000000000000\0\0", FAR_ID, id));
}

static void jobs_are_counted_once(void **state) {
  struct far *f = make();
  (void)state;
  far_jobs_add(f, ONE);
  far_jobs_add(f, ONE);
  far_jobs_add(f, TWO);
  assert_int_equal(far_jobs_count(f), 2);
  far_jobs_drop(f, ONE);
  far_jobs_drop(f, ONE);
  assert_int_equal(far_jobs_count(f), 1);
  for (int i = 0; i < 3; i++)
    assert_false(far_jobs_lied(f, TWO));
  assert_true(far_jobs_lied(f, TWO));
  assert_true(far_jobs_lied(f, ONE)); /* of which nothing is known */
  drop(f);
}

/* Only a stream that was there from the job's beginning has told all of it. */
static void done_is_what_was_told_in_full(void **state) {
  struct far *f = make();
  (void)state;
  f->stream = 1;
  far_jobs_told(f, ONE, FAR_NEWS_BEGIN);
  far_jobs_told(f, ONE, FAR_NEWS_LIFE);
  assert_false(far_jobs_done(f, ONE));
  assert_true(far_jobs_heard(f, ONE));
  assert_true(far_jobs_told(f, ONE, FAR_NEWS_DONE));
  assert_true(far_jobs_done(f, ONE));
  assert_true(far_jobs_ended(f, ONE));
  f->stream = 0; /* it broke */
  assert_false(far_jobs_done(f, ONE));
  assert_false(far_jobs_heard(f, ONE));
  f->stream = 2;
  far_jobs_told(f, ONE, FAR_NEWS_DONE);
  assert_false(far_jobs_done(f, ONE)); /* its beginning was told by another one */
  drop(f);
}

static void output_is_read_before_the_end_counts(void **state) {
  struct far *f = make();
  (void)state;
  f->stream = 1;
  far_jobs_told(f, ONE, FAR_NEWS_BEGIN);
  assert_true(far_jobs_told(f, ONE, FAR_NEWS_OUTPUT));
  assert_false(far_jobs_told(f, ONE, FAR_NEWS_OUTPUT)); /* too soon for another poll */
  assert_true(far_jobs_told(f, ONE, FAR_NEWS_DONE));
  assert_false(far_jobs_done(f, ONE));
  assert_true(far_jobs_look(f, ONE));
  far_jobs_looked(f, ONE);
  assert_true(far_jobs_done(f, ONE));
  assert_false(far_jobs_look(f, ONE));
  far_jobs_more(f, ONE);
  assert_false(far_jobs_done(f, ONE));
  drop(f);
}

/* The table does not grow: who comes later takes the place, and of the other nothing is known. */
static void a_place_has_one_job(void **state) {
  struct far *f = make();
  char id[FAR_ID + 1];
  int lost = 0;
  (void)state;
  f->stream = 1;
  far_jobs_told(f, ONE, FAR_NEWS_BEGIN);
  far_jobs_told(f, ONE, FAR_NEWS_DONE);
  for (int i = 0; i < 100000 && !lost; i++) {
    snprintf(id, sizeof id, "02JD%022d", i);
    far_jobs_told(f, id, FAR_NEWS_BEGIN);
    lost = !far_jobs_ended(f, ONE);
  }
  assert_true(lost);
  assert_false(far_jobs_done(f, ONE));
  assert_true(far_jobs_look(f, ONE));
  drop(f);
}

/* ---- the specification ---- */

static void a_specification_is_taken_apart(void **state) {
  static const char spec[] = "{\"params\":{\"n\":18446744073709551615,\"deep\":{\"a\":1,\"inputs\":"
                             "[2]}},\"inputs\":[{\"name\":"
                             "\"x,\\\"inputs\\\":[\",\"bytes\":3,\"sha256\":\"ab\"}],\"via\":["
                             "\"a\",\"b\"],\"traceparent\":\"t\"}";
  struct far_spec s;
  (void)state;
  assert_true(far_spec_read(spec, &s));
  static const char params[] = "{\"n\":18446744073709551615,\"deep\":{\"a\":1,\"inputs\":[2]}}";
  assert_int_equal(s.params_len, strlen(params));
  assert_memory_equal(s.params, params, strlen(params));
  assert_int_equal(json_array_size(json_object_get(s.rest, "inputs")), 1);
  assert_int_equal(json_array_size(json_object_get(s.rest, "via")), 2);
  assert_string_equal(far_text(s.rest, "traceparent"), "t");
  far_spec_free(&s);
  static const char *const wrong[] = {
      "",  "{}", "{\"params\":{}}", "{\"params\":{},\"inputs\":3}", "{\"params\":{},\"inputs\":[",
      "[]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_false(far_spec_read(wrong[i], &s));
    far_spec_free(&s);
  }
}

static void write_file(const char *folder, const char *name, size_t bytes) {
  char path[300];
  snprintf(path, sizeof path, "%s/in/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (size_t i = 0; i < bytes; i++)
    fputc('a' + (int)(i % 3), file);
  fclose(file);
}

static char *body_of(struct far *f, const char *folder, const char *spec, int64_t deadline_ms) {
  struct lathe_request r = {
      .struct_size = sizeof r, .spec = spec, .workdir = folder, .deadline_ms = deadline_ms};
  struct lathe_net_answer a = {.result = LATHE_OK};
  struct far_spec s;
  size_t len = 0;
  assert_true(far_spec_read(spec, &s));
  char *body = far_body(f, &r, &s, &len, &a);
  if (body)
    assert_int_equal(len, strlen(body));
  else
    assert_int_equal(a.result, LATHE_RETRY);
  far_spec_free(&s);
  return body;
}

static void small_inputs_lie_in_the_body(void **state) {
  char folder[] = "/tmp/test_far_XXXXXX", in[64];
  struct far *f = make();
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(in, sizeof in, "%s/in", folder);
  assert_int_equal(mkdir(in, 0700), 0);
  write_file(folder, "a.txt", 4);
  char *body =
      body_of(f, folder,
              "{\"params\":{\"n\":1},\"inputs\":[{\"name\":\"a.txt\",\"role\":\"part\",\"bytes\":4,"
              "\"sha256\":\"ab\"}]}",
              0);
  assert_string_equal(
      body, "{\"params\":{\"n\":1},\"input\":[{\"name\":\"a.txt\",\"role\":\"part\",\"data\":"
            "\"YWJjYQ==\"}]}");
  free(body);
  static const char *const by_hash[] = {"\"bytes\":98305", "\"bytes\":0"};
  for (int i = 0; i < 2; i++) {
    char spec[200];
    snprintf(spec, sizeof spec,
             "{\"params\":{},\"inputs\":[{\"name\":\"a.txt\",%s,\"sha256\":\"ab\"}]}", by_hash[i]);
    body = body_of(f, folder, spec, 0);
    assert_string_equal(body,
                        "{\"params\":{},\"input\":[{\"name\":\"a.txt\",\"blob\":\"sha256:ab\"}]}");
    free(body);
  }
  body = body_of(f, folder, "{\"params\":{},\"inputs\":[]}", lathe_net_now() + 5000);
  double left = 0;
  assert_int_equal(sscanf(body, "{\"params\":{},\"timeout_s\":%lf,\"input\":[]}", &left), 1);
  assert_true(left > 0 && left <= 5);
  free(body);
  assert_null(
      body_of(f, folder,
              "{\"params\":{},\"inputs\":[{\"name\":\"gone\",\"bytes\":1,\"sha256\":\"ab\"}]}", 0));
  char path[300];
  snprintf(path, sizeof path, "%s/in/a.txt", folder);
  unlink(path);
  rmdir(in);
  rmdir(folder);
  drop(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_id_is_26_digits),
      cmocka_unit_test(jobs_are_counted_once),
      cmocka_unit_test(done_is_what_was_told_in_full),
      cmocka_unit_test(output_is_read_before_the_end_counts),
      cmocka_unit_test(a_place_has_one_job),
      cmocka_unit_test(a_specification_is_taken_apart),
      cmocka_unit_test(small_inputs_lie_in_the_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
