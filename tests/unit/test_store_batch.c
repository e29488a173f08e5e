/* SPDX-License-Identifier: MIT
 *
 * Batches in the store: all jobs or none, what is read of them, and when they go.
 */
#include "store_help.h"

static const char ID[] = "01BATCH0000000000000000000";

struct made {
  int64_t first;
  struct answer a;
};

/* Sends a batch of `count` jobs; the one at `cached` (-1: none) is answered by job `source`. */
static void send_batch(struct world *w, const char *id, int count, int cached, int64_t source,
                       const struct store_idempotency *key, struct made *m) {
  struct store_group *g = store_group_begin();
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, completed = {EVENT_COMPLETED, "{}"};
  m->first = 0;
  for (int i = 0; i < count; i++) {
    struct record_job job = new_job(w, "mesh");
    struct record_batch_item item = {"part.step", i % 2 ? "fine" : "coarse", "1-part"};
    m->first = m->first ? m->first : job.num;
    job.batch = id;
    if (i == cached) {
      job.source = w->id[source];
      job.ended_us = clock_wall_us();
    }
    store_group_add(g, &job, &item, &queued, i == cached ? &completed : NULL, source);
  }
  struct record_batch batch = {.num = m->first,
                               .id = id,
                               .kind = "mesh",
                               .client = "ann",
                               .name = "study",
                               .sets_json = "[]",
                               .created_us = 7,
                               .count = count};
  store_group_submit(w->store, g, &batch, key, help_done, &m->a);
  settle(w);
}

static struct record_batch seen;
static char seen_id[40];
static int seen_code;

static void on_batch(void *arg, int code, const struct record_batch *batches, size_t count,
                     bool more) {
  (void)arg, (void)more;
  seen_code = code;
  if (code < 0 || count == 0)
    return;
  seen = *batches;
  snprintf(seen_id, sizeof seen_id, "%s", batches->id);
}

static int look_at(struct world *w, const char *id) {
  store_batch_get(w->store, id, on_batch, NULL);
  settle(w);
  return seen_code;
}

static struct buf listed;

static void on_items(void *arg, int code, const struct record_batch_job *items, size_t count,
                     bool more) {
  (void)arg;
  assert_int_equal(code, 0);
  for (size_t i = 0; i < count; i++)
    buf_printf(&listed, "%lld:%s:%s:%s ", (long long)items[i].job.num, items[i].item.set,
               items[i].there ? job_state_word(items[i].job.state) : "gone",
               items[i].there ? items[i].summary_json : "-");
  buf_puts(&listed, more ? "more" : "end");
}

static const char *items(struct world *w, int64_t from, int64_t to, int limit) {
  buf_clear(&listed);
  store_batch_jobs(w->store, from, to, limit, false, on_items, NULL);
  settle(w);
  return listed.data;
}

static void test_all_are_written(void **state) {
  struct world *w = *state;
  struct made m = {0};
  send_batch(w, ID, 3, -1, 0, NULL, &m);
  assert_int_equal(m.a.code, 0);
  assert_string_equal(m.a.id, ID);
  assert_string_equal(counts(w), "3 0 0 0 0");
  assert_string_equal(events(w, (struct store_event_query){.limit = 9}),
                      "1:1:queued 2:2:queued 3:3:queued end");
  put_ended(w, "echo", JOB_COMPLETED);
  assert_string_equal(
      events(w, (struct store_event_query){.job_num = 2, .job_count = 2, .limit = 9}),
      "2:2:queued 3:3:queued end");
  assert_int_equal(look_at(w, ID), 0);
  assert_int_equal(seen.count, 3);
  assert_int_equal(seen.states[JOB_QUEUED], 3);
  assert_int_equal(look_at(w, "nothing"), ERR_NOT_FOUND);
  world_close(w);
  world_must_open(w);
  assert_int_equal(look_at(w, ID), 0);
  assert_int_equal(seen.num, 1);
}

static void test_progress_and_results(void **state) {
  struct world *w = *state;
  struct made m = {0};
  struct answer a = {0};
  send_batch(w, ID, 4, -1, 0, NULL, &m);
  struct record_attempt at = attempt_of(1, JOB_RUNNING);
  struct store_event_in started = {EVENT_STARTED, NULL};
  store_start(w->store, 1, w->id[1], &at, &started, help_done, &a);
  store_start(w->store, 2, w->id[2], &at, &started, help_done, &a);
  settle(w);
  add_event(w, 2, EVENT_PROGRESS, "{\"percent\":50.0}", NULL);
  struct record_job done = {.num = 1,
                            .id = w->id[1],
                            .state = JOB_COMPLETED,
                            .result_json = "{\"n\":3,\"ok\":true,\"q\":{\"min\":0.25,\"deep\":{}},"
                                           "\"list\":[1,2],\"none\":null,\"name\":\"x\"}",
                            .ended_us = clock_wall_us()};
  at.state = JOB_COMPLETED;
  struct store_event_in completed = {EVENT_COMPLETED, "{}"};
  store_finish(w->store, &done, &at, &completed, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  look_at(w, ID);
  assert_true(seen.percent == 37.5);
  assert_string_equal(items(w, 1, 3, 10),
                      "1:coarse:completed:{\"n\":3,\"ok\":true,\"name\":\"x\",\"q.min\":0.25} "
                      "2:fine:running:{} end");
  assert_non_null(strstr(items(w, 1, 5, 2), "more"));
}

static void test_none_are_written(void **state) {
  struct world *w = *state;
  struct made m = {0};
  int64_t source = put_ended(w, "mesh", JOB_COMPLETED);
  send_batch(w, ID, 3, 1, source, NULL, &m);
  assert_int_equal(m.a.code, 0);
  assert_string_equal(counts(w), "2 0 2 0 0");
  struct answer gone = {0};
  store_delete(w->store, source, help_done, &gone);
  settle(w);
  send_batch(w, "01BATCH0000000000000000001", 3, 2, source, NULL, &m);
  assert_int_equal(m.a.code, ERR_NOT_FOUND);
  assert_string_equal(counts(w), "2 0 1 0 0");
  assert_int_equal(look_at(w, "01BATCH0000000000000000001"), ERR_NOT_FOUND);
  put(w, "echo", false); /* the writer goes on */
}

static void test_a_key_stands_for_the_batch(void **state) {
  struct world *w = *state;
  struct store_idempotency key = {"ann", "k", "print", INT64_MAX / 2};
  struct made one = {0}, two = {0}, other = {0};
  send_batch(w, ID, 2, -1, 0, &key, &one);
  send_batch(w, "01BATCH0000000000000000001", 2, -1, 0, &key, &two);
  assert_true(two.a.replayed);
  assert_string_equal(two.a.id, ID);
  key.fingerprint = "another";
  send_batch(w, "01BATCH0000000000000000001", 2, -1, 0, &key, &other);
  assert_int_equal(other.a.code, ERR_MISMATCH);
  assert_string_equal(counts(w), "2 0 0 0 0");
}

static void test_it_goes_with_its_last_job(void **state) {
  struct world *w = *state;
  struct made m = {0};
  struct answer a = {0};
  send_batch(w, ID, 2, -1, 0, NULL, &m);
  end(w, 1, JOB_CANCELLED, 0);
  end(w, 2, JOB_CANCELLED, 0);
  store_delete(w->store, 1, help_done, &a);
  settle(w);
  look_at(w, ID);
  assert_int_equal(seen.states[JOB_CANCELLED], 1);
  assert_true(seen.percent == 100);
  assert_string_equal(items(w, 1, 3, 10), "1:coarse:gone:- 2:fine:cancelled:{\"r\":2} end");
  store_delete(w->store, 2, help_done, &a);
  settle(w);
  assert_int_equal(look_at(w, ID), ERR_NOT_FOUND);
  assert_string_equal(items(w, 1, 3, 10), "end");
}

static int tear_down(void **state) {
  buf_free(&listed);
  return world_tear_down(state);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, tear_down)
  const struct CMUnitTest tests[] = {
      T(test_all_are_written),           T(test_progress_and_results),
      T(test_none_are_written),          T(test_a_key_stands_for_the_batch),
      T(test_it_goes_with_its_last_job),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
