/* SPDX-License-Identifier: MIT
 *
 * What follows from the jobs of a benchmark: cells, comparisons, advice, and the way through JSON.
 */
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bench *make(const char *const *backends, size_t cases) {
  struct bench *b = mem_alloc(sizeof *b);
  size_t count = 0;
  while (backends[count])
    count++;
  *b = (struct bench){.kind = mem_dup("mesh"),
                      .seed = UINT64_MAX,
                      .rounds_min = 5,
                      .rounds_max = 20,
                      .warmup = 1,
                      .rounds = 5,
                      .within = 0.05,
                      .prefer_local = 2,
                      .case_count = cases,
                      .backend_count = count};
  b->cases = mem_array(cases, sizeof *b->cases);
  b->backends = mem_array(count, sizeof *b->backends);
  for (size_t i = 0; i < cases; i++)
    b->cases[i] = (struct bench_case){.file = mem_printf("part%zu.step", i),
                                      .set = mem_dup(""),
                                      .bytes = 1000,
                                      .upload = NAN,
                                      .params = json_object()};
  for (size_t i = 0; i < count; i++) /* "far ..." needs a network */
    b->backends[i] = (struct bench_backend){.name = mem_dup(backends[i]),
                                            .local = strncmp(backends[i], "far", 3) != 0};
  return b;
}

static void end(struct bench *b) {
  bench_free(b);
  free(b);
}

static struct bench_job *add(struct bench *b, size_t which, size_t backend, int round,
                             double seconds) {
  struct bench_job *job = bench_add_job(b);
  job->which = which;
  job->backend = backend;
  job->round = round;
  job->order = (int)b->job_count;
  job->id = mem_dup("01ARZ3NDEKTSV4RRFFQ69G5FAV");
  job->attempts = 1;
  job->quality = json_object();
  job->status = mem_dup(seconds > 0 ? "completed" : "failed");
  job->error = seconds > 0 ? NULL : mem_dup("the worker crashed");
  job->seconds = seconds > 0 ? seconds : NAN;
  return job;
}

/* Times that go up and down with the round, alike for all backends, times a factor of each. */
static void fill(struct bench *b, size_t backend, double seconds, double wobble) {
  static const double drift[] = {1, 1.5, 0.8, 1.2, 0.9, 1.4, 1.1};
  static const double noise[] = {1, -1, 0.5, -0.5, 0, 1, -1};
  for (size_t c = 0; c < b->case_count; c++) {
    add(b, c, backend, 0, 9 * seconds); /* the warm-up, which must not count */
    for (int round = 1; round <= 7; round++)
      add(b, c, backend, round, seconds * drift[round - 1] * (1 + wobble * noise[round - 1]));
  }
}

static void a_cell(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"a", NULL}, 1);
  struct bench_analysis a;
  add(b, 0, 0, 0, 50);
  for (int round = 1; round <= 5; round++)
    add(b, 0, 0, round, round)->attempts = round == 5 ? 2 : 1;
  add(b, 0, 0, 6, 0);
  bench_analyse(&a, b);
  const struct bench_cell *cell = bench_cell(&a, 0, 0);
  assert_int_equal(cell->done, 5);
  assert_int_equal(cell->failed, 1);
  assert_int_equal(cell->retried, 1);
  assert_int_equal(cell->warm_done, 1);
  assert_float_equal(cell->warm, 50, 0);
  assert_float_equal(cell->median, 3, 0);
  assert_float_equal(cell->mean, 3, 0);
  assert_true(cell->least == 1 && cell->most == 5);
  assert_true(cell->interval.low == 1 && cell->interval.high == 5);
  assert_false(cell->settled || bench_is_settled(&a));
  assert_true(isnan(cell->cost) && isnan(cell->transfer));
  bench_analysis_free(&a);
  end(b);
}

/* Drift of a factor of two that both share does not hide a difference of 10%. */
static void pairs_find_what_drift_hides(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"a", "b", "c", NULL}, 2);
  fill(b, 0, 1, 0.01);
  fill(b, 1, 1.1, 0.02);
  fill(b, 2, 1, -0.03);
  struct bench_ratio slower = bench_compare(b, 1, 0, SIZE_MAX), faster = bench_compare(b, 0, 1, 1),
                     equal = bench_compare(b, 2, 0, SIZE_MAX);
  assert_int_equal(slower.verdict, BENCH_SLOWER);
  assert_int_equal(slower.pairs, 14);
  assert_int_equal(slower.cases, 2);
  assert_float_equal(slower.ratio, 1.1, 0.01);
  assert_true(slower.interval.low > 1.05 && slower.interval.high < 1.15);
  assert_int_equal(faster.verdict, BENCH_FASTER);
  assert_int_equal(faster.pairs, 7);
  assert_int_equal(equal.verdict, BENCH_EQUAL);
  end(b);
}

static void too_few_pairs_say_nothing(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"a", "b", NULL}, 1);
  for (int round = 1; round <= 6; round++) { /* only four rounds in which both completed */
    add(b, 0, 0, round, round == 1 ? 0 : 1);
    add(b, 0, 1, round, round == 2 ? 0 : 5);
  }
  struct bench_ratio r = bench_compare(b, 1, 0, SIZE_MAX);
  assert_int_equal(r.verdict, BENCH_UNKNOWN);
  assert_true(r.pairs == 0 && isnan(r.ratio));
  end(b);
}

static void check_advice(struct bench *b, const char *name, const char *reason, const char *ini) {
  struct bench_analysis a;
  struct bench_advice advice;
  bench_analyse(&a, b);
  bench_advise(&advice, &a);
  assert_non_null(strstr(advice.reason, reason));
  if (name)
    assert_string_equal(b->backends[advice.backend].name, name);
  else
    assert_true(advice.backend == SIZE_MAX && !advice.ini);
  if (ini)
    assert_string_equal(advice.ini, ini);
  bench_advice_free(&advice);
  bench_analysis_free(&a);
}

static void the_original_rule(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"far", "near", NULL}, 1);
  fill(b, 0, 1, 0.01);
  fill(b, 1, 2.9, 0.01); /* medians 1.1 and 3.2: more than 2 s behind */
  check_advice(b, "far", "the fastest", "[route mesh]\npolicy = ordered\nbackends = far, near\n");
  b->prefer_local = 3;
  check_advice(b, "near", "near is local",
               "[route mesh]\npolicy = ordered\nbackends = near, far\n");
  end(b);
}

static void a_backend_that_fails_is_not_fast(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"crash", "slow", NULL}, 1);
  fill(b, 1, 4, 0.01);
  for (int round = 1; round <= 3; round++)
    add(b, 0, 0, round, 0);
  assert_true(bench_gave_up(b, 0, 0));
  assert_false(bench_gave_up(b, 0, 1));
  check_advice(b, "slow", "the fastest",
               "[route mesh]\npolicy = ordered\nbackends = slow\n; left out: crash\n");
  json_t *reasons = bench_reasons(b, 0, 0), *first = json_array_get(reasons, 0);
  assert_int_equal(json_array_size(reasons), 1);
  assert_int_equal(json_integer_value(json_object_get(first, "jobs")), 3);
  json_decref(reasons);
  /* One of five is too many, too. */
  fill(b, 0, 1, 0);
  check_advice(b, "slow", "the fastest", NULL);
  end(b);
  b = make((const char *[]){"crash", NULL}, 1);
  for (int round = 0; round <= 2; round++)
    add(b, 0, 0, round, 0);
  check_advice(b, NULL, "no backend", NULL);
  end(b);
}

static void equals_are_settled_by_cost_then_order(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"far1", "far2", NULL}, 1);
  fill(b, 0, 1, -0.01);
  fill(b, 1, 0.9999, 0.01);
  check_advice(b, "far1", "stands first", NULL);
  for (size_t i = 0; i < b->job_count; i++) {
    b->jobs[i].cost = b->jobs[i].backend == 0 ? 0.02 : 0.01;
    b->jobs[i].currency = mem_dup("EUR");
  }
  struct bench_analysis a;
  bench_analyse(&a, b);
  assert_float_equal(bench_cell(&a, 0, 0)->cost, 0.02, 1e-12);
  assert_string_equal(a.totals[1].currency, "EUR");
  bench_analysis_free(&a);
  check_advice(b, "far2", "far2 is the fastest", NULL);
  /* Amounts in two currencies are not compared. */
  free(b->jobs[3].currency);
  b->jobs[3].currency = mem_dup("USD");
  bench_analyse(&a, b);
  assert_null(bench_cell(&a, 0, 0)->currency);
  assert_true(isnan(bench_cell(&a, 0, 0)->cost));
  bench_analysis_free(&a);
  end(b);
}

static void a_worse_result_is_noted(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"a", "b", NULL}, 1);
  struct bench_analysis a;
  struct bench_advice advice;
  fill(b, 0, 1, 0.01);
  fill(b, 1, 2, 0.01);
  for (size_t i = 0; i < b->job_count; i++)
    json_object_set_new(b->jobs[i].quality, "score", json_real(b->jobs[i].backend ? 0.9 : 0.8));
  bench_analyse(&a, b);
  bench_advise(&advice, &a);
  assert_int_equal(advice.backend, 0);
  char *notes = json_dumps(advice.notes, 0);
  assert_non_null(strstr(
      notes, "the score of b is better in 1 of 1 cases, at most 0.9 where that of a is 0.8"));
  free(notes);
  bench_advice_free(&advice);
  bench_analysis_free(&a);
  end(b);
}

static json_t *parse(const char *text) {
  json_t *value = json_loads(text, 0, NULL);
  assert_non_null(value);
  return value;
}

static void a_record(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"far", NULL}, 1);
  json_t
      *values = parse("[\"score\", \"deep.er\"]"),
      *job = parse(
          "{\"job_id\": \"x\", \"status\": \"completed\", \"backend\": \"far\", \"cached\": false,"
          " \"created_at\": 100.0, \"started_at\": 101.0, \"ended_at\": 120.0,"
          " \"attempts\": [{\"started_at\": 101.0, \"ended_at\": 103.0, \"status\": \"failed\"},"
          "  {\"started_at\": 104.0, \"ended_at\": 120.0, \"facts\": {\"time.queued_s\": 3.0,"
          "   \"time.cold_start_s\": 2.0, \"time.run_s\": 7.0, \"quality.mean\": 0.5}}],"
          " \"result\": {\"score\": 0.75, \"deep\": {\"er\": 4, \"text\": \"x\"}},"
          " \"cost\": {\"estimated\": 0.5, \"actual\": 0.4, \"currency\": \"EUR\"}}");
  record_job(b, 0, 0, 1, 1, job, values);
  const struct bench_job *one = &b->jobs[0];
  assert_null(one->error);
  assert_float_equal(one->seconds, 20, 1e-9);
  assert_float_equal(one->retry, 2, 1e-9);
  assert_float_equal(one->queue, 2 + 3, 1e-9);
  assert_float_equal(one->cold_start, 2, 1e-9);
  assert_float_equal(one->compute, 7, 1e-9);
  assert_float_equal(one->transfer, 4, 1e-9);
  assert_float_equal(one->cost, 0.4, 1e-9);
  assert_int_equal(json_object_size(one->quality), 3);
  json_object_set_new(job, "backend", json_string("other"));
  record_job(b, 0, 0, 2, 2, job, values);
  assert_non_null(strstr(b->jobs[1].error, "other"));
  json_object_set_new(job, "cached", json_true());
  record_job(b, 0, 0, 3, 3, job, values);
  assert_non_null(strstr(b->jobs[2].error, "earlier result"));
  json_t *nothing = parse("{\"status\": \"failed\", \"error\": null}");
  record_job(b, 0, 0, 4, 4, nothing, values);
  assert_string_equal(b->jobs[3].error, "it failed");
  json_decref(nothing);
  json_decref(job);
  json_decref(values);
  end(b);
}

static void through_json(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"far", "near", NULL}, 2), read;
  struct err err;
  fill(b, 0, 1, 0.01);
  fill(b, 1, 2, 0.01);
  add(b, 1, 0, 8, 0);
  b->jobs[2].cost = 0.25;
  b->jobs[2].currency = mem_dup("EUR");
  json_t *document = bench_to_json(b);
  assert_int_equal(bench_from_json(&read, document, &err), 0);
  json_t *again = bench_to_json(&read);
  assert_true(json_equal(document, again));
  assert_true(read.seed == UINT64_MAX);
  bench_free(&read);
  json_decref(again);
  json_decref(document);
  end(b);
}

/* Whatever one member is replaced with, the document is taken or refused with a reason. */
static void damaged_documents(void **state) {
  (void)state;
  struct bench *b = make((const char *[]){"a", NULL}, 1), read;
  add(b, 0, 0, 1, 1);
  json_t *document = bench_to_json(b), *value;
  const char *key;
  static const char *const wrong[] = {"null",
                                      "-1",
                                      "1e300",
                                      "\"x\"",
                                      "[]",
                                      "{}",
                                      "[null]",
                                      "[{}]",
                                      "99999999999",
                                      "[[1]]",
                                      "[{\"backend\": \"a\"}]"};
  int refused = 0;
  json_object_foreach(document, key, value) {
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
      struct err err = {0};
      json_t *copy = json_deep_copy(document);
      json_object_set_new(copy, key, json_loads(wrong[i], JSON_DECODE_ANY, NULL));
      if (bench_from_json(&read, copy, &err) != 0) {
        assert_true(err.text[0]);
        refused++;
      }
      bench_free(&read);
      json_decref(copy);
    }
  }
  assert_true(refused > 60);
  json_decref(document);
  end(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cell),
      cmocka_unit_test(pairs_find_what_drift_hides),
      cmocka_unit_test(too_few_pairs_say_nothing),
      cmocka_unit_test(the_original_rule),
      cmocka_unit_test(a_backend_that_fails_is_not_fast),
      cmocka_unit_test(equals_are_settled_by_cost_then_order),
      cmocka_unit_test(a_worse_result_is_noted),
      cmocka_unit_test(a_record),
      cmocka_unit_test(through_json),
      cmocka_unit_test(damaged_documents),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
