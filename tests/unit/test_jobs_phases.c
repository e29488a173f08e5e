/* SPDX-License-Identifier: MIT
 *
 * The table of a job's life, as a graph: no phase is a trap, and what would do harm is not legal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "jobs/life.h"

#include <stdlib.h>

/* Posts the event to a job in that phase and takes the effect back. */
static enum phase step(enum phase from, enum life_event event, enum effect *effect) {
  struct jobs *j = mem_alloc(sizeof *j);
  struct job *job = mem_alloc(sizeof *job), *same = NULL;
  uv_loop_t loop;
  uv_loop_init(&loop);
  uv_idle_init(&loop, &j->turn_due);
  list_init(&j->effects);
  job->j = j;
  life_begin(job);
  job->phase = (uint8_t)from;
  life_post(job, event);
  enum phase to = (enum phase)job->phase;
  *effect = life_next_effect(j, &same);
  assert_true(*effect == EFFECT_NONE || same == job);
  assert_int_equal(life_next_effect(j, &same), EFFECT_NONE);
  assert_true(*effect == EFFECT_NONE || uv_is_active((uv_handle_t *)&j->turn_due));
  uv_close((uv_handle_t *)&j->turn_due, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  free(job);
  free(j);
  return to;
}

static unsigned reachable(unsigned from) {
  enum effect effect;
  for (unsigned before = 0; before != from;) {
    before = from;
    for (int p = 0; p < PHASE_COUNT; p++)
      for (int e = 0; (from & 1u << p) && e < LIFE_EVENT_COUNT; e++)
        if (life_is_legal((enum phase)p, (enum life_event)e))
          from |= 1u << step((enum phase)p, (enum life_event)e, &effect);
  }
  return from;
}

static void test_each_phase_is_reached_and_leads_to_the_end(void **state) {
  (void)state;
  assert_int_equal(reachable(1u << PHASE_SUBMIT), (1u << PHASE_COUNT) - 1);
  for (int p = 0; p < PHASE_COUNT; p++)
    assert_true(reachable(1u << p) & 1u << PHASE_END);
}

/* Once its end is being written a job goes nowhere else. */
static void test_the_end_is_the_end(void **state) {
  (void)state;
  assert_int_equal(reachable(1u << PHASE_END), 1u << PHASE_END);
}

/* What is written or freed twice would be wrong: a worker has one step of a job at a time, the queue
 * has it once, and only one that was chosen is launched. */
static void test_what_would_do_harm(void **state) {
  static const struct {
    enum phase phase;
    enum life_event event;
  } harm[] = {
      {PHASE_RUN, LIFE_RUNS},     {PHASE_RUN, LIFE_STARTED},  {PHASE_WAIT, LIFE_WAITS},
      {PHASE_WAIT, LIFE_RUNS},    {PHASE_RUN, LIFE_QUEUED},   {PHASE_AWAY, LIFE_QUEUED},
      {PHASE_ADOPT, LIFE_QUEUED}, {PHASE_ADOPT, LIFE_RUNS},   {PHASE_END, LIFE_RETURNS},
      {PHASE_END, LIFE_QUEUED},   {PHASE_BACK, LIFE_STARTED}, {PHASE_SUBMIT, LIFE_WAITS},
  };
  (void)state;
  for (size_t i = 0; i < sizeof harm / sizeof *harm; i++)
    assert_false(life_is_legal(harm[i].phase, harm[i].event));
}

/* An end is written wherever it comes from, and an attempt before it is launched. */
static void test_effects(void **state) {
  enum effect effect;
  (void)state;
  for (int p = 0; p < PHASE_COUNT; p++) {
    if (life_is_legal((enum phase)p, LIFE_ENDS)) {
      assert_int_equal(step((enum phase)p, LIFE_ENDS, &effect), PHASE_END);
      assert_int_equal(effect, EFFECT_SAVE);
    }
    if (life_is_legal((enum phase)p, LIFE_RETURNS)) {
      assert_int_equal(step((enum phase)p, LIFE_RETURNS, &effect), PHASE_BACK);
      assert_int_equal(effect, EFFECT_SAVE);
    }
  }
  assert_int_equal(step(PHASE_WAIT, LIFE_CHOSEN, &effect), PHASE_START);
  assert_int_equal(effect, EFFECT_WRITE_START);
  assert_int_equal(step(PHASE_START, LIFE_STARTED, &effect), PHASE_START);
  assert_int_equal(effect, EFFECT_LAUNCH);
}

#ifdef NDEBUG
/* A release build says so in the log and leaves the job as it is; a debug build stops. */
static void test_a_mistake_changes_nothing(void **state) {
  enum effect effect;
  (void)state;
  assert_int_equal(step(PHASE_RUN, LIFE_WAITS, &effect), PHASE_RUN);
  assert_int_equal(effect, EFFECT_NONE);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_phase_is_reached_and_leads_to_the_end),
      cmocka_unit_test(test_the_end_is_the_end),
      cmocka_unit_test(test_what_would_do_harm),
      cmocka_unit_test(test_effects),
#ifdef NDEBUG
      cmocka_unit_test(test_a_mistake_changes_nothing),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
