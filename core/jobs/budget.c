/* SPDX-License-Identifier: MIT
 *
 * What a job needs before it may start: a slot of a backend, and memory and threads
 * of that backend's and of the machine's budget.
 *
 *   choose -> reserve (slot, memory, threads) -> started (slot is the workers') -> release
 *
 * Remote backends, and those whose device is "net", compute elsewhere: they take nothing of the
 * machine.
 * A job larger than a whole budget may run when nobody else uses that budget.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"

#include <stdlib.h>
#include <string.h>

static const struct jobs_backend_budget *find_budget(const struct jobs *j, const char *name) {
  for (size_t i = 0; i < j->o.budget_count; i++)
    if (strcmp(j->o.budgets[i].backend, name) == 0)
      return &j->o.budgets[i];
  return NULL;
}

struct backend_usage *usage_find(struct jobs *j, const char *name) {
  for (struct backend_usage *p = j->usages; p; p = p->next)
    if (strcmp(p->name, name) == 0)
      return p;
  struct backend_usage *p = mem_alloc(sizeof *p);
  p->name = mem_dup(name);
  p->budget = find_budget(j, name);
  list_init(&p->away);
  p->next = j->usages;
  j->usages = p;
  return p;
}

void budget_configure(struct jobs *j) {
  for (struct backend_usage *p = j->usages; p; p = p->next)
    p->budget = find_budget(j, p->name);
}

static bool is_local(const struct backend *b) {
  const char *device = backend_device(b);
  if (backend_is_remote(b))
    return false;
  return !device || strcmp(device, "net") != 0;
}

/* Does `need` fit into what is left?  total 0: no limit. */
static bool fits_into(int64_t total, int64_t used, int64_t need) {
  return total <= 0 || need <= 0 || used == 0 || used + need <= total;
}

static bool threads_fit(int64_t total, int64_t used, int64_t need) {
  return fits_into(total, used, total > 0 && need > total ? total : need);
}

struct asking { /* one job's look at its backends */
  struct job *job;
  bool slot;            /* some backend had a slot */
  bool memory, threads; /* what was short */
};

static bool fits(void *ctx, struct backend *b) {
  struct asking *a = ctx;
  const struct job *job = a->job;
  struct jobs *j = job->j;
  struct backend_usage *p = usage_find(j, backend_name(b));
  if (backend_room(b) - p->starting <= 0)
    return false;
  if (remote_open(job) && !backend_is_remote(b))
    return false; /* the name stands for something else by now */
  a->slot = true;
  bool local = is_local(b), other = j->hold && j->hold != job;
  bool memory = (!local || fits_into(j->o.memory, j->memory, job->memory)) &&
                (!p->budget || fits_into(p->budget->memory, p->memory, job->memory)) &&
                !(other && j->hold_memory && job->memory > 0);
  bool threads = (!local || threads_fit(j->o.cpus, j->threads, job->threads)) &&
                 (!p->budget || threads_fit(p->budget->threads, p->threads, job->threads)) &&
                 !(other && j->hold_threads && job->threads > 0);
  a->memory |= !memory;
  a->threads |= !threads;
  return memory && threads;
}

/* Names of backends where attempts failed; *never: those that failed for good.  The lists lie in
 * one array that the caller frees. */
static const char **failed_on(const struct job *job, size_t *soft, size_t *never) {
  const char **names = mem_array(2 * (size_t)job->attempt_count + 1, sizeof *names);
  *soft = *never = 0;
  for (int i = job->attempt_base; i < job->attempt_count; i++) {
    const struct attempt *a = &job->attempts[i];
    if (a->state != JOB_FAILED)
      continue;
    names[(*soft)++] = a->usage->name;
    if (a->never)
      names[job->attempt_count + (int32_t)(*never)++] = a->usage->name;
  }
  return names;
}

static bool anything(void *ctx, struct backend *b) {
  (void)ctx, (void)b;
  return true;
}

enum hope {
  HOPE_THERE,  /* a backend is there that may do it now or later */
  HOPE_RETURN, /* none is; one that did its kind went a moment ago, and may be on its way back */
  HOPE_NONE,
};

static struct backend *ask(const struct job *job, const struct route_question *q, enum hope *hope) {
  struct routing *r = job->j->routing;
  bool hopeless = false;
  struct backend *b = routing_choose(r, q, &hopeless);
  if (hope)
    *hope = !hopeless ? HOPE_THERE : routing_may_return(r, q) ? HOPE_RETURN : HOPE_NONE;
  return b;
}

/* `a` NULL: whether or not there is room.  all_never: no backend where an attempt failed.  `hope`
 * may be NULL. */
static struct backend *choose(struct job *job, struct asking *a, bool all_never, enum hope *hope) {
  const struct attempt *open = remote_open(job);
  struct route_question q = {.kind = job->lane->kind_name,
                             .pin = open ? open->usage->name : job->lane->pin,
                             .fits = a ? fits : anything,
                             .ctx = a};
  if (job->attempt_count == job->attempt_base)
    return ask(job, &q, hope);
  const char **names = failed_on(job, &q.avoid_count, &q.never_count);
  q.avoid = names;
  q.never = names + job->attempt_count;
  if (all_never) {
    q.never = names;
    q.never_count = q.avoid_count;
  }
  struct backend *b = ask(job, &q, hope);
  free(names);
  return b;
}

/* A backend said for good that it cannot: that is an answer, where no other one is there, nor was a
 * moment ago. */
static bool refused_somewhere(const struct job *job) {
  for (int i = job->attempt_base; i < job->attempt_count; i++)
    if (job->attempts[i].state == JOB_FAILED && job->attempts[i].never)
      return true;
  return false;
}

bool budget_hope(struct job *job) {
  enum hope hope;
  choose(job, NULL, false, &hope);
  return hope != HOPE_NONE || !refused_somewhere(job);
}

void budget_on_hope(uv_timer_t *t) {
  run_dispatch(t->data);
}

/* Whoever still waits then asks for the next look. */
static void look_again(struct jobs *j, uint64_t ms) {
  uv_timer_t *t = &j->hope_timer;
  if (!uv_is_active((uv_handle_t *)t) || uv_timer_get_due_in(t) > ms)
    uv_timer_start(t, budget_on_hope, ms, 0);
}

/* No backend is there that may do it now or later; it waits all the same, for an admin may be about
 * to bring one back.  True: it has waited long enough. */
static bool gave_up(struct job *job) {
  enum { LOOKS = 8, SELDOM_MS = 60000, OFTEN_MS = 5000 };
  struct jobs *j = job->j;
  bool refused = refused_somewhere(job); /* the others of its lane may well have a backend */
  uint64_t *since = refused || remote_open(job) ? &job->hopeless_ms : &job->lane->hopeless_ms;
  uint64_t now = uv_now(j->loop), longest = (uint64_t)j->o.max_wait_ms;
  uint64_t every = refused ? OFTEN_MS : SELDOM_MS;
  if (*since == 0)
    *since = now > 0 ? now : 1;
  if (longest > 0 && longest / LOOKS < every)
    every = longest / LOOKS + 1;
  if (longest > 0 || refused)
    look_again(j, every);
  if (longest == 0)
    return false;
  uint64_t from = *since > job->waits_ms ? *since : job->waits_ms;
  return now - from >= longest;
}

bool budget_elsewhere(struct job *job) {
  return choose(job, NULL, true, NULL) != NULL;
}

/* One that has waited a whole step of ageing for memory or threads makes the others wait. */
static void consider_hold(struct job *job, const struct asking *a) {
  struct jobs *j = job->j;
  if (j->hold || !job->stuck_mono || clock_mono_us() - job->stuck_mono < j->o.ageing_ms * 1000)
    return;
  j->hold = job;
  j->hold_memory = a->memory;
  j->hold_threads = a->threads;
}

enum fit budget_choose(struct job *job, struct backend **b) {
  struct asking a = {.job = job};
  enum hope hope;
  *b = choose(job, &a, false, &hope);
  if (hope == HOPE_NONE && refused_somewhere(job))
    return FIT_NEVER;
  if (hope != HOPE_THERE && gave_up(job))
    return FIT_NEVER;
  if (hope == HOPE_THERE)
    job->hopeless_ms = job->lane->hopeless_ms = 0;
  if (*b)
    return FIT_YES;
  if (!a.memory && !a.threads)
    return FIT_NO_SLOT;
  consider_hold(job, &a);
  return FIT_NO_BUDGET;
}

static void take(struct job *job, struct backend_usage *p) {
  struct jobs *j = job->j;
  job->usage = p;
  p->memory += job->memory;
  p->threads += job->threads;
  if (job->local) {
    j->memory += job->memory;
    j->threads += job->threads;
  }
}

void budget_reserve(struct job *job, struct backend *b) {
  struct jobs *j = job->j;
  struct backend_usage *p = usage_find(j, backend_name(b));
  if (j->hold == job)
    j->hold = NULL;
  job->local = is_local(b);
  p->starting++;
  take(job, p);
}

void budget_take_again(struct job *job, struct backend_usage *p) {
  job->local = false;
  take(job, p);
}

void budget_started(struct job *job) {
  job->usage->starting--;
}

void budget_release(struct job *job) {
  struct jobs *j = job->j;
  struct backend_usage *p = job->usage;
  job->usage = NULL;
  p->memory -= job->memory;
  p->threads -= job->threads;
  if (job->local) {
    j->memory -= job->memory;
    j->threads -= job->threads;
  }
}
