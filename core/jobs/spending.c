/* SPDX-License-Identifier: MIT
 *
 * Budgets of backends: for a month, and for a job.
 *
 *   chosen --start, with what is reserved--> store: does it fit into the month?
 *                                              yes: it is written          no: ERR_LIMIT
 *   either way the store says what the ledger has of the month, and so does the end of an attempt
 *
 * The store is the judge, in the transaction that starts the attempt.  What it said last is kept
 * here, so that the scheduler is not asked in vain: a backend that has no money left for a kind is
 * barred, with the admission `budget`.  That is nothing that the backend did.
 */
#include "jobs/spending.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/expect.h"
#include "jobs/life.h"
#include "jobs/price.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/step.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 3600 * 1000 /* the wall clock may be set while a month is waited for */ };

static int64_t limit_of(const struct backend_usage *p) {
  return p->budget && price_of(p) ? p->budget->budget_month : MONEY_UNKNOWN;
}

static bool has_budget(const struct jobs_backend_budget *b) {
  return b->budget_month != MONEY_UNKNOWN || b->budget_job != MONEY_UNKNOWN;
}

/* ---- the month ---- */

static void show(struct jobs *j, struct backend_usage *p) {
  struct spending *s = &p->spending;
  char labels[160];
  if (!s->spent_gauge) {
    snprintf(labels, sizeof labels, "backend=\"%.64s\",currency=\"%s\"", p->name,
             p->budget->price.currency);
    s->spent_gauge = metrics_gauge(j->metrics, "lathe_budget_spent",
                                   "Spent and reserved in this month, of a backend with a budget",
                                   labels);
    s->budget_gauge = metrics_gauge(j->metrics, "lathe_budget_month",
                                    "The budget of a backend for a month", labels);
  }
  metric_set(s->budget_gauge, (double)limit_of(p) / (double)MONEY_UNIT);
  if (s->spent != MONEY_UNKNOWN)
    metric_set(s->spent_gauge, (double)s->spent / (double)MONEY_UNIT);
}

/* The present month; nothing of a new one is spent. */
static struct spending *turn_month(struct jobs *j, struct backend_usage *p) {
  struct spending *s = &p->spending;
  int64_t now = clock_wall_us();
  if (now >= s->from_us && now < s->to_us)
    return s;
  s->spent = s->to_us > 0 && now >= s->to_us ? 0 : MONEY_UNKNOWN;
  jobs_month(j, now, &s->from_us, &s->to_us);
  show(j, p);
  return s;
}

static void learn(struct jobs *j, struct backend_usage *p, int64_t spent) {
  if (spent == MONEY_UNKNOWN)
    return;
  p->spending.spent = spent;
  show(j, p);
}

const struct record_month *spending_month(struct jobs *j, const struct attempt *a,
                                          struct record_month *month) {
  int64_t limit = limit_of(a->usage);
  if (limit == MONEY_UNKNOWN || !a->cost)
    return NULL;
  const struct spending *s = turn_month(j, (struct backend_usage *)a->usage);
  *month = (struct record_month){s->from_us, s->to_us, limit};
  return month;
}

/* ---- bars ---- */

/* What such a job is expected to take at most. */
static int64_t need_of(struct jobs *j, const struct backend_usage *p, const struct lane *lane) {
  int64_t limit_us = step_limits_for(j, lane, p).wall_ms * 1000;
  int64_t need = cost_reserve(price_of(p), price_history(p, lane->kind_name), limit_us);
  int64_t most = p->budget->budget_job;
  return most != MONEY_UNKNOWN && most < need ? most : need;
}

static void put_amount(struct buf *b, const struct backend_usage *p, int64_t amount) {
  money_put(b, amount);
  if (*p->budget->price.currency)
    buf_printf(b, " %s", p->budget->price.currency);
}

/* Why the month has no room for a job of the lane; "": it has. */
static void look_at_month(struct jobs *j, struct backend_usage *p, const struct lane *lane,
                          struct buf *why) {
  const struct spending *s = turn_month(j, p);
  int64_t limit = limit_of(p), need = need_of(j, p, lane);
  int64_t spent = money_add(s->spent != MONEY_UNKNOWN ? s->spent : 0, s->pending);
  if (money_add(spent, need) <= limit)
    return;
  struct zone_date first = zone_date(j->zone, s->to_us / 1000000);
  put_amount(why, p, limit > spent ? limit - spent : 0);
  buf_puts(why, " of its budget of ");
  put_amount(why, p, limit);
  buf_puts(why, " for this month is left, and such a job may cost ");
  put_amount(why, p, need);
  buf_printf(why, "; the next month begins %04d-%02d-%02d (%s)", first.year, first.month, first.day,
             zone_name(j->zone));
}

/* The same for what one job may cost: what such jobs cost lately, or their start alone. */
static void look_at_job(const struct backend_usage *p, const struct lane *lane, struct buf *why) {
  const struct cost_history *history = price_history(p, lane->kind_name);
  int64_t high = history ? cost_high(history) : MONEY_UNKNOWN, most = p->budget->budget_job;
  int64_t need = high != MONEY_UNKNOWN ? high : p->budget->price.per_job;
  if (need <= most)
    return;
  buf_puts(why, "such a job costs up to ");
  put_amount(why, p, need);
  buf_puts(why, ", and its budget_job is ");
  put_amount(why, p, most);
}

static void set_bar(struct jobs *j, struct backend_usage *p, struct cost_meter *m, const char *why,
                    int64_t until_us) {
  struct facts *facts = routing_facts(j->routing);
  if (strcmp(m->why, why) == 0)
    return;
  if (*why)
    facts_bar(
        facts, p->name,
        &(struct bar){
            .reason = ADMISSION_BUDGET, .kind = m->kind, .why = (char *)why, .until_us = until_us});
  else
    facts_unbar(facts, p->name, ADMISSION_BUDGET, m->kind);
  if (!m->barred && *why)
    log_info("cost.budget", "backend %s gets no jobs of the kind %s: %s", p->name, m->kind, why);
  else if (m->barred && !*why)
    log_info("cost.budget", "backend %s gets jobs of the kind %s again", p->name, m->kind);
  m->barred = *why != '\0';
  snprintf(m->why, sizeof m->why, "%s", why);
}

static void look_at_kind(struct jobs *j, struct backend_usage *p, const struct lane *lane) {
  struct buf why = {0};
  int64_t until_us = 0;
  buf_puts(&why, "");
  if (limit_of(p) != MONEY_UNKNOWN) {
    look_at_month(j, p, lane, &why);
    until_us = why.len > 0 ? p->spending.to_us : 0;
  }
  if (why.len == 0 && p->budget && p->budget->budget_job != MONEY_UNKNOWN && price_of(p))
    look_at_job(p, lane, &why);
  set_bar(j, p, price_meter(p, lane->kind_name), why.data, until_us);
  buf_free(&why);
}

static void on_month(uv_timer_t *t) {
  life_wake(t->data);
}

/* A bar of a month that is over is lifted though nothing else happens. */
static void arm(struct jobs *j, int64_t until_us) {
  if (until_us == INT64_MAX) {
    uv_timer_stop(&j->month_timer);
    return;
  }
  int64_t ms = (until_us - clock_wall_us()) / 1000 + 1;
  uv_timer_start(&j->month_timer, on_month, ms < 1 ? 1 : ms > LOOK_MS ? LOOK_MS : (uint64_t)ms, 0);
}

/* One that lost its budget is looked at once more. */
static bool is_of_interest(const struct backend_usage *p) {
  for (const struct cost_meter *m = p->costs; m; m = m->next)
    if (m->barred)
      return true;
  return p->budget && has_budget(p->budget);
}

void spending_tell(struct jobs *j) {
  int64_t until_us = INT64_MAX;
  expect_tell(j);
  if (!j->has_budgets)
    return;
  for (size_t i = 0; i < j->o.budget_count; i++)
    if (has_budget(&j->o.budgets[i]))
      usage_find(j, j->o.budgets[i].backend);
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    if (!is_of_interest(p))
      continue;
    for (struct lane *lane = j->lanes; lane; lane = lane->next)
      if (facts_may_do(p->facts, lane->kind_name))
        look_at_kind(j, p, lane);
    for (struct cost_meter *m = p->costs; m; m = m->next)
      if (m->barred && p->spending.to_us > 0 && p->spending.to_us < until_us)
        until_us = p->spending.to_us;
  }
  arm(j, until_us);
}

/* ---- attempts ---- */

bool spending_is_limited(struct jobs *j, const struct backend_facts *b) {
  return j->has_budgets && limit_of(usage_find(j, b->name)) != MONEY_UNKNOWN;
}

void spending_begin(struct attempt *a) {
  struct spending *s = &((struct backend_usage *)a->usage)->spending;
  if (limit_of(a->usage) == MONEY_UNKNOWN || !a->cost)
    return;
  a->pending = a->cost->counted;
  s->pending = money_add(s->pending, a->pending);
}

void spending_started(struct job *job, const struct store_receipt *receipt) {
  struct attempt *a = job_last(job);
  struct backend_usage *p = (struct backend_usage *)a->usage;
  p->spending.pending -= a->pending;
  a->pending = 0;
  learn(job->j, p, receipt ? receipt->spent : MONEY_UNKNOWN);
}

void spending_settled(struct job *job, const struct store_receipt *receipt) {
  if (!receipt || receipt->spent == MONEY_UNKNOWN)
    return;
  learn(job->j, (struct backend_usage *)job_last(job)->usage, receipt->spent);
  life_wake(job->j); /* there may be money again for those that wait */
}

/* ---- an earlier life ---- */

static void on_sums(void *arg, int code, const struct record_cost_sum *sums, size_t count,
                    bool more) {
  struct jobs *j = arg;
  (void)more;
  j->requests--;
  if (j->closing) {
    jobs_release(j);
    return;
  }
  if (code < 0)
    log_warn("cost.recall",
             "what was spent in this month cannot be read: %s; the first job of each "
             "backend tells it",
             err_slug(code));
  for (size_t i = 0; code == 0 && i < j->o.budget_count; i++) {
    struct backend_usage *p = usage_find(j, j->o.budgets[i].backend);
    int64_t spent = 0;
    for (size_t k = 0; k < count; k++)
      if (strcmp(sums[k].backend, p->name) == 0)
        spent = money_add(spent, sums[k].counted);
    if (limit_of(p) != MONEY_UNKNOWN && turn_month(j, p)->spent == MONEY_UNKNOWN)
      learn(j, p, spent);
  }
  life_wake(j);
}

void spending_recall(struct jobs *j) {
  int64_t edges[2];
  if (!j->has_budgets)
    return;
  jobs_month(j, clock_wall_us(), &edges[0], &edges[1]);
  const struct store_costs_query q = {
      .edges = edges, .edge_count = 2, .by = COSTS_BY_BACKEND, .limit = 10000};
  j->requests++;
  store_costs(j->store, &q, on_sums, j);
}
