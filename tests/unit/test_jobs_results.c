/* SPDX-License-Identifier: MIT
 *
 * Every class of result and what follows; and a disk that fails at each point.
 */
#include "jobs_help.h"

static void second_backend(void) {
  fake.count = 2;
  fake.backends[1] = (struct backend){
      .name = "b", .device = "cpu", .state = BACKEND_READY, .kinds = {"echo"}, .slots = 1};
}

struct expect {
  enum step_class class;
  int attempts;  /* until the end, with one backend */
  int elsewhere; /* with two */
  enum event_type last;
  const char *type, *retryable;
};

static const struct expect table[] = {
    {STEP_OK, 1, 1, EVENT_COMPLETED, NULL, NULL},
    {STEP_BAD_INPUT, 1, 1, EVENT_FAILED, "/problems/job-bad-input\"", "\"retryable\":false"},
    {STEP_CANCELLED, 1, 1, EVENT_CANCELLED, "/problems/job-cancelled\"", "\"retryable\":true"},
    {STEP_RETRY, 3, 3, EVENT_FAILED, "/problems/job-failed\"", "\"retryable\":true"},
    {STEP_CRASHED, 2, 2, EVENT_FAILED, "/problems/job-crashed\"", "\"retryable\":true"},
    {STEP_PERMANENT, 1, 2, EVENT_FAILED, "/problems/job-failed\"", "\"retryable\":false"},
    {STEP_TIMEOUT, 1, 2, EVENT_FAILED, "/problems/job-timeout\"", "\"retryable\":false"},
    {STEP_LIMIT, 1, 2, EVENT_FAILED, "/problems/job-limit\"", "\"retryable\":false"},
};

static void check_class(struct world *w, const struct expect *e, int attempts) {
  const char *id = ask(w, (struct ask){0});
  for (int i = 1; i <= attempts; i++) {
    struct workers_step *s = wait_step(w);
    assert_int_equal(s->attempt, i);
    fake_end(s, e->class);
  }
  struct seen *seen = wait_final(w, id);
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  assert_int_equal(seen->last, e->last);
  assert_int_equal(seen->started, attempts);
  assert_int_equal(seen->queued, attempts);
  struct stored got = look(w, id);
  assert_int_equal(got.attempts, attempts);
  if (!e->type) {
    assert_string_equal(got.error, "");
    return;
  }
  assert_non_null(strstr(got.error, e->type));
  assert_non_null(strstr(got.error, e->retryable));
  assert_non_null(strstr(got.error, "\"backend\":"));
  assert_non_null(strstr(got.error, "\"title\":"));
  if (e->class != STEP_CANCELLED)
    assert_non_null(strstr(got.error, "as the test says"));
}

static void test_each_class_with_one_backend(void **state) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    check_class(*state, &table[i], table[i].attempts);
}

static void test_each_class_with_two_backends(void **state) {
  second_backend();
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    check_class(*state, &table[i], table[i].elsewhere);
}

/* What is about the backend costs the job nothing, however often it comes. */
static void test_a_refused_backend_costs_no_attempt(void **state) {
  static const enum step_class classes[] = {STEP_AUTH, STEP_QUOTA};
  struct world *w = *state;
  for (size_t i = 0; i < 2; i++) {
    const char *id = ask(w, (struct ask){0});
    for (int n = 0; n < 5; n++) /* three attempts are allowed */
      fake_end(wait_step(w), classes[i]);
    fake_end(wait_step(w), STEP_OK);
    struct seen *seen = wait_final(w, id);
    assert_int_equal(seen->last, EVENT_COMPLETED);
    struct stored got = look(w, id);
    assert_int_equal(got.attempts, 6);
    assert_int_equal(got.first_attempt, JOB_QUEUED);
  }
}

/* The other backend of the route takes it meanwhile. */
static void test_a_refused_backend_leaves_the_job_to_another(void **state) {
  struct world *w = *state;
  second_backend();
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  assert_string_equal(s->b->name, "a");
  fake.backends[0].state = BACKEND_PAUSED; /* as the workers do, before they tell */
  fake_end(s, STEP_QUOTA);
  s = wait_step(w);
  assert_string_equal(s->b->name, "b");
  fake_end(s, STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
}

static void test_a_retry_goes_elsewhere_first(void **state) {
  struct world *w = *state;
  second_backend();
  ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  assert_string_equal(s->b->name, "a");
  fake_end(s, STEP_RETRY);
  s = wait_step(w);
  assert_string_equal(s->b->name, "b");
  fake_end(s, STEP_OK);
}

static void test_permanent_failure_never_goes_back(void **state) {
  struct world *w = *state;
  second_backend();
  fake.backends[1].state = BACKEND_RESTARTING;
  const char *id = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_PERMANENT);
  settle(w);
  assert_int_equal(fake.steps_count, 0); /* a is free, but not for this job */
  const char *other = ask(w, (struct ask){0});
  wait_step(w); /* others are not kept from it */
  fake_end(fake_step_of(other), STEP_OK);
  fake.backends[1].state = BACKEND_FAILED; /* nobody is left who might */
  fake.events.changed(fake.events.ctx, &fake.backends[1]);
  struct seen *seen = wait_final(w, id);
  assert_int_equal(seen->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "as the test says"));
}

static void test_retry_after_is_honoured(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct step_result r = {.class = STEP_RETRY, .code = 3100, .retry_after_ms = 3600000};
  int64_t before = clock_wall_us();
  fake_end_with(wait_step(w), &r);
  settle(w);
  const struct record_job *job = jobs_live(w->jobs, id);
  assert_int_equal(job->state, JOB_QUEUED);
  assert_true(job->not_before_us >= before + 3600000000LL);
  assert_non_null(strstr(job->attempts[0].error_json, "job-rate-limited"));
  assert_int_equal(fake.steps_count, 0);
  world_restart(w); /* also after a restart */
  settle(w);
  assert_true(jobs_live(w->jobs, id)->not_before_us >= before + 3600000000LL);
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
}

/* That another backend is not ready does not shorten the pause before the one that failed. */
static void test_a_pause_unless_another_is_ready(void **state) {
  struct world *w = *state;
  second_backend();
  fake.backends[1].state = BACKEND_RESTARTING;
  const char *id = ask(w, (struct ask){0});
  struct step_result r = {.class = STEP_RETRY, .retry_after_ms = 3600000};
  fake_end_with(wait_step(w), &r);
  settle(w);
  assert_true(jobs_live(w->jobs, id)->not_before_us > clock_wall_us());
  fake.backends[1].state = BACKEND_READY;
  id = ask(w, (struct ask){.pin = "b"});
  fake_end(wait_step(w), STEP_OK);
  wait_final(w, id);
  id = ask(w, (struct ask){0}); /* now it may go to the other at once */
  fake_end_with(wait_step(w), &r);
  assert_string_equal(wait_step(w)->b->name, "b");
}

/* Each attempt says which plugin had it and why that backend; also after a restart, and where its
 * backend is another version by then. */
static void test_attempts_keep_version_and_decision(void **state) {
  struct world *w = *state;
  fake.backends[0].version = "1.0";
  const char *alone = ask(w, (struct ask){0});
  struct workers_step *first = wait_step(w);
  assert_null(jobs_live(w->jobs, alone)->attempts[0].decision_json); /* there was no choice */
  second_backend();
  fake.backends[1].version = "7";
  const char *id = ask(w, (struct ask){0});
  wait_steps(w, 2);
  fake_end(fake_step(1), STEP_RETRY);
  fake.backends[0].version = "1.1";
  fake_end(first, STEP_OK);
  wait_final(w, alone);
  wait_step(w);
  for (int restarts = 0; restarts < 2; restarts++) {
    const struct record_job *job = jobs_live(w->jobs, id);
    const char *why = job->attempts[0].decision_json;
    assert_string_equal(job->attempts[0].plugin_version, "7");
    assert_string_equal(job->attempts[0].backend, "b");
    assert_string_equal(why, "{\"policy\":\"ordered\",\"considered\":["
                             "{\"backend\":\"a\",\"taken\":false,\"reason\":\"full\"},"
                             "{\"backend\":\"b\",\"taken\":true,\"reason\":null}]}");
    assert_string_equal(job->attempts[1].plugin_version, "1.1");
    assert_non_null(strstr(job->attempts[1].decision_json, "\"reason\":\"excluded\""));
    world_restart(w);
    settle(w);
  }
}

/* As a reload that takes its backend out of the file and the next one that brings it back: what was
 * accepted waits, whether it was tried before or not, and pays nothing for it. */
static void test_a_backend_that_comes_back_is_waited_for(void **state) {
  static const enum step_class ends[] = {STEP_LOST, STEP_RETRY, STEP_CRASHED};
  struct world *w = *state;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    const char *tried = ask(w, (struct ask){0}), *fresh = ask(w, (struct ask){0});
    struct workers_step *s = wait_step(w);
    fake.count = 0;
    fake_end(s, ends[i]);
    settle(w);
    world_restart(w);
    settle(w);
    assert_int_equal(jobs_live(w->jobs, tried)->state, JOB_QUEUED);
    assert_int_equal(jobs_live(w->jobs, fresh)->state, JOB_QUEUED);
    fake.count = 1;
    fake.events.changed(fake.events.ctx, &fake.backends[0]);
    for (int n = 0; n < 2; n++)
      fake_end(wait_step(w), STEP_OK);
    assert_int_equal(wait_final(w, tried)->last, EVENT_COMPLETED);
    assert_int_equal(wait_final(w, fresh)->last, EVENT_COMPLETED);
  }
}

/* Refused for good by one, while the other one is out of the file for a moment. */
static void test_a_refused_job_waits_for_one_that_went(void **state) {
  struct world *w = *state;
  second_backend();
  fake.count = 1;
  fake.gone = "b";
  const char *refused = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_PERMANENT);
  wait_queued(w, refused);
  const char *other = ask(w, (struct ask){0}); /* is not kept from the one that is there */
  wait_step(w);
  fake_end(fake_step_of(other), STEP_OK);
  fake.count = 2;
  fake.gone = NULL;
  fake.events.changed(fake.events.ctx, &fake.backends[1]);
  struct workers_step *s = wait_step(w);
  assert_string_equal(s->job_id, refused);
  assert_string_equal(s->b->name, "b");
  fake_end(s, STEP_OK);
  assert_int_equal(wait_final(w, refused)->last, EVENT_COMPLETED);
}

/* It does not come back: the job fails with what the other one said, no later than max_wait. */
static void test_a_refused_job_waits_no_longer_than_the_others(void **state) {
  struct world *w = *state;
  fake.gone = "b";
  const char *id = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_PERMANENT);
  wait_queued(w, id);
  fake.gone = NULL; /* it is long ago by now */
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "as the test says"));
  fake.gone = "b";
  w->options.max_wait_ms = 200;
  jobs_reconfigure(w->jobs, &w->options);
  id = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_PERMANENT);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "as the test says"));
}

/* Those that wait behind each other do not wait one after the other. */
static void test_nobody_waits_for_a_backend_longer_than_max_wait(void **state) {
  struct world *w = *state;
  const char *ids[4];
  w->options.max_wait_ms = 200;
  jobs_reconfigure(w->jobs, &w->options);
  for (int i = 0; i < 4; i++)
    ids[i] = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  fake.count = 0;
  fake_end(s, STEP_LOST);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(wait_final(w, ids[i])->last, EVENT_FAILED);
    struct stored got = look(w, ids[i]);
    assert_non_null(strstr(got.error, "/problems/no-backend"));
    assert_non_null(strstr(got.error, "max_wait"));
  }
}

static void test_lost_steps_cost_nothing(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  for (int i = 0; i < 8; i++)
    fake_end(wait_step(w), STEP_LOST);
  fake_end(wait_step(w), STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
}

static void test_limit_of_attempts(void **state) {
  struct world *w = *state;
  static const char *const order[] = {"a", NULL};
  struct route_options route = {.kind = "echo", .backends = order, .attempts = 5};
  routing_configure(w->routing, &route, 1);
  const char *id = ask(w, (struct ask){0});
  for (int i = 0; i < 5; i++)
    fake_end(wait_step(w), STEP_RETRY);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
}

/* What ended two workers ends no third one: not on another backend, not after a restart, whatever
 * the limit of attempts.  A client's retry begins anew. */
static void test_a_job_ends_two_workers_at_most(void **state) {
  struct world *w = *state;
  static const char *const order[] = {"a", "b", NULL};
  struct route_options route = {.kind = "echo", .backends = order, .attempts = 100};
  second_backend();
  routing_configure(w->routing, &route, 1);
  const char *id = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_CRASHED);
  fake_end(wait_step(w), STEP_RETRY);
  world_restart(w);
  routing_configure(w->routing, &route, 1);
  fake_end(wait_step(w), STEP_CRASHED);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_non_null(strstr(look(w, id).error, "it has ended 2 worker processes"));
  w->answers = 0;
  jobs_retry(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  fake_end(wait_step(w), STEP_CRASHED);
  fake_end(wait_step(w), STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
}

static void test_backend_gone_before_the_step(void **state) {
  struct world *w = *state;
  w->answers = 0;
  ask_no_wait(w, (struct ask){.key = "one"});  /* with a key it is written before it runs */
  fake.backends[0].state = BACKEND_RESTARTING; /* while the start is written */
  wait_answers(w, 1);
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  char id[27];
  snprintf(id, sizeof id, "%s", w->id);
  assert_int_equal(jobs_live(w->jobs, id)->state, JOB_QUEUED);
  fake.backends[0].state = BACKEND_READY;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  fake_end(wait_step(w), STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
}

/* ---- a worker that begins while the first commit is under way ---- */

/* Ends its step as the worker would: with one file in its work folder. */
static void end_with_a_file(struct world *w, struct workers_step *s) {
  char *folder = world_attempt_folder(w), *path = mem_printf("%s/out.txt", folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("made", file);
  fclose(file);
  struct step_artifact made = {.name = "out.txt", .media_type = "text/plain", .path = path};
  struct step_result r = {
      .class = STEP_OK, .artifacts = &made, .artifact_count = 1, .workdir = folder};
  fake_end_with(s, &r);
  free(path);
  free(folder);
}

static bool has_output(struct world *w, const char *id) {
  char *path = mem_printf("%s/output/%s", w->dir, id);
  bool there = access(path, F_OK) == 0;
  free(path);
  return there;
}

static void test_a_worker_may_be_done_before_the_commit(void **state) {
  struct world *w = *state;
  for (int with_a_file = 0; with_a_file < 2; with_a_file++) {
    w->answers = 0;
    ask_no_wait(w, (struct ask){0});
    turn_run(w->jobs);
    assert_int_equal(w->answers, 0);
    struct workers_step *s = fake_step(0);
    assert_non_null(s); /* it has begun, and nobody knows of the job yet */
    char id[27];
    snprintf(id, sizeof id, "%s", s->job_id);
    assert_null(jobs_live(w->jobs, id));
    if (with_a_file)
      end_with_a_file(w, s);
    else
      fake_end(s, STEP_OK);
    wait_answers(w, 1);
    assert_int_equal(w->code, 0);
    assert_string_equal(w->id, id);
    struct seen *seen = wait_final(w, id);
    assert_int_equal(seen->last, EVENT_COMPLETED);
    assert_int_equal(seen->queued + seen->started + seen->finals, 3);
    assert_int_equal(look(w, id).artifacts, with_a_file);
    assert_int_equal(has_output(w, id), with_a_file);
  }
}

static void test_a_failed_commit_drops_what_was_made(void **state) {
  struct world *w = *state;
  struct jobs_stats stats;
  for (int with_a_file = 0; with_a_file < 2; with_a_file++) {
    ask(w, (struct ask){0}); /* tells that the disk works again */
    fake_end(wait_step(w), STEP_OK);
    settle(w);
    disk_fails = true;
    w->answers = 0;
    ask_no_wait(w, (struct ask){0});
    turn_run(w->jobs);
    char id[27];
    snprintf(id, sizeof id, "%s", fake_step(0)->job_id);
    if (with_a_file)
      end_with_a_file(w, fake_step(0));
    else
      fake_end(fake_step(0), STEP_OK);
    wait_answers(w, 1);
    assert_string_equal(w->slug, "storage-failed");
    settle(w);
    jobs_stats(w->jobs, &stats);
    assert_int_equal(stats.queued + stats.running, 0);
    assert_false(has_output(w, id));
    disk_fails = false;
    assert_int_equal(look(w, id).code, ERR_NOT_FOUND);
  }
}

static void test_a_stop_while_the_first_commit_is_under_way(void **state) {
  struct world *w = *state;
  for (int i = 0; i < 3; i++) {
    ask_no_wait(w, (struct ask){0});
    turn_run(w->jobs);
    char id[27];
    snprintf(id, sizeof id, "%s", fake_step(0)->job_id);
    if (i == 1)
      fake_end(fake_step(0), STEP_OK);
    else if (i == 2)
      end_with_a_file(w, fake_step(0));
    w->answers = 0;
    world_restart(w); /* the store writes what it was told before it closes */
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->code, 0);
    for (; !look(w, id).calls || look(w, id).state == JOB_RUNNING; settle(w))
      if (fake.steps_count > 0)
        fake_end(fake_step(0), STEP_OK);
    assert_int_equal(world_seen(w, id)->finals, 1);
  }
}

/* ---- a disk that fails ---- */

static void test_no_acknowledgement_without_a_disk(void **state) {
  struct world *w = *state;
  disk_fails = true;
  assert_null(ask(w, (struct ask){0}));
  assert_string_equal(w->slug, "storage-failed");
  assert_true(w->retry_after_s > 0);
  assert_true(fake_step(0)->cancelled); /* it had begun */
  fake_end(fake_step(0), STEP_CANCELLED);
  struct jobs_stats stats;
  jobs_stats(w->jobs, &stats);
  assert_int_equal(stats.queued + stats.running, 0);
  assert_true(stats.store_code < 0);
  assert_null(ask(w, (struct ask){0}));
  assert_int_equal(fake.steps_count, 0); /* on a disk that is known to fail none begins */
  disk_fails = false;
  assert_non_null(ask(w, (struct ask){0})); /* the next one finds it well, and its slot free */
  wait_step(w);
  jobs_stats(w->jobs, &stats);
  assert_int_equal(stats.store_code, 0);
}

static void test_a_result_survives_a_failing_disk(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  disk_fails = true;
  struct step_result r = {.class = STEP_OK, .result_json = "{\"n\":1}"};
  fake_end_with(s, &r);
  for (int i = 0; i < 10; i++)
    settle(w);
  struct seen *seen = world_seen(w, id);
  assert_int_equal(seen->finals, 0); /* nobody was told */
  assert_int_equal(jobs_live(w->jobs, id)->state, JOB_RUNNING);
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
  disk_fails = false;
  wait_final(w, id);
  assert_int_equal(seen->last, EVENT_COMPLETED);
  assert_int_equal(seen->finals, 1);
  assert_int_equal(w->answers, 1);
  assert_true(w->code < 0);
  assert_int_equal(fake.steps_count, 0);
}

static void test_what_an_attempt_left_goes_before_its_end_is_written(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  disk_fails = true; /* it is full, and by this job's files */
  struct step_result r = {.class = STEP_BAD_INPUT, .message = "no room", .workdir = "/a/folder"};
  fake_end_with(s, &r);
  for (int i = 0; i < 10; i++)
    settle(w);
  assert_int_equal(world_seen(w, id)->finals, 0);
  assert_int_equal(fake.releases, 1);
  disk_fails = false;
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_int_equal(fake.releases,
                   1); /* and not again, for there may be another folder of the name */
}

static void test_a_start_that_cannot_be_written_waits(void **state) {
  struct world *w = *state;
  const char *first = ask(w, (struct ask){0}), *second = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  disk_fails = true;
  fake_end(s, STEP_OK); /* its end and the other's start both fail */
  for (int i = 0; i < 10; i++)
    settle(w);
  assert_int_equal(fake.steps_count, 0);
  assert_int_equal(jobs_live(w->jobs, second)->state, JOB_QUEUED);
  disk_fails = false;
  s = wait_step(w);
  assert_string_equal(s->job_id, second);
  assert_int_equal(s->attempt, 1);
  fake_end(s, STEP_OK);
  assert_int_equal(wait_final(w, second)->finals, 1);
  assert_int_equal(wait_final(w, first)->finals, 1);
}

static void test_a_cancel_that_cannot_be_written(void **state) {
  struct world *w = *state;
  ask(w, (struct ask){0});
  const char *id = ask(w, (struct ask){0});
  wait_step(w);
  disk_fails = true;
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  assert_string_equal(w->slug, "storage-failed");
  disk_fails = false;
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED); /* it goes on by itself */
  assert_int_equal(world_seen(w, id)->finals, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_each_class_with_one_backend),
      WORLD_TEST(test_each_class_with_two_backends),
      WORLD_TEST(test_a_refused_backend_costs_no_attempt),
      WORLD_TEST(test_a_refused_backend_leaves_the_job_to_another),
      WORLD_TEST(test_a_retry_goes_elsewhere_first),
      WORLD_TEST(test_permanent_failure_never_goes_back),
      WORLD_TEST(test_retry_after_is_honoured),
      WORLD_TEST(test_a_pause_unless_another_is_ready),
      WORLD_TEST(test_attempts_keep_version_and_decision),
      WORLD_TEST(test_a_backend_that_comes_back_is_waited_for),
      WORLD_TEST(test_a_refused_job_waits_for_one_that_went),
      WORLD_TEST(test_a_refused_job_waits_no_longer_than_the_others),
      WORLD_TEST(test_nobody_waits_for_a_backend_longer_than_max_wait),
      WORLD_TEST(test_lost_steps_cost_nothing),
      WORLD_TEST(test_limit_of_attempts),
      WORLD_TEST(test_a_job_ends_two_workers_at_most),
      WORLD_TEST(test_backend_gone_before_the_step),
      WORLD_TEST(test_a_worker_may_be_done_before_the_commit),
      WORLD_TEST(test_a_failed_commit_drops_what_was_made),
      WORLD_TEST(test_a_stop_while_the_first_commit_is_under_way),
      WORLD_TEST(test_no_acknowledgement_without_a_disk),
      WORLD_TEST(test_a_result_survives_a_failing_disk),
      WORLD_TEST(test_what_an_attempt_left_goes_before_its_end_is_written),
      WORLD_TEST(test_a_start_that_cannot_be_written_waits),
      WORLD_TEST(test_a_cancel_that_cannot_be_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
