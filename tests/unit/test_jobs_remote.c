/* SPDX-License-Identifier: MIT
 *
 * Remote attempts: which submission a step is about, what survives which death, and that nothing
 * is begun elsewhere while nobody knows what became of it here.
 */
#include "jobs_help.h"

static void make_remote(void) {
  fake.backends[0].remote = true;
  fake.backends[0].device = "net";
  fake.backends[0].slots = 100;
}

/* A local backend that would take anything. */
static void add_local(void) {
  fake.count = 2;
  fake.backends[1] = (struct backend){
      .name = "b", .device = "cpu", .state = BACKEND_READY, .kinds = {"echo"}, .slots = 5};
}

static bool was_answered(struct world *w, void *arg) {
  (void)w;
  return ((struct workers_step *)arg)->answers > 0;
}

static int checkpoint(struct world *w, struct workers_step *s, const char *ref) {
  s->answers = 0;
  fake.events.checkpoint(fake.events.ctx, s->owner, ref);
  world_until(w, was_answered, s);
  return s->answer;
}

static void end_open(struct workers_step *s, enum step_class class, bool inside) {
  fake_end_with(s,
                &(struct step_result){
                    .class = class, .message = "as the test says", .open = true, .inside = inside});
}

static void changed(enum backend_state state) {
  fake.backends[0].state = state;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
}

static void is_step(const struct workers_step *s, enum step_go go, const char *key, const char *ref,
                    int attempt) {
  assert_string_equal(s->b->name, "a");
  assert_int_equal(s->go, go);
  assert_string_equal(s->key, key);
  assert_string_equal(s->ref, ref);
  assert_int_equal(s->attempt, attempt);
}

static void test_a_reference_is_on_disk_when_it_is_answered(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  is_step(s, STEP_SUBMIT, id, "", 1);
  assert_string_equal(jobs_live(w->jobs, id)->attempts[0].ref, ""); /* remote, and nothing known */
  assert_int_equal(checkpoint(w, s, "there/1"), 0);
  assert_string_equal(jobs_live(w->jobs, id)->attempts[0].ref, "there/1");
  world_restart(w); /* as by kill -9 */
  s = wait_step(w);
  is_step(s, STEP_POLL, id, "there/1", 1);
  fake_end(s, STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
  assert_int_equal(look(w, id).attempts, 1);
}

static void test_without_a_reference_it_is_looked_for(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  wait_step(w);
  world_restart(w);
  is_step(wait_step(w), STEP_FIND, id, "", 1);
}

static void test_a_disk_that_fails_keeps_no_reference(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  disk_fails = true;
  assert_true(checkpoint(w, s, "there/1") < 0);
  assert_string_equal(jobs_live(w->jobs, id)->attempts[0].ref, "");
  disk_fails = false;
  assert_int_equal(checkpoint(w, s, "there/2"), 0);
  assert_string_equal(jobs_live(w->jobs, id)->attempts[0].ref, "there/2");
}

static void test_a_lost_worker_costs_nothing(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0}), *other = ask(w, (struct ask){0});
  wait_steps(w, 2);
  checkpoint(w, fake_step_of(id), "there/1");
  fake.backends[0].state = BACKEND_RESTARTING;
  end_open(fake_step_of(id), STEP_LOST, false);
  end_open(fake_step_of(other), STEP_LOST, true);
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  assert_int_equal(jobs_live(w->jobs, id)->state, JOB_RUNNING);
  changed(BACKEND_READY);
  wait_steps(w, 2);
  is_step(fake_step_of(id), STEP_POLL, id, "there/1", 1);
  is_step(fake_step_of(other), STEP_FIND, other, "", 1);
  assert_int_equal(world_seen(w, id)->started, 1);
}

static void test_one_that_never_left_goes_back_to_the_queue(void **state) {
  struct world *w = *state;
  char second[40];
  make_remote();
  const char *id = ask(w, (struct ask){0});
  snprintf(second, sizeof second, "%s-2", id);
  fake_end(wait_step(w), STEP_LOST);
  is_step(wait_step(w), STEP_SUBMIT, second, "", 2);
}

static void test_who_is_always_inside_is_to_blame_in_the_end(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  for (int deaths = 0; deaths < 20; deaths++) {
    struct workers_step *s = wait_step(w);
    is_step(s, deaths ? STEP_FIND : STEP_SUBMIT, id, "", deaths / 10 + 1);
    end_open(s, STEP_LOST, true);
  }
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "job-crashed"));
}

static void test_the_culprit_pays_and_goes_on_there(void **state) {
  struct world *w = *state;
  make_remote();
  add_local();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  checkpoint(w, s, "there/1");
  end_open(s, STEP_CRASHED, true);
  world_restart(w); /* an attempt that ended open still is after a restart */
  s = wait_step(w);
  is_step(s, STEP_POLL, id, "there/1", 2);
  end_open(s, STEP_CRASHED, true);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  struct stored got = look(w, id);
  assert_non_null(strstr(got.error, "Backend a may still have it under the reference there/1"));
  assert_non_null(strstr(got.error, "\"submission\":\"unknown\""));
}

static void test_a_key_is_new_once_the_submission_is_over(void **state) {
  struct world *w = *state;
  char second[40];
  make_remote();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  snprintf(second, sizeof second, "%s-2", id);
  checkpoint(w, s, "there/1");
  fake_end(s, STEP_RETRY);
  s = wait_step(w);
  is_step(s, STEP_SUBMIT, second, "", 2);
  end_open(s, STEP_CRASHED, true);
  s = wait_step(w);
  is_step(s, STEP_FIND, second, "", 3);
  world_restart(w);
  is_step(wait_step(w), STEP_FIND, second, "", 3);
}

static void test_what_is_over_may_go_elsewhere(void **state) {
  struct world *w = *state;
  make_remote();
  add_local();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  checkpoint(w, s, "there/1");
  fake_end(s, STEP_TIMEOUT); /* cancelled there, and it said so */
  s = wait_step(w);
  assert_string_equal(s->b->name, "b");
  assert_int_equal(s->go, STEP_RUN);
  assert_string_equal(s->key, id);
  fake_end(s, STEP_OK);
  wait_final(w, id);
}

static void test_what_is_open_goes_nowhere_else(void **state) {
  struct world *w = *state;
  make_remote();
  add_local();
  const char *id = ask(w, (struct ask){0});
  end_open(wait_step(w), STEP_TIMEOUT, false);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "may still have it under the key"));
  fake.backends[0].state = BACKEND_RESTARTING;
  w->answers = 0;
  jobs_retry(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  settle(w);
  assert_int_equal(fake.steps_count, 0); /* b would take it */
  const char *other = ask(w, (struct ask){0});
  assert_string_equal(wait_step(w)->job_id, other); /* and is not kept from others */
  fake_end(fake_step_of(other), STEP_OK);
  wait_final(w, other);
  changed(BACKEND_READY);
  is_step(wait_step(w), STEP_FIND, id, "", 2);
  fake_end(fake_step(0), STEP_OK);
  wait_final(w, id);
  assert_int_equal(look(w, id).state, JOB_COMPLETED);
}

static void test_cancelled_while_away(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  checkpoint(w, s, "there/1");
  fake.backends[0].state = BACKEND_RESTARTING;
  end_open(s, STEP_LOST, false);
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  assert_int_equal(w->state, JOB_RUNNING);
  changed(BACKEND_READY);
  s = wait_step(w);
  is_step(s, STEP_POLL, id, "there/1", 1);
  assert_true(s->cancelled); /* the remote is to be told */
  fake_end(s, STEP_CANCELLED);
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
}

/* What was accepted is done after a restart: the remote is told, and the job is not waited for. */
static void test_cancelled_before_a_restart(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  checkpoint(w, s, "there/1");
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
  world_restart(w);
  s = wait_step(w);
  is_step(s, STEP_POLL, id, "there/1", 1);
  assert_true(s->cancelled);
  fake_end(s, STEP_OK); /* it had ended there */
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
}

static void test_a_backend_that_does_not_come_back(void **state) {
  struct world *w = *state;
  make_remote();
  w->options.away_ms = 200;
  jobs_reconfigure(w->jobs, &w->options);
  const char *id = ask(w, (struct ask){.timeout_ms = 1});
  struct workers_step *s = wait_step(w);
  checkpoint(w, s, "there/1");
  fake.count = 0;
  end_open(s, STEP_LOST, false);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  struct stored got = look(w, id);
  assert_non_null(strstr(got.error, "job-timeout"));
  assert_non_null(strstr(got.error, "it is not in the configuration"));
  assert_non_null(strstr(got.error, "Backend a may still have it under the reference there/1"));
}

static void test_a_name_that_stands_for_something_else(void **state) {
  struct world *w = *state;
  make_remote();
  ask(w, (struct ask){0});
  checkpoint(w, wait_step(w), "there/1");
  fake.backends[0].remote = false;
  world_restart(w);
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  fake.backends[0].remote = true;
  changed(BACKEND_READY);
  assert_int_equal(wait_step(w)->go, STEP_POLL);
}

static bool drained;
static void on_drained(void *arg) {
  (void)arg;
  drained = true;
}

static bool is_drained(struct world *w, void *arg) {
  (void)w, (void)arg;
  return drained;
}

static void test_drain_leaves_it_running(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){0}), *away = ask(w, (struct ask){0});
  wait_steps(w, 2);
  checkpoint(w, fake_step_of(id), "there/1");
  fake.backends[0].state = BACKEND_RESTARTING;
  end_open(fake_step_of(away), STEP_LOST, false);
  drained = false;
  jobs_drain(w->jobs, 3600000, on_drained, NULL);
  world_until(w, is_drained, NULL);
  assert_false(fake_step_of(id)->cancelled);
  assert_int_equal(look(w, id).state, JOB_RUNNING);
  fake.backends[0].state = BACKEND_READY;
  world_restart(w);
  wait_steps(w, 2);
  is_step(fake_step_of(id), STEP_POLL, id, "there/1", 1);
  is_step(fake_step_of(away), STEP_FIND, away, "", 1);
}

static void test_it_takes_nothing_of_the_machine(void **state) {
  struct world *w = *state;
  make_remote();
  w->options.cpus = 1;
  jobs_reconfigure(w->jobs, &w->options);
  for (int i = 0; i < 20; i++)
    ask(w, (struct ask){.kind = "mesh", .params = "{\"threads\":4}"});
  wait_steps(w, 20);
}

/* The time that an attempt has used is used, but a look at it is always worth a while. */
static void test_an_attempt_that_goes_on_has_the_rest_of_its_time(void **state) {
  struct world *w = *state;
  make_remote();
  const char *id = ask(w, (struct ask){.timeout_ms = 300000});
  struct workers_step *s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 300000);
  const char *brief = ask(w, (struct ask){.timeout_ms = 5});
  wait_steps(w, 2);
  settle(w);
  world_restart(w);
  wait_steps(w, 2);
  assert_in_range(fake_step_of(id)->limits.wall_ms, 300000 - 60000, 300000 - 1);
  assert_int_equal(fake_step_of(brief)->limits.wall_ms, 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_a_reference_is_on_disk_when_it_is_answered),
      WORLD_TEST(test_without_a_reference_it_is_looked_for),
      WORLD_TEST(test_a_disk_that_fails_keeps_no_reference),
      WORLD_TEST(test_a_lost_worker_costs_nothing),
      WORLD_TEST(test_one_that_never_left_goes_back_to_the_queue),
      WORLD_TEST(test_who_is_always_inside_is_to_blame_in_the_end),
      WORLD_TEST(test_the_culprit_pays_and_goes_on_there),
      WORLD_TEST(test_a_key_is_new_once_the_submission_is_over),
      WORLD_TEST(test_what_is_over_may_go_elsewhere),
      WORLD_TEST(test_what_is_open_goes_nowhere_else),
      WORLD_TEST(test_cancelled_while_away),
      WORLD_TEST(test_cancelled_before_a_restart),
      WORLD_TEST(test_a_backend_that_does_not_come_back),
      WORLD_TEST(test_a_name_that_stands_for_something_else),
      WORLD_TEST(test_drain_leaves_it_running),
      WORLD_TEST(test_it_takes_nothing_of_the_machine),
      WORLD_TEST(test_an_attempt_that_goes_on_has_the_rest_of_its_time),
  };
  return cmocka_run_group_tests_name("jobs_remote", tests, NULL, NULL);
}
