/* SPDX-License-Identifier: MIT
 *
 * Which backend to choose, by a rule that is written down (docs/bench.md):
 *
 *   1. only those that completed every case and failed in at most 5% of their jobs
 *   2. the fastest of them: the least mean of the cases' medians
 *   3. a local one instead, if it is at most `prefer_local` slower a job (the original's 2 s)
 *   4. of those that are equal within noise to it, and as local: the cheapest, then the first
 */
#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_CHARS = 64 };
#define FAILED_MOST   0.05
#define SCORE_MATTERS 0.02

static bool is_eligible(const struct bench_analysis *a, size_t i) {
  const struct bench_total *t = &a->totals[i];
  return !a->bench->backends[i].error && t->whole &&
         (double)t->failed <= FAILED_MOST * (double)(t->failed + t->done);
}

static size_t fastest_of(const struct bench_analysis *a, bool only_local) {
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < a->bench->backend_count; i++)
    if (is_eligible(a, i) && (!only_local || a->bench->backends[i].local) &&
        (best == SIZE_MAX || a->totals[i].mean < a->totals[best].mean))
      best = i;
  return best;
}

__attribute__((format(printf, 2, 3))) static void note(struct bench_advice *advice, const char *fmt,
                                                       ...) {
  char *text = NULL;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) >= 0)
    json_array_append_new(advice->notes, json_string(text));
  va_end(args);
  free(text);
}

/* Is `i` to be taken before `best`, to which it is equal within noise?  *why: by what. */
static bool is_better_equal(const struct bench_analysis *a, size_t i, size_t best,
                            const char **why) {
  const struct bench_total *one = &a->totals[i], *other = &a->totals[best];
  bool priced = one->currency && other->currency && !strcmp(one->currency, other->currency) &&
                isfinite(one->cost) && isfinite(other->cost);
  if (priced && one->cost != other->cost) {
    *why = "costs less";
    return one->cost < other->cost;
  }
  *why = "stands first in the configuration";
  return i < best;
}

static void settle_equals(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  for (size_t i = 0; i < b->backend_count; i++) {
    const char *why;
    size_t best = advice->backend;
    if (i == best || !is_eligible(a, i) || b->backends[i].local != b->backends[best].local ||
        bench_compare(b, i, best, SIZE_MAX).verdict != BENCH_EQUAL ||
        !is_better_equal(a, i, best, &why))
      continue;
    free(advice->reason);
    advice->reason = mem_printf("%s and %s are equal within noise, and %s %s", b->backends[i].name,
                                b->backends[best].name, b->backends[i].name, why);
    advice->backend = i;
  }
}

static void choose(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  size_t fastest = fastest_of(a, false), local = fastest_of(a, true);
  advice->backend = fastest;
  if (fastest == SIZE_MAX) {
    advice->reason = mem_dup("no backend completed every case with at most 5% of its jobs failed");
    return;
  }
  double behind = local == SIZE_MAX ? INFINITY : a->totals[local].mean - a->totals[fastest].mean;
  if (local == fastest || behind > b->prefer_local) {
    advice->reason = mem_printf("%s is the fastest, with %.3g s a job", b->backends[fastest].name,
                                a->totals[fastest].mean);
  } else {
    advice->backend = local;
    advice->reason = mem_printf(
        "%s is local and takes %.3g s a job, within %.3g s of %s, the fastest, with %.3g s",
        b->backends[local].name, a->totals[local].mean, b->prefer_local, b->backends[fastest].name,
        a->totals[fastest].mean);
  }
  settle_equals(advice, a);
}

/* ---- what else is to be known ---- */

static void note_equals(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  for (size_t i = 0; i < b->backend_count; i++)
    if (i != advice->backend && is_eligible(a, i) &&
        bench_compare(b, i, advice->backend, SIZE_MAX).verdict == BENCH_EQUAL)
      note(advice, "%s is equal to it within noise", b->backends[i].name);
}

/* The scores of another backend that are better by more than a little. */
static void note_quality(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  for (size_t i = 0; i < b->backend_count; i++) {
    size_t better = 0;
    double best_own = 0, best = 0;
    for (size_t c = 0; c < b->case_count; c++) {
      double own = bench_quality(b, c, advice->backend, "score"),
             other = bench_quality(b, c, i, "score");
      if (!(own > 0 && other > own * (1 + SCORE_MATTERS)))
        continue;
      if (better++ == 0 || other / own > best / best_own) {
        best = other;
        best_own = own;
      }
    }
    if (better)
      note(advice,
           "the score of %s is better in %zu of %zu cases, at most %.3g where that of %s is %.3g",
           b->backends[i].name, better, b->case_count, best, b->backends[advice->backend].name,
           best_own);
  }
}

static void note_others(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  size_t unsettled = 0;
  for (size_t i = 0; i < b->case_count * b->backend_count; i++)
    unsettled += !a->cells[i].settled;
  if (b->interrupted)
    note(advice, "the benchmark was interrupted after %d of at least %d rounds", b->rounds,
         b->rounds_min);
  if (b->others > 0)
    note(advice,
         "the server had %lld other jobs when it began, so the times may have waiting in them",
         (long long)b->others);
  if (unsettled)
    note(advice, "%zu of %zu intervals are wider than %.3g%% of their median", unsettled,
         b->case_count * b->backend_count, 100 * b->within);
  for (size_t i = 0; i < b->backend_count; i++)
    if (b->backends[i].error)
      note(advice, "%s was left out: %s", b->backends[i].name, b->backends[i].error);
    else if (!is_eligible(a, i))
      note(advice, "%s failed in %zu of %zu jobs", b->backends[i].name, a->totals[i].failed,
           a->totals[i].failed + a->totals[i].done);
}

/* ---- the lines to paste ---- */

/* As the configuration has names.  What a server says otherwise is not to be pasted into a file. */
static bool is_name(const char *text) {
  size_t len = strlen(text);
  return len > 0 && len <= NAME_MAX_CHARS &&
         strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static bool are_names(const struct bench *b) {
  bool good = is_name(b->kind);
  for (size_t i = 0; i < b->backend_count; i++)
    good = good && is_name(b->backends[i].name);
  return good;
}

static void put_ini(struct bench_advice *advice, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  struct buf ini = {0};
  bool *used = mem_array(b->backend_count, sizeof *used);
  buf_printf(&ini, "[route %s]\npolicy = ordered\nbackends = %s", b->kind,
             b->backends[advice->backend].name);
  used[advice->backend] = true;
  for (;;) { /* the others that may be used, the faster first: where jobs go if it fails */
    size_t next = SIZE_MAX;
    for (size_t i = 0; i < b->backend_count; i++)
      if (!used[i] && is_eligible(a, i) &&
          (next == SIZE_MAX || a->totals[i].mean < a->totals[next].mean))
        next = i;
    if (next == SIZE_MAX)
      break;
    buf_printf(&ini, ", %s", b->backends[next].name);
    used[next] = true;
  }
  buf_putc(&ini, '\n');
  for (size_t i = 0; i < b->backend_count; i++)
    if (!used[i])
      buf_printf(&ini, "; left out: %s\n", b->backends[i].name);
  advice->ini = buf_take(&ini);
  free(used);
}

void bench_advise(struct bench_advice *advice, const struct bench_analysis *a) {
  *advice = (struct bench_advice){.backend = SIZE_MAX, .notes = json_array()};
  choose(advice, a);
  if (advice->backend != SIZE_MAX) {
    note_equals(advice, a);
    note_quality(advice, a);
    if (are_names(a->bench))
      put_ini(advice, a);
  }
  note_others(advice, a);
}

void bench_advice_free(struct bench_advice *advice) {
  free(advice->reason);
  free(advice->ini);
  json_decref(advice->notes);
  *advice = (struct bench_advice){0};
}
