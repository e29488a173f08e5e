/* SPDX-License-Identifier: MIT
 *
 * Each operation: what it writes, publishes and refuses, and in which order.
 */
#include "store_help.h"

#include <sqlite3.h>

static void test_words(void **state) {
  (void)state;
  for (int i = JOB_QUEUED; i <= JOB_CANCELLED; i++)
    assert_int_equal(job_state_parse(job_state_word((enum job_state)i)), i);
  assert_int_equal(job_state_parse("lost"), -1);
  assert_string_equal(event_word(EVENT_LOG), "log");
}

static void see_submitted(const struct record_job *job) {
  assert_string_equal(job->kind, "mesh");
  assert_string_equal(job->client, "ann");
  assert_string_equal(job->pin, "local");
  assert_string_equal(job->params_json, "{\"a\":1}");
  assert_int_equal(job->priority, -7);
  assert_int_equal(job->timeout_ms, 1500);
  assert_true(job->cached);
  assert_null(job->result_json);
  assert_null(job->backend);
  assert_int_equal(job->attempt_count, 0);
  assert_int_equal(job->artifact_count, 0);
  assert_int_equal(job->input_count, 2);
  assert_string_equal(job->inputs[1].name, "b.step");
  assert_string_equal(job->inputs[1].sha256, "bb");
  assert_int_equal(job->inputs[1].bytes, 20);
  assert_null(job->inputs[0].role);
  assert_string_equal(job->inputs[1].role, "mask");
}

static void test_submit(void **state) {
  struct world *w = *state;
  struct record_input inputs[] = {{.name = "a.step", .sha256 = "aa", .bytes = 10},
                                  {.name = "b.step", .sha256 = "bb", .bytes = 20, .role = "mask"}};
  struct record_job job = new_job(w, "mesh");
  struct answer a = {.w = w};
  job.client = "ann";
  job.pin = "local";
  job.priority = -7;
  job.timeout_ms = 1500;
  job.cached = true;
  job.inputs = inputs;
  job.input_count = 2;
  send_submit(w, &job, false, NULL, &a);
  memset(inputs, 0, sizeof inputs); /* what was handed in is a copy by now */
  settle(w);
  assert_string_equal(trace(w), "e1:queued d1:0 ");
  assert_string_equal(a.id, job.id);
  assert_false(a.replayed);
  assert_int_equal(look(w, job.id, see_submitted), JOB_QUEUED);
  assert_string_equal(counts(w), "1 0 0 0 0");
}

static void see_running(const struct record_job *job) {
  assert_string_equal(job->backend, "echo");
  assert_int_equal(job->attempt_count, 1);
  assert_int_equal(job->attempts[0].number, 1);
  assert_int_equal(job->attempts[0].state, JOB_RUNNING);
  assert_true(job->attempts[0].started_us > 0);
  assert_int_equal(job->started_us, job->attempts[0].started_us);
}

static void test_submit_and_start(void **state) {
  struct world *w = *state;
  struct record_job job = new_job(w, "echo");
  struct answer a = {.w = w};
  send_submit(w, &job, true, NULL, &a);
  settle(w);
  assert_string_equal(trace(w), "e1:queued e2:started d1:0 ");
  assert_int_equal(look(w, job.id, see_running), JOB_RUNNING);
}

/* After the commit all events in order, then all callbacks in order. */
static void test_order_in_a_group(void **state) {
  struct world *w = *state;
  struct answer a = {.w = w};
  struct record_job one = new_job(w, "echo"), two = new_job(w, "echo");
  send_submit(w, &one, true, NULL, &a);
  send_submit(w, &two, false, NULL, &a);
  send_finish(w, one.num, JOB_COMPLETED, 1, &a);
  settle(w);
  assert_string_equal(trace(w), "e1:queued e2:started e3:queued e4:completed d1:0 d2:0 d1:0 ");
  struct store_stats stats;
  store_stats(w->store, &stats);
  assert_int_equal(stats.commits, 1);
  assert_int_equal(stats.operations, 3);
  assert_int_equal(stats.last_seq, 4);
  int64_t file_bytes, log_bytes;
  store_sizes(w->store, &file_bytes, &log_bytes);
  assert_true(log_bytes > 0);
}

/* Commits that three events and the end of a job took; 0: the machine was too slow to say. */
static int64_t commits_of_a_short_job(struct world *w) {
  struct store_stats before, after;
  struct store_event_in progress = {EVENT_PROGRESS, "{}"};
  struct answer a = {.w = w};
  int64_t num = put(w, "echo", true);
  store_stats(w->store, &before);
  int64_t began_us = clock_mono_us();
  for (int turn = 0; turn < 3; turn++) {
    store_event(w->store, num, w->id[num], &progress, NULL, NULL);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    usleep(3000); /* in which a commit would begin */
  }
  bool in_time = clock_mono_us() - began_us < 40000;
  send_finish(w, num, JOB_COMPLETED, 1, &a);
  settle(w);
  store_stats(w->store, &after);
  return in_time ? after.commits - before.commits : 0;
}

/* Progress that nobody waits for goes with the next commit, and by itself when there is none. */
static void test_progress_has_patience(void **state) {
  struct world *w = *state;
  struct store_event_in progress = {EVENT_PROGRESS, "{}"};
  int64_t commits = 0;
  for (int i = 0; i < 20 && commits == 0; i++)
    commits = commits_of_a_short_job(w);
  assert_in_range(commits, 0, 1);
  int64_t num = put(w, "echo", true);
  trace(w);
  store_event(w->store, num, w->id[num], &progress, NULL, NULL);
  settle(w);
  assert_non_null(strstr(trace(w), ":progress "));
}

static void test_start(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", false);
  struct record_attempt at = attempt_of(1, JOB_RUNNING);
  struct store_event_in started = {EVENT_STARTED, "{}"};
  struct answer a = {.w = w}, again = {.w = w};
  trace(w);
  store_start(w->store, num, w->id[num], &at, &started, help_done, &a);
  store_start(w->store, num, w->id[num], &at, &started, help_done, &again);
  settle(w);
  assert_int_equal(a.code, 0);
  assert_int_equal(again.code, ERR_CONFLICT);
  assert_non_null(strstr(again.text, "running"));
  assert_string_equal(trace(w), "e2:started d1:0 d1:-3 ");
  assert_int_equal(look(w, w->id[num], see_running), JOB_RUNNING);
}

static void see_finished(const struct record_job *job) {
  assert_string_equal(job->result_json, "{\"ok\":true}");
  assert_string_equal(job->progress_json, "{\"percent\":100}");
  assert_string_equal(job->backend, "echo");
  assert_int_equal(job->ended_us, 5000);
  assert_int_equal(job->artifact_count, 2);
  assert_string_equal(job->artifacts[0].name, "mesh.msh");
  assert_string_equal(job->artifacts[1].media_type, "application/json");
  assert_int_equal(job->artifacts[1].bytes, 7);
  assert_int_equal(job->attempt_count, 1);
  assert_int_equal(job->attempts[0].state, JOB_COMPLETED);
  assert_int_equal(job->attempts[0].ended_us, 4900);
}

static void test_finish(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "mesh", true);
  struct record_artifact artifacts[] = {
      {.name = "mesh.msh", .media_type = "model/mesh", .sha256 = "11", .bytes = 90},
      {.name = "result.json", .media_type = "application/json", .sha256 = "22", .bytes = 7}};
  struct record_job job = {.num = num,
                           .id = w->id[num],
                           .state = JOB_COMPLETED,
                           .result_json = "{\"ok\":true}",
                           .progress_json = "{\"percent\":100}",
                           .artifacts = artifacts,
                           .artifact_count = 2,
                           .ended_us = 5000};
  struct record_attempt at = {.number = 1, .state = JOB_COMPLETED, .ended_us = 4900};
  struct store_event_in event = {EVENT_COMPLETED, "{}"};
  struct answer a = {0};
  store_finish(w->store, &job, &at, &event, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  assert_int_equal(look(w, job.id, see_finished), JOB_COMPLETED);
  assert_string_equal(counts(w), "0 0 1 0 0");
}

static void test_finish_is_refused(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", true);
  struct answer stale = {0}, first = {0}, twice = {0}, absent = {0};
  send_finish(w, num, JOB_COMPLETED, 2, &stale); /* of an attempt that is not the present one */
  send_finish(w, num, JOB_COMPLETED, 1, &first);
  send_finish(w, num, JOB_FAILED, 1, &twice);
  send_finish(w, 900, JOB_FAILED, 1, &absent);
  settle(w);
  assert_int_equal(stale.code, ERR_CONFLICT);
  assert_int_equal(first.code, 0);
  assert_int_equal(twice.code, ERR_CONFLICT);
  assert_int_equal(absent.code, ERR_NOT_FOUND);
  assert_int_equal(look(w, w->id[num], NULL), JOB_COMPLETED);
  assert_string_equal(counts(w), "0 0 1 0 0");
}

static void test_cancel_before_and_while_running(void **state) {
  struct world *w = *state;
  int64_t queued = put(w, "echo", false), running = put(w, "echo", true);
  end(w, queued, JOB_CANCELLED, 0);
  end(w, running, JOB_CANCELLED, 0); /* without naming the attempt */
  assert_int_equal(look(w, w->id[queued], NULL), JOB_CANCELLED);
  assert_int_equal(look(w, w->id[running], NULL), JOB_CANCELLED);
  assert_string_equal(counts(w), "0 0 0 0 2");
}

static void see_retried(const struct record_job *job) {
  assert_int_equal(job->not_before_us, 77);
  assert_int_equal(job->attempt_count, 2);
  assert_int_equal(job->attempts[0].number, 1);
  assert_int_equal(job->attempts[0].state, JOB_FAILED);
  assert_string_equal(job->attempts[0].error_json, "{\"e\":1}");
  assert_string_equal(job->attempts[0].ref, "slurm:1");
  assert_int_equal(job->attempts[0].fault, ATTEMPT_CRASHED);
  assert_true(job->attempts[0].open);
  assert_null(job->attempts[0].plugin_version);
  assert_int_equal(job->attempts[1].fault, ATTEMPT_INTERRUPTED);
  assert_false(job->attempts[1].open);
  assert_string_equal(job->attempts[1].plugin_version, "2.1");
  assert_string_equal(job->attempts[1].decision_json, "{\"policy\":\"ordered\"}");
  assert_int_equal(job->attempts[1].number, 2);
  assert_int_equal(job->attempts[1].state, JOB_QUEUED);
  assert_true(job->attempts[1].started_us > 0);
}

static void requeue(struct world *w, int64_t num, const struct record_attempt *at, int64_t when,
                    struct answer *a) {
  struct store_event_in queued = {EVENT_QUEUED, "{}"};
  store_requeue(w->store, num, w->id[num], at, when, &queued, help_done, a);
  settle(w);
}

static void test_requeue(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", true);
  struct record_attempt failed = attempt_of(1, JOB_FAILED), two = attempt_of(2, JOB_RUNNING),
                        back = attempt_of(2, JOB_QUEUED);
  struct store_event_in started = {EVENT_STARTED, "{}"};
  struct answer a = {0};
  failed.error_json = "{\"e\":1}";
  failed.fault = ATTEMPT_CRASHED;
  failed.open = true;
  two.plugin_version = "2.1";
  two.decision_json = "{\"policy\":\"ordered\"}";
  back.fault = ATTEMPT_INTERRUPTED;
  store_checkpoint(w->store, num, 1, "slurm:1", help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  requeue(w, num, &failed, 55, &a);
  assert_int_equal(a.code, 0);
  assert_int_equal(look(w, w->id[num], NULL), JOB_QUEUED);
  store_checkpoint(w->store, num, 1, "late", help_done, &a);
  settle(w);
  assert_int_equal(a.code, ERR_CONFLICT);
  store_start(w->store, num, w->id[num], &two, &started, help_done, &a);
  settle(w);
  requeue(w, num, &failed, 0, &a); /* the first attempt once more */
  assert_int_equal(a.code, ERR_CONFLICT);
  requeue(w, num, &back, 77, &a);
  assert_int_equal(a.code, 0);
  assert_int_equal(look(w, w->id[num], see_retried), JOB_QUEUED);
  assert_string_equal(counts(w), "1 0 0 0 0");
}

static void see_fresh(const struct record_job *job) {
  assert_null(job->result_json);
  assert_null(job->error_json);
  assert_int_equal(job->ended_us, 0);
  assert_int_equal(job->artifact_count, 0);
  assert_int_equal(job->attempt_count, 1);
  assert_int_equal(job->attempts[0].state, JOB_FAILED);
}

static void test_retry_of_a_final_job(void **state) {
  struct world *w = *state;
  int64_t num = put_ended(w, "echo", JOB_FAILED);
  struct answer a = {0};
  requeue(w, num, NULL, 0, &a);
  assert_int_equal(a.code, 0);
  assert_int_equal(look(w, w->id[num], see_fresh), JOB_QUEUED);
  assert_string_equal(counts(w), "1 0 0 0 0");
}

static void see_progress(const struct record_job *job) {
  assert_string_equal(job->progress_json, "{\"percent\":40}");
}

static void test_events(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", true);
  struct answer a = {0};
  add_event(w, num, EVENT_PROGRESS, "{\"percent\":40}", NULL);
  add_event(w, num, EVENT_LOG, "{\"text\":\"hello\"}", &a);
  assert_int_equal(a.code, 0);
  assert_int_equal(look(w, w->id[num], see_progress), JOB_RUNNING);
  add_event(w, 900, EVENT_LOG, "{}", &a);
  assert_int_equal(a.code, ERR_NOT_FOUND);
  end(w, num, JOB_COMPLETED, 1);
  add_event(w, num, EVENT_LOG, "{}", &a); /* nothing follows the last event */
  assert_int_equal(a.code, ERR_CONFLICT);
  assert_string_equal(events(w, (struct store_event_query){.job_num = num, .limit = 10}),
                      "1:1:queued 2:1:started 3:1:progress 4:1:log 5:1:completed end");
}

static void test_delete(void **state) {
  struct world *w = *state;
  int64_t live = put(w, "echo", true), gone = put_ended(w, "echo", JOB_COMPLETED);
  struct answer a = {0}, b = {0}, c = {0};
  store_delete(w->store, live, help_done, &a);
  store_delete(w->store, gone, help_done, &b);
  store_delete(w->store, gone, help_done, &c);
  settle(w);
  assert_int_equal(a.code, ERR_CONFLICT);
  assert_int_equal(b.code, 0);
  assert_string_equal(b.id, w->id[gone]);
  assert_int_equal(c.code, ERR_NOT_FOUND);
  assert_int_equal(look(w, w->id[gone], NULL), ERR_NOT_FOUND);
  assert_string_equal(counts(w), "0 1 0 0 0");
}

static void test_idempotency(void **state) {
  struct world *w = *state;
  int64_t soon = clock_wall_us() + 60000000;
  struct store_idempotency key = {"ann", "k1", "f1", soon}, other = {"ann", "k1", "f2", soon},
                           stranger = {"bob", "k1", "f2", soon};
  struct answer a[4] = {{.w = w}, {.w = w}, {.w = w}, {.w = w}};
  struct record_job jobs[4];
  for (int i = 0; i < 4; i++)
    jobs[i] = new_job(w, "echo");
  send_submit(w, &jobs[0], false, &key, &a[0]); /* all in one transaction */
  send_submit(w, &jobs[1], false, &key, &a[1]);
  send_submit(w, &jobs[2], false, &other, &a[2]);
  send_submit(w, &jobs[3], false, &stranger, &a[3]);
  settle(w);
  assert_string_equal(trace(w), "e1:queued e2:queued d1:0 d1:0 d3:-15 d4:0 ");
  assert_true(a[1].replayed);
  assert_string_equal(a[1].id, jobs[0].id);
  assert_false(a[3].replayed);
  assert_int_equal(look(w, jobs[1].id, NULL), ERR_NOT_FOUND);
  send_submit(w, &jobs[1], false, &key, &a[1]); /* and in a later one */
  settle(w);
  assert_true(a[1].replayed);
  assert_int_equal(a[1].num, 1);
}

static void test_keys_end(void **state) {
  struct world *w = *state;
  struct store_idempotency past = {"", "k", "f", 1000};
  struct store_idempotency future = {"", "k", "f", clock_wall_us() + 60000000};
  struct record_job one = new_job(w, "echo"), two = new_job(w, "echo"), three = new_job(w, "echo");
  struct answer a = {0};
  send_submit(w, &one, false, &past, &a);
  send_submit(w, &two, false, &future, &a); /* the expired one is replaced */
  settle(w);
  assert_false(a.replayed);
  end(w, two.num, JOB_CANCELLED, 0);
  store_delete(w->store, two.num, help_done, &a);
  send_submit(w, &three, false, &future, &a); /* the job of the key is gone */
  settle(w);
  assert_int_equal(a.code, 0);
  assert_false(a.replayed);
  assert_string_equal(a.id, three.id);
}

/* An operation that is refused after it wrote something takes nobody with it. */
static void test_one_bad_in_a_group(void **state) {
  struct world *w = *state;
  struct answer a[4] = {{.w = w}, {.w = w}, {.w = w}, {.w = w}};
  sqlite3 *db;
  put(w, "echo", false);
  assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db,
                                "CREATE TRIGGER poison BEFORE INSERT ON events WHEN "
                                "new.data='poison' BEGIN SELECT raise(ABORT,'poisoned'); END",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  sqlite3_close(db);
  trace(w);
  struct record_job two = new_job(w, "echo"), bad = new_job(w, "echo"), twin = new_job(w, "echo"),
                    five = new_job(w, "echo");
  struct store_event_in poison = {EVENT_QUEUED, "poison"};
  twin.id = two.id;
  send_submit(w, &two, false, NULL, &a[0]);
  store_submit(w->store, &bad, &poison, NULL, NULL, NULL, help_done, &a[1]);
  send_submit(w, &twin, false, NULL, &a[2]); /* the same id twice */
  send_submit(w, &five, true, NULL, &a[3]);
  settle(w);
  assert_string_equal(trace(w), "e2:queued e3:queued e4:started d2:0 d3:-3 d4:-3 d5:0 ");
  assert_non_null(strstr(a[1].text, "poisoned"));
  assert_int_equal(look(w, bad.id, NULL), ERR_NOT_FOUND);
  assert_int_equal(look(w, five.id, NULL), JOB_RUNNING);
  assert_string_equal(counts(w), "2 1 0 0 0");
  assert_int_equal(w->health_calls, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words),
      T(test_submit),
      T(test_submit_and_start),
      T(test_order_in_a_group),
      T(test_progress_has_patience),
      T(test_start),
      T(test_finish),
      T(test_finish_is_refused),
      T(test_cancel_before_and_while_running),
      T(test_requeue),
      T(test_retry_of_a_final_job),
      T(test_events),
      T(test_delete),
      T(test_idempotency),
      T(test_keys_end),
      T(test_one_bad_in_a_group),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
