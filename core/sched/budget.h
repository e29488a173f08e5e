/* SPDX-License-Identifier: MIT
 *
 * What a job needs before it may start: a slot of a backend, and memory and threads of that
 * backend's and of the machine's budget.
 *
 *   admit -> reserve (slot, memory, threads) -> started (the slot is in the backend's `room` now)
 *                                                                              -> release
 *
 * A backend that computes elsewhere takes nothing of the machine.  A job larger than a whole
 * budget may run when nobody else uses that budget.  One job that has waited very
 * long may have the hold: other jobs do not take the memory or threads that it still needs.
 */
#ifndef SCHED_BUDGET_H
#define SCHED_BUDGET_H

#include "sched/job.h"

struct budget_limits { /* of a backend, or of the machine; 0: no limit */
  int64_t memory, threads;
};

struct budget_usage {
  struct budget_limits limits;
  int64_t memory, threads; /* reserved */
  int starting;            /* slots that are reserved and not in the backend's `room` yet */
};

struct budgets {
  struct budget_usage machine;
  struct budget_usage *backends; /* by index of the facts */
  size_t count;
  const struct sched_job *hold;
  bool hold_memory, hold_threads;
};

struct budget_usage *budget_of(struct budgets *b, const struct backend_facts *backend);

enum budget_lack { BUDGET_FITS = 0, BUDGET_MEMORY = 1, BUDGET_THREADS = 2 }; /* flags */
bool budget_has_slot(struct budgets *b, const struct backend_facts *backend);
int budget_lacks(struct budgets *b, const struct sched_job *job,
                 const struct backend_facts *backend);
/* With a slot. */
void budget_reserve(struct budgets *b, struct sched_job *job, const struct backend_facts *backend);
/* Of an attempt of an earlier life: it has its usage elsewhere, and no slot. */
void budget_take_again(struct budgets *b, struct sched_job *job,
                       const struct backend_facts *backend);
void budget_started(struct budgets *b, const struct sched_job *job);
void budget_release(struct budgets *b, struct sched_job *job);
/* The job gets the hold unless another one has it.  `lacks`: flags of budget_lack. */
void budget_hold(struct budgets *b, const struct sched_job *job, int lacks);
void budget_let_go(struct budgets *b, const struct sched_job *job); /* where it has the hold */
void budget_free(struct budgets *b);

#endif
