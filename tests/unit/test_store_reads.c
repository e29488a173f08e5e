/* SPDX-License-Identifier: MIT
 *
 * Lists, pages and event queries, also where most rows do not match.
 */
#include "store_help.h"

static void test_list_pages(void **state) {
  struct world *w = *state;
  for (int i = 0; i < 7; i++)
    put(w, i % 2 ? "mesh" : "echo", false);
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 3}), "7 6 5 more");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 3, .before_num = 5}),
                      "4 3 2 more");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 3, .before_num = 2}),
                      "1 end");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .limit = 7}), "7 6 5 4 3 2 1 end");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .kind = "mesh", .limit = 2}),
                      "6 4 more");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .kind = "none", .limit = 2}),
                      "end");
}

static void test_list_filters(void **state) {
  struct world *w = *state;
  put_ended(w, "echo", JOB_COMPLETED);
  put_ended(w, "mesh", JOB_FAILED);
  put_ended(w, "echo", JOB_CANCELLED);
  put(w, "echo", true);
  put(w, "mesh", false);
  put_ended(w, "echo", JOB_FAILED);
  static const char *const expected[] = {"5 end", "4 end", "1 end", "6 2 end", "3 end"};
  for (int i = JOB_QUEUED; i <= JOB_CANCELLED; i++)
    assert_string_equal(list(w, (struct store_filter){.state = i, .limit = 5}), expected[i]);
  assert_string_equal(
      list(w, (struct store_filter){.state = JOB_FAILED, .kind = "mesh", .limit = 5}), "2 end");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .backend = "echo", .limit = 5}),
                      "6 4 3 2 1 end");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .client = "ann", .limit = 5}),
                      "end");
}

static void test_list_by_prefix(void **state) {
  struct world *w = *state;
  static const char *const ids[] = {"01J00000000000000000000001", "01J00000000000000000000002",
                                    "01JZ0000000000000000000003", "02000000000000000000000004"};
  struct answer a = {0};
  for (int64_t num = 1; num <= 4; num++) {
    struct record_job job = {
        .num = num, .id = ids[num - 1], .kind = "echo", .client = "", .params_json = "{}"};
    send_submit(w, &job, false, NULL, &a);
  }
  settle(w);
  static const struct {
    const char *prefix, *expected;
  } cases[] = {{"01J", "3 2 1 end"},
               {"01J0", "2 1 end"},
               {"02", "4 end"},
               {"03", "end"},
               {"01JZ0000000000000000000003", "3 end"},
               {"0", "4 3 2 end"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(
        list(w, (struct store_filter){.state = -1, .id_prefix = cases[i].prefix, .limit = 3}),
        cases[i].expected);
}

/* Numbers far apart: the list goes on past the piece that it looks at in one go. */
static void test_list_looks_far(void **state) {
  struct world *w = *state;
  struct answer a = {0};
  for (int64_t num = 1; num <= 100001; num += 25000) {
    struct record_job job = {
        .num = num, .kind = "echo", .client = num == 1 ? "ann" : "", .params_json = "{}"};
    char id[ID_SIZE];
    id_make(&w->ids, id);
    job.id = id;
    send_submit(w, &job, false, NULL, &a);
  }
  settle(w);
  assert_string_equal(list(w, (struct store_filter){.state = -1, .client = "ann", .limit = 1}),
                      "1 end");
  assert_string_equal(list(w, (struct store_filter){.state = -1, .kind = "echo", .limit = 4}),
                      "100001 75001 50001 25001 more");
}

static void test_events_of_one_and_all(void **state) {
  struct world *w = *state;
  int64_t one = put(w, "echo", true), two = put(w, "echo", false);
  add_event(w, one, EVENT_PROGRESS, "{}", NULL);
  add_event(w, two, EVENT_LOG, "{}", NULL);
  end(w, one, JOB_COMPLETED, 1);
  assert_string_equal(events(w, (struct store_event_query){.limit = 100}),
                      "1:1:queued 2:1:started 3:2:queued 4:1:progress 5:2:log 6:1:completed end");
  assert_string_equal(events(w, (struct store_event_query){.limit = 2, .after_seq = 2}),
                      "3:2:queued 4:1:progress more");
  assert_string_equal(
      events(w, (struct store_event_query){.job_num = one, .after_seq = 2, .limit = 9}),
      "4:1:progress 6:1:completed end");
  assert_string_equal(
      events(w,
             (struct store_event_query){.limit = 9, .types = 1 << EVENT_LOG | 1 << EVENT_QUEUED}),
      "1:1:queued 3:2:queued 5:2:log end");
  assert_string_equal(events(w, (struct store_event_query){.limit = 9, .after_seq = 6}), "end");
  assert_string_equal(events(w, (struct store_event_query){.limit = 9, .after_seq = 600}), "end");
}

static void test_gap_after_delete(void **state) {
  struct world *w = *state;
  int64_t one = put_ended(w, "echo", JOB_COMPLETED), two = put(w, "echo", false);
  struct answer a = {0};
  store_delete(w->store, one, help_done, &a);
  settle(w);
  assert_string_equal(events(w, (struct store_event_query){.limit = 9, .after_seq = 2}),
                      "4:2:queued gap");
  assert_string_equal(events(w, (struct store_event_query){.limit = 9, .after_seq = 3}),
                      "4:2:queued end");
  assert_string_equal(events(w, (struct store_event_query){.job_num = one, .limit = 9}), "gap");
  assert_string_equal(events(w, (struct store_event_query){.job_num = two, .limit = 9}),
                      "4:2:queued end");
}

struct chain {
  struct world *w;
  const char *id;
  int64_t num;
  int seen;
  int code;
};

static void on_read(void *arg, int code, const struct record_job *job) {
  struct chain *c = arg;
  c->code = code;
  c->seen = job != NULL ? (int)job->state : -1;
}

static void on_written(void *arg, int code, const struct store_receipt *r) {
  struct chain *c = arg;
  (void)r;
  assert_int_equal(code, 0);
  store_get(c->w->store, c->id, on_read, c);
}

/* A read that is asked from `done` sees what was done. */
static void test_reads_see_writes(void **state) {
  struct world *w = *state;
  struct chain chains[50];
  for (int i = 0; i < 50; i++) {
    struct record_job job = new_job(w, "echo");
    struct store_event_in queued = {EVENT_QUEUED, "{}"};
    chains[i] = (struct chain){.w = w, .id = job.id, .seen = -2};
    store_submit(w->store, &job, &queued, NULL, NULL, NULL, on_written, &chains[i]);
    if (i % 7 == 0)
      uv_run(&w->loop, UV_RUN_NOWAIT);
  }
  settle(w);
  for (int i = 0; i < 50; i++) {
    assert_int_equal(chains[i].code, 0);
    assert_int_equal(chains[i].seen, JOB_QUEUED);
  }
}

static void test_get_absent(void **state) {
  struct world *w = *state;
  assert_int_equal(look(w, "01JD0000000000000000000000", NULL), ERR_NOT_FOUND);
}

static void on_unused(void *arg, int code, const char *const *unused, size_t n) {
  struct buf *b = arg;
  buf_printf(b, "%d", code);
  for (size_t i = 0; i < n; i++)
    buf_printf(b, " %s", unused[i]);
}

/* A submit that was called before counts, also before its commit. */
static void test_unused_blobs(void **state) {
  struct world *w = *state;
  struct record_input in = {.name = "a.step", .sha256 = "used", .bytes = 10};
  struct record_job job = new_job(w, "mesh");
  const char *const asked[] = {"x", "used", "y"};
  struct answer a = {0};
  struct buf b = {0};
  job.inputs = &in;
  job.input_count = 1;
  send_submit(w, &job, false, NULL, &a);
  store_unused_blobs(w->store, asked, 3, on_unused, &b);
  settle(w);
  assert_string_equal(b.data, "0 x y");
  buf_clear(&b);
  end(w, job.num, JOB_CANCELLED, 0);
  store_delete(w->store, job.num, help_done, &a);
  store_unused_blobs(w->store, asked, 3, on_unused, &b);
  settle(w);
  assert_string_equal(b.data, "0 x used y");
  buf_free(&b);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_list_pages),
      T(test_list_filters),
      T(test_list_by_prefix),
      T(test_list_looks_far),
      T(test_events_of_one_and_all),
      T(test_gap_after_delete),
      T(test_reads_see_writes),
      T(test_get_absent),
      T(test_unused_blobs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
