/* SPDX-License-Identifier: MIT
 *
 * The event streams against a store, a queue and a server of our own: what a client reads must be
 * every event of its job once, in order, whatever happens when.
 */
#include "api/stream.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOB   "01JD0000000000000000000000"
#define OTHER "01JD0000000000000000000001"

/* ---- the fakes ---- */

static struct {
  struct record_event events[3000];
  size_t count;
  enum job_state job_state;
  bool gap;
  /* the read that waits for its answer */
  bool asked;
  struct store_event_query query;
  void (*events_done)(void *arg, int code, const struct store_events *e);
  void *events_arg;
  /* the one client */
  struct buf got;
  struct http_stream_events cb;
  bool begun, ended, full, gone;
  int status;
  char slug[40];
  void (*aborted)(void *arg);
  void *aborted_arg;
} fake;

static struct api *api;

void http_on_abort(struct http_request *r, void (*gone)(void *arg), void *arg) {
  (void)r;
  fake.aborted = gone;
  fake.aborted_arg = arg;
}
void http_add_header(struct http_request *r, const char *name, const char *value) {
  (void)r, (void)name, (void)value;
}
void http_reply(struct http_request *r, int status, const char *media_type, struct buf *body) {
  (void)r, (void)media_type;
  fake.status = status;
  if (body)
    buf_free(body);
}
void http_problem(struct http_request *r, int status, const char *slug, int retry_after_s,
                  const char *detail_fmt, ...) {
  (void)r, (void)retry_after_s, (void)detail_fmt;
  fake.status = status ? status : 1;
  snprintf(fake.slug, sizeof fake.slug, "%s", slug);
}
struct http_stream *http_stream_begin(struct http_request *r, int status, const char *media_type,
                                      const struct http_stream_events *events) {
  (void)r, (void)media_type;
  fake.status = status;
  fake.begun = true;
  fake.cb = *events;
  return (struct http_stream *)&fake;
}
bool http_stream_write(struct http_stream *s, const void *data, size_t len) {
  (void)s;
  assert_false(fake.ended);
  buf_put(&fake.got, data, len);
  return !fake.full;
}
void http_stream_end(struct http_stream *s) {
  (void)s;
  assert_false(fake.ended);
  fake.ended = true;
  fake.cb.closed(fake.cb.arg);
}
const char *http_method(const struct http_request *r) {
  (void)r;
  return "GET";
}
const char *http_pattern(const struct http_request *r) {
  (void)r;
  return "";
}
const char *http_param(const struct http_request *r, const char *name) {
  (void)r, (void)name;
  return JOB;
}
void jobs_get(struct jobs *j, const char *id,
              void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  (void)j;
  struct record_job job = {
      .num = 1, .id = JOB, .kind = "echo", .client = "", .state = fake.job_state};
  bool known = strcmp(id, JOB) == 0;
  done(arg, known ? 0 : ERR_NOT_FOUND, known ? &job : NULL);
}
void jobs_on_ended(struct jobs *j, void (*ended)(void *ctx, const struct record_job *job),
                   void *ctx) {
  (void)j, (void)ended, (void)ctx;
}
void jobs_on_batch_ended(struct jobs *j, void (*ended)(void *ctx, const char *id), void *ctx) {
  (void)j, (void)ended, (void)ctx;
}
int64_t jobs_batch_open(const struct jobs *j, const char *id) {
  (void)j, (void)id;
  return 0;
}
void store_batch_get(struct store *s, const char *id,
                     void (*done)(void *arg, int code, const struct record_batch *batches,
                                  size_t count, bool more),
                     void *arg) {
  (void)s, (void)id, (void)done, (void)arg;
}
const struct record_job *jobs_live(struct jobs *j, const char *id) {
  (void)j, (void)id;
  return NULL;
}
void store_get(struct store *s, const char *id,
               void (*done)(void *arg, int code, const struct record_job *job), void *arg) {
  (void)s, (void)id, (void)done, (void)arg;
}
void store_events(struct store *s, const struct store_event_query *q,
                  void (*done)(void *arg, int code, const struct store_events *e), void *arg) {
  (void)s;
  assert_false(fake.asked);
  fake.asked = true;
  fake.query = *q;
  fake.events_done = done;
  fake.events_arg = arg;
}

void store_unused_blobs(struct store *s, const char *const *sha256s, size_t count,
                        void (*done)(void *arg, int code, const char *const *unused, size_t n),
                        void *arg) {
  (void)s, (void)sha256s, (void)count, (void)done, (void)arg;
}

void store_stats(const struct store *s, struct store_stats *out) {
  (void)s;
  *out = (struct store_stats){.last_seq = (int64_t)fake.count};
}

/* The store's answer to the waiting read, as of now or of `upto`. */
static void answer_upto(int64_t upto) {
  struct record_event found[1000];
  struct store_events e = {.events = found, .gap = fake.gap};
  assert_true(fake.asked);
  for (size_t i = 0; i < fake.count; i++) {
    const struct record_event *x = &fake.events[i];
    if (x->seq <= fake.query.after_seq || x->seq > upto ||
        (fake.query.job_num && x->job_num != fake.query.job_num) ||
        (fake.query.types && !(fake.query.types & 1 << x->type)))
      continue;
    if ((int)e.count == fake.query.limit) {
      e.more = true;
      break;
    }
    found[e.count++] = *x;
  }
  fake.asked = false;
  fake.events_done(fake.events_arg, 0, &e);
}

static void answer(void) {
  answer_upto(INT64_MAX);
}

/* Commits an event and publishes it. */
static void happen(const char *job, enum event_type type, const char *data) {
  struct record_event *e = &fake.events[fake.count++];
  *e = (struct record_event){.seq = (int64_t)fake.count,
                             .job_num = strcmp(job, JOB) == 0 ? 1 : 2,
                             .job_id = job,
                             .type = type,
                             .at_us = 1,
                             .data_json = data,
                             .data_len = strlen(data)};
  api_on_event(api, e);
}

static void progress(int times) {
  for (int i = 0; i < times; i++)
    happen(JOB, EVENT_PROGRESS, "{}");
}

/* ---- the client ---- */

static void listen_to(const char *job, int64_t after) {
  stream_open(api, (struct http_request *)&fake,
              &(struct stream_request){.job_id = job, .after = after});
}

static void drained(void) {
  fake.full = false;
  fake.cb.drained(fake.cb.arg);
}

static void assert_got(int64_t first, int64_t last, bool of_job_only) {
  const char *p = fake.got.data ? fake.got.data : "";
  for (int64_t seq = first; seq <= last; seq++) {
    if (of_job_only && fake.events[seq - 1].job_num != 1)
      continue;
    p = strstr(p, "id: ");
    if (!p || strtoll(p + 4, NULL, 10) != seq)
      fail_msg("%lld is missing before: %.80s", (long long)seq, p ? p : "the end");
    p += 4;
  }
  assert_null(strstr(p, "id: "));
}

static int setup(void **state) {
  (void)state;
  memset(&fake, 0, sizeof fake);
  fake.job_state = JOB_RUNNING;
  api = api_new(&(struct api_options){.wait_max_s = 60});
  return 0;
}

static int teardown(void **state) {
  (void)state;
  assert_true(list_empty(&api->streams));
  assert_int_equal(api->watches.count, 0);
  assert_null(api->frames.ring);
  api_free(api);
  buf_free(&fake.got);
  return 0;
}

static void leave(void) {
  fake.cb.closed(fake.cb.arg);
}

/* ---- the tests ---- */

static void history_then_live_then_the_end(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  happen(OTHER, EVENT_QUEUED, "{}");
  happen(JOB, EVENT_STARTED, "{}");
  listen_to(JOB, -1);
  answer();
  assert_memory_equal(fake.got.data, "retry: 2000\n\n", 13);
  assert_got(1, 3, true);
  progress(2);
  happen(OTHER, EVENT_COMPLETED, "{}");
  assert_false(fake.ended);
  happen(JOB, EVENT_COMPLETED, "{}");
  assert_got(1, 7, true);
  assert_true(fake.ended);
}

static void what_happens_during_the_read_is_not_lost(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  listen_to(JOB, -1);
  progress(5); /* published, but not in the read's snapshot */
  answer_upto(1);
  assert_false(fake.asked);
  assert_got(1, 6, true);
  progress(1);
  assert_got(1, 7, true);
  leave();
}

static void what_is_in_the_read_does_not_come_twice(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  listen_to(JOB, -1);
  progress(5);
  answer(); /* the snapshot was taken late and has them */
  assert_got(1, 6, true);
  leave();
}

static void more_than_the_ring_during_the_read_is_read_again(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  listen_to(JOB, -1);
  progress(FRAMES_MAX + 10);
  answer_upto(1);
  while (fake.asked)
    answer();
  assert_got(1, FRAMES_MAX + 11, true);
  leave();
}

static void long_history_comes_in_batches(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  progress(1500);
  listen_to(JOB, -1);
  int reads = 0;
  for (; fake.asked; reads++)
    answer();
  assert_true(reads >= 8);
  assert_got(1, 1501, true);
  leave();
}

static void slow_client_misses_nothing(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  listen_to(JOB, -1);
  answer();
  fake.full = true;
  progress(3);
  size_t len = fake.got.len;
  progress(FRAMES_MAX * 2 - 600);
  assert_int_equal(fake.got.len, len); /* nothing is piled up for it */
  drained();
  while (fake.asked)
    answer();
  happen(JOB, EVENT_FAILED, "{}");
  assert_got(1, (int64_t)fake.count, true);
  assert_true(fake.ended);
}

static void slow_client_gets_the_end_too(void **state) {
  (void)state;
  listen_to(JOB, -1);
  answer();
  fake.full = true;
  progress(1);
  happen(JOB, EVENT_CANCELLED, "{}");
  assert_false(fake.ended);
  drained();
  assert_true(fake.ended);
  assert_got(1, 2, true);
}

static void resuming_repeats_nothing(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  progress(4);
  listen_to(JOB, 3);
  answer();
  progress(1);
  assert_got(4, 6, true);
  assert_null(strstr(fake.got.data, "resync"));
  leave();
}

static void finished_job_plays_and_ends(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  happen(JOB, EVENT_COMPLETED, "{}");
  fake.job_state = JOB_COMPLETED;
  listen_to(JOB, -1);
  answer();
  assert_got(1, 2, true);
  assert_true(fake.ended);
}

static void nothing_after_the_last_event_is_204(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  happen(JOB, EVENT_COMPLETED, "{}");
  fake.job_state = JOB_COMPLETED;
  listen_to(JOB, 2);
  answer();
  assert_int_equal(fake.status, 204);
  assert_false(fake.begun);
}

static void retried_job_goes_on_past_its_first_end(void **state) {
  (void)state;
  happen(JOB, EVENT_FAILED, "{}");
  happen(JOB, EVENT_QUEUED, "{}");
  fake.job_state = JOB_QUEUED;
  listen_to(JOB, -1);
  answer();
  assert_false(fake.ended);
  happen(JOB, EVENT_COMPLETED, "{}");
  assert_true(fake.ended);
  assert_got(1, 3, true);
}

static void purged_events_give_one_resync_with_the_job(void **state) {
  (void)state;
  progress(5);
  fake.gap = true;
  listen_to(JOB, 1);
  answer();
  const char *at = strstr(fake.got.data, "event: resync\ndata: {\"job_id\":\"" JOB "\"");
  assert_non_null(at);
  assert_null(strstr(at + 20, "resync"));
  assert_got(2, 5, true);
  leave();
}

static void id_of_another_store_gives_a_resync(void **state) {
  (void)state;
  progress(2);
  listen_to(JOB, 1000);
  assert_non_null(strstr(fake.got.data, "event: resync"));
  progress(1);
  assert_got(3, 3, true);
  leave();
}

static void unknown_job_is_a_problem(void **state) {
  (void)state;
  listen_to(OTHER, -1);
  assert_string_equal(fake.slug, "unknown-job");
  assert_false(fake.begun);
}

static void client_may_leave_at_any_time(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  listen_to(JOB, -1);
  fake.aborted(fake.aborted_arg); /* before the answer began, with a read under way */
  progress(1);
  answer();
  assert_false(fake.begun);
  listen_to(NULL, 0);
  leave(); /* with a read under way */
  answer();
}

static void all_jobs_begin_now_or_after_an_event(void **state) {
  (void)state;
  progress(3);
  listen_to(NULL, -1);
  happen(OTHER, EVENT_COMPLETED, "{}");
  progress(1);
  assert_got(4, 5, false);
  assert_false(fake.ended);
  leave();
  buf_clear(&fake.got);
  listen_to(NULL, 2);
  while (fake.asked)
    answer();
  assert_got(3, 5, false);
  leave();
}

static void log_is_the_text_of_log_events(void **state) {
  (void)state;
  happen(JOB, EVENT_QUEUED, "{}");
  happen(JOB, EVENT_LOG, "{\"text\":\"one\\n\"}");
  stream_open(api, (struct http_request *)&fake,
              &(struct stream_request){
                  .job_id = JOB, .after = -1, .types = 1 << EVENT_LOG, .as_log = true});
  answer();
  progress(1);
  happen(JOB, EVENT_LOG, "{\"text\":\"two\\n\"}");
  happen(JOB, EVENT_COMPLETED, "{}");
  assert_string_equal(fake.got.data, "one\ntwo\n");
  assert_true(fake.ended);
}

static void draining_ends_all(void **state) {
  (void)state;
  listen_to(JOB, -1);
  answer();
  api_drain(api);
  assert_true(fake.ended);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(history_then_live_then_the_end),
      T(what_happens_during_the_read_is_not_lost),
      T(what_is_in_the_read_does_not_come_twice),
      T(more_than_the_ring_during_the_read_is_read_again),
      T(long_history_comes_in_batches),
      T(slow_client_misses_nothing),
      T(slow_client_gets_the_end_too),
      T(resuming_repeats_nothing),
      T(finished_job_plays_and_ends),
      T(nothing_after_the_last_event_is_204),
      T(retried_job_goes_on_past_its_first_end),
      T(purged_events_give_one_resync_with_the_job),
      T(id_of_another_store_gives_a_resync),
      T(unknown_job_is_a_problem),
      T(client_may_leave_at_any_time),
      T(all_jobs_begin_now_or_after_an_event),
      T(log_is_the_text_of_log_events),
      T(draining_ends_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
