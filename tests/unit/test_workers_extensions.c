/* SPDX-License-Identifier: MIT
 *
 * The extensions of the host's table: kinds that a plugin declares, and a process that wants to be
 * replaced.
 */
#include "workers_help.h"

#define DECLARING PLUGINS "declaring.so"

static void declare(struct rig *r, const char *kinds) {
  struct backend_option option = {"kinds", kinds, "lathe.ini:3"};
  struct backend_options o = rig_options(DECLARING, 2);
  o.options = &option;
  o.option_count = 1;
  if (r->b)
    workers_change(r->b, &o);
  else
    r->b = workers_add(r->w, &o);
}

static void kinds_are_declared_in_create(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  declare(&r, "turn mill turn");
  assert_false(backend_does(r.b, "turn"));
  rig_ready(&r);
  assert_string_equal(backend_kinds(r.b)[0], "turn");
  assert_string_equal(backend_kinds(r.b)[1], "mill");
  assert_null(backend_kinds(r.b)[2]);
  RUN_UNTIL(&r, backend_room(r.b) == 2); /* the second worker's HELLO takes nothing away */
  assert_true(backend_does(r.b, "mill"));

  declare(&r, "grind");
  RUN_UNTIL(&r, backend_does(r.b, "grind"));
  assert_false(backend_does(r.b, "turn"));
  rig_close(&r);
}

static void a_backend_without_kinds_fails(void **state) {
  static const struct {
    const char *kinds, *says;
  } wrong[] = {
      {"", "it names no kind of job, and create() declared none"},
      {"Turn", "a kind was refused"},
      {"turn ../mill", "a kind was refused"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rig r;
    rig_open(&r);
    declare(&r, wrong[i].kinds);
    RUN_UNTIL(&r, backend_state(r.b) == BACKEND_FAILED);
    if (!strstr(backend_message(r.b), wrong[i].says))
      fail_msg("\"%s\"", backend_message(r.b));
    rig_close(&r);
  }
}

#define LATE_1 "{\"kind\":\"late\",\"v\":1}"
#define LATE_2 "{\"kind\":\"late\",\"v\":2}"

static enum step_class run_once(struct rig *r, const char *key) {
  struct seen s;
  rig_run(r, &s, key, NULL);
  buf_free(&s.log);
  return s.class;
}

/* From a thread of the plugin's, while it serves. */
static void kinds_are_declared_later_too(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  declare(&r, "turn");
  rig_ready(&r);
  RUN_UNTIL(&r, backend_room(r.b) == 2);
  assert_null(backend_declares(r.b, "turn")); /* a file's */
  assert_int_equal(run_once(&r, "withdraw"), STEP_BAD_INPUT);
  assert_int_equal(r.declared, 0);

  assert_int_equal(run_once(&r, "declare:" LATE_1), STEP_OK);
  RUN_UNTIL(&r, r.declared == 1);
  assert_string_equal(backend_declares(r.b, "late"), LATE_1);
  assert_true(backend_does(r.b, "turn") && backend_does(r.b, "late"));
  assert_int_equal(run_once(&r, "declare:" LATE_2), STEP_OK);
  RUN_UNTIL(&r, r.declared == 2);
  assert_string_equal(backend_declares(r.b, "late"), LATE_2);
  assert_int_equal(run_once(&r, "declare:" LATE_2), STEP_OK); /* nothing new */
  assert_int_equal(run_once(&r, "declare:[]"), STEP_BAD_INPUT);
  assert_int_equal(r.declared, 2);
  assert_string_equal(backend_declares(r.b, "late"), LATE_2);

  declare(&r, "turn mill"); /* new workers have not declared it */
  RUN_UNTIL(&r, backend_does(r.b, "mill") && r.declared == 3);
  assert_false(backend_does(r.b, "late"));
  assert_null(backend_declares(r.b, "late"));
  rig_close(&r);
}

/* One worker: it knows what it declared. */
static void kinds_are_withdrawn(void **state) {
  struct rig r;
  struct backend_option option = {"kinds", "turn", "lathe.ini:3"};
  struct backend_options o = rig_options(DECLARING, 1);
  (void)state;
  rig_open(&r);
  o.options = &option;
  o.option_count = 1;
  r.b = workers_add(r.w, &o);
  rig_ready(&r);
  assert_int_equal(run_once(&r, "declare:" LATE_1), STEP_OK);
  RUN_UNTIL(&r, backend_does(r.b, "late"));
  assert_int_equal(run_once(&r, "withdraw"), STEP_OK);
  RUN_UNTIL(&r, !backend_does(r.b, "late"));
  assert_null(backend_declares(r.b, "late"));
  assert_true(backend_does(r.b, "turn"));
  assert_int_equal(run_once(&r, "withdraw"), STEP_BAD_INPUT);
  rig_close(&r);
}

/* Who loads kinds may take long for each change; the daemon has more to do. */
static void a_reader_of_kinds_that_is_slow_gets_pauses(void **state) {
  struct rig r;
  (void)state;
  rig_open(&r);
  declare(&r, "turn");
  rig_ready(&r);
  RUN_UNTIL(&r, backend_room(r.b) == 2);
  r.declared_takes_us = 30000;
  assert_int_equal(run_once(&r, "declare:" LATE_1), STEP_OK);
  RUN_UNTIL(&r, r.declared == 1);
  uint64_t took = r.declared_ended - r.declared_begun, ended = r.declared_ended;
  assert_int_equal(run_once(&r, "declare:" LATE_2), STEP_OK);
  RUN_UNTIL(&r, r.declared == 2);
  assert_string_equal(backend_declares(r.b, "late"), LATE_2);
  assert_true(r.declared_begun - ended > 5 * took);
  rig_close(&r);
}

static pid_t pid_of(const struct seen *s) {
  assert_non_null(s->log.data);
  return atoi(strstr(s->log.data, "pid ") + 4);
}

/* The result counts; what was sent to the same process behind it is run by the next one. */
static void a_process_is_replaced_when_it_asks(void **state) {
  struct rig r;
  struct seen before, s, behind[3];
  (void)state;
  rig_open(&r);
  struct backend_option option = {"kinds", "turn", "lathe.ini:3"};
  struct backend_options o = rig_options(DECLARING, 1);
  o.options = &option;
  o.option_count = 1;
  r.b = workers_add(r.w, &o);
  rig_ready(&r);
  rig_run(&r, &before, "ok", NULL);
  static const struct {
    const char *key;
    enum step_class class;
  } ways[] = {{"renew", STEP_OK}, {"renew-and-fail", STEP_BAD_INPUT}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    int restarts = backend_restarts(r.b);
    rig_start(&r, &s, ways[i].key, NULL);
    for (size_t k = 0; k < 3; k++)
      rig_start(&r, &behind[k], "ok", NULL);
    RUN_UNTIL(&r, s.dones && behind[0].dones && behind[1].dones && behind[2].dones);
    assert_int_equal(s.class, ways[i].class);
    for (size_t k = 0; k < 3; k++) {
      assert_true(behind[k].class == STEP_OK || behind[k].class == STEP_LOST);
      if (behind[k].class == STEP_OK)
        assert_int_not_equal(pid_of(&behind[k]), pid_of(&s));
    }
    RUN_UNTIL(&r, backend_restarts(r.b) > restarts && backend_state(r.b) == BACKEND_READY);
    buf_free(&before.log);
    rig_run(&r, &before, "ok", NULL);
    assert_int_equal(before.class, STEP_OK);
    assert_int_not_equal(pid_of(&before), pid_of(&s));
    buf_free(&s.log);
    for (size_t k = 0; k < 3; k++)
      buf_free(&behind[k].log);
  }
  buf_free(&before.log);
  rig_run(&r, &s, "renew", NULL);
  buf_free(&s.log);
  RUN_UNTIL(&r, backend_state(r.b) == BACKEND_RESTARTING);
  assert_non_null(strstr(backend_message(r.b), "declaring wants a new process: its helper died"));
  rig_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinds_are_declared_in_create),
      cmocka_unit_test(a_backend_without_kinds_fails),
      cmocka_unit_test(kinds_are_declared_later_too),
      cmocka_unit_test(kinds_are_withdrawn),
      cmocka_unit_test(a_reader_of_kinds_that_is_slow_gets_pauses),
      cmocka_unit_test(a_process_is_replaced_when_it_asks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
