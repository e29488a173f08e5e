/* SPDX-License-Identifier: MIT
 *
 * The end of the loop's turn: what was told in it takes effect now, and the queue is looked at once,
 * however many reasons there were.  Here alone jobs are started and effects are run, so nothing that
 * they call comes back to them.
 *
 *   callbacks --life_post--> effects --+
 *             --life_wake--> queue ----+--> turn_run: effects, dispatch, their effects ... until none
 *
 * It comes before the loop sleeps (uv_prepare).  Whoever posts later than that, from another
 * uv_prepare, keeps the loop from sleeping (life_turn_due).
 */
#include "jobs/loop_turn.h"

#include "base/clock.h"
#include "jobs/away.h"
#include "jobs/backends.h"
#include "jobs/breakers.h"
#include "jobs/drain.h"
#include "jobs/end.h"
#include "jobs/estimates.h"
#include "jobs/life.h"
#include "jobs/run.h"
#include "jobs/spending.h"
#include "jobs/waiting.h"

static void run_effect(struct job *job, enum effect effect) {
  switch (effect) {
  case EFFECT_ENQUEUE:
    if (job->cancel) {
      end_cancelled(job);
      break;
    }
    waiting_push(job);
    life_wake(job->j);
    break;
  case EFFECT_WRITE_START:
    run_write_start(job);
    break;
  case EFFECT_LAUNCH:
    run_launch(job);
    break;
  case EFFECT_SAVE:
    end_save(job);
    break;
  case EFFECT_NONE:
    break;
  }
}

static void dispatch(struct jobs *j) {
  struct sched_choice choice;
  if (!j->workers || j->draining)
    return;
  away_resume(j);
  if (j->paused || j->queued == 0)
    return;
  int64_t now_us = clock_wall_us(), now_mono = clock_mono_us();
  breakers_look(j);
  estimates_tell(j);
  backends_tell(j);
  spending_tell(j);
  sched_begin_round(j->sched);
  while (sched_next(j->sched, now_mono, &choice)) {
    struct job *job = container_of(choice.job, struct job, sched);
    if (choice.backend)
      run_chosen(job, &choice, now_us);
    else
      end_no_backend(job, &choice);
  }
  waiting_arm(j);
}

void turn_run(struct jobs *j) {
  struct job *job;
  uv_idle_stop(&j->turn_due);
  do {
    for (enum effect effect; (effect = life_next_effect(j, &job)) != EFFECT_NONE;)
      run_effect(job, effect);
    bool wake = j->wake;
    j->wake = false;
    if (wake)
      dispatch(j);
  } while (j->wake || !list_empty(&j->effects));
  uv_idle_stop(&j->turn_due);
  away_arm(j);
  drain_check(j);
}

static void on_turn_end(uv_prepare_t *handle) {
  turn_run(handle->data);
}

void turn_init(struct jobs *j) {
  list_init(&j->effects);
  uv_prepare_init(j->loop, &j->turn_end);
  uv_idle_init(j->loop, &j->turn_due);
  j->turn_end.data = j->turn_due.data = j;
  j->open_handles += 2;
  turn_begin(j);
}

void turn_begin(struct jobs *j) {
  uv_prepare_stop(&j->turn_end);
  uv_prepare_start(&j->turn_end, on_turn_end);
  uv_unref((uv_handle_t *)&j->turn_end);
}
