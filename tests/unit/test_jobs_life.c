/* SPDX-License-Identifier: MIT
 *
 * The usual ways of a job, what clients may ask of it on the way, and restarts.
 */
#include "jobs_help.h"

static void test_a_job_runs(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){.params = "{\"sleep_ms\":0}", .client = "me"});
  assert_non_null(id);
  assert_int_equal(w->state, JOB_RUNNING); /* one commit for submit and start */
  struct workers_step *s = wait_step(w);
  assert_string_equal(s->job_id, id);
  assert_string_equal(s->spec, "{\"params\":{\"sleep_ms\":0},\"inputs\":[]}");
  assert_int_equal(s->attempt, 1);
  const struct record_job *live = jobs_live(w->jobs, id);
  assert_int_equal(live->state, JOB_RUNNING);
  assert_int_equal(live->attempt_count, 1);
  assert_string_equal(live->backend, "a");
  assert_string_equal(live->client, "me");
  fake_end(s, STEP_OK);
  struct seen *seen = wait_final(w, id);
  assert_int_equal(seen->last, EVENT_COMPLETED);
  assert_int_equal(seen->queued, 1);
  assert_int_equal(seen->started, 1);
  struct stored got = look(w, id);
  assert_int_equal(got.state, JOB_COMPLETED);
  assert_non_null(strstr(got.progress, "\"percent\":100"));
  struct jobs_stats stats;
  jobs_stats(w->jobs, &stats);
  assert_int_equal(stats.queued, 0);
  assert_int_equal(stats.running, 0);
}

static void test_waiting_and_limits_of_the_queue(void **state) {
  struct world *w = *state;
  w->options.queue_max = 3;
  w->options.queue_max_per_client = 2;
  jobs_reconfigure(w->jobs, &w->options);
  assert_non_null(ask(w, (struct ask){.client = "x"}));
  assert_non_null(ask(w, (struct ask){.client = "x"}));
  assert_non_null(ask(w, (struct ask){.client = "x"}));
  assert_int_equal(w->state, JOB_QUEUED);
  assert_int_equal(jobs_queued_for(w->jobs, "echo"), 2);
  assert_null(ask(w, (struct ask){.client = "x"}));
  assert_string_equal(w->slug, "too-many-requests");
  assert_non_null(ask(w, (struct ask){.client = "y"}));
  assert_null(ask(w, (struct ask){.client = "z"}));
  assert_int_equal(w->code, ERR_BUSY);
  assert_string_equal(w->slug, "queue-full");
  assert_true(w->retry_after_s >= 1 && w->retry_after_s <= 60);
}

static void test_who_can_do_it(void **state) {
  struct world *w = *state;
  assert_null(ask(w, (struct ask){.kind = "preview"}));
  assert_string_equal(w->slug, "no-backend");
  assert_null(ask(w, (struct ask){.pin = "nobody"}));
  assert_string_equal(w->slug, "unknown-backend");
  fake.backends[0].state = BACKEND_RESTARTING;
  assert_non_null(ask(w, (struct ask){0}));
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  fake.backends[0].state = BACKEND_READY;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  wait_step(w);
}

static void test_limits_of_a_step(void **state) {
  struct world *w = *state;
  struct jobs_backend_budget budget = {.backend = "a", .limits = {.cpu_ms = 5}};
  w->options.limits = (struct step_limits){.wall_ms = 9000000, .cpu_ms = 7, .output_bytes = 8};
  w->options.budgets = &budget;
  w->options.budget_count = 1;
  jobs_reconfigure(w->jobs, &w->options);
  ask(w, (struct ask){.timeout_ms = 1234});
  struct workers_step *s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 1234);
  assert_int_equal(s->limits.cpu_ms, 5);
  assert_int_equal(s->limits.output_bytes, 8);
  fake_end(s, STEP_OK);
  ask(w, (struct ask){.timeout_ms = 99999999});
  s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 600000); /* the kind's: a request may only shorten it */
  fake_end(s, STEP_OK);
  budget.limits.wall_ms = 3000; /* the admin knows the machine: it goes before the kind's */
  jobs_reconfigure(w->jobs, &w->options);
  ask(w, (struct ask){.timeout_ms = 99999999});
  s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 3000);
  fake_end(s, STEP_OK);
  static const char *const backends[] = {"a", NULL};
  struct route_options route = {.kind = "echo", .backends = backends, .timeout_ms = 7000};
  routing_configure(w->routing, &route,
                    1); /* and what is said of the kind on its machines, first */
  ask(w, (struct ask){0});
  s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 7000);
  fake_end(s, STEP_OK);
  ask(w, (struct ask){.timeout_ms = 100});
  s = wait_step(w);
  assert_int_equal(s->limits.wall_ms, 100);
}

/* ---- cancel ---- */

static void cancel(struct world *w, const char *id) {
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w);
}

static void test_cancel_queued(void **state) {
  struct world *w = *state;
  const char *first = ask(w, (struct ask){0}), *second = ask(w, (struct ask){0});
  cancel(w, second);
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
  assert_int_equal(w->state, JOB_CANCELLED);
  assert_int_equal(wait_final(w, second)->last, EVENT_CANCELLED);
  assert_int_equal(look(w, second).attempts, 0);
  fake_end(wait_step(w), STEP_OK);
  wait_final(w, first);
  settle(w);
  assert_int_equal(fake.steps_count, 0);
  cancel(w, second); /* the second time is not an error either */
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
  cancel(w, first);
  wait_answers(w, 1);
  assert_int_equal(w->code, ERR_CONFLICT);
  assert_string_equal(w->slug, "wrong-state");
  cancel(w, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
  wait_answers(w, 1);
  assert_string_equal(w->slug, "unknown-job");
}

static void test_cancel_running(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  cancel(w, id);
  assert_true(s->cancelled); /* the worker is told at once, ... */
  assert_int_equal(w->answers, 0);
  wait_answers(w, 1); /* ... the client when it is on disk */
  assert_int_equal(w->code, 0);
  fake_end(s, STEP_CANCELLED);
  struct seen *seen = wait_final(w, id);
  assert_int_equal(seen->last, EVENT_CANCELLED);
  assert_int_equal(look(w, id).state, JOB_CANCELLED);
}

/* A result that was on its way when the client was told 200 is not kept, nor are its outputs. */
static void test_a_cancel_that_was_answered_holds(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  cancel(w, id);
  fake_end(s, STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
  assert_int_equal(w->answers, 1);
  assert_int_equal(w->code, 0);
}

static void test_a_cancel_while_outputs_are_adopted(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  char *folder = world_attempt_folder(w), *path = mem_printf("%s/x.bin", folder);
  FILE *f = fopen(path, "w");
  fclose(f);
  struct step_artifact artifact = {.name = "x.bin", .media_type = "a/b", .path = path};
  struct step_result r = {
      .class = STEP_OK, .artifacts = &artifact, .artifact_count = 1, .workdir = folder};
  fake_end_with(s, &r);
  cancel(w, id);
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
  assert_int_equal(w->code, 0);
  assert_int_equal(look(w, id).artifacts, 0);
  assert_true(storage_open_artifact(w->storage, id, "x.bin", &(int64_t){0}, NULL) < 0);
  free(path);
  free(folder);
}

/* The daemon dies between the answer and the end of the job, whatever the job was at. */
static void test_a_cancel_outlives_the_daemon(void **state) {
  struct world *w = *state;
  const char *running = ask(w, (struct ask){0});
  wait_step(w);
  cancel(w, running);
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
  world_restart(w);
  assert_int_equal(wait_final(w, running)->last, EVENT_CANCELLED);
  assert_int_equal(look(w, running).attempts, 1);
  w->answers = 0;
  jobs_retry(w->jobs, running, world_answered, w); /* which a retry takes back */
  wait_answers(w, 1);
  wait_step(w);
  world_restart(w);
  fake_end(wait_step(w), STEP_OK);
  assert_int_equal(wait_final(w, running)->last, EVENT_COMPLETED);
}

static void test_cancel_that_comes_too_late(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  fake_end(s, STEP_OK);
  w->answers = 0;
  jobs_cancel(w->jobs, id, world_answered, w); /* while its end is written */
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
  assert_int_equal(w->answers, 1);
  assert_int_equal(w->code, ERR_CONFLICT);
}

static void test_cancelled_crash_is_not_retried(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  cancel(w, id);
  fake_end(s, STEP_CRASHED);
  assert_int_equal(wait_final(w, id)->last, EVENT_CANCELLED);
}

static void test_cancel_while_its_start_is_written(void **state) {
  struct world *w = *state;
  const char *first = ask(w, (struct ask){0}), *second = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_OK);
  turn_run(w->jobs); /* the start of the second is being written now */
  assert_int_equal(jobs_live(w->jobs, second)->state, JOB_RUNNING);
  cancel(w, second);
  assert_int_equal(wait_final(w, second)->last, EVENT_CANCELLED);
  wait_final(w, first);
  assert_int_equal(w->code, 0);
  assert_int_equal(fake.steps_count, 0); /* it never went out */
  ask(w, (struct ask){0});
  wait_step(w); /* and its slot is free */
}

/* ---- retry, delete ---- */

static void test_retry_by_a_client(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  fake_end(wait_step(w), STEP_BAD_INPUT);
  wait_final(w, id);
  w->answers = 0;
  jobs_retry(w->jobs, id, world_answered, w);
  jobs_retry(w->jobs, id, world_answered, w); /* two at once: one wins */
  wait_answers(w, 2);
  struct workers_step *s = wait_step(w);
  assert_int_equal(s->attempt, 2);
  w->answers = 0;
  jobs_retry(w->jobs, id, world_answered, w);
  assert_int_equal(w->code, ERR_CONFLICT);
  fake_end(s, STEP_OK);
  struct seen *seen = world_seen(w, id);
  world_until(w, has_final, (void *)id);
  settle(w);
  assert_int_equal(seen->last, EVENT_COMPLETED);
  assert_int_equal(seen->queued, 2);
  assert_int_equal(seen->finals, 2);
  assert_int_equal(look(w, id).attempts, 2);
}

static void test_delete(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  w->answers = 0;
  jobs_delete(w->jobs, id, world_answered, w);
  assert_int_equal(w->code, ERR_CONFLICT);
  fake_end(wait_step(w), STEP_OK);
  wait_final(w, id);
  w->answers = 0;
  jobs_delete(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
  assert_int_equal(look(w, id).code, ERR_NOT_FOUND);
  w->answers = 0;
  jobs_delete(w->jobs, id, world_answered, w);
  wait_answers(w, 1);
  assert_string_equal(w->slug, "unknown-job");
}

/* ---- idempotency ---- */

static void test_idempotency(void **state) {
  struct world *w = *state;
  fake.backends[0].slots = 4;
  w->answers = 0;
  struct ask same = {.key = "k", .fingerprint = "f", .client = "c"};
  ask_no_wait(w, same);
  ask_no_wait(w, same); /* while the first is under way */
  wait_answers(w, 2);
  assert_int_equal(w->code, 0);
  assert_true(w->replayed);
  settle(w);
  assert_int_equal(fake.steps_count, 1);
  const char *id = fake_step(0)->job_id;
  assert_string_equal(w->id, id);
  char copy[27];
  snprintf(copy, sizeof copy, "%s", id);
  fake_end(fake_step(0), STEP_OK);
  wait_final(w, copy);
  ask(w, same); /* the job is final: its state comes from the store */
  assert_true(w->replayed);
  assert_int_equal(w->state, JOB_COMPLETED);
  assert_null(ask(w, (struct ask){.key = "k", .fingerprint = "other", .client = "c"}));
  assert_string_equal(w->slug, "idempotency-mismatch");
  struct jobs_stats stats;
  jobs_stats(w->jobs, &stats);
  assert_int_equal(stats.queued + stats.running, 0);
  for (int i = 0; i < 4; i++) /* no slot was lost on the way */
    ask(w, (struct ask){0});
  settle(w);
  assert_int_equal(fake.steps_count, 4);
}

/* ---- output ---- */

static void test_progress_and_log(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  struct workers_events *e = &fake.events;
  e->progress(e->ctx, s->owner, 100, "import", 1, 10);
  for (int i = 2; i < 10; i++)
    e->progress(e->ctx, s->owner, i * 10, "import", i, 10);
  e->progress(e->ctx, s->owner, 500, "volume", 5, 10);
  e->log(e->ctx, s->owner, "one\n", 4);
  e->log(e->ctx, s->owner, "two\n", 4);
  assert_non_null(strstr(jobs_live(w->jobs, id)->progress_json, "\"percent\":50.0"));
  fake_end(s, STEP_OK);
  struct seen *seen = wait_final(w, id);
  assert_int_equal(seen->progress, 2); /* one a stage */
  assert_int_equal(seen->logs, 1);
  struct stored got = look(w, id);
  assert_string_equal(got.progress,
                      "{\"percent\":100.0,\"stage\":\"volume\",\"current\":10,\"total\":10}");
}

static void test_withheld_progress_comes_by_itself(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  fake.events.progress(fake.events.ctx, s->owner, 100, "import", 1, 10);
  fake.events.progress(fake.events.ctx, s->owner, 200, "import", 2, 10);
  struct seen *seen = world_seen(w, id);
  for (int i = 0; i < 100 && seen->progress < 2; i++)
    settle(w);
  assert_int_equal(seen->progress, 2);
  assert_non_null(strstr(seen->last_data, "\"percent\":20.0"));
}

/* ---- outputs ---- */

static void test_artifacts(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  char *folder = world_attempt_folder(w), *path = mem_printf("%s/x.bin", folder);
  FILE *f = fopen(path, "w");
  fputs("hello", f);
  fclose(f);
  struct step_artifact artifact = {.name = "x.bin", .media_type = "text/plain", .path = path};
  struct step_result r = {.class = STEP_OK,
                          .artifacts = &artifact,
                          .artifact_count = 1,
                          .workdir = folder,
                          .result_json = "{\"n\":1}"};
  fake_end_with(s, &r);
  struct seen *seen = wait_final(w, id);
  assert_int_equal(seen->last, EVENT_COMPLETED);
  assert_non_null(strstr(seen->last_data, "\"artifacts\":[\"x.bin\"]"));
  assert_int_equal(look(w, id).artifacts, 1);
  assert_int_equal(fake.releases, 1);
  int64_t bytes;
  int fd = storage_open_artifact(w->storage, id, "x.bin", &bytes, NULL);
  assert_true(fd >= 0);
  close(fd);
  free(path);
  free(folder);
}

static void test_an_output_that_is_none(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  struct step_artifact artifact = {.name = "x", .media_type = "a/b", .path = "/etc/passwd"};
  char *folder = world_attempt_folder(w);
  struct step_result r = {
      .class = STEP_OK, .artifacts = &artifact, .artifact_count = 1, .workdir = folder};
  fake_end_with(wait_step(w), &r);
  free(folder);
  assert_int_equal(wait_final(w, id)->last, EVENT_FAILED);
  assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* ---- restarts ---- */

static void test_restart_keeps_everything(void **state) {
  struct world *w = *state;
  const char *first = ask(w, (struct ask){0});
  const char *second = ask(w, (struct ask){.params = "{\"sleep_ms\":5}", .client = "me"});
  wait_step(w);
  world_restart(w);
  assert_int_equal(jobs_live(w->jobs, first)->state, JOB_RUNNING);
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  struct workers_step *s = wait_step(w);
  struct workers_step *other = NULL;
  const char *left = second;
  for (int i = 0; i < 2; i++) {
    if (strcmp(s->job_id, first) == 0)
      assert_int_equal(s->attempt, 2);
    else
      assert_non_null(strstr(s->spec, "\"sleep_ms\":5"));
    left = strcmp(s->job_id, first) == 0 ? second : first;
    fake_end(s, STEP_OK);
    if (i == 0)
      s = wait_step(w);
    (void)other;
  }
  (void)left;
  wait_final(w, first);
  wait_final(w, second);
  struct stored got = look(w, first);
  assert_int_equal(got.state, JOB_COMPLETED);
  assert_int_equal(got.attempts, 2);
  assert_int_equal(got.first_attempt, JOB_QUEUED); /* given back: it does not count */
  world_restart(w);
  settle(w);
  assert_int_equal(fake.steps_count, 0); /* what is completed does not run again */
}

static void test_interruptions_do_not_use_up_attempts(void **state) {
  struct world *w = *state;
  const char *id = ask(w, (struct ask){0});
  for (int i = 0; i < 5; i++) {
    wait_step(w);
    world_restart(w);
  }
  fake_end(wait_step(w), STEP_OK);
  assert_int_equal(wait_final(w, id)->last, EVENT_COMPLETED);
}

static void on_drained(void *arg) {
  *(int *)arg += 1;
}

static bool is_drained(struct world *w, void *arg) {
  (void)w;
  return *(int *)arg > 0;
}

static void test_drain(void **state) {
  struct world *w = *state;
  int drained = 0;
  const char *id = ask(w, (struct ask){0});
  const char *waits = ask(w, (struct ask){0});
  wait_step(w);
  jobs_drain(w->jobs, 1, on_drained, &drained);
  assert_null(ask(w, (struct ask){0}));
  assert_string_equal(w->slug, "draining");
  for (int i = 0; i < 50 && !fake_step(0)->cancelled; i++)
    settle(w);
  assert_true(fake_step(0)->cancelled);
  assert_int_equal(drained, 0);
  fake_end(fake_step(0), STEP_CANCELLED);
  world_until(w, is_drained, &drained);
  assert_int_equal(jobs_live(w->jobs, id)->state, JOB_QUEUED);
  assert_int_equal(jobs_live(w->jobs, id)->attempts[0].state, JOB_QUEUED);
  assert_int_equal(jobs_live(w->jobs, waits)->state, JOB_QUEUED);
  assert_int_equal(drained, 1);
  assert_int_equal(fake.steps_count, 0);
}

static void test_drain_of_an_idle_server(void **state) {
  struct world *w = *state;
  int drained = 0;
  jobs_drain(w->jobs, 100000, on_drained, &drained);
  world_until(w, is_drained, &drained);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_a_job_runs),
      WORLD_TEST(test_waiting_and_limits_of_the_queue),
      WORLD_TEST(test_who_can_do_it),
      WORLD_TEST(test_limits_of_a_step),
      WORLD_TEST(test_cancel_queued),
      WORLD_TEST(test_cancel_running),
      WORLD_TEST(test_a_cancel_that_was_answered_holds),
      WORLD_TEST(test_a_cancel_while_outputs_are_adopted),
      WORLD_TEST(test_a_cancel_outlives_the_daemon),
      WORLD_TEST(test_cancel_that_comes_too_late),
      WORLD_TEST(test_cancelled_crash_is_not_retried),
      WORLD_TEST(test_cancel_while_its_start_is_written),
      WORLD_TEST(test_retry_by_a_client),
      WORLD_TEST(test_delete),
      WORLD_TEST(test_idempotency),
      WORLD_TEST(test_progress_and_log),
      WORLD_TEST(test_withheld_progress_comes_by_itself),
      WORLD_TEST(test_artifacts),
      WORLD_TEST(test_an_output_that_is_none),
      WORLD_TEST(test_restart_keeps_everything),
      WORLD_TEST(test_interruptions_do_not_use_up_attempts),
      WORLD_TEST(test_drain),
      WORLD_TEST(test_drain_of_an_idle_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
