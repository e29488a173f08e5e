/* SPDX-License-Identifier: MIT */
#include "jobs/price.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

enum { TIME_LEAST_MS = 1000 /* an attempt is not worth while for less */ };

const struct cost_price *price_of(const struct backend_usage *usage) {
  const struct jobs_backend_budget *b = usage->budget;
  return b && cost_has_price(&b->price) ? &b->price : NULL;
}

static struct cost_meter *find_meter(const struct backend_usage *usage, const char *kind) {
  for (struct cost_meter *m = usage->costs; m; m = m->next)
    if (strcmp(m->kind, kind) == 0)
      return m;
  return NULL;
}

const struct cost_history *price_history(const struct backend_usage *usage, const char *kind) {
  const char *own = usage->budget ? usage->budget->price.currency : "";
  const struct cost_meter *m = find_meter(usage, kind);
  return m && strcmp(m->currency, own) == 0 ? &m->history : NULL;
}

struct cost_meter *price_meter(struct backend_usage *usage, const char *kind) {
  struct cost_meter *m = find_meter(usage, kind);
  if (m)
    return m;
  m = mem_alloc(sizeof *m);
  m->kind = mem_dup(kind);
  m->next = usage->costs;
  usage->costs = m;
  return m;
}

/* ---- the budget of a job ---- */

/* Of one that is not settled yet: its time so far. */
static int64_t spent_by(const struct attempt *a) {
  if (!a->cost)
    return 0;
  if (a->cost->source != COST_OPEN)
    return a->cost->counted;
  int64_t so_far = cost_of_time(price_of(a->usage), clock_wall_us() - a->started_us);
  return so_far < a->cost->counted ? so_far : a->cost->counted;
}

int64_t price_left(const struct job *job, const struct backend_usage *usage) {
  int64_t left = usage->budget ? usage->budget->budget_job : MONEY_UNKNOWN;
  if (left == MONEY_UNKNOWN || !price_of(usage))
    return MONEY_UNKNOWN;
  for (int i = 0; i < job->attempt_count; i++) {
    const struct attempt *a = &job->attempts[i];
    bool runs = i == job->attempt_count - 1 && a->state == JOB_RUNNING;
    if (a->usage == usage && !runs)
      left -= spent_by(a);
  }
  return left > 0 ? left : 0;
}

int64_t price_time_ms(const struct backend_usage *usage, int64_t left) {
  const struct cost_price *price = price_of(usage);
  if (left == MONEY_UNKNOWN || !price || price->per_second <= 0)
    return 0;
  int64_t of_time = left - (price->per_job > 0 ? price->per_job : 0);
  int64_t seconds = of_time / price->per_second;
  if (of_time <= 0)
    return 1;
  if (seconds > INT64_MAX / 2000)
    return 0;
  int64_t rest = of_time % price->per_second; /* less than a second's price */
  int64_t ms = seconds * 1000 + (int64_t)((double)rest / (double)price->per_second * 1000);
  return ms > 0 ? ms : 1;
}

bool price_is_used_up(const struct job *job, const struct backend_usage *usage) {
  int64_t left = price_left(job, usage);
  const struct cost_price *price = price_of(usage);
  if (left == MONEY_UNKNOWN)
    return false;
  int64_t ms = price_time_ms(usage, left);
  return left < price->per_job || (ms > 0 && ms < TIME_LEAST_MS);
}
