/* SPDX-License-Identifier: MIT */
#include "sched/sched.h"

#include "base/mem.h"
#include "sched/budget.h"
#include "sched/choice.h"
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
  struct chooser chooser;
};

/* ---- life ---- */

struct sched *sched_new(struct routing *routing) {
  struct sched *s = mem_alloc(sizeof *s);
  s->routing = routing;
  s->chooser = (struct chooser){.routing = routing, .budgets = &s->budgets, .look_us = INT64_MAX};
  queue_init(&s->queue);
  s->asked_lane = &s->queue.lanes;
  return s;
}

void sched_free(struct sched *s) {
  queue_free(&s->queue);
  budget_free(&s->budgets);
  choice_free(&s->chooser);
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

/* ---- prospects ---- */

bool sched_has_hope(struct sched *s, const struct sched_job *job) {
  struct view v = choice_view(&s->chooser, job);
  return choice_hope(&s->chooser, job, &v) != HOPE_NONE || !job_was_refused(job);
}

bool sched_is_ready_elsewhere(struct sched *s, const struct sched_job *job) {
  struct view v = choice_view(&s->chooser, job);
  return view_is_ready_where_untried(job, &v);
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
  bool refused = job_was_refused(job); /* the others of its lane may well have a backend */
  int64_t *since = refused || job->bound ? &job->hopeless_us : &job->lane->hopeless_us;
  int64_t every = refused ? OFTEN_US : SELDOM_US;
  if (*since == 0)
    *since = now_us > 0 ? now_us : 1;
  if (longest > 0 && longest / LOOKS < every)
    every = longest / LOOKS + 1;
  if (longest > 0 || refused)
    choice_look_at(&s->chooser, now_us + every);
  int64_t from = *since > job->waits_us ? *since : job->waits_us;
  return longest > 0 && now_us - from >= longest;
}

/* True: it is given up. */
static bool wait_for_one(struct sched *s, const struct sched_choice *choice, const struct view *v,
                         int64_t now_us) {
  struct sched_job *job = choice->job;
  bool able = choice->backend || is_busy(choice);
  enum hope hope = able ? HOPE_THERE : choice_hope(&s->chooser, job, v);
  if (hope == HOPE_NONE && job_was_refused(job))
    return true;
  int64_t longest = able ? UNLIMITED : longest_wait(s, choice, hope);
  if (longest != UNLIMITED)
    return gave_up(s, job, longest, now_us);
  job->hopeless_us = job->lane->hopeless_us = 0;
  return false;
}

/* ---- one job's turn ---- */

void sched_look(struct sched *s, const struct sched_job *job, int64_t now_us,
                struct sched_choice *choice) {
  choice_make(&s->chooser, job, now_us, choice);
}

enum answer { ANSWER_START, ANSWER_GIVE_UP, ANSWER_NO_SLOT, ANSWER_NO_BUDGET, ANSWER_AWAITS };

/* It waits for one that is busy, though another one has a slot: those behind it know that it is
 * before them there.  How late the jobs there are shows with time alone. */
static bool waits_for_faster(struct sched *s, const struct sched_choice *choice, int64_t now_us) {
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (!c->awaited)
      continue;
    choice_give(&s->chooser, c);
    choice_look_at(&s->chooser, now_us + AGAIN_US);
    return true;
  }
  return false;
}

/* Sets choice->backend for ANSWER_START, and nothing else changes then. */
static enum answer ask(struct sched *s, struct sched_job *job, int64_t now_us,
                       struct sched_choice *choice) {
  struct view v = choice_make(&s->chooser, job, now_us, choice);
  int lacks = 0;
  choice->job = job;
  if (wait_for_one(s, choice, &v, now_us))
    return ANSWER_GIVE_UP;
  if (choice->backend)
    return ANSWER_START;
  if (waits_for_faster(s, choice, now_us))
    return ANSWER_AWAITS;
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct candidate *c = &choice->considered[i];
    if (c->admission == ADMISSION_BUDGET && !c->bar)
      lacks |= c->lacks;
  }
  if (!lacks)
    return ANSWER_NO_SLOT;
  /* One that has waited a whole step of ageing for memory or threads makes the others wait. */
  if (job->stuck_us && now_us - job->stuck_us >= s->o.ageing_us)
    budget_hold(&s->budgets, job, lacks);
  return ANSWER_NO_BUDGET;
}

/* ---- rounds ---- */

static void start(struct sched *s, const struct sched_choice *choice) {
  struct sched_job *job = choice->job;
  if (choice->policy == ROUTE_FASTEST) {
    choice_give(&s->chooser, choice->taken);
    estimate_count(&job->lane->explorer, choice->taken->estimate.explore);
  }
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
  choice_begin_round(&s->chooser);
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
  return s->chooser.look_us;
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
