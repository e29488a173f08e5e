/* SPDX-License-Identifier: MIT
 *
 * Opening: new, again, of an older version, of a newer one, of a stranger's, locked.
 *
 * tests/fixtures/store/schema-N.db holds what the code of schema N wrote; with
 * `--make FILE` this program writes such a file from the present code.
 */
#include "store_help.h"

#include <sqlite3.h>

static void sql(const char *path, const char *text) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

static void test_state_survives(void **state) {
  struct world *w = *state;
  int64_t queued = put(w, "echo", false), done = put_ended(w, "echo", JOB_COMPLETED);
  struct record_job pending = new_job(w, "echo");
  struct answer a = {0};
  send_submit(w, &pending, true, NULL, &a);
  world_close(w); /* commits what is pending and calls back */
  assert_int_equal(a.calls, 1);
  assert_int_equal(a.code, 0);
  world_must_open(w);
  assert_string_equal(counts(w), "1 1 1 0 0");
  assert_int_equal(look(w, w->id[queued], NULL), JOB_QUEUED);
  assert_int_equal(look(w, w->id[done], NULL), JOB_COMPLETED);
  assert_int_equal(store_next_num(w->store), 4);
  struct store_stats stats;
  store_stats(w->store, &stats);
  assert_int_equal(stats.last_seq, 6);
}

struct recovered {
  struct buf text;
  int stop_after;
};

static int on_recovered(void *ctx, const struct record_job *job) {
  struct recovered *r = ctx;
  buf_printf(&r->text, "%lld:%s:%zu:%zu:%s ", (long long)job->num, job_state_word(job->state),
             job->input_count, job->attempt_count,
             job->attempt_count > 0 && job->attempts[0].ref != NULL ? job->attempts[0].ref : "-");
  return --r->stop_after == 0;
}

static void test_recover(void **state) {
  struct world *w = *state;
  struct record_input in = {.name = "a.step", .sha256 = "aa", .bytes = 1};
  struct record_job with_input = new_job(w, "mesh");
  struct answer a = {0};
  struct err err;
  with_input.inputs = &in;
  with_input.input_count = 1;
  send_submit(w, &with_input, true, NULL, &a);
  put_ended(w, "echo", JOB_FAILED);
  put(w, "echo", false);
  store_checkpoint(w->store, with_input.num, 1, "modal:7", help_done, &a);
  world_close(w);
  world_must_open(w);
  struct recovered r = {0};
  assert_int_equal(store_recover(w->store, on_recovered, &r, &err), 0);
  assert_string_equal(r.text.data, "1:running:1:1:modal:7 3:queued:0:0:- ");
  buf_clear(&r.text);
  r.stop_after = 1;
  assert_int_equal(store_recover(w->store, on_recovered, &r, &err), 0);
  assert_string_equal(r.text.data, "1:running:1:1:modal:7 ");
  buf_free(&r.text);
}

static void on_kept(void *ctx, const char *name, const char *value) {
  buf_printf(ctx, "%s=%s ", name, value);
}

static void test_kept(void **state) {
  struct world *w = *state;
  struct err err = {0};
  struct buf seen = {0};
  store_keep(w->store, "b", "one");
  store_keep(w->store, "a", "two words");
  store_keep(w->store, "gone", "three");
  store_keep(w->store, "b", "four");
  store_keep(w->store, "gone", NULL);
  store_keep(w->store, "never", NULL);
  world_close(w);
  world_must_open(w);
  assert_int_equal(store_kept(w->store, on_kept, &seen, &err), 0);
  assert_string_equal(seen.data, "a=two words b=four ");
  buf_free(&seen);
}

static void test_second_is_refused(void **state) {
  struct world *w = *state;
  struct world other = {0};
  struct err err = {0};
  char pid[40];
  uv_loop_init(&other.loop);
  strcpy(other.path, w->path);
  assert_int_equal(world_open(&other, &err), ERR_CONFLICT);
  snprintf(pid, sizeof pid, "pid %d", (int)getpid());
  assert_non_null(strstr(err.text, pid));
  assert_non_null(strstr(err.text, w->path));
  world_close(w);
  assert_int_equal(world_open(&other, &err), 0); /* once the first is gone */
  world_close(&other);
  uv_loop_close(&other.loop);
  world_must_open(w);
}

static void test_newer_is_refused(void **state) {
  struct world *w = *state;
  struct err err = {0};
  world_close(w);
  sql(w->path, "PRAGMA user_version=99");
  assert_int_equal(world_open(w, &err), ERR_UNSUPPORTED);
  assert_non_null(strstr(err.text, "newer"));
  assert_non_null(strstr(err.text, "99"));
  w->store = NULL;
}

static void test_stranger_is_refused(void **state) {
  struct world *w = *state;
  struct err err = {0};
  world_close(w);
  unlink(w->path);
  sql(w->path, "CREATE TABLE songs(name)");
  assert_int_equal(world_open(w, &err), ERR_UNSUPPORTED);
  assert_non_null(strstr(err.text, "not one of lathe"));
  FILE *f = fopen(w->path, "w");
  fputs("this is no database at all, but a text of more than a hundred bytes, so that it cannot be "
        "taken for an empty file",
        f);
  fclose(f);
  assert_int_equal(world_open(w, &err), ERR_IO);
  assert_non_null(strstr(err.text, w->path));
  w->store = NULL;
}

static void test_no_folder(void **state) {
  struct world *w = *state;
  struct world other = {0};
  struct err err = {0};
  uv_loop_init(&other.loop);
  snprintf(other.path, sizeof other.path, "%s/absent/lathe.db", w->dir);
  assert_true(world_open(&other, &err) < 0);
  assert_non_null(strstr(err.text, "absent"));
  uv_loop_close(&other.loop);
}

/* ---- files of older versions ---- */

static void write_fixture(struct world *w) {
  struct record_input in = {.name = "part.step", .sha256 = "5ha-of-input", .bytes = 1234};
  struct record_artifact out[] = {
      {.name = "mesh.msh", .media_type = "model/mesh", .sha256 = "5ha-of-mesh", .bytes = 999},
      {.name = "result.json",
       .media_type = "application/json",
       .sha256 = "5ha-of-result",
       .bytes = 11}};
  struct store_idempotency key = {"ann", "key-1", "print-1", INT64_MAX / 2};
  struct record_job job = new_job(w, "mesh");
  struct record_attempt at = attempt_of(1, JOB_COMPLETED);
  struct store_event_in event = {EVENT_COMPLETED, "{\"status\":\"completed\"}"};
  struct answer a = {0};
  job.inputs = &in;
  job.input_count = 1;
  job.client = "ann";
  send_submit(w, &job, true, &key, &a);
  job.state = JOB_COMPLETED;
  job.artifacts = out;
  job.artifact_count = 2;
  job.result_json = "{\"nodes\":8}";
  store_finish(w->store, &job, &at, &event, help_done, &a);
  put(w, "echo", false);
  int64_t running = put(w, "echo", true);
  store_checkpoint(w->store, running, 1, "slurm:42", help_done, &a);
  add_event(w, running, EVENT_PROGRESS, "{\"percent\":5}", NULL);
  int64_t failed = put(w, "preview", true);
  struct record_attempt back = attempt_of(1, JOB_FAILED), second = attempt_of(2, JOB_RUNNING);
  back.error_json = "{\"title\":\"crashed\"}";
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, started = {EVENT_STARTED, "{}"};
  store_requeue(w->store, failed, w->id[failed], &back, 5, &queued, help_done, &a);
  store_start(w->store, failed, w->id[failed], &second, &started, help_done, &a);
  end(w, failed, JOB_FAILED, 2);
  put_ended(w, "echo", JOB_CANCELLED);
}

static void see_mesh(const struct record_job *job) {
  assert_int_equal(job->num, 1);
  assert_int_equal(job->state, JOB_COMPLETED);
  assert_string_equal(job->client, "ann");
  assert_string_equal(job->inputs[0].sha256, "5ha-of-input");
  assert_string_equal(job->artifacts[1].name, "result.json");
  assert_string_equal(job->result_json, "{\"nodes\":8}");
  assert_null(job->source); /* from here on what later schemas added */
  assert_null(job->batch);
}

static void see_old(void *arg, int code, const struct record_job *jobs, size_t count, bool more) {
  *(int *)arg = 1;
  assert_int_equal(code, 0);
  assert_int_equal(count, 5);
  assert_false(more);
  see_mesh(&jobs[4]);
  assert_string_equal(jobs[2].attempts[0].ref, "slurm:42");
  assert_string_equal(jobs[2].progress_json, "{\"percent\":5}");
  assert_int_equal(jobs[1].attempt_count, 2);
  assert_string_equal(jobs[1].attempts[0].error_json, "{\"title\":\"crashed\"}");
  assert_int_equal(jobs[1].attempts[1].state, JOB_FAILED);
}

static void copy_file(const char *from, const char *to) {
  char *data;
  size_t len;
  struct err err;
  assert_int_equal(path_read_file(from, 1 << 20, &data, &len, &err), 0);
  FILE *f = fopen(to, "w");
  assert_int_equal(fwrite(data, 1, len, f), len);
  fclose(f);
  free(data);
}

static bool same_files(const char *a, const char *b) {
  char *x, *y;
  size_t n, m;
  struct err err;
  assert_int_equal(path_read_file(a, 1 << 20, &x, &n, &err), 0);
  assert_int_equal(path_read_file(b, 1 << 20, &y, &m, &err), 0);
  /* Bytes 24 to 27 and 92 to 99 count changes and name the library that made the last. */
  bool same = n == m && memcmp(x, y, 24) == 0 && memcmp(x + 100, y + 100, n - 100) == 0;
  free(x);
  free(y);
  return same;
}

static void old_schema(struct world *w, int version) {
  char *from = mem_printf(TEST_SOURCE_DIR "/tests/fixtures/store/schema-%d.db", version);
  char *kept = mem_printf("%s.schema-%d", w->path, version);
  int seen = 0;
  world_close(w);
  copy_file(from, w->path);
  world_must_open(w);
  assert_true(same_files(from, kept)); /* for going back to the version that wrote it */
  free(from);
  free(kept);
  struct store_filter all = {.state = -1, .limit = 10};
  store_list(w->store, &all, see_old, &seen);
  settle(w);
  assert_int_equal(seen, 1);
  assert_string_equal(counts(w), "1 1 1 1 1");
  assert_non_null(strstr(events(w, (struct store_event_query){.limit = 100}),
                         "3:1:completed 4:2:queued 5:3:queued 6:3:started 7:3:progress "));
  struct store_idempotency key = {"ann", "key-1", "print-1", INT64_MAX / 2};
  struct record_job job = new_job(w, "mesh");
  struct answer a = {0};
  assert_int_equal(job.num, 6);
  send_submit(w, &job, false, &key, &a);
  settle(w);
  assert_true(a.replayed);
  assert_int_equal(a.num, 1);
  put_ended(w, "echo", JOB_COMPLETED); /* and it is written on */
  store_cached(w->store, (const char *[]){"no such key"}, 1, 0, help_got, &(struct get){0});
  settle(w);
  assert_string_equal(counts(w), "1 1 2 1 1");
}

static void test_schema_1(void **state) {
  old_schema(*state, 1);
}

static void test_schema_3(void **state) {
  old_schema(*state, 3);
}

/* No room for the copy: refused before anything is changed. */
static void test_no_migration_without_a_copy(void **state) {
  struct world *w = *state;
  struct err err = {0};
  world_close(w);
  w->store = NULL;
  copy_file(TEST_SOURCE_DIR "/tests/fixtures/store/schema-1.db", w->path);
  char *in_the_way = mem_printf("%s.schema-1", w->path), *x = path_join(in_the_way, "x");
  assert_int_equal(path_make_dirs(x, NULL), 0);
  assert_true(world_open(w, &err) < 0);
  assert_non_null(strstr(err.text, "no copy"));
  assert_true(same_files(TEST_SOURCE_DIR "/tests/fixtures/store/schema-1.db", w->path));
  free(x);
  free(in_the_way);
}

/* Attempts as they ended before schema 8, when a problem object was all that told of one.  The
 * code of schema 5 wrote schema-5-attempts.db with this. */
static void write_attempts(struct world *w) {
  static const char *const errors[] = {
      "{\"type\":\"/problems/job-failed\",\"retryable\":false}",
      "{\"type\":\"/problems/job-crashed\",\"retryable\":true}",
      "{\"type\":\"/problems/job-interrupted\",\"retryable\":true}",
      "{\"type\":\"/problems/job-rate-limited\",\"retryable\":true}",
      ("{\"type\":\"/problems/job-failed\",\"detail\":\"it said \\\"retryable\\\":false, "
       "/problems/job-crashed\\\", \\\"submission\\\":\\\"unknown\\\"\",\"retryable\":true}"),
  };
  static const char open_error[] =
      "{\"type\":\"/problems/job-timeout\",\"retryable\":true,\"submission\":\"unknown\"}";
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, started = {EVENT_STARTED, "{}"};
  struct store_event_in over = {EVENT_FAILED, "{}"};
  struct answer a = {0};
  int64_t tried = put(w, "mesh", true);
  for (int i = 0; i < 5; i++) {
    struct record_attempt end = attempt_of(i + 1, i == 2 || i == 3 ? JOB_QUEUED : JOB_FAILED);
    struct record_attempt next = attempt_of(i + 2, JOB_RUNNING);
    end.error_json = errors[i];
    store_requeue(w->store, tried, w->id[tried], &end, 0, &queued, help_done, &a);
    store_start(w->store, tried, w->id[tried], &next, &started, help_done, &a);
  }
  for (int i = 0; i < 2; i++) { /* the last attempt lies in the row of its job */
    int64_t num = put(w, "mesh", true);
    struct record_attempt end = attempt_of(1, JOB_FAILED);
    struct record_job job = {.num = num, .id = w->id[num], .state = JOB_FAILED, .ended_us = 1};
    end.error_json = job.error_json = i == 0 ? open_error : errors[1];
    end.ref = i == 0 ? "slurm:9" : NULL;
    store_finish(w->store, &job, &end, &over, help_done, &a);
  }
  settle(w);
}

static void see_attempts(void *arg, int code, const struct record_job *jobs, size_t count,
                         bool more) {
  static const enum attempt_fault faults[] = {ATTEMPT_REFUSED, ATTEMPT_CRASHED, ATTEMPT_INTERRUPTED,
                                              ATTEMPT_NO_FAULT, ATTEMPT_NO_FAULT};
  *(int *)arg = 1;
  assert_int_equal(code, 0);
  assert_int_equal(count, 3);
  assert_false(more);
  assert_int_equal(jobs[2].attempt_count, 6); /* the newest job comes first */
  for (int i = 0; i < 6; i++) {
    const struct record_attempt *a = &jobs[2].attempts[i];
    assert_int_equal(a->fault, i < 5 ? faults[i] : ATTEMPT_NO_FAULT);
    assert_false(a->open);
    assert_null(a->plugin_version);
    assert_null(a->decision_json);
  }
  assert_true(jobs[1].attempts[0].open);
  assert_int_equal(jobs[1].attempts[0].fault, ATTEMPT_NO_FAULT);
  assert_int_equal(jobs[0].attempts[0].fault, ATTEMPT_CRASHED);
  assert_false(jobs[0].attempts[0].open);
}

/* What decides over later attempts was in the words of a problem before schema 8. */
static void test_attempts_of_schema_5(void **state) {
  struct world *w = *state;
  int seen = 0;
  world_close(w);
  char *marker = mem_printf("%s.id", w->path); /* of the database that lies there now */
  unlink(marker);
  free(marker);
  copy_file(TEST_SOURCE_DIR "/tests/fixtures/store/schema-5-attempts.db", w->path);
  world_must_open(w);
  struct store_filter all = {.state = -1, .limit = 10};
  store_list(w->store, &all, see_attempts, &seen);
  settle(w);
  assert_int_equal(seen, 1);
}

/* What attempts reported of their cost before there was a ledger.  The code of schema 10
 * wrote schema-10-costs.db with this. */
static void write_costs(struct world *w) {
  static const char *const facts[] = {
      "{\"cost.actual\":0.2,\"cost.estimated\":0.25,\"cost.currency\":\"EUR\",\"seed\":7}",
      "{\"cost.actual\":1.7e308}", "{\"device\":\"cpu\"}"};
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, started = {EVENT_STARTED, "{}"};
  struct store_event_in over = {EVENT_FAILED, "{}"};
  struct answer a = {0};
  for (int i = 0; i < 3; i++) {
    int64_t num = put(w, "mesh", true);
    struct record_attempt first = attempt_of(1, JOB_FAILED), next = attempt_of(2, JOB_RUNNING);
    struct record_job job = {.num = num, .id = w->id[num], .state = JOB_FAILED, .ended_us = 1};
    first.facts_json = facts[i];
    store_requeue(w->store, num, w->id[num], &first, 0, &queued, help_done, &a);
    store_start(w->store, num, w->id[num], &next, &started, help_done, &a);
    next.state = JOB_FAILED;
    next.facts_json = facts[(i + 1) % 3];
    store_finish(w->store, &job, &next, &over, help_done, &a);
  }
  settle(w);
}

static void see_costs(void *arg, int code, const struct record_job *jobs, size_t count, bool more) {
  /* [job][attempt], the newest job first; -2: it has no cost */
  static const int64_t actual[][2] = {
      {-2, MONEY_UNIT / 5}, {MONEY_UNKNOWN, -2}, {MONEY_UNIT / 5, MONEY_UNKNOWN}};
  *(int *)arg = 1;
  (void)more;
  assert_int_equal(code, 0);
  assert_int_equal(count, 3);
  for (int i = 0; i < 3; i++) {
    for (int k = 0; k < 2; k++) {
      const struct record_cost *cost = jobs[i].attempts[k].cost;
      assert_int_equal(cost ? cost->actual : -2, actual[i][k]);
      if (cost)
        assert_int_equal(cost->source, COST_REPORTED);
      if (cost && cost->actual > 0)
        assert_string_equal(cost->currency, "EUR");
    }
  }
}

static void test_costs_of_schema_10(void **state) {
  struct world *w = *state;
  int seen = 0;
  world_close(w);
  char *marker = mem_printf("%s.id", w->path); /* of the database that lies there now */
  unlink(marker);
  free(marker);
  copy_file(TEST_SOURCE_DIR "/tests/fixtures/store/schema-10-costs.db", w->path);
  world_must_open(w);
  struct store_filter all = {.state = -1, .limit = 10};
  store_list(w->store, &all, see_costs, &seen);
  settle(w);
  assert_int_equal(seen, 1);
}

static int make_fixture(const char *path, void (*write)(struct world *w)) {
  struct world *w = world_dir();
  world_must_open(w);
  write(w);
  world_close(w);
  copy_file(w->path, path);
  void *state = w;
  return world_tear_down(&state);
}

int main(int argc, char **argv) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_state_survives),
      T(test_recover),
      T(test_kept),
      T(test_second_is_refused),
      T(test_newer_is_refused),
      T(test_stranger_is_refused),
      T(test_no_folder),
      T(test_schema_1),
      T(test_schema_3),
      T(test_attempts_of_schema_5),
      T(test_costs_of_schema_10),
      T(test_no_migration_without_a_copy),
  };
  if (argc == 3 && strcmp(argv[1], "--make") == 0)
    return make_fixture(argv[2], write_fixture);
  if (argc == 3 && strcmp(argv[1], "--make-attempts") == 0)
    return make_fixture(argv[2], write_attempts);
  if (argc == 3 && strcmp(argv[1], "--make-costs") == 0)
    return make_fixture(argv[2], write_costs);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
