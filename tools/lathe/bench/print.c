/* SPDX-License-Identifier: MIT
 *
 * A benchmark for a person: the table, what is faster, what failed, what to choose.
 */
#include "base/mem.h"
#include "bench/program.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASONS_SHOWN = 3 };

char *bench_say_time(double seconds, char out[SAY_SIZE]) {
  if (!(seconds >= 0))
    out[0] = '\0';
  else if (seconds < 0.0995)
    snprintf(out, SAY_SIZE, "%.1f ms", seconds * 1e3);
  else if (seconds < 0.9995)
    snprintf(out, SAY_SIZE, "%.0f ms", seconds * 1e3);
  else if (seconds < 60)
    snprintf(out, SAY_SIZE, seconds < 9.995 ? "%.2f s" : "%.1f s", seconds);
  else
    say_seconds(seconds, out);
  return out;
}

char *bench_say_cost(double amount, const char *currency, char out[SAY_SIZE]) {
  bool named = currency && *currency;
  out[0] = '\0';
  if (isfinite(amount))
    snprintf(out, SAY_SIZE, "%.4g%s%.8s", amount, named ? " " : "", named ? currency : "");
  return out;
}

const char *bench_status(const struct bench_analysis *a, size_t which, size_t backend,
                         char out[BENCH_STATUS_SIZE]) {
  const struct bench_cell *cell = bench_cell(a, which, backend);
  size_t all = cell->done + cell->failed;
  if (a->bench->backends[backend].error)
    return "not available";
  if (cell->done == 0)
    return cell->failed + cell->warm_failed ? "failed" : "not run";
  if (cell->failed == 0)
    return "ok";
  snprintf(out, BENCH_STATUS_SIZE, "%zu of %zu failed", cell->failed, all);
  return out;
}

/* ---- the table: columns that would be empty in each row are left out ---- */

struct columns {
  bool set, queue, cold_start, transfer, retry, cost, score, elements;
};

static struct columns find_columns(const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  struct columns has = {0};
  for (size_t c = 0; c < b->case_count; c++)
    for (size_t i = 0; i < b->backend_count; i++) {
      const struct bench_cell *cell = bench_cell(a, c, i);
      has.set |= *b->cases[c].set != 0;
      has.queue |= cell->queue > 0;
      has.cold_start |= cell->cold_start > 0;
      has.transfer |= isfinite(cell->transfer);
      has.retry |= cell->retry > 0;
      has.cost |= isfinite(cell->cost);
      has.score |= isfinite(bench_quality(b, c, i, "score"));
      has.elements |= isfinite(bench_quality(b, c, i, "total_elements"));
    }
  return has;
}

static void put_time(struct table *t, double seconds) {
  char text[SAY_SIZE];
  table_put(t, bench_say_time(seconds, text));
}

static void put_number(struct table *t, const char *fmt, double value) {
  char text[SAY_SIZE] = "";
  if (isfinite(value))
    snprintf(text, sizeof text, strcmp(fmt, "score") ? "%.0f" : "%.3f", value);
  table_put(t, text);
}

static void put_interval(struct table *t, struct stat_interval i) {
  char low[SAY_SIZE], high[SAY_SIZE];
  if (isfinite(i.low))
    table_putf(t, "%s..%s", bench_say_time(i.low, low), bench_say_time(i.high, high));
  else
    table_put(t, "");
}

static void put_row(struct table *t, const struct bench_analysis *a, const struct columns *has,
                    size_t which, size_t backend) {
  const struct bench *b = a->bench;
  const struct bench_cell *cell = bench_cell(a, which, backend);
  char text[BENCH_STATUS_SIZE];
  table_put(t, *b->cases[which].file ? b->cases[which].file : "-");
  table_put(t, b->cases[which].bytes ? say_bytes(b->cases[which].bytes, text) : "");
  if (has->set)
    table_put(t, b->cases[which].set);
  table_put(t, b->backends[backend].name);
  put_time(t, cell->mean);
  put_time(t, cell->median);
  put_interval(t, cell->interval);
  if (has->queue)
    put_time(t, cell->queue);
  if (has->cold_start)
    put_time(t, cell->cold_start);
  if (has->transfer)
    put_time(t, cell->transfer);
  put_time(t, cell->compute);
  if (has->retry)
    put_time(t, cell->retry);
  if (has->score)
    put_number(t, "score", bench_quality(b, which, backend, "score"));
  if (has->elements)
    put_number(t, "count", bench_quality(b, which, backend, "total_elements"));
  if (has->cost)
    table_put(t, bench_say_cost(cell->cost, cell->currency, text));
  table_put(t, bench_status(a, which, backend, text));
}

static void print_table(const struct bench_analysis *a) {
  const struct columns has = find_columns(a);
  struct table t;
  char *header = mem_printf(
      "=FILE|>SIZE%s|~BACKEND|>AVG TIME|>MEDIAN|>95%% INTERVAL%s%s%s|?>COMPUTE"
      "%s%s%s%s|STATUS",
      has.set ? "|~SET" : "", has.queue ? "|?>QUEUE" : "", has.cold_start ? "|?>COLD START" : "",
      has.transfer ? "|?>TRANSFER" : "", has.retry ? "|?>RETRY" : "", has.score ? "|?>SCORE" : "",
      has.elements ? "|?>ELEMENTS" : "", has.cost ? "|?>COST" : "");
  table_begin(&t, header);
  free(header);
  for (size_t c = 0; c < a->bench->case_count; c++)
    for (size_t i = 0; i < a->bench->backend_count; i++)
      put_row(&t, a, &has, c, i);
  table_print(&t, 0);
}

/* ---- below it ---- */

char *bench_say_ratio(const struct bench_ratio *r, const char *one, const char *other) {
  switch (r->verdict) {
  case BENCH_EQUAL:
    return mem_printf("%s and %s are equal within noise: %.3g times the time (95%%: %.3g to %.3g)",
                      one, other, r->ratio, r->interval.low, r->interval.high);
  case BENCH_FASTER:
  case BENCH_SLOWER:
    return mem_printf("%s is %s than %s: %.3g times its time (95%%: %.3g to %.3g)", one,
                      r->verdict == BENCH_SLOWER ? "slower" : "faster", other, r->ratio,
                      r->interval.low, r->interval.high);
  case BENCH_NOISY:
    return mem_printf("whether %s is slower than %s is lost in noise: %.3g times its time (95%%: "
                      "%.3g to %.3g); more rounds may tell",
                      one, other, r->ratio, r->interval.low, r->interval.high);
  case BENCH_UNKNOWN:
    break;
  }
  return mem_printf("%s and %s cannot be compared: %d rounds in which both completed are needed",
                    one, other, BENCH_PAIRS_MIN);
}

static void print_ratio(const struct bench_analysis *a, size_t backend) {
  const struct bench *b = a->bench;
  const struct bench_total *t = &a->totals[backend];
  char *text = bench_say_ratio(&t->against, b->backends[backend].name,
                               b->backends[a->fastest].name);
  say_wrapped("  ", 4, text, 0);
  free(text);
  for (size_t c = 0; c < b->case_count && b->case_count > 1; c++) {
    struct bench_ratio r = bench_compare(b, backend, a->fastest, c);
    if (r.verdict == t->against.verdict || r.verdict == BENCH_UNKNOWN)
      continue; /* as over all of them */
    char *on = bench_say_ratio(&r, b->backends[backend].name, b->backends[a->fastest].name);
    char *line = mem_printf("on %s%s%s: %s", b->cases[c].file, *b->cases[c].set ? " " : "",
                            b->cases[c].set, on);
    say_wrapped("    ", 6, line, 0);
    free(line);
    free(on);
  }
}

static void print_comparisons(const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  bool any = false;
  for (size_t i = 0; i < b->backend_count && a->fastest != SIZE_MAX; i++) {
    if (i == a->fastest || b->backends[i].error || a->totals[i].done == 0)
      continue;
    if (!any)
      say("\n");
    any = true;
    print_ratio(a, i);
  }
}

static void print_failures(const struct bench *b) {
  bool any = false;
  for (size_t i = 0; i < b->backend_count; i++) {
    json_t *reasons = bench_reasons(b, SIZE_MAX, i), *one;
    size_t j;
    json_array_foreach(reasons, j, one) {
      json_int_t jobs = json_integer_value(json_object_get(one, "jobs"));
      char *line = mem_printf("%s, %lld job%s: %s", b->backends[i].name, (long long)jobs,
                              jobs == 1 ? "" : "s", json_text(one, "reason"));
      if (!any)
        say("\nFailures (warm-ups are among them):\n");
      any = true;
      if (j < REASONS_SHOWN)
        say_wrapped("  ", 4, line, 0);
      free(line);
    }
    if (json_array_size(reasons) > REASONS_SHOWN)
      say("    and %zu other reasons; the file of results has them\n",
          json_array_size(reasons) - REASONS_SHOWN);
    json_decref(reasons);
  }
}

static void print_advice(const struct bench *b, const struct bench_advice *advice) {
  size_t i;
  json_t *note;
  char *line = advice->backend == SIZE_MAX
                   ? mem_printf("No backend is recommended: %s.", advice->reason)
                   : mem_printf("Recommended: %s. %s.", b->backends[advice->backend].name,
                                advice->reason);
  say("\n");
  say_wrapped("", 2, line, 0);
  free(line);
  json_array_foreach(advice->notes, i, note) {
    say_wrapped("  note: ", 4, json_string_value(note), 0);
  }
  if (advice->ini)
    say("\n%s", advice->ini);
}

void bench_print(const struct bench_analysis *a, const struct bench_advice *advice) {
  const struct bench *b = a->bench;
  print_table(a);
  print_comparisons(a);
  print_failures(b);
  print_advice(b, advice);
  say_note("\nkind %s, %d round%s after %d warm-up%s, seed %llu\n", b->kind, b->rounds,
           b->rounds == 1 ? "" : "s", b->warmup, b->warmup == 1 ? "" : "s",
           (unsigned long long)b->seed);
}
