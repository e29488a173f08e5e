/* SPDX-License-Identifier: MIT
 *
 * Into the scheduler's queue and out of it, and the timers that wake it: for a pause that is over,
 * and for jobs that no backend is there for.
 */
#include "jobs/waiting.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/life.h"
#include "jobs/price.h"
#include "jobs/remote.h"

void waiting_configure(struct jobs *j) {
  sched_configure(j->sched, &(struct sched_options){
                                .ageing_us = j->o.ageing_ms * 1000,
                                .max_wait_us = j->o.max_wait_ms * 1000,
                                .memory = j->o.memory,
                                .threads = j->o.cpus,
                            });
  backends_limit(j);
}

/* ---- timers ---- */

static void on_delay(uv_timer_t *t);

static void on_look(uv_timer_t *t) {
  life_wake(t->data);
}

static void arm(uv_timer_t *t, uv_timer_cb due, int64_t at_us) {
  if (at_us == INT64_MAX) {
    uv_timer_stop(t);
    return;
  }
  int64_t left = (at_us - clock_mono_us() + 999) / 1000;
  uv_timer_start(t, due, left > 0 ? (uint64_t)left : 0, 0);
}

static void arm_delay(struct jobs *j) {
  arm(&j->delay_timer, on_delay, sched_due_us(j->sched));
}

void waiting_arm(struct jobs *j) {
  arm(&j->hope_timer, on_look, sched_look_us(j->sched));
}

static void on_delay(uv_timer_t *t) {
  struct jobs *j = t->data;
  int64_t now = clock_mono_us();
  for (struct sched_job *due; (due = sched_pop_due(j->sched, now));) {
    struct job *job = container_of(due, struct job, sched);
    job->not_before_us = 0;
    waiting_push(job);
  }
  arm_delay(j);
  life_wake(j);
}

/* ---- in and out ---- */

/* Where it may not go, as its attempts tell. */
static void tell_tried(struct job *job) {
  const struct attempt *open = remote_open(job);
  int n = 0;
  job->sched.first = job->attempt_count > job->attempt_base
                         ? job->attempts[job->attempt_base].usage->facts
                         : NULL;
  job->sched.bound = open ? open->usage->facts : NULL;
  for (int i = 0; i < job->attempt_count; i++) {
    const struct attempt *a = &job->attempts[i];
    bool dear = price_is_used_up(job, a->usage);
    if (!dear && (i < job->attempt_base || a->state != JOB_FAILED))
      continue;
    if (n == 0)
      job->tried = mem_grow(job->tried, (size_t)job->attempt_count * sizeof *job->tried);
    job->tried[n++] = (struct sched_tried){.backend = a->usage->facts,
                                           .never = dear                          ? SCHED_DEAR
                                                    : a->fault == ATTEMPT_REFUSED ? SCHED_NEVER
                                                                                  : SCHED_LATER};
  }
  job->sched.tried = job->tried;
  job->sched.tried_count = n;
}

void waiting_push(struct job *job) {
  struct jobs *j = job->j;
  tell_tried(job);
  job->sched.number = job->num;
  if (sched_push(j->sched, &job->sched, clock_mono_us())) {
    job->not_before_us = 0;
    life_post(job, LIFE_WAITS);
    return;
  }
  life_post(job, LIFE_DELAYED);
  if (sched_due_us(j->sched) == job->sched.due_us)
    arm_delay(j);
}

void waiting_remove(struct job *job) {
  struct jobs *j = job->j;
  bool first = job->phase == PHASE_DELAY && sched_due_us(j->sched) == job->sched.due_us;
  sched_remove(j->sched, &job->sched);
  if (first)
    arm_delay(j);
}

/* ---- prospects ---- */

bool waiting_has_hope(struct job *job) {
  backends_tell(job->j);
  tell_tried(job);
  return sched_has_hope(job->j->sched, &job->sched);
}

bool waiting_is_ready_elsewhere(struct job *job) {
  backends_tell(job->j);
  tell_tried(job);
  return sched_is_ready_elsewhere(job->j->sched, &job->sched);
}
