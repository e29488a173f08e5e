/* SPDX-License-Identifier: MIT
 *
 * Everything that a job may do to its worker, in each isolation: it ends in exactly one done of the
 * right class, and the next job runs.
 */
#include "workers_help.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* On a busy machine a second of processor time takes any time, and the guard looks late: what is to
 * end by one limit has no other one that could come first. */
enum { LONG_MS = 3600000 };
static const struct step_limits little_memory = {.wall_ms = LONG_MS, .memory = 256 << 20};
static const struct step_limits little_cpu = {.wall_ms = LONG_MS, .cpu_ms = 1000};
static const struct step_limits little_output = {.wall_ms = LONG_MS, .output_bytes = 4 << 20};
static const struct step_limits little_log = {.wall_ms = LONG_MS, .log_bytes = 10000};
static const struct step_limits roomy = {.wall_ms = LONG_MS, .memory = 1 << 30};
static const struct step_limits brief = {.wall_ms = 100};

enum { FORK = 1, PROCESS = 2, SHARED = 4, ALL = 7 };

struct act {
  const char *name;
  int where; /* the isolations in which it is tried */
  const struct step_limits *limits;
  enum step_class class;
  const char *says; /* part of the message */
};

static const struct act acts[] = {
    {"ok", ALL, NULL, STEP_OK, ""},
    {"crash", ALL, NULL, STEP_CRASHED, "SIGSEGV"},
    {"abort", ALL, NULL, STEP_CRASHED, "SIGABRT"},
    {"exit", ALL, NULL, STEP_CRASHED, "exit code 0"},
    {"hang", ALL, &brief, STEP_TIMEOUT, "time"},
    {"obey", PROCESS | SHARED, &brief, STEP_TIMEOUT, "time"},
    {"memory", FORK | PROCESS, &little_memory, STEP_LIMIT, "job_memory"},
    {"reserve", PROCESS | SHARED, &roomy, STEP_OK, ""},
    {"cpu", FORK | PROCESS, &little_cpu, STEP_LIMIT, "job_cpu"},
    {"below", PROCESS, &little_cpu, STEP_LIMIT, "job_cpu"},
    {"fill", FORK | PROCESS, &little_output, STEP_LIMIT, "job_output"},
    {"spread", ALL, &little_output, STEP_LIMIT, "job_output"},
    {"badresult", ALL, NULL, STEP_PERMANENT, "result.json"},
    {"tricks", ALL, NULL, STEP_PERMANENT, "all were refused"},
    {"wait", ALL, NULL, STEP_RETRY, "come back later"},
    {"auth", ALL, NULL, STEP_AUTH, "no message"},
    {"late", ALL, NULL, STEP_TIMEOUT, "its own clock"},
    {"strange", ALL, NULL, STEP_PERMANENT, "result 2"},
    {"unknown", ALL, NULL, STEP_BAD_INPUT, "no such act"},
    {"close", FORK, NULL, STEP_OK, ""},
    {"litter", ALL, NULL, STEP_OK, ""},
    {"clean", ALL, NULL, STEP_OK, ""},
};

static void try_all(const char *plugin, int isolation) {
  struct rig r;
  struct seen s;
  rig_open(&r);
  rig_add(&r, plugin, 2);
  rig_ready(&r);
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    const struct act *a = &acts[i];
    if (!(a->where & isolation) || (SANITIZED && strcmp(a->name, "memory") == 0))
      continue;
    rig_ready(&r);
    rig_run(&r, &s, a->name, a->limits);
    if (s.class != a->class || !strstr(s.message, a->says))
      fail_msg("%s: class %d, \"%s\"", a->name, s.class, s.message);
    buf_free(&s.log);
    workers_resume(r.b); /* some are about the backend */
    rig_ready(&r);
    rig_run(&r, &s, "ok", NULL);
    if (s.class != STEP_OK)
      fail_msg("after %s: class %d, \"%s\"", a->name, s.class, s.message);
    buf_free(&s.log);
  }
  assert_int_equal(backend_running(r.b), 0);
  rig_close(&r);
}

static void in_a_fork(void **state) {
  (void)state;
  try_all(PLUGINS "scripted_fork.so", FORK);
}

static void in_a_process(void **state) {
  (void)state;
  try_all(PLUGINS "scripted_process.so", PROCESS);
}

static void in_a_shared_process(void **state) {
  (void)state;
  try_all(PLUGINS "scripted_shared.so", SHARED);
}

static const char *const plugins[] = {PLUGINS "scripted_fork.so", PLUGINS "scripted_process.so",
                                      PLUGINS "scripted_shared.so"};

static void artifacts_are_named(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    rig_run(&r, &s, "result", NULL);
    assert_int_equal(s.class, STEP_OK);
    assert_string_equal(s.result, "{\"answer\":42}");
    assert_int_equal(s.artifacts, 2);
    assert_string_equal(s.artifact, "a.txt");
    assert_int_equal(s.artifact_bytes, 3);
    assert_int_equal(strncmp(s.artifact_path, s.workdir, strlen(s.workdir)), 0);
    rig_close(&r);
  }
}

static void inputs_lie_in_the_work_folder(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s = {0};
    char blob[100];
    rig_open(&r);
    snprintf(blob, sizeof blob, "%s/blob", r.root);
    FILE *f = fopen(blob, "w");
    fputs("solid", f);
    fclose(f);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    struct step step = {
        .owner = &s,
        .job_id = "j",
        .kind = "scripted",
        .idem_key = "input",
        .spec_json = "{}",
        .attempt = 1,
        .inputs = &(struct step_input){.name = "part.step", .path = blob},
        .input_count = 1,
    };
    workers_run(r.b, &step);
    RUN_UNTIL(&r, s.dones);
    assert_int_equal(s.class, STEP_OK);
    assert_string_equal(s.artifact, "part.step");
    assert_int_equal(s.artifact_bytes, 5);
    /* A blob that is gone is our failure, not the client's. */
    unlink(blob);
    s = (struct seen){0};
    workers_run(r.b, &step);
    RUN_UNTIL(&r, s.dones);
    assert_int_equal(s.class, STEP_RETRY);
    rig_close(&r);
  }
}

static void the_log_has_all_that_was_said(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    rig_run(&r, &s, "talk", NULL);
    assert_non_null(s.log.data);
    assert_non_null(strstr(s.log.data, "to stdout\n"));
    assert_non_null(strstr(s.log.data, "bad \xef\xbf\xbd byte\n"));
    assert_non_null(strstr(s.log.data, "from log()\n"));
    assert_non_null(strstr(s.log.data, "no end of line\n"));
    assert_null(strstr(s.log.data, "to the backend"));
    buf_free(&s.log);
    rig_run(&r, &s, "abort", NULL);
    assert_string_equal(s.log.data ? s.log.data : "", i == 0       ? "last words\n"
                                                      : s.log.data ? s.log.data
                                                                   : "");
    buf_free(&s.log);
    rig_close(&r);
  }
}

/* Also of a step that is silent from then on. */
static void a_line_is_told_soon(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    struct backend_options o = rig_options(plugins[i], 1);
    o.heartbeat_timeout_ms = 20 * PATIENCE_MS;
    r.b = workers_add(r.w, &o);
    rig_ready(&r);
    struct workers_step *step = rig_start(&r, &s, "speak", NULL);
    RUN_UNTIL(&r, s.log.len > 0);
    assert_string_equal(s.log.data, "one line\n");
    workers_cancel(step);
    RUN_UNTIL(&r, s.dones);
    buf_free(&s.log);
    rig_close(&r);
  }
}

static void a_log_is_cut_at_its_limit(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    rig_run(&r, &s, "shout", &little_log);
    assert_int_equal(s.class, STEP_OK);
    assert_true(s.log.len <= 10000 + 100);
    assert_non_null(strstr(s.log.data, "the log is cut here"));
    buf_free(&s.log);
    rig_close(&r);
  }
}

static void a_flood_of_progress_is_thinned(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    rig_run(&r, &s, "flood", NULL);
    assert_int_equal(s.class, STEP_OK);
    assert_true(s.progresses < 10000);
    assert_string_equal(s.stage, "flood");
    assert_int_equal(s.current, 20000); /* the last one is never lost */
    assert_int_equal(s.total, 20000);
    buf_free(&s.log);
    rig_close(&r);
  }
}

static void nothing_is_left_behind(void **state) {
  (void)state;
  static const char *const words[] = {"ok", "litter", "result", "crash", "hang", "clean"};
  for (size_t i = 0; i < 3; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
      rig_ready(&r);
      rig_run(&r, &s, words[j], &brief);
      buf_free(&s.log);
    }
    workers_remove(r.b);
    r.b = NULL;
    RUN_UNTIL(&r, rig_count_files(&r) == 0);
    rig_close(&r);
  }
}

static void a_job_takes_its_family_along(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct rig r;
    struct seen s;
    rig_open(&r);
    rig_add(&r, plugins[i], 1);
    rig_ready(&r);
    struct workers_step *step = rig_start(&r, &s, "family", NULL);
    RUN_UNTIL(&r, s.progresses && s.log.len);
    assert_true(rig_process_lives(s.log.data, "grandchild "));
    workers_cancel(step);
    RUN_UNTIL(&r, s.dones);
    assert_int_equal(s.class, STEP_CANCELLED);
    RUN_UNTIL(&r, !rig_process_lives(s.log.data, "grandchild "));
    buf_free(&s.log);
    rig_close(&r);
  }
}

static void what_a_child_leaves_running_is_killed(void **state) {
  struct rig r;
  struct seen s;
  (void)state;
  rig_open(&r);
  rig_add(&r, PLUGINS "scripted_fork.so", 1);
  rig_ready(&r);
  rig_run(&r, &s, "orphan", NULL);
  assert_int_equal(s.class, STEP_OK);
  RUN_UNTIL(&r, !rig_process_lives(s.log.data, "grandchild "));
  buf_free(&s.log);
  rig_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(in_a_fork),
      cmocka_unit_test(in_a_process),
      cmocka_unit_test(in_a_shared_process),
      cmocka_unit_test(artifacts_are_named),
      cmocka_unit_test(inputs_lie_in_the_work_folder),
      cmocka_unit_test(the_log_has_all_that_was_said),
      cmocka_unit_test(a_line_is_told_soon),
      cmocka_unit_test(a_log_is_cut_at_its_limit),
      cmocka_unit_test(a_flood_of_progress_is_thinned),
      cmocka_unit_test(nothing_is_left_behind),
      cmocka_unit_test(a_job_takes_its_family_along),
      cmocka_unit_test(what_a_child_leaves_running_is_killed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
