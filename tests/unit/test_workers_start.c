/* SPDX-License-Identifier: MIT
 *
 * How a backend starts, fails to start, starts again, and changes while the daemon runs.
 */
#include "workers_help.h"

static void expect_failure(const char *plugin, const char *says) {
  struct rig r;
  rig_open(&r);
  rig_add(&r, plugin, 1);
  RUN_UNTIL(&r, backend_state(r.b) == BACKEND_FAILED);
  if (!strstr(backend_message(r.b), says))
    fail_msg("%s: \"%s\"", plugin, backend_message(r.b));
  assert_int_equal(backend_room(r.b), 0);
  assert_int_equal(backend_restarts(r.b), 0); /* not tried again */
  rig_close(&r);
}

static void faulty_plugins_are_refused(void **state) {
  (void)state;
  expect_failure(PLUGINS "faulty_magic.so", "magic 0x12345678");
  expect_failure(PLUGINS "faulty_major.so", "built for ABI 7.0 and this lathe speaks 1.0");
  expect_failure(PLUGINS "faulty_minor.so", "needs ABI 1.99 or later and this lathe speaks 1.0");
  expect_failure(PLUGINS "faulty_size.so", "has 40 bytes");
  expect_failure(PLUGINS "faulty_flags.so", "0x00400000");
  expect_failure(PLUGINS "faulty_symbol.so", "a_function_that_nobody_has");
  expect_failure(PLUGINS "faulty_remote.so", "must be LATHE_SHARED");
  expect_failure(PLUGINS "faulty_both.so", "exactly one of run and remote");
  expect_failure(PLUGINS "faulty_null.so", "no descriptor");
  expect_failure(PLUGINS "absent.so", "absent.so");
  expect_failure(TEST_BINARY_DIR "/bin/lathe-worker", "does not load");
}

static struct backend_options with(const char *plugin, const struct backend_option *options,
                                   size_t count) {
  struct backend_options o = rig_options(plugin, 1);
  o.options = options;
  o.option_count = count;
  return o;
}

static void a_crash_while_loading_is_tried_again_later(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "faulty_constructor.so", 1);
  RUN_UNTIL(&r, backend_restarts(r.b) >= 3);
  assert_int_equal(backend_state(r.b), BACKEND_RESTARTING);
  assert_non_null(strstr(backend_message(r.b), "loaded its plugin"));
  assert_non_null(strstr(backend_message(r.b), "signal 6"));
  rig_close(&r);
}

static void create_may_fail(void **state) {
  static const struct {
    const char *start;
    enum backend_state end;
    const char *says;
  } ways[] = {
      {"refuse", BACKEND_FAILED, "the model file is missing; run fetch-model"},
      {"later", BACKEND_RESTARTING, "the other side does not answer"},
      {"crash", BACKEND_RESTARTING, "create"},
      {"hang", BACKEND_RESTARTING, "not ready within 150 ms"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    struct rig r;
    rig_open(&r);
    struct backend_option option = {"start", ways[i].start, "lathe.ini:7"};
    struct backend_options o = with(PLUGINS "scripted_fork.so", &option, 1);
    o.ready_timeout_ms = 150;
    r.b = workers_add(r.w, &o);
    RUN_UNTIL(&r, backend_state(r.b) == ways[i].end && strstr(backend_message(r.b), ways[i].says));
    /* Who asks for it all the same is told. */
    struct seen s;
    rig_run(&r, &s, "ok", NULL);
    assert_int_equal(s.class, STEP_LOST);
    rig_close(&r);
  }
}

static void options_are_checked(void **state) {
  static const struct {
    struct backend_option option;
    const char *says;
  } wrong[] = {
      {{"thraeds", "3", "lathe.ini:9"},
       "lathe.ini:9: the plugin scripted has no option thraeds; did "
       "you mean threads?"},
      {{"threads", "99", "lathe.ini:10"}, "lathe.ini:10: threads: 99 is outside of 1..8"},
      {{"threads", "many", "lathe.ini:11"}, "lathe.ini:11: threads: "},
      {{"start", "soon", "lathe.ini:12"}, "none of ok|hang|crash|refuse|later"},
      {{"cache", "64Q", "lathe.ini:13"}, "lathe.ini:13: cache: "},
  };
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rig r;
    rig_open(&r);
    struct backend_options o = with(PLUGINS "scripted_process.so", &wrong[i].option, 1);
    r.b = workers_add(r.w, &o);
    RUN_UNTIL(&r, backend_state(r.b) == BACKEND_FAILED);
    if (!strstr(backend_message(r.b), wrong[i].says))
      fail_msg("\"%s\"", backend_message(r.b));
    rig_close(&r);
  }
}

static void a_backend_says_what_it_is(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, ECHO_PLUGIN, 3);
  assert_int_equal(backend_state(r.b), BACKEND_STARTING);
  assert_non_null(backend_message(r.b));
  assert_null(backend_plugin_version(r.b));
  assert_null(backend_kinds(r.b)[0]);
  rig_ready(&r);
  assert_string_equal(backend_isolation(r.b), "process");
  assert_string_equal(backend_device(r.b), "cpu");
  assert_string_equal(backend_plugin_version(r.b), "1.0");
  assert_string_equal(backend_kinds(r.b)[0], "echo");
  assert_true(backend_does(r.b, "echo"));
  assert_false(backend_does(r.b, "mesh"));
  RUN_UNTIL(&r, backend_room(r.b) == 3); /* all three are warm */
  assert_ptr_equal(workers_find(r.w, "b"), r.b);
  assert_null(workers_find(r.w, "c"));
  assert_true(r.changes > 0);
  rig_close(&r);
}

static void a_change_lets_running_steps_end(void **state) {
  static const char *const plugins[] = {PLUGINS "scripted_fork.so", PLUGINS "scripted_process.so",
                                        PLUGINS "scripted_shared.so"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen running, next;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    rig_start(&r, &running, "sleep", NULL);
    uv_run(&r.loop, UV_RUN_NOWAIT);
    struct backend_option option = {"threads", "2", "lathe.ini:3"};
    struct backend_options o = with(plugins[i], &option, 1);
    workers_change(r.b, &o);
    assert_int_equal(backend_state(r.b), BACKEND_STARTING);
    rig_ready(&r);
    rig_run(&r, &next, "ok", NULL);
    assert_int_equal(next.class, STEP_OK);
    RUN_UNTIL(&r, running.dones);
    assert_int_equal(running.class, STEP_OK);
    assert_int_equal(backend_restarts(r.b), 0);
    rig_close(&r);
  }
}

static void a_change_mends_a_refused_backend(void **state) {
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  struct backend_option option = {"start", "refuse", "lathe.ini:3"};
  struct backend_options o = with(PLUGINS "scripted_fork.so", &option, 1);
  r.b = workers_add(r.w, &o);
  RUN_UNTIL(&r, backend_state(r.b) == BACKEND_FAILED);
  option.value = "ok";
  workers_change(r.b, &o);
  rig_ready(&r);
  rig_run(&r, &s, "ok", NULL);
  assert_int_equal(s.class, STEP_OK);
  rig_close(&r);
}

static void slots_change_at_once(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 1);
  rig_ready(&r);
  struct backend_options o = rig_options(PLUGINS "scripted_process.so", 3);
  workers_change(r.b, &o);
  assert_int_equal(backend_state(r.b), BACKEND_READY); /* the one that ran stays */
  RUN_UNTIL(&r, backend_room(r.b) == 3);
  o.slots = 1;
  workers_change(r.b, &o);
  assert_int_equal(backend_room(r.b), 1);
  rig_close(&r);
}

static void a_removed_backend_finishes(void **state) {
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 1);
  rig_ready(&r);
  rig_start(&r, &s, "sleep", NULL);
  uv_run(&r.loop, UV_RUN_NOWAIT);
  workers_remove(r.b);
  assert_int_equal(backend_state(r.b), BACKEND_STOPPING);
  assert_null(workers_find(r.w, "b"));
  r.b = NULL;
  RUN_UNTIL(&r, s.dones);
  assert_int_equal(s.class, STEP_OK);
  rig_close(&r);
}

/* The only one, or NULL. */
static const char *one_gone(struct rig *r, const char *kind) {
  size_t pos = 0;
  const char *const *kinds = NULL;
  const char *name = workers_next_gone(r->w, &pos, &kinds);
  assert_true(!name || !workers_next_gone(r->w, &pos, &kinds));
  for (size_t i = 0; name && kinds[i]; i++)
    if (strcmp(kinds[i], kind) == 0)
      return name;
  return NULL;
}

/* For a moment, by the kinds that it did. */
static void a_backend_that_went_is_remembered(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_process.so", 1);
  workers_remove(r.b); /* before it said what it does */
  assert_null(one_gone(&r, "scripted"));
  for (int i = 0; i < 2; i++) {
    rig_add(&r, PLUGINS "scripted_process.so", 1);
    rig_ready(&r);
    assert_null(one_gone(&r, "scripted"));
    uv_update_time(&r.loop);
    workers_remove(r.b);
    assert_string_equal(one_gone(&r, "scripted"), "b");
    assert_null(one_gone(&r, "another"));
    for (int n = 0; n < PATIENCE_MS / 10 && one_gone(&r, "scripted"); n++) {
      usleep(10000); /* until return_ms is over, by the loop's clock, which lags behind others */
      uv_update_time(&r.loop);
    }
    assert_null(one_gone(&r, "scripted"));
  }
  r.b = NULL;
  rig_close(&r);
}

/* The pause between two starts is longer than any test waits: only a worker that never had a step
 * is followed by it. */
static void a_crash_of_a_job_delays_no_start(void **state) {
  static const char *const plugins[] = {PLUGINS "scripted_process.so",
                                        PLUGINS "scripted_shared.so"};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct rig r;
    struct seen s;
    struct backend_options o = rig_options(plugins[i], 1);
    o.restart_backoff_ms = o.restart_backoff_max_ms = 3600000;
    rig_open(&r);
    r.b = workers_add(r.w, &o);
    for (int n = 0; n < 8; n++) {
      RUN_UNTIL(&r, backend_state(r.b) == BACKEND_READY);
      rig_run(&r, &s, n % 2 ? "abort" : "crash", NULL);
      assert_int_equal(s.class, STEP_CRASHED);
      buf_free(&s.log);
    }
    RUN_UNTIL(&r, backend_state(r.b) == BACKEND_READY);
    assert_int_equal(backend_restarts(r.b), 8);
    rig_close(&r);
  }
}

static void a_worker_that_dies_without_work_is_not_started_at_once(void **state) {
  struct rig r;
  struct backend_options o = rig_options(PLUGINS "scripted_process.so", 1);
  char path[60];
  int pid = 0;
  (void)state;
  o.restart_backoff_ms = o.restart_backoff_max_ms = 3600000;
  rig_open(&r);
  r.b = workers_add(r.w, &o);
  rig_ready(&r);
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *children = fopen(path, "r");
  assert_non_null(children);
  int killed = 0;
  while (fscanf(children, "%d", &pid) == 1) /* those of an earlier test that have ended, too */
    killed += kill(pid, SIGKILL) == 0;
  fclose(children);
  assert_true(killed >= 1);
  RUN_UNTIL(&r, backend_restarts(r.b) == 1);
  assert_int_equal(backend_state(r.b), BACKEND_RESTARTING);
  uv_run(&r.loop, UV_RUN_NOWAIT);
  assert_int_equal(backend_state(r.b), BACKEND_RESTARTING);
  rig_close(&r);
}

static void a_missing_worker_program_is_said(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  struct workers *w = workers_new(&r.loop, &(struct workers_options){
                                               .worker_program = "/nonexistent/lathe-worker",
                                               .work_root = r.root,
                                               .events = {.changed = rig_changed, .ctx = &r},
                                           });
  struct backend_options o = rig_options(ECHO_PLUGIN, 1);
  struct backend *b = workers_add(w, &o);
  RUN_UNTIL(&r, backend_state(b) == BACKEND_RESTARTING);
  assert_non_null(strstr(backend_message(b), "lathe-worker"));
  assert_null(strstr(backend_message(b), "/nonexistent")); /* that is for the log */
  bool stopped = r.stopped;
  workers_free(w, rig_stopped, &r);
  RUN_UNTIL(&r, r.stopped);
  r.stopped = stopped;
  rig_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(faulty_plugins_are_refused),
      cmocka_unit_test(a_crash_while_loading_is_tried_again_later),
      cmocka_unit_test(create_may_fail),
      cmocka_unit_test(a_crash_of_a_job_delays_no_start),
      cmocka_unit_test(a_worker_that_dies_without_work_is_not_started_at_once),
      cmocka_unit_test(options_are_checked),
      cmocka_unit_test(a_backend_says_what_it_is),
      cmocka_unit_test(a_change_lets_running_steps_end),
      cmocka_unit_test(a_change_mends_a_refused_backend),
      cmocka_unit_test(slots_change_at_once),
      cmocka_unit_test(a_removed_backend_finishes),
      cmocka_unit_test(a_backend_that_went_is_remembered),
      cmocka_unit_test(a_missing_worker_program_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
