/* SPDX-License-Identifier: MIT
 *
 * "Which one counts" of docs/configuration.md, row by row: each place that may say something, from
 * the last to the first, goes before all that came before.
 */
#include "jobs_help.h"

static struct jobs_backend_budget budget;

static void say(struct world *w, const struct route_options *route) {
  budget.backend = "a";
  w->options.budgets = &budget;
  w->options.budget_count = 1;
  jobs_reconfigure(w->jobs, &w->options);
  routing_configure(w->routing, route, route ? 1 : 0);
}

/* The step of a job of the kind, ended. */
static struct step_limits limits_of(struct world *w, struct ask a) {
  fake.backends[0].kinds[2] = "bare";
  assert_non_null(ask(w, a));
  struct workers_step *s = wait_step(w);
  struct step_limits limits = s->limits;
  fake_end(s, STEP_OK);
  settle(w);
  return limits;
}

static int64_t wall_of(struct world *w, const char *kind, int64_t timeout_ms) {
  return limits_of(w, (struct ask){.kind = kind, .timeout_ms = timeout_ms}).wall_ms;
}

static void test_wall_time(void **state) {
  static const char *const backends[] = {"a", NULL};
  struct world *w = *state;
  budget = (struct jobs_backend_budget){0};
  w->options.limits = (struct step_limits){.wall_ms = 9000000};
  say(w, NULL);
  assert_int_equal(wall_of(w, "bare", 0), 9000000);
  assert_int_equal(wall_of(w, "echo", 0), 600000);
  budget.limits.wall_ms = 3000000; /* also where it is longer than the kind's */
  say(w, NULL);
  assert_int_equal(wall_of(w, "echo", 0), 3000000);
  assert_int_equal(wall_of(w, "bare", 0), 3000000);
  struct route_options route = {.kind = "echo", .backends = backends, .timeout_ms = 7000};
  say(w, &route);
  assert_int_equal(wall_of(w, "echo", 0), 7000);
  assert_int_equal(wall_of(w, "echo", 99999999), 7000); /* a request may only shorten it */
  assert_int_equal(wall_of(w, "echo", 100), 100);
}

static bool runs_or_is_over(struct world *w, void *id) {
  return fake.steps_count > 0 || has_final(w, id);
}

static int attempts_of(struct world *w, const char *kind) {
  fake.backends[0].kinds[2] = "bare";
  const char *id = ask(w, (struct ask){.kind = kind});
  for (int tries = 0; tries < 20; tries++) {
    world_until(w, runs_or_is_over, (void *)(uintptr_t)id);
    if (fake.steps_count == 0)
      break;
    fake_end(fake_step(0), STEP_RETRY);
  }
  wait_final(w, id);
  return look(w, id).attempts;
}

static void test_attempts(void **state) {
  static const char *const backends[] = {"a", NULL};
  struct world *w = *state;
  budget = (struct jobs_backend_budget){0};
  w->options.attempts = 2;
  say(w, NULL);
  assert_int_equal(attempts_of(w, "bare"), 2);
  assert_int_equal(attempts_of(w, "echo"), 3);
  struct route_options route = {.kind = "echo", .backends = backends, .attempts = 4};
  say(w, &route);
  assert_int_equal(attempts_of(w, "echo"), 4);
}

static void test_cpu_memory_output_and_log(void **state) {
  struct world *w = *state;
  budget = (struct jobs_backend_budget){0};
  w->options.limits =
      (struct step_limits){.cpu_ms = 1, .memory = 2, .output_bytes = 3, .log_bytes = 4};
  say(w, NULL);
  struct step_limits l = limits_of(w, (struct ask){0});
  assert_int_equal(l.cpu_ms, 1);
  assert_int_equal(l.memory, 2);
  assert_int_equal(l.output_bytes, 3);
  assert_int_equal(l.log_bytes, 4);
  budget.limits = (struct step_limits){.cpu_ms = 10, .memory = 20, .output_bytes = 30};
  say(w, NULL);
  l = limits_of(w, (struct ask){0});
  assert_int_equal(l.cpu_ms, 10);
  assert_int_equal(l.memory, 20);
  assert_int_equal(l.output_bytes, 30);
  assert_int_equal(l.log_bytes, 4);
}

static int threads_of(struct world *w, const char *kind, const char *params) {
  assert_non_null(ask(w, (struct ask){.kind = kind, .params = params}));
  struct workers_step *s = wait_step(w);
  int threads = s->threads;
  fake_end(s, STEP_OK);
  settle(w);
  return threads;
}

static void test_cores(void **state) {
  struct world *w = *state;
  budget = (struct jobs_backend_budget){0};
  w->options.cpus = 16;
  say(w, NULL);
  assert_int_equal(threads_of(w, "echo", NULL), 0); /* nobody says anything */
  fake.backends[0].threads = 6;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  assert_int_equal(threads_of(w, "echo", NULL), 6);
  assert_int_equal(threads_of(w, "mesh", NULL), 1); /* the kind's */
  assert_int_equal(threads_of(w, "mesh", "{\"threads\":3}"), 3);
  budget.threads = 2; /* of the backend in all: nobody gets more */
  say(w, NULL);
  assert_int_equal(threads_of(w, "mesh", "{\"threads\":3}"), 2);
  assert_int_equal(threads_of(w, "echo", NULL), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_wall_time),
      WORLD_TEST(test_attempts),
      WORLD_TEST(test_cpu_memory_output_and_log),
      WORLD_TEST(test_cores),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
