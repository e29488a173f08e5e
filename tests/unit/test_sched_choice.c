/* SPDX-License-Identifier: MIT
 *
 * The scheduler's choice for single jobs: admission, exclusions, waiting for a backend, the hold.
 * Time is what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched/sched.h"

#include <string.h>

enum { S = 1000000 }; /* a second */

static const char *const mesh[] = {"mesh", NULL};

static struct world {
  struct routing *routing;
  struct sched *sched;
  struct sched_options options;
  struct backend_facts made[3];
  size_t made_count;
  const char *gone;
  struct sched_lane lane;
  struct sched_client client;
  struct sched_job jobs[8];
  struct sched_choice choice;
  int64_t now;
} w;

static void tell(void) {
  struct facts *f = routing_facts(w.routing);
  facts_begin(f);
  for (size_t i = 0; i < w.made_count; i++)
    facts_tell(f, &w.made[i]);
  if (w.gone)
    facts_tell_gone(f, w.gone, mesh);
  facts_end(f);
}

static const struct backend_facts *fact(const char *name) {
  return facts_of(routing_facts(w.routing), name);
}

static int setup(void **state) {
  static const char *const names[] = {"a", "b", "c"};
  (void)state;
  w = (struct world){.made_count = 3, .now = 1000LL * S};
  w.routing = routing_new();
  w.sched = sched_new(w.routing);
  w.options = (struct sched_options){.ageing_us = 60LL * S, .max_wait_us = 0};
  sched_configure(w.sched, &w.options);
  for (size_t i = 0; i < 3; i++)
    w.made[i] = (struct backend_facts){.name = names[i],
                                       .state = FACTS_READY,
                                       .state_word = "ready",
                                       .kinds = mesh,
                                       .slots = 1,
                                       .room = 1,
                                       .local = true};
  w.lane = (struct sched_lane){.kind = "mesh"};
  sched_add_lane(w.sched, &w.lane);
  sched_client_init(&w.client);
  tell();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof w.jobs / sizeof *w.jobs; i++)
    sched_remove(w.sched, &w.jobs[i]);
  sched_drop_lane(&w.lane);
  sched_free(w.sched);
  routing_free(w.routing);
  return 0;
}

static struct sched_job *job(int i) {
  struct sched_job *job = &w.jobs[i];
  if (!job->lane)
    *job = (struct sched_job){
        .lane = &w.lane, .client = &w.client, .number = i + 1, .queued_us = w.now};
  return job;
}

static struct sched_job *push(int i) {
  assert_true(sched_push(w.sched, job(i), w.now));
  return job(i);
}

/* A round: "a" where the first that leaves the queue goes, "x" where it is given up, "-" where all
 * stay. */
static const char *round_of(void) {
  tell();
  sched_begin_round(w.sched);
  if (!sched_next(w.sched, w.now, &w.choice))
    return "-";
  return w.choice.backend ? w.choice.backend->name : "x";
}

/* The admission of a backend in the last choice. */
static const char *reason(const char *name) {
  for (size_t i = 0; i < w.choice.considered_count; i++)
    if (strcmp(w.choice.considered[i].backend->name, name) == 0) {
      const char *word = admission_word(w.choice.considered[i].admission);
      return word ? word : "yes";
    }
  return "not a candidate";
}

static void end(struct sched_job *job) {
  sched_started(w.sched, job);
  sched_release(w.sched, job);
}

static void test_each_candidate_has_a_reason(void **state) {
  (void)state;
  struct sched_tried tried = {fact("a"), true};
  w.made[1].room = 0;
  job(0)->tried = &tried;
  job(0)->tried_count = 1;
  push(0);
  assert_string_equal(round_of(), "c");
  assert_ptr_equal(w.choice.job, job(0));
  assert_int_equal(w.choice.considered_count, 3);
  assert_string_equal(reason("a"), "excluded");
  assert_string_equal(reason("b"), "full");
  assert_string_equal(reason("c"), "yes");
  w.made[2].state = FACTS_COMING;
  push(1);
  assert_string_equal(round_of(), "a");
  assert_string_equal(reason("c"), "not_ready");
}

/* A backend that failed is taken again only while no other one is ready; one that refused never. */
static void test_avoided_and_refused(void **state) {
  (void)state;
  struct sched_tried tried[] = {{fact("a"), false}, {fact("b"), true}, {fact("c"), true}};
  job(0)->tried = tried;
  job(0)->tried_count = 1;
  assert_true(sched_is_ready_elsewhere(w.sched, job(0)));
  w.made[1].room = w.made[2].room = 0; /* others exist: wait for them */
  push(0);
  assert_string_equal(round_of(), "-");
  w.made[1].state = w.made[2].state = FACTS_COMING; /* none is there now: take it */
  assert_string_equal(round_of(), "a");
  end(job(0));
  assert_false(sched_is_ready_elsewhere(w.sched, job(0)));
  job(0)->tried_count = 3;
  assert_true(sched_has_hope(w.sched, job(0)));
  tried[0].never = true;
  assert_false(sched_has_hope(w.sched, job(0)));
  push(0);
  assert_string_equal(round_of(), "x");
  w.gone = "d"; /* may be on its way back: it waits, and asks to be asked again */
  push(0);
  assert_string_equal(round_of(), "-");
  assert_true(sched_has_hope(w.sched, job(0)));
  assert_int_equal(sched_look_us(w.sched), w.now + 5LL * S);
  w.gone = "a"; /* this one refused it */
  assert_string_equal(round_of(), "x");
}

/* The job's word, else the backend's; no more than the budgets have in all. */
static void test_threads_of_a_job(void **state) {
  (void)state;
  w.options.threads = 8;
  sched_configure(w.sched, &w.options);
  w.made_count = 1;
  w.made[0].room = 8;
  w.made[0].threads = 5;
  push(0);
  assert_string_equal(round_of(), "a");
  assert_int_equal(job(0)->reserved_threads, 5);
  assert_int_equal(sched_reserved_here(w.sched).threads, 5);
  push(1);
  assert_string_equal(round_of(), "-"); /* another five do not fit */
  w.made[0].threads = 1;                /* what is given up is what was reserved */
  tell();
  end(job(0));
  assert_int_equal(sched_reserved_here(w.sched).threads, 0);
  job(1)->threads = 2; /* its own word */
  assert_string_equal(round_of(), "a");
  assert_int_equal(job(1)->reserved_threads, 2);
  end(job(1));
  sched_limit_backend(w.sched, fact("a"), 0, 3);
  w.made[0].threads = 64;
  push(2);
  assert_string_equal(round_of(), "a");
  assert_int_equal(job(2)->reserved_threads, 3);
  end(job(2));
}

/* Bound to a submission of unknown outcome: there, or nowhere. */
static void test_bound(void **state) {
  (void)state;
  w.made[1].remote = true;
  w.made[1].room = 0;
  job(0)->bound = fact("b");
  push(0);
  push(1); /* it steps aside */
  assert_string_equal(round_of(), "a");
  assert_ptr_equal(w.choice.job, job(1));
  w.made[1].room = 1;
  w.made[1].remote = false; /* the name stands for something else by now */
  assert_string_equal(round_of(), "-");
  w.made[1].remote = true;
  assert_string_equal(round_of(), "b");
  assert_ptr_equal(w.choice.job, job(0));
}

static void test_waits_for_a_backend_so_long(void **state) {
  (void)state;
  w.options.max_wait_us = 80LL * S;
  sched_configure(w.sched, &w.options);
  w.made_count = 0;
  push(0);
  assert_string_equal(round_of(), "-");
  assert_int_equal(sched_look_us(w.sched), w.now + 10LL * S + 1);
  w.now += 79LL * S;
  assert_string_equal(round_of(), "-");
  push(1);
  w.now += S;
  assert_string_equal(round_of(), "x");
  assert_ptr_equal(w.choice.job, job(0));
  assert_false(sched_next(w.sched, w.now, &w.choice)); /* the other one waits since a second */
  w.made_count = 3;
  assert_string_equal(round_of(), "a");
  assert_int_equal(sched_look_us(w.sched), INT64_MAX);
}

/* Reasons of a backend, not of the job: another one is taken; where there is none, the time counts. */
static void test_bars(void **state) {
  const struct bar breaker = {.reason = ADMISSION_BREAKER},
                   guard = {.reason = ADMISSION_GUARD, .kind = (char *)"mesh"};
  struct facts *f = routing_facts(w.routing);
  (void)state;
  w.options.max_wait_us = 80LL * S;
  sched_configure(w.sched, &w.options);
  facts_bar(f, "a", &breaker);
  push(0);
  assert_string_equal(round_of(), "b");
  assert_string_equal(reason("a"), "breaker");
  end(job(0));
  struct sched_tried tried = {fact("b"), false};
  facts_bar(f, "c", &guard);
  job(1)->tried = &tried;
  job(1)->tried_count = 1;
  assert_false(sched_is_ready_elsewhere(w.sched, job(1))); /* ready, and closed */
  push(1);
  assert_string_equal(round_of(), "b"); /* so the one that failed is asked again */
  end(job(1));
  facts_bar(f, "b", &breaker);
  push(2);
  assert_string_equal(round_of(), "-");
  assert_string_equal(reason("c"), "guard");
  w.now += 79LL * S;
  assert_string_equal(round_of(), "-");
  assert_true(facts_unbar(f, "b", ADMISSION_BREAKER, NULL));
  w.made[1].room = 0; /* it is open again, and busy: no time counts */
  assert_string_equal(round_of(), "-");
  assert_string_equal(reason("b"), "full");
  w.now += 79LL * S;
  assert_string_equal(round_of(), "-");
  facts_bar(f, "b", &breaker);
  assert_string_equal(round_of(), "-");
  w.now += 80LL * S;
  assert_string_equal(round_of(), "x");
  assert_int_equal(w.choice.considered_count, 3);
}

static void cut_off(const char *name, int64_t for_us) {
  struct breaker *b = fact(name)->breaker;
  b->state = BREAKER_OPEN;
  b->until_us = w.now + for_us;
  b->last_us = w.now + 4LL * S;
}

/* Others do what a backend does not get; where there is none, it is asked again before its time. */
static void test_breakers(void **state) {
  (void)state;
  cut_off("a", 100LL * S);
  push(0);
  assert_string_equal(round_of(), "b");
  assert_string_equal(reason("a"), "breaker");
  assert_int_equal(w.choice.considered[0].reopens_us, w.now + 100LL * S);
  cut_off("b", 200LL * S);
  cut_off("c", 300LL * S);
  push(1);
  assert_string_equal(round_of(), "-");
  assert_string_equal(reason("b"), "breaker");
  assert_int_equal(sched_look_us(w.sched), w.now + 4LL * S); /* nobody has to wake it */
  w.now += 4LL * S;
  assert_string_equal(round_of(), "a"); /* the first of those that may be tried first */
  breaker_take(fact("a")->breaker, w.now, 60LL * S);
  push(2);
  assert_string_equal(round_of(), "c"); /* its probe is under way (b is busy) */
}

/* Its breaker does not part a job from the backend that has it. */
static void test_bound_with_a_breaker(void **state) {
  (void)state;
  w.made[1].remote = true;
  tell();
  cut_off("b", 100LL * S);
  job(0)->bound = fact("b");
  push(0);
  assert_string_equal(round_of(), "b");
}

static void route(int64_t max_wait_ms, const char *const *backends) {
  struct route_options o = {.kind = "mesh", .backends = backends, .max_wait_ms = max_wait_ms};
  routing_configure(w.routing, &o, 1);
}

/* A route's max_wait also counts while a backend is on its way; [limits] max_wait does not. */
static void test_the_wait_of_a_route(void **state) {
  static const char *const ab[] = {"a", "b", NULL};
  (void)state;
  w.options.max_wait_us = 3600LL * S;
  sched_configure(w.sched, &w.options);
  route(0, ab);
  w.made[0].state = FACTS_COMING;
  w.made[1].state = FACTS_FAILED;
  push(0);
  for (int i = 0; i < 3; i++, w.now += 3600LL * S)
    assert_string_equal(round_of(), "-");
  assert_int_equal(sched_look_us(w.sched), INT64_MAX);
  route(8000, ab);
  assert_string_equal(round_of(), "-");
  assert_int_equal(sched_look_us(w.sched), w.now + S + 1);
  w.now += 8LL * S;
  assert_string_equal(round_of(), "x");
  assert_string_equal(reason("a"), "not_ready");
  assert_string_equal(reason("b"), "not_ready");
  assert_string_equal(reason("c"), "not a candidate");
  assert_int_equal(sched_max_wait_us(w.sched, job(0)), 8LL * S);
}

/* The others are named, and a bar does not part a job from what it has submitted. */
static void test_bound_with_a_bar(void **state) {
  const struct bar drain = {.reason = ADMISSION_DRAINED};
  (void)state;
  w.made[1].remote = true;
  job(0)->bound = fact("b");
  facts_bar(routing_facts(w.routing), "b", &drain);
  push(0);
  assert_string_equal(round_of(), "b");
  assert_string_equal(reason("a"), "pinned_elsewhere");
  static const char *const ac[] = {"a", "c", NULL};
  end(job(0));
  route(0, ac); /* the route does not name it any more */
  push(0);
  assert_string_equal(round_of(), "b");
  assert_int_equal(w.choice.considered_count, 1);
}

/* One backend has the job, whatever its state; the others are named and not asked. */
static void test_no_fallback(void **state) {
  static const char *const abc[] = {"a", "b", "c", NULL}, *const bc[] = {"b", "c", NULL};
  struct route_options o = {.kind = "mesh", .backends = abc, .no_fallback = true};
  (void)state;
  routing_configure(w.routing, &o, 1);
  w.made[0].state = FACTS_COMING;
  push(0);
  assert_string_equal(round_of(), "-");
  assert_string_equal(reason("a"), "not_ready");
  assert_string_equal(reason("b"), "pinned_elsewhere");
  assert_false(sched_is_ready_elsewhere(w.sched, job(0)));
  w.made[0].state = FACTS_READY;
  assert_string_equal(round_of(), "a");
  end(job(0));
  struct sched_tried tried = {fact("a"), false};
  job(0)->tried = &tried;
  job(0)->tried_count = 1;
  job(0)->first = fact("a");
  push(0);
  assert_string_equal(round_of(), "a"); /* again there */
  end(job(0));
  o.backends = bc; /* also where the route has changed */
  routing_configure(w.routing, &o, 1);
  push(0);
  assert_string_equal(round_of(), "a");
  end(job(0));
  tried.never = true;
  assert_false(sched_has_hope(w.sched, job(0)));
  o.policy = ROUTE_SPREAD; /* it picks among those that can, and then it is that one */
  w.made[1].room = 0;
  routing_configure(w.routing, &o, 1);
  push(1);
  assert_string_equal(round_of(), "c");
  end(job(1));
  o.no_fallback = false;
  routing_configure(w.routing, &o, 1);
  assert_true(sched_has_hope(w.sched, job(0)));
}

static void know(const char *name, double seconds) {
  for (int i = 0; i < 20; i++)
    estimate_learn(models_of(routing_models(w.routing), "mesh", fact(name)), 1, seconds, w.now);
}

/* A job waits for the faster one though the other is free; the next one knows that it is before it
 * there, and goes to the other. */
static void test_fastest(void **state) {
  static const char *const ab[] = {"a", "b", NULL};
  const struct route_options o = {.kind = "mesh", .backends = ab, .policy = ROUTE_FASTEST};
  (void)state;
  routing_configure(w.routing, &o, 1);
  assert_true(routing_is_timed(w.routing));
  know("a", 10);
  know("b", 2);
  push(0);
  assert_string_equal(round_of(), "b");
  w.made[1].running = 1, w.made[1].room = 0;
  sched_started(w.sched, job(0));
  facts_busy(routing_facts(w.routing), "b", 1, 1); /* it has a second left */
  push(1);
  assert_string_equal(round_of(), "-");
  assert_string_equal(reason("b"), "full");
  assert_true(w.choice.considered[1].awaited);
  assert_int_equal(sched_look_us(w.sched), w.now + S);
  for (int i = 2; i < 6; i++)
    push(i);
  assert_string_equal(round_of(), "a"); /* behind 1 + 4 * 2 seconds */
  sched_release(w.sched, job(0));
}

static void test_delays(void **state) {
  (void)state;
  const int due[] = {30, 10, 20};
  assert_int_equal(sched_due_us(w.sched), INT64_MAX);
  for (int i = 0; i < 3; i++) {
    job(i)->due_us = w.now + (int64_t)due[i] * S;
    assert_false(sched_push(w.sched, job(i), w.now));
  }
  assert_string_equal(round_of(), "-");
  assert_int_equal(sched_due_us(w.sched), w.now + 10LL * S);
  sched_remove(w.sched, job(1));
  assert_null(sched_pop_due(w.sched, w.now + 19LL * S));
  assert_ptr_equal(sched_pop_due(w.sched, w.now + 20LL * S), job(2));
  push(2);
  assert_string_equal(round_of(), "a");
}

static void large_and_small(int64_t large) {
  w.made_count = 1;
  w.made[0].room = w.made[0].slots = 8;
  w.options.memory = 100;
  sched_configure(w.sched, &w.options);
  job(0)->memory = 50;
  push(0);
  assert_string_equal(round_of(), "a");
  job(1)->memory = large;
  push(1);
  assert_string_equal(round_of(), "-");
  for (int i = 2; i < 4; i++)
    job(i)->memory = 20;
}

/* Small jobs go before a large one that does not fit, but not for ever. */
static void test_the_hold(void **state) {
  (void)state;
  large_and_small(80);
  push(2);
  assert_string_equal(round_of(), "a");
  assert_ptr_equal(w.choice.job, job(2));
  w.now += 60LL * S; /* a step of ageing */
  push(3);
  assert_string_equal(round_of(), "-"); /* it would fit, but must wait now */
  end(job(0));
  assert_string_equal(round_of(), "a");
  assert_ptr_equal(w.choice.job, job(1));
  assert_false(sched_next(w.sched, w.now, &w.choice)); /* 20 + 80 are all */
  end(job(2));
  assert_string_equal(round_of(), "a");
  assert_ptr_equal(w.choice.job, job(3));
}

static void test_the_hold_ends_with_its_job(void **state) {
  (void)state;
  large_and_small(80);
  w.now += 60LL * S;
  push(2);
  assert_string_equal(round_of(), "-");
  sched_remove(w.sched, job(1));
  assert_string_equal(round_of(), "a");
}

static void test_what_is_larger_than_all_runs_alone(void **state) {
  (void)state;
  large_and_small(1000);
  end(job(0));
  assert_string_equal(round_of(), "a");
  assert_int_equal(sched_reserved_here(w.sched).memory, 1000);
  push(2);
  assert_string_equal(round_of(), "-");
}

/* At once, but never before those that wait already. */
static void test_try(void **state) {
  (void)state;
  w.made_count = 1;
  tell();
  assert_true(sched_try(w.sched, job(0), w.now, &w.choice));
  assert_string_equal(w.choice.backend->name, "a");
  assert_false(sched_try(w.sched, job(1), w.now, &w.choice)); /* full, but for the slot that the
                                                                   backend does not count yet */
  push(1);
  end(job(0));
  assert_false(sched_try(w.sched, job(2), w.now, &w.choice));
  sched_remove(w.sched, job(1));
  assert_true(sched_try(w.sched, job(2), w.now, &w.choice));
}

static void test_taken_again(void **state) {
  (void)state;
  job(0)->memory = 70;
  sched_take_again(w.sched, job(0), fact("b"));
  assert_int_equal(sched_reserved_on(w.sched, fact("b")).memory, 70);
  assert_int_equal(sched_reserved_on(w.sched, fact("b")).starting, 0);
  assert_int_equal(sched_reserved_here(w.sched).memory, 0); /* it is elsewhere */
  sched_release(w.sched, job(0));
  assert_int_equal(sched_reserved_on(w.sched, fact("b")).memory, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_each_candidate_has_a_reason),
      T(test_avoided_and_refused),
      T(test_threads_of_a_job),
      T(test_bound),
      T(test_waits_for_a_backend_so_long),
      T(test_bars),
      T(test_breakers),
      T(test_bound_with_a_breaker),
      T(test_the_wait_of_a_route),
      T(test_bound_with_a_bar),
      T(test_no_fallback),
      T(test_fastest),
      T(test_delays),
      T(test_the_hold),
      T(test_the_hold_ends_with_its_job),
      T(test_what_is_larger_than_all_runs_alone),
      T(test_try),
      T(test_taken_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
