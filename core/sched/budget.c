/* SPDX-License-Identifier: MIT */
#include "sched/budget.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct budget_usage *budget_of(struct budgets *b, const struct backend_facts *backend) {
  if (backend->index >= b->count) {
    size_t count = backend->index + 8;
    b->backends = mem_grow(b->backends, count * sizeof *b->backends);
    memset(b->backends + b->count, 0, (count - b->count) * sizeof *b->backends);
    b->count = count;
  }
  return &b->backends[backend->index];
}

/* Does `need` fit into what is left?  total 0: no limit. */
static bool fits_into(int64_t total, int64_t used, int64_t need) {
  return total <= 0 || need <= 0 || used == 0 || used + need <= total;
}

static bool memory_fits(const struct budget_usage *u, int64_t need) {
  return fits_into(u->limits.memory, u->memory, need);
}

static bool threads_fit(const struct budget_usage *u, int64_t need) {
  return fits_into(u->limits.threads, u->threads, need);
}

static int64_t at_most(int64_t need, int64_t total) {
  return total > 0 && need > total ? total : need;
}

/* The job's own word, else the backend's; no more than the budgets hold in all. */
static int64_t threads_of(struct budgets *b, const struct sched_job *job,
                          const struct backend_facts *backend) {
  int64_t need = job->threads > 0 ? job->threads : backend->threads;
  need = at_most(need, budget_of(b, backend)->limits.threads);
  return backend->local ? at_most(need, b->machine.limits.threads) : need;
}

bool budget_has_slot(struct budgets *b, const struct backend_facts *backend) {
  return backend->room - budget_of(b, backend)->starting > 0;
}

int budget_lacks(struct budgets *b, const struct sched_job *job,
                 const struct backend_facts *backend) {
  int64_t need = threads_of(b, job, backend);
  const struct budget_usage *own = budget_of(b, backend), *machine = &b->machine;
  bool local = backend->local, other = b->hold && b->hold != job;
  bool memory = (!local || memory_fits(machine, job->memory)) && memory_fits(own, job->memory) &&
                !(other && b->hold_memory && job->memory > 0);
  bool threads = (!local || threads_fit(machine, need)) && threads_fit(own, need) &&
                 !(other && b->hold_threads && need > 0);
  return (memory ? 0 : BUDGET_MEMORY) | (threads ? 0 : BUDGET_THREADS);
}

static void add(struct budget_usage *u, const struct sched_job *job, int sign) {
  u->memory += sign * job->memory;
  u->threads += sign * job->reserved_threads;
}

static void take(struct budgets *b, struct sched_job *job, const struct backend_facts *backend,
                 bool local) {
  job->backend = backend;
  job->local = local;
  job->reserved_threads = (int32_t)threads_of(b, job, backend);
  add(budget_of(b, backend), job, 1);
  if (local)
    add(&b->machine, job, 1);
}

void budget_reserve(struct budgets *b, struct sched_job *job, const struct backend_facts *backend) {
  budget_let_go(b, job);
  budget_of(b, backend)->starting++;
  take(b, job, backend, backend->local);
}

void budget_take_again(struct budgets *b, struct sched_job *job,
                       const struct backend_facts *backend) {
  take(b, job, backend, false);
}

void budget_started(struct budgets *b, const struct sched_job *job) {
  budget_of(b, job->backend)->starting--;
}

void budget_release(struct budgets *b, struct sched_job *job) {
  add(budget_of(b, job->backend), job, -1);
  if (job->local)
    add(&b->machine, job, -1);
  job->backend = NULL;
}

void budget_hold(struct budgets *b, const struct sched_job *job, int lacks) {
  if (b->hold)
    return;
  b->hold = job;
  b->hold_memory = lacks & BUDGET_MEMORY;
  b->hold_threads = lacks & BUDGET_THREADS;
}

void budget_let_go(struct budgets *b, const struct sched_job *job) {
  if (b->hold == job)
    b->hold = NULL;
}

void budget_free(struct budgets *b) {
  free(b->backends);
}
