/* SPDX-License-Identifier: MIT
 *
 * Retention: what goes and what stays, in pieces, and that the file shrinks.
 */
#include "store_help.h"

struct purged {
  int code, calls;
  size_t jobs;
  bool more;
  char first[ID_SIZE];
};

static void on_purged(void *arg, int code, const struct store_purged *p) {
  struct purged *out = arg;
  out->code = code;
  out->calls++;
  out->jobs = p->job_count;
  out->more = p->more;
  snprintf(out->first, sizeof out->first, "%s", p->job_count > 0 ? p->job_ids[0] : "");
}

static struct purged purge(struct world *w, struct store_retention r) {
  struct purged p = {0};
  store_purge(w->store, &r, on_purged, &p);
  settle(w);
  assert_int_equal(p.calls, 1);
  assert_int_equal(p.code, 0);
  return p;
}

static int64_t later(void) {
  return clock_wall_us() + 1000000;
}

static void test_by_age(void **state) {
  struct world *w = *state;
  int64_t old = put_ended(w, "echo", JOB_COMPLETED), live = put(w, "echo", true);
  int64_t limit = clock_wall_us();
  usleep(1000);
  int64_t young = put_ended(w, "echo", JOB_FAILED);
  end(w, live, JOB_COMPLETED, 1); /* began before the limit, ended after it */
  struct purged p = purge(w, (struct store_retention){.jobs_before_us = limit, .batch = 10});
  assert_int_equal(p.jobs, 1);
  assert_false(p.more);
  assert_string_equal(p.first, w->id[old]);
  assert_int_equal(look(w, w->id[old], NULL), ERR_NOT_FOUND);
  assert_int_equal(look(w, w->id[young], NULL), JOB_FAILED);
  assert_int_equal(look(w, w->id[live], NULL), JOB_COMPLETED);
}

static void test_live_jobs_stay(void **state) {
  struct world *w = *state;
  put(w, "echo", true);
  put(w, "echo", false);
  put_ended(w, "echo", JOB_COMPLETED);
  struct purged p =
      purge(w, (struct store_retention){
                   .jobs_before_us = later(), .jobs_max = 1, .bytes_max = 1, .batch = 9});
  assert_int_equal(p.jobs, 1);
  assert_string_equal(counts(w), "1 1 0 0 0");
}

static void test_by_count_in_batches(void **state) {
  struct world *w = *state;
  for (int i = 0; i < 10; i++)
    put_ended(w, "echo", JOB_COMPLETED);
  struct store_retention r = {.jobs_max = 3, .batch = 5};
  struct purged p = purge(w, r);
  assert_int_equal(p.jobs, 5);
  assert_true(p.more);
  p = purge(w, r);
  assert_int_equal(p.jobs, 2);
  assert_false(p.more);
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 9}), "10 9 8 end");
  assert_int_equal(purge(w, r).jobs, 0);
}

static int64_t put_sized(struct world *w, int64_t in, int64_t out) {
  struct record_input input = {.name = "a", .sha256 = "aa", .bytes = in};
  struct record_artifact artifact = {
      .name = "b", .media_type = "x/y", .sha256 = "bb", .bytes = out};
  struct record_job job = new_job(w, "mesh");
  struct record_attempt at = attempt_of(1, JOB_COMPLETED);
  struct store_event_in event = {EVENT_COMPLETED, "{}"};
  struct answer a = {0};
  job.inputs = &input;
  job.input_count = 1;
  send_submit(w, &job, true, NULL, &a);
  job.state = JOB_COMPLETED;
  job.artifacts = &artifact;
  job.artifact_count = 1;
  store_finish(w->store, &job, &at, &event, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  return job.num;
}

static void test_by_bytes(void **state) {
  struct world *w = *state;
  struct record_input big = {.name = "big", .sha256 = "cc", .bytes = 1000000};
  struct record_job live = new_job(w, "mesh");
  struct answer a = {0};
  live.inputs = &big; /* a live job's bytes do not count */
  live.input_count = 1;
  send_submit(w, &live, false, NULL, &a);
  for (int i = 0; i < 4; i++)
    put_sized(w, 40, 60);
  assert_int_equal(purge(w, (struct store_retention){.bytes_max = 400, .batch = 9}).jobs, 0);
  assert_int_equal(purge(w, (struct store_retention){.bytes_max = 299, .batch = 9}).jobs, 2);
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 9}), "5 4 1 end");
}

/* Sizes that cannot be true neither wrap the sum around nor stop retention. */
static void test_absurd_sizes(void **state) {
  struct world *w = *state;
  put_sized(w, 40, 60);
  for (int i = 0; i < 5; i++)
    put_sized(w, 40, INT64_MAX / 2 + 7);
  put_sized(w, -5, INT64_MIN);
  int64_t kept = put_sized(w, 40, 60);
  assert_int_equal(purge(w, (struct store_retention){.bytes_max = INT64_MAX, .batch = 9}).jobs, 0);
  assert_int_equal(purge(w, (struct store_retention){.bytes_max = 100, .batch = 9}).jobs, 6);
  assert_int_equal(purge(w, (struct store_retention){.bytes_max = 100, .batch = 9}).jobs, 0);
  assert_int_equal(look(w, w->id[kept], NULL), JOB_COMPLETED);
}

static void test_events_go_earlier(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", true), live = put(w, "echo", true);
  add_event(w, num, EVENT_PROGRESS, "{}", NULL);
  add_event(w, num, EVENT_LOG, "{}", NULL);
  add_event(w, live, EVENT_LOG, "{}", NULL);
  end(w, num, JOB_COMPLETED, 1);
  struct store_retention r = {.events_before_us = later(), .batch = 9};
  assert_false(purge(w, r).more);
  assert_string_equal(events(w, (struct store_event_query){.job_num = num, .limit = 9}),
                      "1:1:queued 2:1:started 8:1:completed gap");
  assert_string_equal(
      events(w, (struct store_event_query){.job_num = num, .after_seq = 6, .limit = 9}),
      "8:1:completed end");
  assert_string_equal(events(w, (struct store_event_query){.job_num = live, .limit = 9}),
                      "3:2:queued 4:2:started 7:2:log end");
}

static void test_keys_go(void **state) {
  struct world *w = *state;
  struct store_idempotency key = {"", "k", "f", later()}, other = {"", "k", "other", later()};
  struct record_job one = new_job(w, "echo"), two = new_job(w, "echo");
  struct answer a = {0};
  send_submit(w, &one, false, &key, &a);
  settle(w);
  purge(w, (struct store_retention){.keys_before_us = clock_wall_us(), .batch = 1});
  send_submit(w, &two, false, &other, &a);
  settle(w);
  assert_int_equal(a.code, ERR_MISMATCH);
  purge(w, (struct store_retention){.keys_before_us = later() + 1000000, .batch = 1});
  send_submit(w, &two, false, &other, &a);
  settle(w);
  assert_int_equal(a.code, 0);
}

/* A job with more events than one call removes: it goes in pieces, and the file shrinks. */
static void test_big_job_in_pieces_and_shrink(void **state) {
  struct world *w = *state;
  int64_t num = put(w, "echo", true);
  char data[200];
  memset(data, 'x', sizeof data - 1);
  data[sizeof data - 1] = '\0';
  struct store_event_in log = {EVENT_LOG, data};
  for (int i = 0; i < 45000; i++)
    store_event(w->store, num, w->id[num], &log, NULL, NULL);
  settle(w);
  end(w, num, JOB_COMPLETED, 1);
  world_close(w); /* moves the WAL into the file */
  world_must_open(w);
  int64_t before, after, log_bytes;
  store_sizes(w->store, &before, &log_bytes);
  struct store_retention r = {.jobs_before_us = later(), .batch = 9};
  int calls = 1, removed = 0;
  for (struct purged p; (p = purge(w, r)).more; calls++)
    removed += (int)p.jobs;
  assert_in_range(calls, 3, 100);
  assert_int_equal(look(w, w->id[num], NULL), ERR_NOT_FOUND);
  assert_int_equal(removed, 1);
  world_close(w);
  world_must_open(w);
  store_sizes(w->store, &after, &log_bytes);
  assert_true(before > 9 << 20);
  assert_true(after < 2 << 20);
}

static void test_numbers_are_not_used_again(void **state) {
  struct world *w = *state;
  put_ended(w, "echo", JOB_COMPLETED);
  int64_t last = put_ended(w, "echo", JOB_COMPLETED);
  assert_int_equal(purge(w, (struct store_retention){.jobs_before_us = later(), .batch = 9}).jobs,
                   2);
  world_close(w);
  world_must_open(w);
  assert_int_equal(put(w, "echo", false), last + 1);
  assert_string_equal(events(w, (struct store_event_query){.limit = 9, .after_seq = 6}),
                      "7:3:queued end");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_by_age),
      T(test_live_jobs_stay),
      T(test_by_count_in_batches),
      T(test_by_bytes),
      T(test_absurd_sizes),
      T(test_events_go_earlier),
      T(test_keys_go),
      T(test_big_job_in_pieces_and_shrink),
      T(test_numbers_are_not_used_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
