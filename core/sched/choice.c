/* SPDX-License-Identifier: MIT */
#include "sched/choice.h"

#include "base/mem.h"
#include "base/money.h"

#include <stdlib.h>
#include <string.h>

void choice_begin_round(struct chooser *x) {
  x->look_us = INT64_MAX;
  if (x->given)
    memset(x->given, 0, x->given_cap * sizeof *x->given);
}

void choice_look_at(struct chooser *x, int64_t at_us) {
  if (at_us < x->look_us)
    x->look_us = at_us;
}

void choice_free(struct chooser *x) {
  free(x->considered);
  free(x->breakers);
  free(x->given);
}

/* ---- what it may get ---- */

static const struct sched_tried *find_tried(const struct sched_job *job,
                                            const struct backend_facts *b) {
  const struct sched_tried *found = NULL;
  for (int i = 0; i < job->tried_count; i++)
    if (job->tried[i].backend == b && (!found || job->tried[i].never))
      found = &job->tried[i];
  return found;
}

static bool is_refused(const struct sched_job *job, const struct backend_facts *b) {
  const struct sched_tried *tried = find_tried(job, b);
  return tried && tried->never;
}

bool job_was_refused(const struct sched_job *job) {
  for (int i = 0; i < job->tried_count; i++)
    if (job->tried[i].never)
      return true;
  return false;
}

/* Of a route without a fallback: the one that had it first, or will, as the first of the list. */
static const struct backend_facts *keeper(const struct sched_job *job, const struct candidates *c) {
  if (!c->route || !c->route->no_fallback)
    return NULL;
  if (job->first)
    return job->first;
  bool by_order = c->drawn || c->route->policy == ROUTE_ORDERED;
  return by_order && c->count > 0 ? c->list[0] : NULL;
}

static bool has(const struct candidates *c, const struct backend_facts *b) {
  for (size_t i = 0; i < c->count; i++)
    if (c->list[i] == b)
      return true;
  return false;
}

/* A job that is bound or kept goes to its backend, also where a route does not name that any more. */
struct view choice_view(struct chooser *x, const struct sched_job *job) {
  const char *kind = job->lane->kind;
  struct view v = {.c = routing_candidates(x->routing, kind, job->lane->pin, job->draw)};
  v.only = job->bound ? job->bound : keeper(job, &v.c);
  if (v.only && !has(&v.c, v.only)) {
    const struct route_options *route = v.c.route;
    v.c = routing_candidates(x->routing, kind, v.only->name, 0);
    v.c.route = route;
  }
  return v;
}

static bool is_elsewhere(const struct view *v, const struct backend_facts *b) {
  return v->only && v->only != b;
}

bool view_is_ready_where_untried(const struct sched_job *job, const struct view *v) {
  for (size_t i = 0; i < v->c.count; i++) {
    const struct backend_facts *b = v->c.list[i];
    if (facts_takes(b, job->lane->kind) && !find_tried(job, b) && !is_elsewhere(v, b))
      return true;
  }
  return false;
}

enum hope choice_hope(struct chooser *x, const struct sched_job *job, const struct view *v) {
  const struct facts *facts = routing_facts(x->routing);
  const char *pin = v->only ? v->only->name : job->lane->pin;
  for (size_t i = 0; i < v->c.count; i++) {
    const struct backend_facts *b = v->c.list[i];
    if (facts_may_do(b, job->lane->kind) && !is_refused(job, b) && !is_elsewhere(v, b))
      return HOPE_THERE;
  }
  /* Who takes a backend out of the configuration takes it out of the routes, so those are not
   * asked. */
  for (size_t i = 0; i < facts->count; i++) {
    const struct backend_facts *b = facts->all[i];
    if (facts_may_return(b, job->lane->kind) && (!pin || strcmp(pin, b->name) == 0) &&
        !is_refused(job, b))
      return HOPE_RETURN;
  }
  return HOPE_NONE;
}

/* ---- the choice ---- */

/* The candidate as this job finds it. */
static struct candidate look_at(struct chooser *x, const struct sched_job *job,
                                const struct view *v, size_t i, bool others) {
  const struct backend_facts *b = v->c.list[i];
  const struct sched_tried *tried = find_tried(job, b);
  bool full = !budget_has_slot(x->budgets, b);
  return (struct candidate){
      .backend = b,
      .bar = job->bound ? NULL : bar_find(b->bars, job->lane->kind), /* it is there already */
      .excluded = tried && tried->never != SCHED_DEAR && (tried->never || others),
      .dear = tried && tried->never == SCHED_DEAR,
      .elsewhere = is_elsewhere(v, b),
      .preferred = v->c.drawn && i == 0,
      .unfit = facts_is_unfit(b, job->lane->kind) || (job->bound && !b->remote),
      .full = full,
      .lacks = full ? BUDGET_FITS : budget_lacks(x->budgets, job, b),
      .ahead = b->running + budget_of(x->budgets, b)->starting + b->queued,
  };
}

enum { STAY = 1 }; /* candidates without a route, though all their breakers are open */

static bool is_any_open(const struct view *v) {
  for (size_t i = 0; i < v->c.count; i++)
    if (!breaker_is_closed(v->c.list[i]->breaker))
      return true;
  return false;
}

/* A job that is bound is there already. */
static void look_at_breakers(struct chooser *x, const struct sched_job *job, const struct view *v,
                             int64_t now_us) {
  if (job->bound || !is_any_open(v))
    return;
  for (size_t i = 0; i < v->c.count; i++) {
    const struct candidate *c = &x->considered[i];
    bool able = c->backend->state == FACTS_READY && !c->excluded && !c->elsewhere && !c->unfit &&
                !c->bar && !c->dear;
    x->breakers[i] =
        (struct breaker_candidate){.breaker = c->backend->breaker, .able = able, .full = c->full};
  }
  int stay = v->c.route ? v->c.route->min_backends : STAY;
  int64_t next = breaker_admit_all(x->breakers, v->c.count, stay, now_us);
  for (size_t i = 0; i < v->c.count; i++) {
    const struct breaker_candidate *b = &x->breakers[i];
    int64_t at = b->admitted ? 0 : breaker_reopens_us(b->breaker, b->last);
    x->considered[i].cut_off = !b->admitted;
    x->considered[i].reopens_us = at > now_us && at < INT64_MAX ? at : 0;
  }
  if (next > now_us)
    choice_look_at(x, next);
}

/* Seconds of the jobs that were given to it, or wait for it, in this round. */
static double *given_to(struct chooser *x, const struct backend_facts *b) {
  if (b->index >= x->given_cap) {
    size_t cap = b->index + 8;
    x->given = mem_grow(x->given, cap * sizeof *x->given);
    memset(x->given + x->given_cap, 0, (cap - x->given_cap) * sizeof *x->given);
    x->given_cap = cap;
  }
  return &x->given[b->index];
}

/* For a policy that goes by time: how long it would take there. */
static void look_at_time(struct chooser *x, const struct sched_job *job, struct candidate *c,
                         int64_t now_us) {
  struct models *m = routing_models(x->routing);
  const struct backend_facts *b = c->backend;
  c->estimate = (struct estimate_candidate){.own = models_of(m, job->lane->kind, b),
                                            .pool = models_of(m, job->lane->kind, NULL),
                                            .slots = b->slots,
                                            .free = !c->full,
                                            .ahead_s = b->ahead_s + *given_to(x, b),
                                            .late = b->late};
  estimate_all(&c->estimate, 1, job->size, now_us);
  c->estimate.explore = b->local &&
                        estimate_may_explore(&job->lane->explorer, &c->estimate, job->size, now_us);
}

/* For a policy that goes by cost: what it would cost there, by the time that it would take. */
static void look_at_cost(const struct sched_job *job, struct candidate *c) {
  const struct kind_cost *cost = facts_cost_of(c->backend, job->lane->kind);
  int64_t run_us = (int64_t)(c->estimate.run_s * 1e6);
  c->cost = cost ? cost_expected(&cost->price, cost->mean, cost->reported, run_us) : MONEY_UNKNOWN;
  c->too_slow = job->time_us > 0 && run_us > job->time_us;
}

static void make_room(struct chooser *x, size_t count) {
  if (count <= x->cap)
    return;
  x->cap = count * 2;
  x->considered = mem_grow(x->considered, x->cap * sizeof *x->considered);
  x->breakers = mem_grow(x->breakers, x->cap * sizeof *x->breakers);
}

struct view choice_make(struct chooser *x, const struct sched_job *job, int64_t now_us,
                        struct sched_choice *choice) {
  struct view v = choice_view(x, job);
  size_t count = v.c.count;
  bool others = job->tried_count > 0 && view_is_ready_where_untried(job, &v);
  enum route_policy policy = v.c.route ? v.c.route->policy : ROUTE_ORDERED;
  make_room(x, count);
  for (size_t i = 0; i < count; i++) {
    struct candidate *c = &x->considered[i];
    *c = look_at(x, job, &v, i, others);
    if (policy == ROUTE_FASTEST || policy == ROUTE_CHEAPEST)
      look_at_time(x, job, c, now_us);
    if (policy == ROUTE_CHEAPEST)
      look_at_cost(job, c);
  }
  look_at_breakers(x, job, &v, now_us);
  const struct candidate *taken = decide(policy, x->considered, count);
  *choice = (struct sched_choice){.backend = taken ? taken->backend : NULL,
                                  .taken = taken,
                                  .policy = policy,
                                  .route = v.c.route,
                                  .draw = job->draw,
                                  .considered = x->considered,
                                  .considered_count = count};
  return v;
}

void choice_give(struct chooser *x, const struct candidate *c) {
  *given_to(x, c->backend) += c->estimate.run_s;
}
