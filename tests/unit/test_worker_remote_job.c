/* SPDX-License-Identifier: MIT
 *
 * What each answer of a remote plugin means: the rules of struct lathe_remote, as a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/messages.h"
#include "worker/remote/remote_job.h"

#include <lathe/plugin.h>
#include <stdlib.h>
#include <string.h>

static struct remote_job *make(enum wire_go go, const char *ref, struct err *err) {
  struct buf b = {0};
  struct wire_input in = {0};
  struct wire_frame f;
  struct wire_step step = {.job_id = "01J", .kind = "k", .spec_json = "{}", .go = go, .ref = ref};
  step.limits.wall_ms = 60000;
  assert_int_equal(wire_put_step(&b, 7, &step, NULL), 0);
  memcpy(wire_input_room(&in, b.len), b.data, b.len);
  wire_input_added(&in, b.len);
  assert_int_equal(wire_input_next(&in, &f, NULL), 1);
  struct remote_job *j = remote_job_new(&f, err);
  wire_input_free(&in);
  buf_free(&b);
  return j;
}

enum { GO, OVER }; /* what follows */

struct row {
  enum call call;
  int32_t code;
  int ref;    /* there is one when the call returns */
  int failed; /* find: after a submit that failed */
  int stopped;
  int then;
  enum call next;        /* GO */
  enum wire_class class; /* OVER */
  int open;
};

static const struct row rows[] = {
    {CALL_SUBMIT, LATHE_OK, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_SUBMIT, LATHE_OK, false, false, 0, OVER, 0, WIRE_PERMANENT, true},
    {CALL_SUBMIT, LATHE_RETRY, false, false, 0, GO, CALL_FIND, 0, false},
    {CALL_SUBMIT, LATHE_RETRY_RATE, false, false, 0, OVER, 0, WIRE_RETRY,
     true}, /* find comes later */
    {CALL_SUBMIT, LATHE_RETRY_RATE, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_SUBMIT, LATHE_PERMANENT, true, false, 0, OVER, 0, WIRE_PERMANENT, true},
    {CALL_SUBMIT, LATHE_RETRY, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_SUBMIT, LATHE_RETRY_ANEW, false, false, 0, OVER, 0, WIRE_RETRY, false},
    {CALL_SUBMIT, LATHE_BAD_INPUT, false, false, 0, OVER, 0, WIRE_BAD_INPUT, false},
    {CALL_SUBMIT, LATHE_AUTH, false, false, 0, OVER, 0, WIRE_AUTH, false},
    {CALL_SUBMIT, LATHE_QUOTA, false, false, 0, OVER, 0, WIRE_QUOTA, false},
    {CALL_SUBMIT, LATHE_QUOTA, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_FIND, LATHE_QUOTA, false, false, 0, OVER, 0, WIRE_QUOTA, true},
    {CALL_POLL, LATHE_QUOTA, true, false, 0, OVER, 0, WIRE_QUOTA, true},
    {CALL_POLL, LATHE_RETRY_DOWN, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_CANCEL, LATHE_QUOTA, true, false, WIRE_CANCELLED, OVER, 0, WIRE_QUOTA, true},
    {CALL_SUBMIT, LATHE_TIMEOUT, false, false, 0, OVER, 0, WIRE_TIMEOUT, false},
    {CALL_SUBMIT, LATHE_CANCELLED, false, false, 0, OVER, 0, WIRE_PERMANENT, true},
    {CALL_SUBMIT, 17, false, false, 0, OVER, 0, WIRE_PERMANENT, false},
    {CALL_SUBMIT, -5, false, false, 0, OVER, 0, WIRE_PERMANENT, false},
    {CALL_FIND, LATHE_OK, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_FIND, LATHE_OK, false, false, 0, OVER, 0, WIRE_PERMANENT, true},
    {CALL_FIND, LATHE_NOT_FOUND, false, false, 0, GO, CALL_SUBMIT, 0, false},
    {CALL_FIND, LATHE_NOT_FOUND, false, true, 0, OVER, 0, WIRE_RETRY, false},
    {CALL_FIND, LATHE_RETRY, false, true, 0, GO, CALL_FIND, 0, false},
    {CALL_FIND, LATHE_RETRY_ANEW, false, false, 0, OVER, 0, WIRE_RETRY, false},
    {CALL_FIND, LATHE_AUTH, false, false, 0, OVER, 0, WIRE_AUTH, true},
    {CALL_POLL, LATHE_PENDING, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_POLL, LATHE_OK, true, false, 0, GO, CALL_FETCH, 0, false},
    {CALL_POLL, LATHE_RETRY, true, false, 0, GO, CALL_POLL, 0, false},
    {CALL_POLL, LATHE_RETRY_ANEW, true, false, 0, OVER, 0, WIRE_RETRY, false},
    {CALL_POLL, LATHE_PERMANENT, true, false, 0, OVER, 0, WIRE_PERMANENT, false},
    {CALL_POLL, LATHE_AUTH, true, false, 0, OVER, 0, WIRE_AUTH, true},
    {CALL_POLL, LATHE_TIMEOUT, true, false, 0, GO, CALL_CANCEL, 0, false},
    {CALL_FETCH, LATHE_AUTH, true, false, 0, OVER, 0, WIRE_AUTH, true},
    {CALL_FETCH, LATHE_RETRY_MEM, true, false, 0, GO, CALL_FETCH, 0, false},
    {CALL_FETCH, LATHE_PENDING, true, false, 0, OVER, 0, WIRE_PERMANENT, false},
    {CALL_FETCH, LATHE_RETRY_ANEW, true, false, 0, OVER, 0, WIRE_RETRY, false},
    /* cancelled, or out of time, while the call was under way */
    {CALL_SUBMIT, LATHE_OK, true, false, WIRE_CANCELLED, GO, CALL_CANCEL, 0, false},
    {CALL_SUBMIT, LATHE_CANCELLED, false, false, WIRE_CANCELLED, OVER, 0, WIRE_CANCELLED, true},
    {CALL_SUBMIT, LATHE_CANCELLED, true, false, WIRE_CANCELLED, GO, CALL_CANCEL, 0, false},
    {CALL_SUBMIT, LATHE_RETRY, false, false, WIRE_TIMEOUT, OVER, 0, WIRE_TIMEOUT, true},
    {CALL_SUBMIT, LATHE_BAD_INPUT, false, false, WIRE_CANCELLED, OVER, 0, WIRE_CANCELLED, false},
    {CALL_FIND, LATHE_NOT_FOUND, false, false, WIRE_TIMEOUT, OVER, 0, WIRE_TIMEOUT, false},
    {CALL_FIND, LATHE_RETRY, false, false, WIRE_TIMEOUT, OVER, 0, WIRE_TIMEOUT, true},
    {CALL_POLL, LATHE_PENDING, true, false, WIRE_TIMEOUT, GO, CALL_CANCEL, 0, false},
    {CALL_POLL, LATHE_OK, true, false, WIRE_TIMEOUT, GO, CALL_CANCEL, 0, false},
    {CALL_POLL, LATHE_CANCELLED, true, false, WIRE_CANCELLED, GO, CALL_CANCEL, 0, false},
    {CALL_POLL, LATHE_PERMANENT, true, false, WIRE_CANCELLED, OVER, 0, WIRE_CANCELLED, false},
    {CALL_FETCH, LATHE_RETRY, true, false, WIRE_TIMEOUT, GO, CALL_CANCEL, 0, false},
    {CALL_CANCEL, LATHE_OK, true, false, WIRE_CANCELLED, OVER, 0, WIRE_CANCELLED, false},
    {CALL_CANCEL, LATHE_TOO_LATE, true, false, WIRE_CANCELLED, OVER, 0, WIRE_CANCELLED, false},
    {CALL_CANCEL, LATHE_CHARGED, true, false, WIRE_TIMEOUT, OVER, 0, WIRE_TIMEOUT, false},
    {CALL_CANCEL, LATHE_RETRY, true, false, WIRE_CANCELLED, GO, CALL_CANCEL, 0, false},
    {CALL_CANCEL, LATHE_RETRY_RATE, true, false, WIRE_CANCELLED, GO, CALL_CANCEL, 0, false},
    {CALL_CANCEL, LATHE_AUTH, true, false, WIRE_CANCELLED, OVER, 0, WIRE_AUTH, true},
    {CALL_POLL, LATHE_AUTH, true, false, WIRE_TIMEOUT, OVER, 0, WIRE_AUTH, true},
    {CALL_SUBMIT, LATHE_AUTH, false, false, WIRE_CANCELLED, OVER, 0, WIRE_AUTH, false},
    {CALL_CANCEL, LATHE_PERMANENT, true, false, WIRE_TIMEOUT, OVER, 0, WIRE_TIMEOUT, true},
};

static void each_answer_has_its_consequence(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct row *r = &rows[i];
    struct remote_job *j = make(WIRE_SUBMIT, NULL, NULL);
    struct remote_job_end end = {.class = WIRE_OK};
    int64_t delay = -1;
    j->next = r->call;
    j->called = true;
    j->stopped = r->stopped;
    if (r->failed)
      j->failed.code = LATHE_RETRY_RATE;
    if (r->ref)
      remote_job_set_ref(j, "there", 5);
    bool over = remote_job_advance(j, &(struct remote_job_answer){r->code, 0, ""}, 12345, &delay,
                                   &end);
    if (over != (r->then == OVER) || (over && (end.class != r->class || end.open != r->open)) ||
        (!over && j->next != r->next))
      fail_msg("row %zu: %s %d: over %d class %d open %d next %s", i, call_word(r->call), r->code,
               over, end.class, end.open, call_word(j->next));
    if (over)
      assert_int_not_equal(strlen(end.message), 0);
    else
      assert_true(delay >= 0);
    remote_job_free(j);
  }
}

static void what_cancel_says_is_kept(void **state) {
  static const struct {
    int32_t code;
    enum wire_cancel_end cancel;
    bool open;
  } ends[] = {
      {LATHE_OK, WIRE_CANCEL_END_STOPPED, false},
      {LATHE_TOO_LATE, WIRE_CANCEL_END_TOO_LATE, false},
      {LATHE_CHARGED, WIRE_CANCEL_END_CHARGED, false},
      {LATHE_PERMANENT, WIRE_CANCEL_END_UNKNOWN, true},
      {LATHE_NOT_FOUND, WIRE_CANCEL_END_UNKNOWN, true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    struct remote_job *j = make(WIRE_POLL, "there", NULL);
    struct remote_job_end end;
    int64_t delay;
    assert_false(remote_job_stop(j, WIRE_CANCELLED, &end));
    assert_true(
        remote_job_advance(j, &(struct remote_job_answer){ends[i].code, 0, ""}, 1, &delay, &end));
    assert_int_equal(end.cancel, ends[i].cancel);
    assert_int_equal(end.open, ends[i].open);
    assert_int_equal(end.class, WIRE_CANCELLED);
    remote_job_free(j);
  }
}

static void polls_back_off_and_spread(void **state) {
  int64_t low = INT64_MAX, high = 0, delay;
  struct remote_job_end end;
  (void)state;
  for (uint64_t dice = 1; dice < 2000; dice += 7) {
    struct remote_job *j = make(WIRE_POLL, "there", NULL);
    assert_int_equal(j->next, CALL_POLL);
    assert_memory_equal(j->ref, "there", 5);
    int64_t ceiling = 250;
    for (int i = 0; i < 12; i++) {
      assert_false(remote_job_advance(j, &(struct remote_job_answer){LATHE_PENDING, 0, ""},
                                      dice * 7919, &delay, &end));
      assert_in_range(delay, ceiling / 2, ceiling);
      ceiling = ceiling * 2 > 15000 ? 15000 : ceiling * 2;
    }
    low = delay < low ? delay : low;
    high = delay > high ? delay : high;
    remote_job_free(j);
  }
  assert_true(high - low > 5000); /* not all at the same moment */
}

static void retry_after_is_never_undercut(void **state) {
  struct remote_job_end end;
  int64_t delay;
  (void)state;
  for (uint64_t dice = 0; dice < 3000; dice++) {
    struct remote_job *j = make(WIRE_POLL, "there", NULL);
    remote_job_advance(j, &(struct remote_job_answer){LATHE_PENDING, 2000, ""}, dice, &delay, &end);
    assert_in_range(delay, 2000, 2200);
    remote_job_advance(j, &(struct remote_job_answer){LATHE_RETRY_RATE, 60000, ""}, dice, &delay,
                       &end);
    assert_in_range(delay, 60000, 61000);
    remote_job_free(j);
  }
}

static void a_submit_that_failed_ends_as_it_said(void **state) {
  struct remote_job *j = make(WIRE_SUBMIT, NULL, NULL);
  struct remote_job_end end;
  int64_t delay;
  (void)state;
  assert_false(remote_job_advance(j, &(struct remote_job_answer){LATHE_RETRY_MEM, 700, "too many"},
                                  1, &delay, &end));
  assert_true(delay >= 700);
  assert_false(remote_job_advance(j, &(struct remote_job_answer){LATHE_RETRY, 0, "no network"}, 1,
                                  &delay, &end));
  assert_true(
      remote_job_advance(j, &(struct remote_job_answer){LATHE_NOT_FOUND, 0, ""}, 1, &delay, &end));
  assert_int_equal(end.code, LATHE_RETRY_MEM);
  assert_string_equal(end.message, "too many");
  remote_job_free(j);
}

static void cancel_is_tried_a_few_times(void **state) {
  struct remote_job *j = make(WIRE_POLL, "there", NULL);
  struct remote_job_end end;
  int64_t delay;
  int tries = 1;
  (void)state;
  assert_false(remote_job_stop(j, WIRE_CANCELLED, &end));
  assert_false(remote_job_stop(j, WIRE_TIMEOUT, &end)); /* the first one counts */
  assert_int_equal(j->next, CALL_CANCEL);
  while (!remote_job_advance(j, &(struct remote_job_answer){LATHE_RETRY, 0, ""}, 1, &delay, &end))
    tries++;
  assert_int_equal(tries, 4);
  assert_int_equal(end.class, WIRE_CANCELLED);
  assert_true(end.open);
  remote_job_free(j);
}

static void stopping_without_a_reference(void **state) {
  struct remote_job_end end;
  (void)state;
  struct remote_job *j = make(WIRE_SUBMIT, NULL, NULL);
  assert_true(remote_job_stop(j, WIRE_CANCELLED, &end));
  assert_false(end.open); /* it was never there */
  remote_job_free(j);
  j = make(WIRE_FIND, NULL, NULL);
  assert_true(remote_job_stop(j, WIRE_TIMEOUT, &end));
  assert_true(end.open);
  remote_job_free(j);
}

static void steps_that_are_none_are_refused(void **state) {
  struct err err = {.text = ""};
  (void)state;
  assert_null(make(WIRE_RUN, NULL, &err));
  assert_non_null(strstr(err.text, "run()"));
  assert_null(make(WIRE_POLL, "base64:???", &err));
  assert_non_null(strstr(err.text, "base64:???"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_answer_has_its_consequence),
      cmocka_unit_test(what_cancel_says_is_kept),
      cmocka_unit_test(polls_back_off_and_spread),
      cmocka_unit_test(retry_after_is_never_undercut),
      cmocka_unit_test(a_submit_that_failed_ends_as_it_said),
      cmocka_unit_test(cancel_is_tried_a_few_times),
      cmocka_unit_test(stopping_without_a_reference),
      cmocka_unit_test(steps_that_are_none_are_refused),
  };
  return cmocka_run_group_tests_name("worker_remote_job", tests, NULL, NULL);
}
