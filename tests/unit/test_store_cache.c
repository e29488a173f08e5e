/* SPDX-License-Identifier: MIT
 *
 * Results that answer later jobs: keys, the files that jobs share, and who counts their bytes.
 */
#include "store_help.h"

enum { SIZE = 1000 };

/* A job that ran, with one artifact of SIZE bytes, under `key`. */
static int64_t run(struct world *w, const char *key, int64_t ended_us) {
  struct record_artifact out = {
      .name = "mesh.msh", .media_type = "model/mesh", .sha256 = "5ha", .bytes = SIZE};
  int64_t num = put(w, "mesh", true);
  struct record_job job = {.num = num,
                           .id = w->id[num],
                           .state = JOB_COMPLETED,
                           .result_json = "{\"r\":1}",
                           .ended_us = ended_us ? ended_us : clock_wall_us(),
                           .cache_key = key,
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

/* A job answered with the result of `source`. */
static int64_t answer(struct world *w, int64_t source, const struct store_idempotency *key,
                      struct answer *a) {
  struct record_artifact out = {
      .name = "mesh.msh", .media_type = "model/mesh", .sha256 = "5ha", .bytes = SIZE};
  struct record_job job = new_job(w, "mesh");
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, completed = {EVENT_COMPLETED, "{}"};
  job.result_json = "{\"r\":1}";
  job.backend = "echo";
  job.ended_us = clock_wall_us();
  job.source = w->id[source];
  job.artifacts = &out;
  job.artifact_count = 1;
  store_submit_cached(w->store, &job, source, &queued, &completed, key, help_done, a);
  settle(w);
  return job.num;
}

static int64_t must_answer(struct world *w, int64_t source) {
  struct answer a = {0};
  int64_t num = answer(w, source, NULL, &a);
  assert_int_equal(a.code, 0);
  return num;
}

static int64_t found;

static void see_found(const struct record_job *job) {
  found = job->num;
}

/* The job that answers one of the keys, or a code. */
static int64_t ask(struct world *w, const char *one, const char *two, int64_t since_us) {
  const char *keys[] = {one, two};
  struct get g = {.see = see_found};
  store_cached(w->store, keys, two ? 2 : 1, since_us, help_got, &g);
  settle(w);
  assert_int_equal(g.calls, 1);
  return g.code < 0 ? g.code : found;
}

static void see_cached(const struct record_job *job) {
  assert_true(job->cached);
  assert_non_null(job->source);
  assert_string_equal(job->result_json, "{\"r\":1}");
  assert_string_equal(job->backend, "echo");
  assert_int_equal(job->attempt_count, 0);
  assert_int_equal(job->artifact_count, 1);
  assert_true(job->ended_us > 0);
  assert_int_equal(job->started_us, 0);
}

static void test_keys(void **state) {
  struct world *w = *state;
  int64_t one = run(w, "one", 0), two = run(w, "two", 5000000);
  assert_int_equal(ask(w, "one", NULL, 0), one);
  assert_int_equal(ask(w, "none", "two", 0), two);
  assert_int_equal(ask(w, "two", "one", 0), two);
  assert_int_equal(ask(w, "none", NULL, 0), ERR_NOT_FOUND);
  assert_int_equal(ask(w, "two", NULL, 5000001), ERR_NOT_FOUND); /* too old */
  int64_t newer = run(w, "two", 0);
  assert_int_equal(ask(w, "two", NULL, 5000001), newer);
  put_ended(w, "mesh", JOB_COMPLETED); /* without a key */
  world_close(w);
  world_must_open(w);
  assert_int_equal(ask(w, "one", NULL, 0), one);
}

static void test_an_answer(void **state) {
  struct world *w = *state;
  int64_t source = run(w, "one", 0), num = must_answer(w, source);
  assert_int_equal(look(w, w->id[num], see_cached), JOB_COMPLETED);
  assert_string_equal(counts(w), "0 0 2 0 0");
  assert_non_null(strstr(events(w, (struct store_event_query){.job_num = num, .limit = 10}),
                         "4:2:queued 5:2:completed end"));
  struct store_idempotency key = {"ann", "key", "print", INT64_MAX / 2};
  struct answer a = {0}, again = {0};
  int64_t keyed = answer(w, source, &key, &a);
  answer(w, source, &key, &again);
  assert_int_equal(a.replayed, 0);
  assert_int_equal(again.replayed, 1);
  assert_int_equal(again.num, keyed);
  assert_string_equal(counts(w), "0 0 3 0 0");
}

static void test_the_source_went(void **state) {
  struct world *w = *state;
  struct answer a = {0}, gone = {0};
  int64_t source = run(w, "one", 0);
  store_delete(w->store, source, help_done, &a);
  answer(w, source, NULL, &gone);
  assert_int_equal(gone.code, ERR_NOT_FOUND);
  assert_string_equal(counts(w), "0 0 0 0 0");
  assert_int_equal(ask(w, "one", NULL, 0), ERR_NOT_FOUND);
}

/* ---- files and bytes ---- */

static char folder[64];

static void on_deleted(void *arg, int code, const struct store_receipt *r) {
  (void)arg;
  assert_int_equal(code, 0);
  snprintf(folder, sizeof folder, "%s", r->folder ? r->folder : "");
}

static const char *drop(struct world *w, int64_t num) {
  store_delete(w->store, num, on_deleted, NULL);
  settle(w);
  return folder;
}

struct purged {
  size_t jobs, folders;
};

static void on_purged(void *arg, int code, const struct store_purged *p) {
  struct purged *out = arg;
  assert_int_equal(code, 0);
  *out = (struct purged){p->job_count, p->folder_count};
}

/* How many final jobs go when so many bytes may stay. */
static struct purged purge(struct world *w, int64_t bytes) {
  struct purged p = {0};
  store_purge(w->store, &(struct store_retention){.bytes_max = bytes}, on_purged, &p);
  settle(w);
  return p;
}

static void test_the_folder_goes_with_the_last(void **state) {
  struct world *w = *state;
  int64_t source = run(w, "one", 0);
  int64_t a = must_answer(w, source), b = must_answer(w, source), c = must_answer(w, source);
  assert_string_equal(drop(w, b), "");
  assert_string_equal(drop(w, source), "");
  assert_string_equal(drop(w, c), "");
  assert_string_equal(drop(w, a), w->id[source]);
  int64_t alone = run(w, "two", 0);
  assert_string_equal(drop(w, alone), w->id[alone]);
}

static void test_shared_bytes_count_once(void **state) {
  struct world *w = *state;
  int64_t source = run(w, "one", 0);
  for (int i = 0; i < 5; i++)
    must_answer(w, source);
  assert_int_equal(purge(w, SIZE).jobs, 0); /* six jobs, one file */
  drop(w, source);
  assert_int_equal(purge(w, SIZE).jobs, 0); /* the oldest of the rest bears it */
  drop(w, source + 3);
  drop(w, source + 1);
  assert_int_equal(purge(w, SIZE).jobs, 0);
  struct purged all = {0};
  for (int i = 0; i < 10; i++) {
    struct purged p = purge(w, SIZE - 1);
    all.jobs += p.jobs;
    all.folders += p.folders;
  }
  assert_int_equal(all.jobs, 3);
  assert_int_equal(all.folders, 1);
  world_close(w);
  world_must_open(w);
  assert_string_equal(counts(w), "0 0 0 0 0");
}

static void test_entries_are_bounded(void **state) {
  struct world *w = *state;
  struct purged p;
  char key[20];
  for (int i = 0; i < 10; i++) {
    snprintf(key, sizeof key, "key %d", i);
    run(w, key, 1000 + i);
  }
  store_purge(w->store, &(struct store_retention){.cache_max = 4}, on_purged, &p);
  settle(w);
  assert_int_equal(p.jobs, 0);
  assert_int_equal(ask(w, "key 5", NULL, 0), ERR_NOT_FOUND);
  assert_int_equal(ask(w, "key 6", NULL, 0), 7);
  store_purge(w->store, &(struct store_retention){.cache_before_us = 1008}, on_purged, &p);
  settle(w);
  assert_int_equal(ask(w, "key 7", NULL, 0), ERR_NOT_FOUND);
  assert_int_equal(ask(w, "key 8", NULL, 0), 9);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_keys),
      T(test_an_answer),
      T(test_the_source_went),
      T(test_the_folder_goes_with_the_last),
      T(test_shared_bytes_count_once),
      T(test_entries_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
