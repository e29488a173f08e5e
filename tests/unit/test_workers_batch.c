/* SPDX-License-Identifier: MIT
 *
 * Many steps at a time: batches for resident workers, recall, cancelling at every place, deaths in
 * the middle of a batch.
 */
#include "workers_help.h"

enum { MANY = 2000 };

static struct seen many[MANY];

/* Feeds as backend_room() allows until all are done. */
static void feed(struct rig *r, const char *act, size_t count) {
  size_t sent = 0, done = 0;
  r->late = false;
  uv_timer_start(&r->alarm, rig_alarm, PATIENCE_MS, 0);
  while (done < count && !r->late) {
    while (sent < count && backend_room(r->b) > 0)
      rig_start(r, &many[sent++], act, NULL);
    uv_run(&r->loop, UV_RUN_ONCE);
    for (; done < sent && many[done].dones; done++)
      ;
  }
  uv_timer_stop(&r->alarm);
  assert_int_equal(done, count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(many[i].dones, 1);
    assert_int_equal(many[i].class, STEP_OK);
  }
  assert_int_equal(backend_running(r->b), 0);
}

/* Until so many steps are sent ahead: on a busy machine short steps look long for a while. */
static void feed_until_room(struct rig *r, int room) {
  for (int i = 0; i < 100 && backend_room(r->b) < room; i++)
    feed(r, "ok", 100);
  assert_true(backend_room(r->b) >= room);
}

static void short_steps_travel_in_batches(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 2);
  rig_ready(&r);
  feed(&r, "ok", MANY);
  assert_true(backend_room(r.b) > 2);
  rig_close(&r);
}

static void forked_steps_run_side_by_side(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_fork.so", 8);
  rig_ready(&r);
  feed(&r, "ok", 200);
  rig_close(&r);
}

static void shared_steps_run_side_by_side(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_shared.so", 8);
  rig_ready(&r);
  struct seen all[8];
  struct workers_step *steps[8];
  for (size_t i = 0; i < 8; i++)
    steps[i] = rig_start(&r, &all[i], "speak", NULL); /* says a line, and waits for its cancel */
  for (size_t i = 0; i < 8; i++)
    RUN_UNTIL(&r, all[i].log.len > 0);
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(all[i].dones, 0);
    workers_cancel(steps[i]);
  }
  for (size_t i = 0; i < 8; i++) {
    RUN_UNTIL(&r, all[i].dones);
    buf_free(&all[i].log);
  }
  rig_close(&r);
}

/* A worker that learnt that steps are short gets a batch with one that never ends in front. */
static void nothing_waits_behind_a_long_step(void **state) {
  struct rig r;
  struct seen hang, after[6];
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 2);
  rig_ready(&r);
  RUN_UNTIL(&r, backend_room(r.b) >= 2);
  feed(&r, "ok", 100);
  struct workers_step *first = rig_start(&r, &hang, "hang", NULL);
  for (size_t i = 0; i < 6; i++)
    rig_start(&r, &after[i], "ok", NULL);
  for (size_t i = 0; i < 6; i++) {
    RUN_UNTIL(&r, after[i].dones);
    assert_int_equal(after[i].class, STEP_OK);
  }
  assert_int_equal(hang.dones, 0);
  workers_cancel(first);
  RUN_UNTIL(&r, hang.dones);
  assert_int_equal(hang.class, STEP_CANCELLED);
  rig_close(&r);
}

/* One slot: a crash in the middle of a batch costs the step that crashed, and no other. */
static void a_crash_costs_one_attempt(void **state) {
  struct rig r;
  struct seen all[9];
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 1);
  rig_ready(&r);
  feed_until_room(&r, 9);
  for (size_t i = 0; i < 9; i++)
    rig_start(&r, &all[i], i == 4 ? "crash" : "ok", NULL);
  for (size_t i = 0; i < 9; i++)
    RUN_UNTIL(&r, all[i].dones);
  for (size_t i = 0; i < 9; i++) {
    assert_int_equal(all[i].dones, 1);
    if (i == 4)
      assert_int_equal(all[i].class, STEP_CRASHED);
    else
      assert_true(all[i].class == STEP_OK || all[i].class == STEP_LOST);
  }
  rig_close(&r);
}

static void cancel_works_at_every_place(void **state) {
  static const char *const plugins[] = {PLUGINS "scripted_fork.so", PLUGINS "scripted_process.so",
                                        PLUGINS "scripted_shared.so"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen all[4];
    struct workers_step *steps[4];
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    feed(&r, "ok", 50);
    for (size_t j = 0; j < 4; j++)
      steps[j] = rig_start(&r, &all[j], i == 2 ? "obey" : "hang", NULL);
    workers_cancel(steps[3]); /* not sent yet */
    workers_cancel(steps[3]); /* twice is once */
    RUN_UNTIL(&r, all[3].dones);
    assert_int_equal(all[3].class, STEP_CANCELLED);
    workers_cancel(steps[2]); /* waits in the worker, or runs beside the first */
    RUN_UNTIL(&r, all[2].dones);
    assert_int_equal(all[2].class, STEP_CANCELLED);
    workers_cancel(steps[0]); /* runs */
    RUN_UNTIL(&r, all[0].dones);
    assert_int_equal(all[0].class, STEP_CANCELLED);
    if (!all[1].dones) /* now runs, or was lost with the process that was killed */
      workers_cancel(steps[1]);
    RUN_UNTIL(&r, all[1].dones);
    assert_true(all[1].class == STEP_CANCELLED || all[1].class == STEP_LOST);
    for (size_t j = 0; j < 4; j++)
      assert_int_equal(all[j].dones, 1);
    rig_close(&r);
  }
}

/* Else a step that was handed over between the kill and the end of the process would be lost. */
static void a_killed_worker_is_not_ready(void **state) {
  struct rig r;
  struct seen s;
  bool was_gone = false;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 1);
  rig_ready(&r);
  feed_until_room(&r, 2);
  struct workers_step *step = rig_start(&r, &s, "family", NULL);
  RUN_UNTIL(&r, s.log.len > 0);
  workers_cancel(step);
  while (!s.dones) {
    assert_int_equal(backend_state(r.b) == BACKEND_READY, backend_room(r.b) > 0);
    was_gone |= backend_state(r.b) != BACKEND_READY;
    uv_run(&r.loop, UV_RUN_ONCE);
  }
  assert_true(was_gone);
  assert_int_equal(s.class, STEP_CANCELLED);
  buf_free(&s.log);
  rig_close(&r);
}

static void an_obedient_step_keeps_its_worker(void **state) {
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  rig_add(&r, ECHO_PLUGIN, 1);
  rig_ready(&r);
  for (int i = 0; i < 5; i++) {
    struct workers_step *step = rig_echo(&r, &s, "{\"sleep_ms\":60000,\"steps\":1000}");
    RUN_UNTIL(&r, s.progresses);
    workers_cancel(step);
    RUN_UNTIL(&r, s.dones);
    assert_int_equal(s.class, STEP_CANCELLED);
    rig_ready(&r);
  }
  rig_close(&r);
}

static void echo_does_as_asked(void **state) {
  static const struct {
    const char *params;
    enum step_class class;
  } cases[] = {
      {"{}", STEP_OK},
      {"{\"fail\":\"none\"}", STEP_OK},
      {"{\"fail\":\"bad_input\"}", STEP_BAD_INPUT},
      {"{\"fail\":\"retry\"}", STEP_RETRY},
      {"{\"fail\":\"permanent\"}", STEP_PERMANENT},
      {"{\"fail\":\"crash\"}", STEP_CRASHED},
      {"{\"sleep_ms\":5}", STEP_OK},
  };
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  rig_add(&r, ECHO_PLUGIN, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rig_ready(&r);
    rig_echo(&r, &s, cases[i].params);
    RUN_UNTIL(&r, s.dones);
    assert_int_equal(s.class, cases[i].class);
  }
  rig_ready(&r);
  rig_echo(&r, &s, "{\"steps\":7,\"log_lines\":3,\"output_bytes\":100000}");
  RUN_UNTIL(&r, s.dones);
  assert_int_equal(s.progresses, 7);
  assert_string_equal(s.stage, "echo");
  assert_int_equal(s.total, 7);
  assert_string_equal(s.log.data, "line 1 of 3\nline 2 of 3\nline 3 of 3\n");
  assert_string_equal(s.artifact, "output.bin");
  assert_int_equal(s.artifact_bytes, 100000);
  buf_free(&s.log);
  rig_close(&r);
}

/* A worker that is stopped (as by a debugger, or swapped out for good) gives no sign of life. */
static void a_silent_worker_is_replaced(void **state) {
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  struct backend_options o = rig_options(PLUGINS "scripted_process.so", 1);
  o.heartbeat_timeout_ms = 300;
  r.b = workers_add(r.w, &o);
  rig_ready(&r);
  rig_run(&r, &s, "family", &(struct step_limits){.wall_ms = 900}); /* heartbeats keep it alive */
  assert_int_equal(s.class, STEP_TIMEOUT);
  buf_free(&s.log);
  rig_ready(&r);
  rig_run(&r, &s, "freeze", NULL);
  assert_int_equal(s.class, STEP_CRASHED);
  assert_non_null(strstr(s.message, "heartbeat_timeout"));
  buf_free(&s.log);
  rig_ready(&r);
  rig_run(&r, &s, "ok", NULL);
  assert_int_equal(s.class, STEP_OK);
  rig_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(short_steps_travel_in_batches),
      cmocka_unit_test(forked_steps_run_side_by_side),
      cmocka_unit_test(shared_steps_run_side_by_side),
      cmocka_unit_test(nothing_waits_behind_a_long_step),
      cmocka_unit_test(a_crash_costs_one_attempt),
      cmocka_unit_test(cancel_works_at_every_place),
      cmocka_unit_test(a_killed_worker_is_not_ready),
      cmocka_unit_test(an_obedient_step_keeps_its_worker),
      cmocka_unit_test(echo_does_as_asked),
      cmocka_unit_test(a_silent_worker_is_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
