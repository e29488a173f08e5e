/* SPDX-License-Identifier: MIT */
#include "sched/sched.h"

#include "base/mem.h"
#include "base/money.h"
#include "sched/budget.h"
#include "sched/queue.h"

#include <stdlib.h>
#include <string.h>

enum {
  STUCK_MAX = 64, /* so many heads of a lane may step aside; past that the lane waits for them */
  LOOKS = 8,      /* at a job without a backend, in the time that it may wait */
};
static const int64_t SELDOM_US = 60000000; /* a look at one that no backend is there for */
static const int64_t AGAIN_US = 1000000;   /* at one that waits for a faster backend */
static const int64_t OFTEN_US = 5000000;   /* and at one that was refused by those that are */

struct sched {
  struct routing *routing;
  struct queue queue;
  struct budgets budgets;
  struct sched_options o;
  uint64_t round;
  struct list *asked_lane; /* the lane whose stuck jobs are asked next; the list's head: all were */
  int64_t look_us;
  struct candidate *considered;
  struct breaker_candidate *breakers; /* of those */
  struct {
    uint64_t round;
    double seconds; /* of the jobs that were given to it, or wait for it, in this round */
  } * given;        /* by the backend's index */
  size_t given_cap;
  size_t considered_cap;
};

/* ---- life ---- */

struct sched *sched_new(struct routing *routing) {
  struct sched *s = mem_alloc(sizeof *s);
  s->routing = routing;
  s->look_us = INT64_MAX;
  queue_init(&s->queue);
  s->asked_lane = &s->queue.lanes;
  return s;
}

void sched_free(struct sched *s) {
  queue_free(&s->queue);
  budget_free(&s->budgets);
  free(s->considered);
  free(s->breakers);
  free(s->given);
  free(s);
}

void sched_configure(struct sched *s, const struct sched_options *o) {
  s->o = *o;
  s->budgets.machine.limits = (struct budget_limits){.memory = o->memory, .threads = o->threads};
  queue_age(&s->queue, o->ageing_us);
}

void sched_limit_backend(struct sched *s, const struct backend_facts *b, int64_t memory,
                         int64_t threads) {
  budget_of(&s->budgets, b)->limits = (struct budget_limits){memory, threads};
}

void sched_add_lane(struct sched *s, struct sched_lane *lane) {
  queue_add_lane(&s->queue, lane);
}

void sched_drop_lane(struct sched_lane *lane) {
  queue_free_lane(lane);
}

bool sched_lane_is_empty(const struct sched_lane *lane) {
  return lane->flows.count == 0 && lane->stuck_count == 0;
}

void sched_client_init(struct sched_client *c) {
  list_init(&c->flows);
}

/* ---- in and out ---- */

bool sched_push(struct sched *s, struct sched_job *job, int64_t now_us) {
  queue_push(&s->queue, job, now_us);
  return job->place == SCHED_WAITING;
}

void sched_remove(struct sched *s, struct sched_job *job) {
  queue_remove(&s->queue, job);
  budget_let_go(&s->budgets, job);
}

struct sched_job *sched_pop_due(struct sched *s, int64_t now_us) {
  struct sched_job *job = queue_first_delayed(&s->queue);
  if (!job || job->due_us > now_us)
    return NULL;
  queue_remove(&s->queue, job);
  job->due_us = 0;
  return job;
}

int64_t sched_due_us(const struct sched *s) {
  const struct sched_job *job = queue_first_delayed(&s->queue);
  return job ? job->due_us : INT64_MAX;
}

/* ---- one job's look at its backends ---- */

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

static bool was_refused(const struct sched_job *job) {
  for (int i = 0; i < job->tried_count; i++)
    if (job->tried[i].never)
      return true;
  return false;
}

/* A route's candidates, and the only one of them that the job may go to; NULL: it may go to each. */
struct view {
  struct candidates c;
  const struct backend_facts *only;
};

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
static struct view view_of(struct sched *s, const struct sched_job *job) {
  const char *kind = job->lane->kind;
  struct view v = {.c = routing_candidates(s->routing, kind, job->lane->pin, job->draw)};
  v.only = job->bound ? job->bound : keeper(job, &v.c);
  if (v.only && !has(&v.c, v.only)) {
    const struct route_options *route = v.c.route;
    v.c = routing_candidates(s->routing, kind, v.only->name, 0);
    v.c.route = route;
  }
  return v;
}

static bool is_elsewhere(const struct view *v, const struct backend_facts *b) {
  return v->only && v->only != b;
}

static bool is_ready_where_untried(const struct sched_job *job, const struct view *v) {
  for (size_t i = 0; i < v->c.count; i++) {
    const struct backend_facts *b = v->c.list[i];
    if (facts_takes(b, job->lane->kind) && !find_tried(job, b) && !is_elsewhere(v, b))
      return true;
  }
  return false;
}

/* The candidate as this job finds it. */
static struct candidate look_at(struct sched *s, const struct sched_job *job, const struct view *v,
                                size_t i, bool others) {
  const struct backend_facts *b = v->c.list[i];
  const struct sched_tried *tried = find_tried(job, b);
  bool full = !budget_has_slot(&s->budgets, b);
  return (struct candidate){
      .backend = b,
      .bar = job->bound ? NULL : bar_find(b->bars, job->lane->kind), /* it is there already */
      .excluded = tried && tried->never != SCHED_DEAR && (tried->never || others),
      .dear = tried && tried->never == SCHED_DEAR,
      .elsewhere = is_elsewhere(v, b),
      .preferred = v->c.drawn && i == 0,
      .unfit = facts_is_unfit(b, job->lane->kind) || (job->bound && !b->remote),
      .full = full,
      .lacks = full ? BUDGET_FITS : budget_lacks(&s->budgets, job, b),
      .ahead = b->running + budget_of(&s->budgets, b)->starting + b->queued,
  };
}

enum hope {
  HOPE_THERE,  /* a backend is there that may do it now or later */
  HOPE_RETURN, /* none is; one that did its kind went a moment ago, and may be on its way back */
  HOPE_NONE,
};

static enum hope look_for_hope(struct sched *s, const struct sched_job *job, const struct view *v) {
  const struct facts *facts = routing_facts(s->routing);
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

bool sched_has_hope(struct sched *s, const struct sched_job *job) {
  struct view v = view_of(s, job);
  return look_for_hope(s, job, &v) != HOPE_NONE || !was_refused(job);
}

bool sched_is_ready_elsewhere(struct sched *s, const struct sched_job *job) {
  struct view v = view_of(s, job);
  return is_ready_where_untried(job, &v);
}

/* ---- nobody can take it ---- */

enum { UNLIMITED = -1 }; /* it waits, and no time is counted */

static bool is_barred(const struct sched_choice *choice) {
  for (size_t i = 0; i < choice->considered_count; i++)
    if (candidate_is_kept_away(&choice->considered[i]))
      return true;
  return false;
}

static bool is_busy(const struct sched_choice *choice) {
  for (size_t i = 0; i < choice->considered_count; i++)
    if (candidate_is_busy(&choice->considered[i]))
      return true;
  return false;
}

int64_t sched_max_wait_us(const struct sched *s, const struct sched_job *job) {
  const struct route_options *route = routing_route(s->routing, job->lane->kind);
  bool own = route && route->max_wait_ms > 0 && !job->bound;
  return own ? route->max_wait_ms * 1000 : s->o.max_wait_us;
}

/* How long it may wait as things are; 0: for ever, but the time counts.  One that is on its way is
 * waited for, unless the route says how long. */
static int64_t longest_wait(const struct sched *s, const struct sched_choice *choice,
                            enum hope hope) {
  int64_t longest = sched_max_wait_us(s, choice->job);
  bool limited = longest != s->o.max_wait_us || hope != HOPE_THERE || is_barred(choice);
  return limited ? longest : UNLIMITED;
}

/* No backend is there that can take it, or none that may do so later; it waits all the same, for an
 * admin may be about to bring one back.  True: it has waited long enough. */
static bool gave_up(struct sched *s, struct sched_job *job, int64_t longest, int64_t now_us) {
  bool refused = was_refused(job); /* the others of its lane may well have a backend */
  int64_t *since = refused || job->bound ? &job->hopeless_us : &job->lane->hopeless_us;
  int64_t every = refused ? OFTEN_US : SELDOM_US;
  if (*since == 0)
    *since = now_us > 0 ? now_us : 1;
  if (longest > 0 && longest / LOOKS < every)
    every = longest / LOOKS + 1;
  if ((longest > 0 || refused) && now_us + every < s->look_us)
    s->look_us = now_us + every;
  int64_t from = *since > job->waits_us ? *since : job->waits_us;
  return longest > 0 && now_us - from >= longest;
}

/* True: it is given up. */
static bool wait_for_one(struct sched *s, const struct sched_choice *choice, const struct view *v,
                         int64_t now_us) {
  struct sched_job *job = choice->job;
  bool able = choice->backend || is_busy(choice);
  enum hope hope = able ? HOPE_THERE : look_for_hope(s, job, v);
  if (hope == HOPE_NONE && was_refused(job))
    return true;
  int64_t longest = able ? UNLIMITED : longest_wait(s, choice, hope);
  if (longest != UNLIMITED)
    return gave_up(s, job, longest, now_us);
  job->hopeless_us = job->lane->hopeless_us = 0;
  return false;
}

/* ---- one job's choice ---- */

enum { STAY = 1 }; /* candidates without a route, though all their breakers are open */

static bool is_any_open(const struct view *v) {
  for (size_t i = 0; i < v->c.count; i++)
    if (!breaker_is_closed(v->c.list[i]->breaker))
      return true;
  return false;
}

/* A job that is bound is there already. */
static void look_at_breakers(struct sched *s, const struct sched_job *job, const struct view *v,
                             int64_t now_us) {
  if (job->bound || !is_any_open(v))
    return;
  for (size_t i = 0; i < v->c.count; i++) {
    const struct candidate *x = &s->considered[i];
    bool able = x->backend->state == FACTS_READY && !x->excluded && !x->elsewhere && !x->unfit &&
                !x->bar && !x->dear;
    s->breakers[i] =
        (struct breaker_candidate){.breaker = x->backend->breaker, .able = able, .full = x->full};
  }
  int stay = v->c.route ? v->c.route->min_backends : STAY;
  int64_t next = breaker_admit_all(s->breakers, v->c.count, stay, now_us);
  for (size_t i = 0; i < v->c.count; i++) {
    const struct breaker_candidate *b = &s->breakers[i];
    int64_t at = b->admitted ? 0 : breaker_reopens_us(b->breaker, b->last);
    s->considered[i].cut_off = !b->admitted;
    s->considered[i].reopens_us = at > now_us && at < INT64_MAX ? at : 0;
  }
  if (next > now_us && next < s->look_us)
    s->look_us = next;
}

static double *given_to(struct sched *s, const struct backend_facts *b) {
  if (b->index >= s->given_cap) {
    size_t cap = b->index + 8;
    s->given = mem_grow(s->given, cap * sizeof *s->given);
    for (size_t i = s->given_cap; i < cap; i++)
      s->given[i].round = UINT64_MAX;
    s->given_cap = cap;
  }
  if (s->given[b->index].round != s->round) {
    s->given[b->index].round = s->round;
    s->given[b->index].seconds = 0;
  }
  return &s->given[b->index].seconds;
}

/* For a policy that goes by time: how long it would take on each. */
static void look_at_times(struct sched *s, const struct sched_job *job, size_t count,
                          int64_t now_us) {
  struct models *m = routing_models(s->routing);
  const char *kind = job->lane->kind;
  for (size_t i = 0; i < count; i++) /* they stay where they are from here on */
    models_of(m, kind, s->considered[i].backend);
  for (size_t i = 0; i < count; i++) {
    struct candidate *c = &s->considered[i];
    const struct backend_facts *b = c->backend;
    struct estimate own = *models_of(m, kind, b), pool = *models_of(m, kind, NULL);
    c->estimate = (struct estimate_candidate){.own = &own,
                                              .pool = &pool,
                                              .slots = b->slots,
                                              .free = !c->full,
                                              .ahead_s = b->ahead_s + *given_to(s, b),
                                              .late = b->late};
    estimate_all(&c->estimate, 1, job->size, now_us);
    c->estimate.explore = b->local && estimate_may_explore(&job->lane->explorer, &c->estimate,
                                                           job->size, now_us);
    c->estimate.own = models_of(m, kind, b);
    c->estimate.pool = NULL; /* run_s is known */
  }
}

/* For a policy that goes by cost: what it would cost on each, by the time that it would take. */
static void look_at_costs(struct sched *s, const struct sched_job *job, size_t count,
                          int64_t now_us) {
  look_at_times(s, job, count, now_us);
  for (size_t i = 0; i < count; i++) {
    struct candidate *c = &s->considered[i];
    const struct kind_cost *cost = facts_cost_of(c->backend, job->lane->kind);
    int64_t run_us = (int64_t)(c->estimate.run_s * 1e6);
    c->cost = cost ? cost_expected(&cost->price, cost->mean, cost->reported, run_us)
                   : MONEY_UNKNOWN;
    c->too_slow = job->time_us > 0 && run_us > job->time_us;
  }
}

static struct view look_at_all(struct sched *s, const struct sched_job *job, int64_t now_us,
                               struct sched_choice *choice) {
  struct view v = view_of(s, job);
  size_t count = v.c.count;
  bool others = job->tried_count > 0 && is_ready_where_untried(job, &v);
  if (count > s->considered_cap) {
    s->considered_cap = count * 2;
    s->considered = mem_grow(s->considered, s->considered_cap * sizeof *s->considered);
    s->breakers = mem_grow(s->breakers, s->considered_cap * sizeof *s->breakers);
  }
  for (size_t i = 0; i < count; i++)
    s->considered[i] = look_at(s, job, &v, i, others);
  look_at_breakers(s, job, &v, now_us);
  enum route_policy policy = v.c.route ? v.c.route->policy : ROUTE_ORDERED;
  if (policy == ROUTE_FASTEST)
    look_at_times(s, job, count, now_us);
  if (policy == ROUTE_CHEAPEST)
    look_at_costs(s, job, count, now_us);
  const struct candidate *taken = decide(policy, s->considered, count);
  *choice = (struct sched_choice){.backend = taken ? taken->backend : NULL,
                                  .policy = policy,
                                  .route = v.c.route,
                                  .draw = job->draw,
                                  .considered = s->considered,
                                  .considered_count = count};
  return v;
}

void sched_look(struct sched *s, const struct sched_job *job, int64_t now_us,
                struct sched_choice *choice) {
  look_at_all(s, job, now_us, choice);
}

enum answer { ANSWER_START, ANSWER_GIVE_UP, ANSWER_NO_SLOT, ANSWER_NO_BUDGET, ANSWER_AWAITS };

/* It waits for one that is busy, though another one has a slot: those behind it know that it is
 * before them there.  How late the jobs there are shows with time alone. */
static bool waits_for_faster(struct sched *s, const struct sched_choice *choice, int64_t now_us) {
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (!c->awaited)
      continue;
    *given_to(s, c->backend) += c->estimate.run_s;
    if (now_us + AGAIN_US < s->look_us)
      s->look_us = now_us + AGAIN_US;
    return true;
  }
  return false;
}

/* Sets choice->backend for ANSWER_START, and nothing else changes then. */
static enum answer ask(struct sched *s, struct sched_job *job, int64_t now_us,
                       struct sched_choice *choice) {
  struct view v = look_at_all(s, job, now_us, choice);
  int lacks = 0;
  choice->job = job;
  if (wait_for_one(s, choice, &v, now_us))
    return ANSWER_GIVE_UP;
  if (choice->backend)
    return ANSWER_START;
  if (waits_for_faster(s, choice, now_us))
    return ANSWER_AWAITS;
  for (size_t i = 0; i < v.c.count; i++)
    if (s->considered[i].admission == ADMISSION_BUDGET)
      lacks |= s->considered[i].bar ? BUDGET_FITS : s->considered[i].lacks;
  if (!lacks)
    return ANSWER_NO_SLOT;
  /* One that has waited a whole step of ageing for memory or threads makes the others wait. */
  if (job->stuck_us && now_us - job->stuck_us >= s->o.ageing_us)
    budget_hold(&s->budgets, job, lacks);
  return ANSWER_NO_BUDGET;
}

/* ---- rounds ---- */

/* What the next ones of this round have to know, and when it is time to explore again. */
static void give(struct sched *s, const struct sched_choice *choice) {
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (c->backend != choice->backend)
      continue;
    *given_to(s, c->backend) += c->estimate.run_s;
    estimate_count(&choice->job->lane->explorer, c->estimate.explore);
  }
}

static void start(struct sched *s, const struct sched_choice *choice) {
  struct sched_job *job = choice->job;
  if (choice->policy == ROUTE_FASTEST)
    give(s, choice);
  queue_remove(&s->queue, job);
  budget_reserve(&s->budgets, job, choice->backend);
  queue_served(&s->queue, job->client);
}

/* True: it has left the queue. */
static bool settle(struct sched *s, const struct sched_choice *choice, enum answer answer) {
  if (answer == ANSWER_START)
    start(s, choice);
  else if (answer == ANSWER_GIVE_UP)
    sched_remove(s, choice->job);
  return answer == ANSWER_START || answer == ANSWER_GIVE_UP;
}

/* May those behind this head go before it? */
static bool may_step_aside(const struct sched *s, const struct sched_job *job, enum answer answer) {
  if (job->lane->stuck_count >= STUCK_MAX)
    return false;
  if (answer == ANSWER_AWAITS)
    return true;
  if (answer == ANSWER_NO_BUDGET)
    return !s->budgets.hold || s->budgets.hold == job;
  /* Others may use what it avoids, or need not wait for what it is bound to. */
  return job->tried_count > 0 || job->bound;
}

void sched_begin_round(struct sched *s) {
  s->round++;
  s->look_us = INT64_MAX;
  s->asked_lane = s->queue.lanes.next;
  list_for_each(it, &s->queue.lanes) {
    container_of(it, struct sched_lane, link)->blocked = false;
  }
}

/* Each stuck job goes to the end of the list when it is asked, so they keep their order, and it
 * does no harm if others come and go between two calls. */
static bool next_stuck(struct sched *s, struct sched_lane *lane, int64_t now_us,
                       struct sched_choice *choice) {
  while (!list_empty(&lane->stuck)) {
    struct sched_job *job = container_of(lane->stuck.next, struct sched_job, link);
    if (job->round == s->round)
      return false;
    job->round = s->round;
    list_remove(&job->link);
    list_push_back(&lane->stuck, &job->link);
    if (settle(s, choice, ask(s, job, now_us, choice)))
      return true;
  }
  return false;
}

bool sched_next(struct sched *s, int64_t now_us, struct sched_choice *choice) {
  for (; s->asked_lane != &s->queue.lanes; s->asked_lane = s->asked_lane->next)
    if (next_stuck(s, container_of(s->asked_lane, struct sched_lane, link), now_us, choice))
      return true;
  for (struct sched_lane *lane; (lane = queue_best(&s->queue));) {
    struct sched_job *job = queue_head(lane);
    enum answer answer = ask(s, job, now_us, choice);
    if (settle(s, choice, answer))
      return true;
    if (may_step_aside(s, job, answer)) {
      queue_stick(job, now_us);
      job->round = s->round;
    } else {
      lane->blocked = true;
    }
  }
  return false;
}

bool sched_try(struct sched *s, struct sched_job *job, int64_t now_us,
               struct sched_choice *choice) {
  if (!sched_lane_is_empty(job->lane) || ask(s, job, now_us, choice) != ANSWER_START)
    return false;
  start(s, choice);
  return true;
}

int64_t sched_look_us(const struct sched *s) {
  return s->look_us;
}

/* ---- what is reserved ---- */

void sched_started(struct sched *s, const struct sched_job *job) {
  budget_started(&s->budgets, job);
}

void sched_release(struct sched *s, struct sched_job *job) {
  budget_release(&s->budgets, job);
}

void sched_take_again(struct sched *s, struct sched_job *job, const struct backend_facts *backend) {
  budget_take_again(&s->budgets, job, backend);
}

static struct sched_reserved reserved(const struct budget_usage *u) {
  return (struct sched_reserved){
      .memory = u->memory, .threads = u->threads, .starting = u->starting};
}

struct sched_reserved sched_reserved_on(struct sched *s, const struct backend_facts *backend) {
  return reserved(budget_of(&s->budgets, backend));
}

struct sched_reserved sched_reserved_here(const struct sched *s) {
  return reserved(&s->budgets.machine);
}
