/* SPDX-License-Identifier: MIT
 *
 * What attempts cost.
 *
 *   start: reserved, in the commit of the start    what such attempts cost lately, else the price
 *                                                  of the time that it may take
 *   facts: cost.estimated, cost.actual             as its plugin says
 *   end:   settled, in the commit of the end       1. what the plugin said
 *                                                  2. its time by the price of the backend
 *                                                  3. what was reserved, where it is not known
 *                                                     how long it ran, or whether it still does
 *
 * An attempt on a backend without a price that reports no cost has no record of it, and pays
 * nothing for this.
 */
#include "jobs/cost.h"

#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/facts.h"
#include "jobs/price.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/step.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATEST = 5000 }; /* rows of the ledger that are learned from at the start */

/* ---- the start ---- */

static struct record_cost *cost_new(struct attempt *a) {
  a->cost = mem_alloc(sizeof *a->cost);
  *a->cost = (struct record_cost){
      .estimated = MONEY_UNKNOWN, .priced = MONEY_UNKNOWN, .actual = MONEY_UNKNOWN, .counted = 0};
  return a->cost;
}

void cost_begin(struct job *job, struct attempt *a) {
  const struct cost_price *price = price_of(a->usage);
  if (!price)
    return;
  struct record_cost *cost = cost_new(a);
  int64_t left = price_left(job, a->usage);
  memcpy(cost->currency, price->currency, sizeof cost->currency);
  cost->estimated = cost_reserve(price, price_history(a->usage, job->lane->kind_name),
                                 step_limits_of(job).wall_ms * 1000);
  if (left != MONEY_UNKNOWN && left < cost->estimated)
    cost->estimated = left;
  cost->counted = cost->estimated;
}

/* ---- what the plugin says ---- */

static int64_t reported_amount(const struct attempt *a, const char *key) {
  const char *text = reported_value(a->facts, key);
  return text ? money_of_number(strtod(text, NULL)) : MONEY_UNKNOWN;
}

/* The currency that it named, in quotes; else that of its backend. */
static void set_currency(struct record_cost *cost, const struct attempt *a) {
  const char *text = reported_value(a->facts, "cost.currency");
  const struct jobs_backend_budget *b = a->usage->budget;
  if (text && strlen(text) == MONEY_CURRENCY_SIZE + 1)
    memcpy(cost->currency, text + 1, MONEY_CURRENCY_SIZE - 1);
  else
    snprintf(cost->currency, sizeof cost->currency, "%s", b ? b->price.currency : "");
}

/* Are the amounts of this attempt in the currency of its backend's price? */
static bool in_own_currency(const struct attempt *a) {
  const char *own = a->usage->budget ? a->usage->budget->price.currency : "";
  return !*own || strcmp(own, a->cost->currency) == 0;
}

void cost_reported(struct attempt *a) {
  int64_t estimated = reported_amount(a, "cost.estimated");
  int64_t actual = reported_amount(a, "cost.actual");
  bool said = reported_value(a->facts, "cost.estimated") || reported_value(a->facts, "cost.actual");
  if (!said)
    return;
  struct record_cost *cost = a->cost ? a->cost : cost_new(a);
  set_currency(cost, a);
  if (estimated != MONEY_UNKNOWN || !in_own_currency(a))
    cost->estimated = estimated;
  cost->actual = actual;
  if (actual != MONEY_UNKNOWN)
    cost->source = COST_REPORTED;
}

/* ---- the end ---- */

/* Nothing was asked of the backend, or it took nothing: one that refuses has no charge. */
static bool is_free(const struct attempt *a, const struct outcome *out) {
  bool refused = a->ref && !*a->ref && !a->open && out->attempt_state != JOB_COMPLETED;
  return !a->begun || refused;
}

/* It ran here when the daemon ended, and nobody knows for how long. */
static bool was_cut_off(const struct attempt *a, const struct outcome *out) {
  return a->recalled && !a->ref && out->fault == ATTEMPT_INTERRUPTED;
}

/* By the price: what it cost, and whether that is no more than what was reserved. */
static int64_t price_of_attempt(const struct attempt *a, const struct outcome *out,
                                const struct cost_price *price, bool *reserved) {
  int64_t by_time = cost_of_time(price, out->ended_us - a->started_us);
  int64_t kept = a->cost->counted;
  *reserved = false;
  if (is_free(a, out))
    return 0;
  if (!was_cut_off(a, out) && (!a->open || kept <= by_time))
    return by_time;
  *reserved = true;
  return kept;
}

void cost_settle(struct job *job, const struct outcome *out) {
  struct attempt *a = job_last(job);
  const struct cost_price *price = price_of(a->usage);
  bool reserved = false;
  cost_reported(a);
  if (!a->cost && !price)
    return;
  struct record_cost *cost = a->cost ? a->cost : cost_new(a);
  int64_t priced = price ? price_of_attempt(a, out, price, &reserved) : MONEY_UNKNOWN;
  if (cost->source != COST_REPORTED && price) {
    cost->actual = priced;
    cost->source = reserved ? COST_RESERVED : COST_PRICED;
    memcpy(cost->currency, price->currency, sizeof cost->currency);
  } else if (cost->source == COST_OPEN) {
    cost->source = COST_REPORTED; /* an estimate, and no more */
  }
  bool own = in_own_currency(a);
  cost->priced = own ? priced : MONEY_UNKNOWN;
  if (cost->actual != MONEY_UNKNOWN && own)
    cost->counted = cost->actual;
  else if (priced != MONEY_UNKNOWN)
    cost->counted = priced;
}

/* Amounts learned by another price are of no use. */
void cost_reprice(struct jobs *j, const struct jobs_options *o) {
  static const struct cost_price none = {MONEY_UNKNOWN, MONEY_UNKNOWN, ""};
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    const struct cost_price *old = p->budget ? &p->budget->price : &none, *new = &none;
    for (size_t i = 0; i < o->budget_count; i++)
      if (strcmp(o->budgets[i].backend, p->name) == 0)
        new = &o->budgets[i].price;
    bool same = old->per_second == new->per_second &&
                old->per_job == new->per_job &&strcmp(old->currency, new->currency) == 0;
    for (struct cost_meter *m = p->costs; m && !same; m = m->next)
      m->history = (struct cost_history){0};
  }
}

void cost_count(struct job *job, const struct outcome *out) {
  const struct attempt *a = job_last(job);
  const struct record_cost *cost = a->cost;
  char labels[320];
  if (!cost || cost->actual == MONEY_UNKNOWN)
    return;
  struct cost_meter *m = price_meter((struct backend_usage *)a->usage, job->lane->kind_name);
  if (!m->total || strcmp(m->currency, cost->currency) != 0) {
    snprintf(labels, sizeof labels, "kind=\"%.64s\",backend=\"%.64s\",currency=\"%s\"",
             job->lane->kind_name, a->usage->name, cost->currency);
    m->total = metrics_amount(job->j->metrics, "lathe_cost_total",
                              "What attempts cost that ended, in units of the currency", labels);
    if (strcmp(m->currency, cost->currency) != 0)
      m->history = (struct cost_history){0};
    memcpy(m->currency, cost->currency, sizeof m->currency);
  }
  m->reported = cost->source == COST_REPORTED;
  metric_add(m->total, cost->actual);
  if (out->attempt_state == JOB_COMPLETED)
    cost_learn(&m->history, cost->actual);
}

/* ---- an earlier life ---- */

static void on_latest(void *arg, int code, const struct record_cost_sum *sums, size_t count,
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
             "what attempts cost earlier cannot be read: %s; estimates begin with "
             "the prices",
             err_slug(code));
  for (size_t i = count; i-- > 0;) { /* the oldest first */
    const struct record_cost_sum *s = &sums[i];
    struct backend_usage *usage = usage_find(j, s->backend);
    if (!usage->budget) /* not in the configuration any more */
      continue;
    struct cost_meter *m = price_meter(usage, s->kind);
    if (strcmp(m->currency, s->currency) != 0)
      m->history = (struct cost_history){0};
    snprintf(m->currency, sizeof m->currency, "%s", s->currency);
    m->reported = s->reported > 0;
    cost_learn(&m->history, s->amount);
  }
}

void cost_recall(struct jobs *j) {
  j->requests++;
  store_costs_latest(j->store, LATEST, on_latest, j);
}
