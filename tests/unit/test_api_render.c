/* SPDX-License-Identifier: MIT */
#include "api/frames.h"
#include "api/render.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ID "01JD0000000000000000000000"

static json_t *rendered(const struct record_job *job) {
  struct buf b = {0};
  json_error_t e;
  render_job(&b, job, "");
  json_t *j = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, &e);
  if (!j)
    fail_msg("%s in %s", e.text, b.data);
  buf_free(&b);
  return j;
}

static const char *text_of(const json_t *j, const char *key) {
  return json_string_value(json_object_get(j, key));
}

static void queued_job_has_every_key(void **state) {
  (void)state;
  static const char *const keys[] = {
      "job_id",      "kind",   "status",     "backend",    "attempts", "progress",
      "params",      "inputs", "artifacts",  "result",     "error",    "cached",
      "cached_from", "cost",   "created_at", "started_at", "ended_at"};
  json_t *j = rendered(&(struct record_job){.id = ID,
                                            .kind = "mesh",
                                            .client = "",
                                            .state = JOB_QUEUED,
                                            .params_json = "{\"a\":1}",
                                            .created_us = 1500000});
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    assert_non_null(json_object_get(j, keys[i]));
  assert_string_equal(text_of(j, "status"), "queued");
  assert_true(json_is_null(json_object_get(j, "backend")));
  assert_true(json_is_null(json_object_get(j, "started_at")));
  assert_true(json_real_value(json_object_get(j, "created_at")) == 1.5);
  assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "params"), "a")), 1);
  assert_non_null(json_object_get(json_object_get(j, "progress"), "percent"));
  json_decref(j);
}

static void finished_job_lists_attempts_and_artifacts(void **state) {
  (void)state;
  struct record_attempt attempts[] = {
      {.number = 1,
       .state = JOB_QUEUED,
       .backend = "a",
       .started_us = 1,
       .error_json = "{\"type\":\"/problems/job-crashed\"}"},
      {.number = 2, .state = JOB_QUEUED, .backend = "a", .started_us = 2},
      {.number = 3, .state = JOB_COMPLETED, .backend = "b", .started_us = 3, .ref = "r\"1"},
      {.number = 4,
       .state = JOB_QUEUED,
       .backend = "a",
       .fault = ATTEMPT_INTERRUPTED,
       .plugin_version = "2.1",
       .decision_json = "{\"policy\":\"ordered\",\"considered\":[]}",
       .error_json = "{\"type\":\"/problems/job-interrupted\",\"title\":\"\"}"},
  };
  struct record_artifact artifacts[] = {
      {.name = "a b%\xc3\xa4.glb", .media_type = "model/gltf-binary", .sha256 = "ab", .bytes = 7}};
  struct record_input inputs[] = {{.name = "p\".step", .sha256 = "cd", .bytes = 9}};
  json_t *j = rendered(&(struct record_job){.id = ID,
                                            .kind = "mesh",
                                            .client = "c",
                                            .state = JOB_COMPLETED,
                                            .backend = "b",
                                            .timeout_ms = 1250,
                                            .attempts = attempts,
                                            .attempt_count = 4,
                                            .artifacts = artifacts,
                                            .artifact_count = 1,
                                            .inputs = inputs,
                                            .input_count = 1,
                                            .result_json = "{\"n\":2}"});
  json_t *list = json_object_get(j, "attempts");
  assert_string_equal(text_of(json_array_get(list, 0), "status"), "failed");
  assert_string_equal(text_of(json_array_get(list, 1), "status"), "interrupted");
  assert_string_equal(text_of(json_array_get(list, 2), "ref"), "r\"1");
  assert_string_equal(text_of(json_array_get(list, 3), "status"), "interrupted");
  assert_true(json_is_null(json_object_get(json_array_get(list, 2), "plugin_version")));
  assert_true(json_is_null(json_object_get(json_array_get(list, 2), "decision")));
  assert_string_equal(text_of(json_array_get(list, 3), "plugin_version"), "2.1");
  assert_string_equal(text_of(json_object_get(json_array_get(list, 3), "decision"), "policy"),
                      "ordered");
  /* one of this version without a decision: there was one candidate */
  attempts[2].plugin_version = "1.0";
  json_t *again = rendered(&(struct record_job){
      .id = ID, .kind = "mesh", .client = "c", .attempts = attempts, .attempt_count = 3});
  json_t *alone = json_object_get(json_array_get(json_object_get(again, "attempts"), 2),
                                  "decision");
  json_t *one = json_array_get(json_object_get(alone, "considered"), 0);
  assert_string_equal(text_of(alone, "policy"), "ordered");
  assert_string_equal(text_of(one, "backend"), "b");
  assert_true(json_is_true(json_object_get(one, "taken")));
  assert_true(json_is_null(json_object_get(one, "reason")));
  json_decref(again);
  json_t *artifact = json_array_get(json_object_get(j, "artifacts"), 0);
  assert_string_equal(text_of(artifact, "url"), "/api/jobs/" ID "/artifacts/a%20b%25%C3%A4.glb");
  assert_string_equal(text_of(json_array_get(json_object_get(j, "inputs"), 0), "name"), "p\".step");
  assert_true(json_real_value(json_object_get(j, "timeout_s")) == 1.25);
  assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "result"), "n")), 2);
  json_decref(j);
}

static void frame_of(const char *data, struct frame *f) {
  frame_render(f, &(struct record_event){.seq = 7,
                                         .job_num = 1,
                                         .job_id = ID,
                                         .type = EVENT_PROGRESS,
                                         .at_us = 2500000,
                                         .data_json = data,
                                         .data_len = strlen(data)});
}

static void frames_name_the_job_once(void **state) {
  (void)state;
  struct frame f = {0};
  frame_of("{\"percent\":1}", &f);
  assert_string_equal(f.text.data, "id: 7\nevent: progress\ndata: {\"job_id\":\"" ID
                                   "\",\"at\":2.500000,\"percent\":1}\n\n");
  frame_of("{ }", &f);
  assert_string_equal(f.text.data,
                      "id: 7\nevent: progress\ndata: {\"job_id\":\"" ID "\",\"at\":2.500000}\n\n");
  frame_of("{\"job_id\":\"x\",\n\"a\":1}", &f);
  assert_string_equal(f.text.data, "id: 7\nevent: progress\ndata: {\"job_id\":\"x\", \"a\":1}\n\n");
  buf_free(&f.text);
}

static void ring_forgets_the_oldest_and_knows_it(void **state) {
  (void)state;
  struct frames fs = {0};
  frames_saw(&fs, 100);
  frames_open(&fs);
  assert_true(frames_cover(&fs, 100));
  assert_false(frames_cover(&fs, 99));
  for (int64_t seq = 101; seq <= 101 + FRAMES_MAX; seq++)
    frames_add(&fs, &(struct record_event){.seq = seq, .job_id = ID, .type = EVENT_LOG});
  assert_int_equal(fs.count, FRAMES_MAX);
  assert_false(frames_cover(&fs, 100));
  assert_true(frames_cover(&fs, 101));
  assert_int_equal(frames_at(&fs, frames_after(&fs, 500))->seq, 501);
  assert_int_equal(frames_after(&fs, 5000), fs.count);
  frames_close(&fs);
  assert_false(frames_cover(&fs, 5000));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(queued_job_has_every_key),
      cmocka_unit_test(finished_job_lists_attempts_and_artifacts),
      cmocka_unit_test(frames_name_the_job_once),
      cmocka_unit_test(ring_forgets_the_oldest_and_knows_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
