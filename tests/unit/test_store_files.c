/* SPDX-License-Identifier: MIT
 *
 * A copy of the database, and what it forgets: the jobs that were deleted since.
 */
#include "store/files.h"
#include "store_help.h"

enum { SIZE = 1000 };

static int64_t run(struct world *w) {
  struct record_artifact out = {
      .name = "mesh.msh", .media_type = "model/mesh", .sha256 = "5ha", .bytes = SIZE};
  int64_t num = put(w, "mesh", true);
  struct record_job job = {.num = num,
                           .id = w->id[num],
                           .state = JOB_COMPLETED,
                           .result_json = "{}",
                           .ended_us = clock_wall_us(),
                           .artifacts = &out,
                           .artifact_count = 1};
  struct record_attempt at = attempt_of(1, JOB_COMPLETED);
  struct store_event_in event = {EVENT_COMPLETED, "{}"};
  struct answer a = {0};
  store_finish(w->store, &job, &at, &event, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  return num;
}

static int64_t answer(struct world *w, int64_t source) {
  struct record_artifact out = {
      .name = "mesh.msh", .media_type = "model/mesh", .sha256 = "5ha", .bytes = SIZE};
  struct record_job job = new_job(w, "mesh");
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, completed = {EVENT_COMPLETED, "{}"};
  struct answer a = {0};
  job.result_json = "{}";
  job.backend = "echo";
  job.ended_us = clock_wall_us();
  job.source = w->id[source];
  job.artifacts = &out;
  job.artifact_count = 1;
  store_submit_cached(w->store, &job, source, &queued, &completed, NULL, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  return job.num;
}

static void delete (struct world *w, int64_t num) {
  struct answer a = {0};
  store_delete(w->store, num, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
}

static void see_file(void *ctx, const struct store_file *f) {
  struct buf *b = ctx;
  if (f->job_id)
    buf_printf(b, "%s ", f->job_id);
}

static void test_a_copy_forgets(void **state) {
  struct world *w = *state, copy = {0};
  struct store_stats live, then;
  struct err err = {0};
  struct buf files = {0}, right = {0};
  int64_t gone = run(w), kept = run(w), source = run(w), answered = answer(w, source);
  int64_t waits = put(w, "mesh", true);
  snprintf(copy.dir, sizeof copy.dir, "%s", w->dir);
  snprintf(copy.path, sizeof copy.path, "%s/copy.db", w->dir);
  assert_int_equal(store_copy(w->path, copy.path, &err), 0);
  delete (w, gone);
  delete (w, source); /* its folder is still that of the answer, which bears the bytes now */
  assert_int_equal(store_copy_forget(copy.path, w->path, &err), 0);
  assert_int_equal(store_files(copy.path, see_file, &files, &err), 0);
  buf_printf(&right, "%s %s ", w->id[kept], w->id[source]);
  assert_string_equal(files.data, right.data);
  assert_true(answered > 0 && waits > answered);
  store_stats(w->store, &live);
  world_close(w);
  uv_loop_init(&copy.loop);
  world_must_open(&copy);
  store_stats(copy.store, &then);
  assert_memory_equal(then.jobs_by_state, live.jobs_by_state, sizeof live.jobs_by_state);
  assert_int_equal(then.kept_bytes, live.kept_bytes);
  assert_int_equal(then.last_seq, live.last_seq);
  world_close(&copy);
  uv_loop_close(&copy.loop);
  world_must_open(w);
  buf_free(&right);
  buf_free(&files);
}

/* What came since is not in it, and what is there is left alone. */
static void test_nothing_to_forget(void **state) {
  struct world *w = *state;
  struct err err = {0};
  struct buf files = {0};
  char *to = mem_printf("%s/copy.db", w->dir);
  int64_t first = run(w);
  assert_int_equal(store_copy(w->path, to, &err), 0);
  run(w);
  assert_int_equal(store_copy_forget(to, w->path, &err), 0);
  assert_int_equal(store_files(to, see_file, &files, &err), 0);
  assert_int_equal(strlen(files.data), strlen(w->id[first]) + 1);
  assert_int_equal(store_copy_forget("/nowhere/copy.db", w->path, &err), ERR_IO);
  buf_free(&files);
  free(to);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_a_copy_forgets),
      T(test_nothing_to_forget),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
