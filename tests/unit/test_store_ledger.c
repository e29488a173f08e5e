/* SPDX-License-Identifier: MIT
 *
 * The ledger: written with attempts, summed up by range, kept when jobs go.
 */
#include "store_help.h"

#define DAY_US INT64_C(86400000000)

static const struct record_cost running = {.currency = "EUR",
                                           .estimated = 3 * MONEY_UNIT,
                                           .priced = MONEY_UNKNOWN,
                                           .actual = MONEY_UNKNOWN,
                                           .counted = 3 * MONEY_UNIT};

static struct record_cost ended(int64_t amount, enum cost_source source) {
  return (struct record_cost){.currency = "EUR",
                              .source = source,
                              .estimated = 3 * MONEY_UNIT,
                              .priced = 2 * MONEY_UNIT,
                              .actual = amount,
                              .counted = amount < 0 ? 0 : amount};
}

/* A job with one attempt that began `at`; finish it with close_job(). */
static struct record_job begin(struct world *w, const char *client, int64_t at,
                               const struct record_cost *cost) {
  struct record_job job = new_job(w, "mesh");
  struct store_event_in queued = {EVENT_QUEUED, NULL}, started = {EVENT_STARTED, NULL};
  struct record_attempt one = attempt_of(1, JOB_RUNNING);
  struct answer a = {0};
  job.client = client;
  one.started_us = at;
  one.cost = cost;
  store_submit(w->store, &job, &queued, &one, &started, NULL, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  return job;
}

static void close_job(struct world *w, struct record_job *job, enum job_state state, int64_t at,
                      const struct record_cost *cost) {
  struct store_event_in event = {EVENT_COMPLETED, NULL};
  struct record_attempt one = attempt_of(1, state);
  struct answer a = {0};
  job->state = state;
  job->backend = "echo";
  one.started_us = at;
  one.cost = cost;
  store_finish(w->store, job, &one, &event, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
}

static struct buf said;

static void take(void *arg, int code, const struct record_cost_sum *sums, size_t count, bool more) {
  (void)arg;
  assert_int_equal(code, 0);
  for (size_t i = 0; i < count; i++) {
    const struct record_cost_sum *s = &sums[i];
    buf_printf(&said, "%lld %s/%s/%s %s ", (long long)(s->from_us / DAY_US),
               s->kind ? s->kind : "*", s->backend ? s->backend : "*", s->client ? s->client : "*",
               s->currency);
    money_put(&said, s->amount);
    buf_putc(&said, '+');
    money_put(&said, s->reserved);
    buf_printf(&said, " %lld:%lld,%lld,%lld,%lld,%lld ?%lld; ", (long long)s->attempts,
               (long long)s->states[0], (long long)s->states[1], (long long)s->states[2],
               (long long)s->states[3], (long long)s->states[4], (long long)s->unknown);
  }
  if (more)
    buf_puts(&said, "more");
}

/* Of the first days of the epoch, from edge to edge. */
static const char *sums(struct world *w, struct store_costs_query q, const int64_t *days,
                        size_t count) {
  static char text[4000];
  int64_t edges[100];
  for (size_t i = 0; i < count; i++)
    edges[i] = days[i] * DAY_US;
  q.edges = edges;
  q.edge_count = count;
  q.limit = q.limit ? q.limit : 100;
  buf_clear(&said);
  store_costs(w->store, &q, take, NULL);
  settle(w);
  snprintf(text, sizeof text, "%s", said.data ? said.data : "");
  return text;
}

static void see_cost(const struct record_job *job) {
  const struct record_cost *cost = job->attempts[0].cost;
  assert_non_null(cost);
  assert_string_equal(cost->currency, "EUR");
  assert_int_equal(cost->source, COST_REPORTED);
  assert_int_equal(cost->estimated, 3 * MONEY_UNIT);
  assert_int_equal(cost->priced, 2 * MONEY_UNIT);
  assert_int_equal(cost->actual, 5);
  assert_int_equal(cost->counted, 5);
}

static void see_reserved(const struct record_job *job) {
  assert_int_equal(job->attempts[0].cost->source, COST_OPEN);
  assert_int_equal(job->attempts[0].cost->actual, MONEY_UNKNOWN);
  assert_int_equal(job->attempts[0].cost->counted, 3 * MONEY_UNIT);
}

static void see_none(const struct record_job *job) {
  assert_null(job->attempts[0].cost);
}

static void test_written_with_the_attempt(void **state) {
  struct world *w = *state;
  struct record_cost cost = ended(5, COST_REPORTED);
  struct record_job job = begin(w, "ann", DAY_US, &running);
  look(w, job.id, see_reserved);
  close_job(w, &job, JOB_FAILED, DAY_US, &cost);
  look(w, job.id, see_cost);
  struct record_job free_one = begin(w, "", DAY_US, NULL);
  close_job(w, &free_one, JOB_COMPLETED, DAY_US, NULL);
  look(w, free_one.id, see_none);
  world_close(w);
  world_must_open(w);
  look(w, job.id, see_cost);
  assert_string_equal(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                      "0 */*/* EUR 0.000000005+0 1:0,0,0,1,0 ?0; ");
}

/* An attempt that goes back, then one that completes: each has its row. */
static void test_each_attempt_has_its_row(void **state) {
  struct world *w = *state;
  struct record_cost first = ended(MONEY_UNIT, COST_PRICED), second = ended(7, COST_PRICED);
  struct record_job job = begin(w, "ann", DAY_US, &running);
  struct store_event_in queued = {EVENT_QUEUED, NULL}, started = {EVENT_STARTED, NULL};
  struct record_attempt one = attempt_of(1, JOB_QUEUED), two = attempt_of(2, JOB_RUNNING);
  struct answer a = {0};
  one.cost = &first;
  one.started_us = two.started_us = DAY_US;
  store_requeue(w->store, job.num, job.id, &one, 0, &queued, help_done, &a);
  two.cost = &running;
  store_start(w->store, job.num, job.id, &two, &started, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  assert_string_equal(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                      "0 */*/* EUR 1+3 2:1,1,0,0,0 ?0; ");
  two.state = JOB_COMPLETED;
  two.ended_us = 2 * DAY_US;
  two.cost = &second;
  job.state = JOB_COMPLETED;
  store_finish(w->store, &job, &two, &(struct store_event_in){EVENT_COMPLETED, NULL}, help_done,
               &a);
  settle(w);
  assert_string_equal(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                      "0 */*/* EUR 1.000000007+0 2:1,0,1,0,0 ?0; ");
}

static void test_sums(void **state) {
  struct world *w = *state;
  struct record_cost cheap = ended(MONEY_UNIT / 4, COST_PRICED),
                     unknown = ended(MONEY_UNKNOWN, COST_REPORTED), dollars = cheap;
  memcpy(dollars.currency, "USD", 4);
  const struct {
    const char *client;
    int64_t day;
    enum job_state state;
    const struct record_cost *cost;
  } rows[] = {{"ann", 1, JOB_COMPLETED, &cheap},
              {"ann", 1, JOB_CANCELLED, &cheap},
              {"bob", 1, JOB_COMPLETED, &cheap},
              {"bob", 2, JOB_FAILED, &unknown},
              {"bob", 2, JOB_COMPLETED, &dollars}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct record_job job = begin(w, rows[i].client, rows[i].day * DAY_US, &running);
    close_job(w, &job, rows[i].state, rows[i].day * DAY_US, rows[i].cost);
  }
  begin(w, "bob", 3 * DAY_US - 1, &running);
  const int64_t days[] = {0, 1, 2, 3}, all[] = {0, 9};
  assert_string_equal(sums(w, (struct store_costs_query){.by = COSTS_BY_CLIENT}, days, 4),
                      "1 */*/ann EUR 0.5+0 2:0,0,1,0,1 ?0; 1 */*/bob EUR 0.25+0 1:0,0,1,0,0 ?0; "
                      "2 */*/bob EUR 0+3 2:0,1,0,1,0 ?1; 2 */*/bob USD 0.25+0 1:0,0,1,0,0 ?0; ");
  assert_string_equal(sums(w, (struct store_costs_query){.by = 7, .client = "ann"}, all, 2),
                      "0 mesh/echo/ann EUR 0.5+0 2:0,0,1,0,1 ?0; ");
  assert_string_equal(sums(w, (struct store_costs_query){.kind = "none"}, all, 2), "");
  assert_string_equal(sums(w, (struct store_costs_query){.backend = "none"}, all, 2), "");
  assert_string_equal(
      sums(w, (struct store_costs_query){.by = COSTS_BY_CLIENT, .limit = 1}, days, 4),
      "1 */*/ann EUR 0.5+0 2:0,0,1,0,1 ?0; more");
  assert_string_equal(sums(w, (struct store_costs_query){0}, all, 1), "");
  buf_clear(&said);
  store_costs_latest(w->store, 2, take, NULL);
  settle(w);
  assert_string_equal(said.data, "0 mesh/echo/* USD 0.25+0 1:0,0,0,0,0 ?0; "
                                 "0 mesh/echo/* EUR 0.25+0 1:0,0,0,0,0 ?0; ");
}

/* As many as may be, each as much as may be: the sum stays within its type. */
static void test_large_sums_do_not_overflow(void **state) {
  struct world *w = *state;
  struct record_cost huge = ended(MONEY_MOST, COST_PRICED);
  for (int i = 0; i < 12; i++) {
    struct record_job job = begin(w, "", DAY_US, &running);
    close_job(w, &job, JOB_COMPLETED, DAY_US, &huge);
  }
  assert_non_null(strstr(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                         "EUR 9223372036.854775807+0 12:"));
}

struct spent {
  struct answer a;
  int64_t spent;
};

static void on_spent(void *arg, int code, const struct store_receipt *r) {
  struct spent *s = arg;
  help_done(&s->a, code, r);
  s->spent = r->spent;
}

/* A start is written only where what it reserves fits into the month; the store is asked each time. */
static void test_a_month_has_a_limit(void **state) {
  struct world *w = *state;
  struct store_event_in started = {EVENT_STARTED, NULL}, over = {EVENT_COMPLETED, NULL};
  const struct record_month month = {DAY_US, 3 * DAY_US, 7 * MONEY_UNIT};
  struct record_cost cheap = ended(MONEY_UNIT, COST_PRICED);
  struct spent got[4] = {0};
  int64_t nums[4];
  begin(w, "", DAY_US - 1, &running); /* of another month */
  for (int i = 0; i < 4; i++) {
    struct record_attempt one = attempt_of(1, JOB_RUNNING);
    nums[i] = put(w, "mesh", false);
    one.started_us = 2 * DAY_US;
    one.cost = &running;
    one.month = &month;
    store_start(w->store, nums[i], w->id[nums[i]], &one, &started, on_spent, &got[i]);
  }
  settle(w);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(got[i].a.code, i < 2 ? 0 : ERR_LIMIT);
    assert_int_equal(got[i].spent, (i == 0 ? 3 : 6) * MONEY_UNIT);
  }
  assert_non_null(strstr(got[2].a.text, "budget of backend echo"));
  assert_int_equal(look(w, w->id[nums[2]], NULL), JOB_QUEUED);
  struct record_attempt end = attempt_of(1, JOB_COMPLETED);
  struct record_job job = {.num = nums[0], .id = w->id[nums[0]], .state = JOB_COMPLETED};
  end.started_us = 2 * DAY_US;
  end.cost = &cheap;
  end.month = &month;
  store_finish(w->store, &job, &end, &over, on_spent, &got[0]);
  settle(w);
  assert_int_equal(got[0].spent, 4 * MONEY_UNIT);
  struct record_attempt one = attempt_of(1, JOB_RUNNING);
  one.started_us = 2 * DAY_US;
  one.cost = &running;
  one.month = &month;
  store_start(w->store, nums[2], w->id[nums[2]], &one, &started, on_spent, &got[2]);
  settle(w);
  assert_int_equal(got[2].a.code, 0); /* to the last cent */
  assert_int_equal(got[2].spent, 7 * MONEY_UNIT);
}

static void on_purged(void *arg, int code, const struct store_purged *p) {
  (void)arg, (void)p;
  assert_int_equal(code, 0);
}

static void test_jobs_go_and_the_ledger_stays(void **state) {
  struct world *w = *state;
  struct record_cost cost = ended(MONEY_UNIT, COST_PRICED);
  struct record_job job = begin(w, "ann", DAY_US, &running);
  close_job(w, &job, JOB_COMPLETED, DAY_US, &cost);
  struct record_job late = begin(w, "ann", 5 * DAY_US, &running);
  close_job(w, &late, JOB_COMPLETED, 5 * DAY_US, &cost);
  begin(w, "ann", DAY_US, &running); /* it runs on, and its row stays whatever its age */
  struct answer a = {0};
  store_delete(w->store, job.num, help_done, &a);
  settle(w);
  assert_int_equal(a.code, 0);
  assert_string_equal(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                      "0 */*/* EUR 2+3 3:0,1,2,0,0 ?0; ");
  store_purge(w->store, &(struct store_retention){.ledger_before_us = 3 * DAY_US}, on_purged, NULL);
  settle(w);
  assert_string_equal(sums(w, (struct store_costs_query){0}, (int64_t[]){0, 9}, 2),
                      "0 */*/* EUR 1+3 2:0,1,1,0,0 ?0; ");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_written_with_the_attempt, world_set_up, world_tear_down),
      cmocka_unit_test_setup_teardown(test_each_attempt_has_its_row, world_set_up, world_tear_down),
      cmocka_unit_test_setup_teardown(test_sums, world_set_up, world_tear_down),
      cmocka_unit_test_setup_teardown(test_large_sums_do_not_overflow, world_set_up,
                                      world_tear_down),
      cmocka_unit_test_setup_teardown(test_a_month_has_a_limit, world_set_up, world_tear_down),
      cmocka_unit_test_setup_teardown(test_jobs_go_and_the_ledger_stays, world_set_up,
                                      world_tear_down),
  };
  int rc = cmocka_run_group_tests(tests, NULL, NULL);
  buf_free(&said);
  return rc;
}
