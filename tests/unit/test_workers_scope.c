/* SPDX-License-Identifier: MIT
 *
 * Results and words of a plugin that are about its backend, whatever job or call they came with.
 */
#include "workers_help.h"

static const char *const plugins[] = {PLUGINS "scripted_fork.so", PLUGINS "scripted_process.so",
                                      PLUGINS "scripted_shared.so"};

struct scope {
  struct rig r;
  char health[100];
  struct backend_option options[2];
};

static void say(const struct scope *c, const char *word) {
  FILE *f = fopen(c->health, "w");
  assert_non_null(f);
  fputs(word, f);
  fclose(f);
}

/* `health`: what it says at first; NULL: it is never asked but where the test waits for it. */
static void open_scope(struct scope *c, const char *plugin, const char *start, const char *health,
                       int64_t health_ms) {
  rig_open(&c->r);
  snprintf(c->health, sizeof c->health, "%s/health", c->r.root);
  say(c, health);
  c->options[0] = (struct backend_option){"start", start, "lathe.ini:7"};
  c->options[1] = (struct backend_option){"health", c->health, "lathe.ini:8"};
  struct backend_options o = rig_options(plugin, 4);
  o.options = c->options;
  o.option_count = 2;
  o.health_ms = health_ms;
  c->r.b = workers_add(c->r.w, &o);
}

static void is_paused(struct rig *r, const char *reason, const char *says) {
  assert_int_equal(backend_state(r->b), BACKEND_PAUSED);
  assert_string_equal(backend_reason(r->b), reason);
  if (!strstr(backend_message(r->b), says))
    fail_msg("\"%s\" does not say \"%s\"", backend_message(r->b), says);
  assert_int_equal(backend_room(r->b), 0);
}

static void run_ok(struct rig *r) {
  struct seen s;
  rig_ready(r);
  rig_run(r, &s, "ok", NULL);
  assert_int_equal(s.class, STEP_OK);
  assert_null(backend_reason(r->b));
  buf_free(&s.log);
}

static void results_pause_the_backend(void **state) {
  static const struct {
    const char *act, *reason, *says;
    enum step_class class;
  } ways[] = {
      {"auth", "credential", "refused the credential", STEP_AUTH},
      {"quota", "quota", "no credit is left", STEP_QUOTA},
      {"pause", "plugin", "maintenance until noon", STEP_OK},
  };
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    struct scope c;
    struct seen s;
    open_scope(&c, plugins[p], "ok", "ill", 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
      rig_ready(&c.r);
      rig_run(&c.r, &s, ways[i].act, NULL);
      assert_int_equal(s.class, ways[i].class);
      is_paused(&c.r, ways[i].reason, ways[i].says);
      assert_int_equal(backend_resumes_us(c.r.b), 0);
      assert_true(workers_resume(c.r.b));
      assert_false(workers_resume(c.r.b)); /* nothing is left to resume */
      run_ok(&c.r);
    }
    rig_close(&c.r);
  }
}

static void a_time_that_the_plugin_named_ends_it(void **state) {
  struct scope c;
  struct seen s;
  (void)state;
  open_scope(&c, plugins[1], "ok", "ill", 0);
  rig_ready(&c.r);
  rig_run(&c.r, &s, "quota_for", NULL);
  is_paused(&c.r, "quota", "it tries again by itself");
  assert_true(backend_resumes_us(c.r.b) > 0);
  run_ok(&c.r);
  rig_close(&c.r);
}

/* Not its time, and no person: the plugin is asked. */
static void health_ends_it(void **state) {
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    struct scope c;
    struct seen s;
    open_scope(&c, plugins[p], "ok", "ill", 20);
    RUN_UNTIL(&c.r, backend_state(c.r.b) == BACKEND_PAUSED); /* that is why health_ms is given */
    is_paused(&c.r, "health", "the gauge is red");
    say(&c, "well");
    run_ok(&c.r);
    rig_run(&c.r, &s, "auth", NULL); /* with workers of its own, for the old ones went */
    buf_free(&s.log);
    run_ok(&c.r);
    say(&c, "quota");
    RUN_UNTIL(&c.r, backend_state(c.r.b) == BACKEND_PAUSED);
    is_paused(&c.r, "quota", "the gauge is red");
    say(&c, "well");
    run_ok(&c.r);
    rig_close(&c.r);
  }
}

/* In a FORK it costs nobody anything. */
static void health_may_crash(void **state) {
  struct scope c;
  (void)state;
  open_scope(&c, plugins[0], "ok", "crash", 20);
  RUN_UNTIL(&c.r, backend_state(c.r.b) == BACKEND_PAUSED);
  is_paused(&c.r, "health", "health() ");
  assert_int_equal(backend_restarts(c.r.b), 0);
  say(&c, "well");
  run_ok(&c.r);
  rig_close(&c.r);
}

static void a_start_may_be_refused_for_the_backend(void **state) {
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    struct scope c;
    open_scope(&c, plugins[p], "denied", "well", 20);
    RUN_UNTIL(&c.r, backend_state(c.r.b) == BACKEND_PAUSED);
    is_paused(&c.r, "credential", "the token has expired");
    int restarts = backend_restarts(c.r.b);
    struct backend_options o = rig_options(plugins[p], 4);
    c.options[0].value = "broke";
    o.options = c.options;
    o.option_count = 2;
    workers_change(c.r.b, &o);
    RUN_UNTIL(&c.r, backend_state(c.r.b) == BACKEND_PAUSED);
    is_paused(&c.r, "quota", "no credit is left");
    assert_true(backend_resumes_us(c.r.b) > 0);
    assert_in_range(backend_restarts(c.r.b), 0,
                    restarts + 1); /* it is not started again and again */
    c.options[0].value = "ok";
    workers_change(c.r.b, &o);
    run_ok(&c.r);
    rig_close(&c.r);
  }
}

static void slowed_without_a_time_begins_one_at_a_time(void **state) {
  struct scope c;
  struct seen s, many[4];
  (void)state;
  open_scope(&c, plugins[2], "ok", "ill", 0);
  rig_ready(&c.r);
  assert_int_equal(backend_room(c.r.b), 4);
  rig_run(&c.r, &s, "slow", NULL);
  assert_int_equal(backend_state(c.r.b), BACKEND_READY);
  assert_string_equal(backend_reason(c.r.b), "rate");
  assert_non_null(strstr(backend_limited(c.r.b), "the night shift is small"));
  RUN_UNTIL(&c.r, backend_room(c.r.b) == 1); /* once the first pause is over */
  for (int i = 0; i < 4; i++) {
    rig_run(&c.r, &many[i], "ok", NULL);
    assert_in_range(backend_room(c.r.b), 0, 1);
  }
  rig_run(&c.r, &s, "well", NULL);
  RUN_UNTIL(&c.r, backend_room(c.r.b) == 4);
  run_ok(&c.r);
  rig_close(&c.r);
}

static void a_capacity_bounds_the_slots(void **state) {
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    struct scope c;
    struct seen s;
    open_scope(&c, plugins[p], "ok", "ill", 0);
    rig_ready(&c.r);
    assert_int_equal(backend_slots(c.r.b), 4);
    rig_run(&c.r, &s, "capacity", NULL);
    RUN_UNTIL(&c.r, backend_slots(c.r.b) == 2);
    assert_in_range(backend_room(c.r.b), 1, 2);
    rig_close(&c.r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_pause_the_backend),
      cmocka_unit_test(a_time_that_the_plugin_named_ends_it),
      cmocka_unit_test(health_ends_it),
      cmocka_unit_test(health_may_crash),
      cmocka_unit_test(a_start_may_be_refused_for_the_backend),
      cmocka_unit_test(slowed_without_a_time_begins_one_at_a_time),
      cmocka_unit_test(a_capacity_bounds_the_slots),
  };
  return cmocka_run_group_tests_name("workers_scope", tests, NULL, NULL);
}
