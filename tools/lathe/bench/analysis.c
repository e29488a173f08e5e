/* SPDX-License-Identifier: MIT
 *
 * What follows from the jobs of a benchmark.
 */
#include "base/mem.h"
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_of(const struct bench_job *job, size_t which, size_t backend) {
  return (which == SIZE_MAX || job->which == which) && job->backend == backend;
}

/* ---- one cell ---- */

/* A number of the completed jobs of the cell's rounds; what is not known is left out. */
static size_t gather(const struct bench *b, size_t which, size_t backend, size_t offset,
                     double *out) {
  size_t count = 0;
  for (size_t i = 0; i < b->job_count; i++) {
    const struct bench_job *job = &b->jobs[i];
    double value;
    memcpy(&value, (const char *)job + offset, sizeof value);
    if (is_of(job, which, backend) && job->round > 0 && !job->error && isfinite(value))
      out[count++] = value;
  }
  return count;
}

static void count_jobs(const struct bench *b, size_t which, size_t backend,
                       struct bench_cell *cell) {
  bool mixed = false;
  for (size_t i = 0; i < b->job_count; i++) {
    const struct bench_job *job = &b->jobs[i];
    if (!is_of(job, which, backend))
      continue;
    size_t *counter = job->round > 0 ? job->error ? &cell->failed : &cell->done
                      : job->error   ? &cell->warm_failed
                                     : &cell->warm_done;
    ++*counter;
    if (job->round == 0 && !job->error && !(cell->warm > 0))
      cell->warm = job->seconds;
    if (job->round == 0 || job->error)
      continue;
    cell->retried += job->attempts > 1;
    if (job->currency && cell->currency)
      mixed |= strcmp(cell->currency, job->currency) != 0;
    else if (job->currency)
      cell->currency = job->currency;
  }
  if (mixed) { /* amounts in several currencies are not compared */
    cell->currency = NULL;
    cell->cost = NAN;
  }
}

/* As narrow as asked for: neither end is further from the median than the share. */
static bool is_narrow(const struct bench *b, const struct bench_cell *cell) {
  return cell->interval.low >= cell->median * (1 - b->within) &&
         cell->interval.high <= cell->median * (1 + b->within);
}

static struct bench_cell make_cell(const struct bench *b, size_t which, size_t backend) {
  static const struct {
    size_t from, to;
  } medians[] = {
#define PART(name) {offsetof(struct bench_job, name), offsetof(struct bench_cell, name)}
      PART(queue), PART(cold_start), PART(transfer), PART(compute),
      PART(retry), PART(cost)
#undef PART
  };
  struct bench_cell cell = {.warm = NAN, .mean = NAN, .least = NAN, .most = NAN};
  double *values = mem_array(b->job_count + 1, sizeof *values);
  for (size_t i = 0; i < sizeof medians / sizeof *medians; i++) {
    double median = stat_median(values, gather(b, which, backend, medians[i].from, values));
    memcpy((char *)&cell + medians[i].to, &median, sizeof median);
  }
  count_jobs(b, which, backend, &cell);
  size_t count = gather(b, which, backend, offsetof(struct bench_job, seconds), values);
  cell.median = stat_median(values, count);
  cell.mean = stat_mean(values, count);
  cell.interval = stat_median_interval(values, count, b->seed);
  for (size_t i = 0; i < count; i++) {
    cell.least = i == 0 || values[i] < cell.least ? values[i] : cell.least;
    cell.most = i == 0 || values[i] > cell.most ? values[i] : cell.most;
  }
  cell.settled = b->backends[backend].error || is_narrow(b, &cell) ||
                 bench_gave_up(b, which, backend);
  free(values);
  return cell;
}

bool bench_gave_up(const struct bench *b, size_t which, size_t backend) {
  size_t failed = 0;
  for (size_t i = 0; i < b->job_count; i++) {
    if (!is_of(&b->jobs[i], which, backend))
      continue;
    if (!b->jobs[i].error)
      return false;
    failed++;
  }
  return failed >= BENCH_GIVE_UP;
}

const struct bench_cell *bench_cell(const struct bench_analysis *a, size_t which, size_t backend) {
  return &a->cells[which * a->bench->backend_count + backend];
}

bool bench_is_settled(const struct bench_analysis *a) {
  for (size_t i = 0; i < a->bench->case_count * a->bench->backend_count; i++)
    if (!a->cells[i].settled)
      return false;
  return true;
}

/* ---- comparisons ---- */

/* The time of a round's job, NAN where it failed. */
static double time_in(const struct bench *b, size_t which, size_t backend, int round) {
  for (size_t i = 0; i < b->job_count; i++)
    if (is_of(&b->jobs[i], which, backend) && b->jobs[i].round == round && !b->jobs[i].error)
      return b->jobs[i].seconds;
  return NAN;
}

/* Logarithms of the ratios of a case, round by round: what slows a whole round (another program,
 * a hot processor) slows both and falls out. */
static size_t pair_up(const struct bench *b, size_t one, size_t other, size_t which, double *out) {
  size_t count = 0;
  for (size_t i = 0; i < b->job_count; i++) {
    const struct bench_job *job = &b->jobs[i];
    if (!is_of(job, which, one) || job->round == 0 || job->error)
      continue;
    double second = time_in(b, which, other, job->round);
    if (job->seconds > 0 && second > 0)
      out[count++] = log(job->seconds / second);
  }
  return count;
}

struct bench_ratio bench_compare(const struct bench *b, size_t one, size_t other, size_t which) {
  struct bench_ratio r = {.ratio = NAN, .interval = {NAN, NAN}};
  struct stat_group *groups = mem_array(b->case_count, sizeof *groups);
  double *values = mem_array(b->job_count + 1, sizeof *values), *next = values;
  for (size_t c = 0; c < b->case_count; c++) {
    if (which != SIZE_MAX && which != c)
      continue;
    size_t count = pair_up(b, one, other, c, next);
    if (count < BENCH_PAIRS_MIN)
      continue;
    groups[r.cases++] = (struct stat_group){next, count};
    next += count;
    r.pairs += count;
  }
  if (r.cases) {
    struct stat_interval logs = stat_groups_interval(groups, r.cases, b->seed);
    r.ratio = exp(stat_groups_median(groups, r.cases));
    r.interval = (struct stat_interval){exp(logs.low), exp(logs.high)};
    double widest = fmax(logs.high, -logs.low);
    r.verdict = logs.high < 0                     ? BENCH_FASTER
                : logs.low > 0                    ? BENCH_SLOWER
                : widest <= log(BENCH_NOISE_MOST) ? BENCH_EQUAL
                                                  : BENCH_NOISY;
  }
  free(groups);
  free(values);
  return r;
}

/* ---- totals ---- */

static struct bench_total make_total(const struct bench_analysis *a, size_t backend) {
  const struct bench *b = a->bench;
  struct bench_total t = {0};
  double cost = 0;
  for (size_t c = 0; c < b->case_count; c++) {
    const struct bench_cell *cell = bench_cell(a, c, backend);
    t.done += cell->done;
    t.failed += cell->failed;
    t.cases += cell->done > 0;
    t.mean += cell->median;
    cost += cell->cost;
    if (c == 0)
      t.currency = cell->currency;
    else if (t.currency && (!cell->currency || strcmp(t.currency, cell->currency) != 0))
      t.currency = NULL;
  }
  t.whole = t.cases == b->case_count;
  t.mean = t.whole ? t.mean / (double)b->case_count : NAN;
  t.cost = t.whole && t.currency ? cost / (double)b->case_count : NAN;
  return t;
}

void bench_analyse(struct bench_analysis *a, const struct bench *b) {
  *a = (struct bench_analysis){.bench = b, .fastest = SIZE_MAX};
  a->cells = mem_array(b->case_count * b->backend_count, sizeof *a->cells);
  a->totals = mem_array(b->backend_count, sizeof *a->totals);
  for (size_t c = 0; c < b->case_count; c++)
    for (size_t i = 0; i < b->backend_count; i++)
      a->cells[c * b->backend_count + i] = make_cell(b, c, i);
  for (size_t i = 0; i < b->backend_count; i++) {
    a->totals[i] = make_total(a, i);
    if (a->totals[i].whole &&
        (a->fastest == SIZE_MAX || a->totals[i].mean < a->totals[a->fastest].mean))
      a->fastest = i;
  }
  for (size_t i = 0; i < b->backend_count && a->fastest != SIZE_MAX; i++)
    if (i != a->fastest)
      a->totals[i].against = bench_compare(b, i, a->fastest, SIZE_MAX);
}

void bench_analysis_free(struct bench_analysis *a) {
  free(a->cells);
  free(a->totals);
  *a = (struct bench_analysis){0};
}

/* ---- results and reasons ---- */

double bench_quality(const struct bench *b, size_t which, size_t backend, const char *name) {
  double *values = mem_array(b->job_count + 1, sizeof *values);
  size_t count = 0;
  for (size_t i = 0; i < b->job_count; i++) {
    const json_t *value = json_object_get(b->jobs[i].quality, name);
    if (is_of(&b->jobs[i], which, backend) && b->jobs[i].round > 0 && json_is_number(value))
      values[count++] = json_number_value(value);
  }
  double median = stat_median(values, count);
  free(values);
  return median;
}

json_t *bench_quality_names(const struct bench *b) {
  json_t *seen = json_object(), *names = json_array(), *value;
  const char *name;
  for (size_t i = 0; i < b->job_count; i++)
    json_object_foreach(b->jobs[i].quality, name, value) {
      if (json_object_get(seen, name))
        continue;
      json_object_set(seen, name, value);
      json_array_append_new(names, json_string(name));
    }
  json_decref(seen);
  return names;
}

json_t *bench_reasons(const struct bench *b, size_t which, size_t backend) {
  json_t *counts = json_object(), *reasons = json_array(), *value;
  const char *reason;
  for (size_t i = 0; i < b->job_count; i++) {
    const struct bench_job *job = &b->jobs[i];
    if (!is_of(job, which, backend) || !job->error)
      continue;
    json_int_t n = json_integer_value(json_object_get(counts, job->error));
    json_object_set_new(counts, job->error, json_integer(n + 1));
  }
  json_object_foreach(counts, reason, value) {
    json_array_append_new(reasons, json_pack("{s:s, s:O}", "reason", reason, "jobs", value));
  }
  json_decref(counts);
  return reasons;
}
