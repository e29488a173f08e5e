/* SPDX-License-Identifier: MIT
 *
 * Who goes next: priority, ageing, fair turns, budgets.
 */
#include "jobs_help.h"

/* Ends what runs and tells whose job started then: the client's name, or "-". */
static const char *next(struct world *w) {
  static char name[40];
  struct workers_step *s = fake_step(0);
  const char *id = world_seen(w, s->job_id)->id;
  fake_end(s, STEP_OK);
  wait_final(w, id);
  settle(w);
  s = fake_step(0);
  snprintf(name, sizeof name, "%s", s ? jobs_live(w->jobs, s->job_id)->client : "-");
  return name;
}

static void occupy(struct world *w) {
  assert_non_null(ask(w, (struct ask){.client = "first"}));
  wait_step(w);
}

static void test_priority_then_age(void **state) {
  struct world *w = *state;
  occupy(w);
  ask(w, (struct ask){.client = "low", .priority = -5});
  ask(w, (struct ask){.client = "old"});
  ask(w, (struct ask){.client = "new"});
  ask(w, (struct ask){.client = "high", .priority = 5});
  assert_string_equal(next(w), "high");
  assert_string_equal(next(w), "old");
  assert_string_equal(next(w), "new");
  assert_string_equal(next(w), "low");
  assert_string_equal(next(w), "-");
}

static void test_fair_turns(void **state) {
  struct world *w = *state;
  occupy(w);
  for (int i = 0; i < 4; i++)
    ask(w, (struct ask){.client = "many"});
  for (int i = 0; i < 2; i++)
    ask(w, (struct ask){.client = "few"});
  ask(w, (struct ask){.client = "one"});
  const char *const order[] = {"many", "few", "one", "many", "few", "many", "many", "-"};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++)
    assert_string_equal(next(w), order[i]);
}

static void test_fair_turns_across_kinds(void **state) {
  struct world *w = *state;
  occupy(w);
  ask(w, (struct ask){.client = "a", .kind = "echo"});
  ask(w, (struct ask){.client = "a", .kind = "mesh"});
  ask(w, (struct ask){.client = "b", .kind = "mesh"});
  assert_string_equal(next(w), "a");
  assert_string_equal(next(w), "b"); /* a was served, though in another lane */
  assert_string_equal(next(w), "a");
}

static void test_ageing(void **state) {
  struct world *w = *state;
  w->options.ageing_ms = 20;
  jobs_reconfigure(w->jobs, &w->options);
  occupy(w);
  ask(w, (struct ask){.client = "low", .priority = -1});
  int64_t since = clock_mono_ms();
  while (clock_mono_ms() - since < 100)
    settle(w);
  ask(w, (struct ask){.client = "new", .priority = 0});
  assert_string_equal(next(w), "low");
  assert_string_equal(next(w), "new");
}

static void test_new_ageing_sorts_anew(void **state) {
  struct world *w = *state;
  occupy(w);
  ask(w, (struct ask){.client = "low", .priority = -1});
  int64_t since = clock_mono_ms();
  while (clock_mono_ms() - since < 60)
    settle(w);
  ask(w, (struct ask){.client = "new", .priority = 0});
  w->options.ageing_ms = 10;
  jobs_reconfigure(w->jobs, &w->options);
  assert_string_equal(next(w), "low");
}

static void test_pins_wait_for_their_backend(void **state) {
  struct world *w = *state;
  fake.count = 2;
  fake.backends[1] = (struct backend){
      .name = "b", .device = "cpu", .state = BACKEND_READY, .kinds = {"echo"}, .slots = 1};
  occupy(w);
  ask(w, (struct ask){.client = "a1", .pin = "a"});
  ask(w, (struct ask){.client = "a2", .pin = "a"});
  ask(w, (struct ask){.client = "any"}); /* b is free: it does not wait behind those */
  settle(w);
  assert_int_equal(fake.steps_count, 2);
  assert_string_equal(fake_step(1)->b->name, "b");
  assert_int_equal(jobs_queued_for(w->jobs, "a"), 2);
}

/* ---- budgets ---- */

static void two_slots(struct world *w, int slots) {
  fake.backends[0].slots = slots;
  w->options.cpus = 2;
  w->options.memory = 1000LL << 20;
  jobs_reconfigure(w->jobs, &w->options);
}

static void test_threads_of_the_machine(void **state) {
  struct world *w = *state;
  two_slots(w, 8);
  for (int i = 0; i < 3; i++)
    ask(w, (struct ask){.kind = "mesh", .params = "{\"threads\":1}"});
  settle(w);
  assert_int_equal(fake.steps_count, 2); /* 384 MB each: a third would fit but for the cores */
  ask(w, (struct ask){.kind = "echo"});  /* needs no core */
  settle(w);
  assert_int_equal(fake.steps_count, 3);
  fake_end(fake_step(0), STEP_OK);
  settle(w);
  assert_int_equal(fake.steps_count, 3);
}

static void test_memory_of_the_machine(void **state) {
  struct world *w = *state;
  two_slots(w, 8);
  w->options.cpus = 0;
  jobs_reconfigure(w->jobs, &w->options);
  for (int i = 0; i < 4; i++)
    ask(w, (struct ask){.kind = "mesh"});
  settle(w);
  assert_int_equal(fake.steps_count, 2);
}

static void test_memory_of_a_backend(void **state) {
  struct world *w = *state;
  struct jobs_backend_budget budget = {.backend = "a", .memory = 500LL << 20};
  w->options.budgets = &budget;
  w->options.budget_count = 1;
  fake.backends[0].device = "net"; /* nothing of the machine, but of its own */
  two_slots(w, 8);
  for (int i = 0; i < 3; i++)
    ask(w, (struct ask){.kind = "mesh"});
  settle(w);
  assert_int_equal(fake.steps_count, 1);
}

static void test_what_is_larger_than_all_runs_alone(void **state) {
  struct world *w = *state;
  two_slots(w, 8);
  ask(w, (struct ask){.kind = "mesh", .bytes = 100 << 20});
  settle(w);
  assert_int_equal(fake.steps_count, 1);
  ask(w, (struct ask){.kind = "mesh", .params = "{\"threads\":64}"});
  settle(w);
  assert_int_equal(fake.steps_count, 1);
  fake_end(fake_step(0), STEP_OK);
  settle(w);
  assert_int_equal(fake.steps_count, 1);
}

/* Small jobs go before a large one that does not fit, but not for ever. */
static void test_bounded_bypass(void **state) {
  struct world *w = *state;
  two_slots(w, 8);
  w->options.cpus = 0;
  jobs_reconfigure(w->jobs, &w->options);
  ask(w, (struct ask){.kind = "mesh", .client = "running"});
  settle(w);
  ask(w, (struct ask){.kind = "mesh", .client = "large", .bytes = 2 << 20, .priority = 9});
  settle(w);
  ask(w, (struct ask){.kind = "mesh", .client = "small"});
  settle(w);
  assert_int_equal(fake.steps_count, 2); /* 384 + 984 do not fit; 384 + 384 do */
  w->options.ageing_ms = 1;
  jobs_reconfigure(w->jobs, &w->options);
  settle(w);
  fake_end(fake_step(1), STEP_OK); /* the large one is seen to have waited too long */
  settle(w);
  ask(w, (struct ask){.kind = "mesh", .client = "later"});
  settle(w);
  assert_int_equal(fake.steps_count, 1); /* held: the later one must wait */
  fake_end(fake_step(0), STEP_OK);
  settle(w);
  assert_int_equal(fake.steps_count, 1);
  assert_string_equal(jobs_live(w->jobs, fake_step(0)->job_id)->client, "large");
  fake_end(fake_step(0), STEP_OK);
  settle(w);
  assert_string_equal(jobs_live(w->jobs, fake_step(0)->job_id)->client, "later");
}

static void test_a_held_job_that_is_cancelled_lets_go(void **state) {
  struct world *w = *state;
  two_slots(w, 8);
  w->options.cpus = 0;
  w->options.ageing_ms = 10;
  jobs_reconfigure(w->jobs, &w->options);
  ask(w, (struct ask){.kind = "mesh"});
  const char *large = ask(w, (struct ask){.kind = "mesh", .bytes = 2 << 20});
  int64_t since = clock_mono_ms();
  while (clock_mono_ms() - since < 40)
    settle(w);
  ask(w, (struct ask){.kind = "mesh"});
  settle(w);
  assert_int_equal(fake.steps_count, 1);
  w->answers = 0;
  jobs_cancel(w->jobs, large, world_answered, w);
  wait_final(w, large);
  settle(w);
  assert_int_equal(fake.steps_count, 2);
}

/* ---- many ---- */

static void test_many_waiting_jobs_are_cheap(void **state) {
  struct world *w = *state;
  enum { MANY = 20000 };
  occupy(w);
  w->answers = 0;
  for (int i = 0; i < MANY; i++) {
    char client[16];
    snprintf(client, sizeof client, "c%d", i % 1000);
    ask_no_wait(w, (struct ask){.client = client, .priority = i % 7});
  }
  wait_answers(w, MANY);
  struct jobs_stats stats;
  jobs_stats(w->jobs, &stats);
  assert_int_equal(stats.queued, MANY);
  int64_t before = clock_mono_us();
  for (int i = 0; i < 10000; i++)
    fake.events.changed(fake.events.ctx, &fake.backends[0]);
  assert_true(clock_mono_us() - before < 5000000); /* no scan: that would take minutes */
  fake.backends[0].slots = 5000;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  wait_steps(w, 5000);
  for (int i = 0; i < 2; i++) { /* the best came first */
    struct workers_step *s = fake_step(1 + i);
    assert_int_equal(jobs_live(w->jobs, s->job_id)->priority, 6);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_priority_then_age),
      WORLD_TEST(test_fair_turns),
      WORLD_TEST(test_fair_turns_across_kinds),
      WORLD_TEST(test_ageing),
      WORLD_TEST(test_new_ageing_sorts_anew),
      WORLD_TEST(test_pins_wait_for_their_backend),
      WORLD_TEST(test_threads_of_the_machine),
      WORLD_TEST(test_memory_of_the_machine),
      WORLD_TEST(test_memory_of_a_backend),
      WORLD_TEST(test_what_is_larger_than_all_runs_alone),
      WORLD_TEST(test_bounded_bypass),
      WORLD_TEST(test_a_held_job_that_is_cancelled_lets_go),
      WORLD_TEST(test_many_waiting_jobs_are_cheap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
