/* SPDX-License-Identifier: MIT
 *
 * The file of results: the original service's members (timestamp, iterations, results), what a
 * repetition of the judgement needs (cases, backends, jobs), and the judgement.
 */
#include "base/mem.h"
#include "bench/program.h"
#include "save.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *real_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval_or_null(struct stat_interval i) {
  return isfinite(i.low) && isfinite(i.high) ? json_pack("[f, f]", i.low, i.high) : json_null();
}

/* ---- a case on a backend ---- */

static json_t *times_of(const struct bench *b, size_t which, size_t backend) {
  json_t *times = json_array();
  for (size_t i = 0; i < b->job_count; i++) {
    const struct bench_job *job = &b->jobs[i];
    if (job->which == which && job->backend == backend && job->round > 0 && !job->error)
      json_array_append_new(times, json_real(job->seconds));
  }
  return times;
}

static json_t *quality_of(const struct bench *b, size_t which, size_t backend) {
  json_t *names = bench_quality_names(b), *out = json_object(), *name;
  size_t i;
  json_array_foreach(names, i, name) {
    double value = bench_quality(b, which, backend, json_string_value(name));
    if (isfinite(value))
      json_object_set_new(out, json_string_value(name), json_real(value));
  }
  json_decref(names);
  return out;
}

static json_t *cost_of(double amount, const char *currency) {
  return isfinite(amount) ? json_pack("{s:f, s:s?}", "amount", amount, "currency",
                                      currency && *currency ? currency : NULL)
                          : json_null();
}

static void set(json_t *object, const char *name, json_t *value) {
  json_object_set_new(object, name, value);
}

static json_t *cell_to_json(const struct bench_analysis *a, size_t which, size_t backend) {
  const struct bench *b = a->bench;
  const struct bench_cell *cell = bench_cell(a, which, backend);
  const char *error = b->backends[backend].error;
  json_t *out = json_object(), *reasons = bench_reasons(b, which, backend);
  char status[BENCH_STATUS_SIZE];
  set(out, "backend", json_string(b->backends[backend].name));
  set(out, "available", json_boolean(!error));
  set(out, "status", json_string(bench_status(a, which, backend, status)));
  if (!error && cell->done == 0 && json_array_size(reasons))
    error = json_string_value(json_object_get(json_array_get(reasons, 0), "reason"));
  if (error)
    set(out, "error", json_string(error));
  set(out, "avg_time", real_or_null(cell->mean));
  set(out, "min_time", real_or_null(cell->least));
  set(out, "max_time", real_or_null(cell->most));
  set(out, "times", times_of(b, which, backend));
  set(out, "iterations", json_integer((json_int_t)cell->done + (json_int_t)cell->failed));
  set(out, "failed_iterations", json_integer((json_int_t)cell->failed));
  set(out, "median_time", real_or_null(cell->median));
  set(out, "median_interval", interval_or_null(cell->interval));
  set(out, "settled", json_boolean(cell->settled));
  set(out, "retried", json_integer((json_int_t)cell->retried));
  set(out, "warmup_time", real_or_null(cell->warm));
  set(out, "warmup_failed", json_integer((json_int_t)cell->warm_failed));
  set(out, "queue_s", real_or_null(cell->queue));
  set(out, "cold_start_s", real_or_null(cell->cold_start));
  set(out, "transfer_s", real_or_null(cell->transfer));
  set(out, "compute_s", real_or_null(cell->compute));
  set(out, "retry_s", real_or_null(cell->retry));
  set(out, "cost", cost_of(cell->cost, cell->currency));
  set(out, "quality", quality_of(b, which, backend));
  set(out, "reasons", reasons);
  return out;
}

static json_t *case_to_json(const struct bench_analysis *a, size_t which) {
  const struct bench_case *one = &a->bench->cases[which];
  json_t *backends = json_array();
  for (size_t i = 0; i < a->bench->backend_count; i++)
    json_array_append_new(backends, cell_to_json(a, which, i));
  json_t *file = json_string(one->file); /* NULL: not UTF-8 */
  return json_pack("{s:o, s:I, s:s, s:o}", "file", file ? file : json_string(""), "file_size",
                   (json_int_t)one->bytes, "set", one->set, "backends", backends);
}

/* ---- backends with each other ---- */

static json_t *ratio_to_json(const struct bench_ratio *r) {
  static const char *const words[] = {[BENCH_UNKNOWN] = "too few pairs",
                                      [BENCH_NOISY] = "too noisy to tell",
                                      [BENCH_EQUAL] = "equal within noise",
                                      [BENCH_FASTER] = "faster",
                                      [BENCH_SLOWER] = "slower"};
  return json_pack("{s:s, s:o, s:o, s:I}", "verdict", words[r->verdict], "ratio",
                   real_or_null(r->ratio), "ratio_interval", interval_or_null(r->interval), "pairs",
                   (json_int_t)r->pairs);
}

/* Each backend with the fastest, over all cases (case is null) and in each. */
static json_t *comparisons(const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  json_t *out = json_array();
  for (size_t i = 0; i < b->backend_count && a->fastest != SIZE_MAX; i++) {
    if (i == a->fastest || b->backends[i].error)
      continue;
    for (size_t c = 0; c <= b->case_count; c++) {
      struct bench_ratio r = c ? bench_compare(b, i, a->fastest, c - 1) : a->totals[i].against;
      json_t *one = ratio_to_json(&r);
      set(one, "backend", json_string(b->backends[i].name));
      set(one, "than", json_string(b->backends[a->fastest].name));
      set(one, "case", c ? json_integer((json_int_t)c - 1) : json_null());
      json_array_append_new(out, one);
    }
  }
  return out;
}

static json_t *totals(const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  json_t *out = json_array();
  for (size_t i = 0; i < b->backend_count; i++) {
    const struct bench_total *t = &a->totals[i];
    json_array_append_new(
        out, json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "backend", b->backends[i].name,
                       "mean_of_medians", real_or_null(t->mean), "completed", (json_int_t)t->done,
                       "failed", (json_int_t)t->failed, "cases", (json_int_t)t->cases, "cost",
                       cost_of(t->cost, t->currency)));
  }
  return out;
}

json_t *bench_results(const struct bench_analysis *a, const struct bench_advice *advice) {
  json_t *document = bench_to_json(a->bench), *results = json_array();
  bool chosen = advice->backend != SIZE_MAX;
  for (size_t i = 0; i < a->bench->case_count; i++)
    json_array_append_new(results, case_to_json(a, i));
  set(document, "results", results);
  set(document, "totals", totals(a));
  set(document, "comparisons", comparisons(a));
  set(document, "recommendation",
      json_pack("{s:s?, s:s?, s:O, s:s?}", "backend",
                chosen ? a->bench->backends[advice->backend].name : NULL, "reason", advice->reason,
                "notes", advice->notes, "ini", advice->ini));
  return document;
}

int bench_save(const struct bench *b, const char *path) {
  struct bench_analysis a;
  struct bench_advice advice;
  bench_analyse(&a, b);
  bench_advise(&advice, &a);
  json_t *document = bench_results(&a, &advice);
  char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  int code = text ? save_file(path, text, strlen(text)) : CLI_OK;
  free(text);
  json_decref(document);
  bench_advice_free(&advice);
  bench_analysis_free(&a);
  return code;
}
