/* SPDX-License-Identifier: MIT
 *
 * The life of a job: its phases, what may happen in each, and what follows.
 *
 *              submit                       retry (client)
 *                |                               |
 *             SUBMIT --no slot--> READY <----- CLEAN <--- recover
 *                |                ^  |            ^
 *           with a slot           |  v            | on disk
 *                |        DELAY <-+-> WAIT        |
 *                |                     | chosen   |
 *                +------------------> START       |
 *                                      | on disk  |
 *                                      v          |
 *                                     RUN         |
 *                                      | result   |
 *                                      v          |
 *                          BACK <- verdict -> ADOPT -> END -> gone
 *
 *   RUN --its worker died--> AWAY --a worker is there--> RUN       of remote attempts: remote.c
 *
 * What a client's cancellation meets, and what comes of it:
 *
 *   phase     on cancel                    then
 *   SUBMIT    (unknown job)              so too in START to BACK, while that commit is under way
 *   READY     written                      END as cancelled
 *   WAIT      out of the queue, END        cancelled; the attempt never was
 *   DELAY     likewise
 *   START     written                      on disk: END as cancelled; disk failed: likewise
 *   RUN       written, the worker is told  whatever comes of it: outputs removed, END as cancelled
 *   AWAY      written                      as RUN, once a worker is there
 *   ADOPT     written                      outputs removed, END as cancelled
 *   END       waits                        as it ends: answered so
 *   BACK      written                      on disk: END as cancelled
 *   CLEAN     written                      END as cancelled, or AWAY
 *
 * "Written": the wish is on disk before its answer, so it holds after a crash of the daemon too.
 *
 * Each job reaches END at most once, and leaves it only when the store has its end on disk.
 */
#include "jobs/life.h"

#include "observe/log.h"

#include <stdlib.h>

struct transition { /* zeroed: nothing of the kind may happen */
  bool legal;
  enum phase to;
  enum effect effect;
};

/* clang-format off */
#define TO(phase)       {true, PHASE_##phase, EFFECT_NONE}
#define DO(phase, what) {true, PHASE_##phase, EFFECT_##what}
static const struct transition table[PHASE_COUNT][LIFE_EVENT_COUNT] = {
  [PHASE_SUBMIT]  [LIFE_QUEUED]    = DO(READY, ENQUEUE),       /* accepted; or recovered, and it never started */
  [PHASE_SUBMIT]  [LIFE_STARTED]   = DO(START, LAUNCH),        /* accepted with its start */
  [PHASE_SUBMIT]  [LIFE_RETRIED]   = TO(BACK),                 /* read from the store for a client */
  [PHASE_SUBMIT]  [LIFE_CLEANING]  = TO(CLEAN),                /* recovered */

  [PHASE_READY]   [LIFE_WAITS]     = TO(WAIT),
  [PHASE_READY]   [LIFE_DELAYED]   = TO(DELAY),
  [PHASE_READY]   [LIFE_ENDS]      = DO(END, SAVE),            /* cancelled */

  [PHASE_WAIT]    [LIFE_CHOSEN]    = DO(START, WRITE_START),
  [PHASE_WAIT]    [LIFE_QUEUED]    = DO(READY, ENQUEUE),       /* no backend: once more, without what it was excluded from */
  [PHASE_WAIT]    [LIFE_ENDS]      = DO(END, SAVE),            /* cancelled, or no backend */

  [PHASE_DELAY]   [LIFE_WAITS]     = TO(WAIT),                 /* its time has come */
  [PHASE_DELAY]   [LIFE_ENDS]      = DO(END, SAVE),            /* cancelled */

  [PHASE_START]   [LIFE_STARTED]   = DO(START, LAUNCH),
  [PHASE_START]   [LIFE_RUNS]      = TO(RUN),
  [PHASE_START]   [LIFE_AWAY]      = TO(AWAY),                 /* its backend went meanwhile */
  [PHASE_START]   [LIFE_QUEUED]    = DO(READY, ENQUEUE),       /* the disk did not take the start */
  [PHASE_START]   [LIFE_ENDS]      = DO(END, SAVE),            /* cancelled, or an input is gone */
  [PHASE_START]   [LIFE_RETURNS]   = DO(BACK, SAVE),           /* the daemon goes down, or its backend went */

  [PHASE_RUN]     [LIFE_AWAY]      = TO(AWAY),                 /* its worker died, or is refused */
  [PHASE_RUN]     [LIFE_OUTPUTS]   = TO(ADOPT),
  [PHASE_RUN]     [LIFE_FAILED]    = TO(ADOPT),                /* our disk is looked at: disk_check.c */
  [PHASE_RUN]     [LIFE_ENDS]      = DO(END, SAVE),
  [PHASE_RUN]     [LIFE_RETURNS]   = DO(BACK, SAVE),

  [PHASE_AWAY]    [LIFE_RUNS]      = TO(RUN),
  [PHASE_AWAY]    [LIFE_ENDS]      = DO(END, SAVE),            /* nobody could ask for it in time */
  [PHASE_AWAY]    [LIFE_RETURNS]   = DO(BACK, SAVE),           /* likewise, and it may be tried again */

  [PHASE_ADOPT]   [LIFE_FAILED]    = TO(ADOPT),                /* its outputs could not be kept */
  [PHASE_ADOPT]   [LIFE_ENDS]      = DO(END, SAVE),
  [PHASE_ADOPT]   [LIFE_RETURNS]   = DO(BACK, SAVE),           /* the disk failed */

  [PHASE_END]     [LIFE_ENDS]      = DO(END, SAVE),            /* the store does not take this result */
  [PHASE_END]     [LIFE_AGAIN]     = DO(END, SAVE),

  [PHASE_BACK]    [LIFE_QUEUED]    = DO(READY, ENQUEUE),
  [PHASE_BACK]    [LIFE_CLEANING]  = TO(CLEAN),                /* a client's retry */
  [PHASE_BACK]    [LIFE_AGAIN]     = DO(BACK, SAVE),

  [PHASE_CLEAN]   [LIFE_QUEUED]    = DO(READY, ENQUEUE),
  [PHASE_CLEAN]   [LIFE_AWAY]      = TO(AWAY),                 /* recovered: it runs elsewhere */
  [PHASE_CLEAN]   [LIFE_ENDS]      = DO(END, SAVE),            /* recovered: cancelled before */
  [PHASE_CLEAN]   [LIFE_RETURNS]   = DO(BACK, SAVE),           /* recovered: its attempt was interrupted */
};
#undef TO
#undef DO
/* clang-format on */

static const char *const phase_words[] = {
    [PHASE_SUBMIT] = "submit", [PHASE_READY] = "ready", [PHASE_WAIT] = "wait",
    [PHASE_DELAY] = "delay",   [PHASE_START] = "start", [PHASE_RUN] = "run",
    [PHASE_AWAY] = "away",     [PHASE_ADOPT] = "adopt", [PHASE_END] = "end",
    [PHASE_BACK] = "back",     [PHASE_CLEAN] = "clean",
};
static const char *const event_words[] = {
    [LIFE_QUEUED] = "queued",     [LIFE_WAITS] = "waits",     [LIFE_DELAYED] = "delayed",
    [LIFE_CHOSEN] = "chosen",     [LIFE_STARTED] = "started", [LIFE_RUNS] = "runs",
    [LIFE_AWAY] = "away",         [LIFE_OUTPUTS] = "outputs", [LIFE_FAILED] = "failed",
    [LIFE_ENDS] = "ends",         [LIFE_RETURNS] = "returns", [LIFE_RETRIED] = "retried",
    [LIFE_CLEANING] = "cleaning", [LIFE_AGAIN] = "again",
};

/* ---- at rest ---- */

/* A remote attempt goes on without us, and is found again by what is on disk. */
bool life_at_rest(const struct job *job) {
  return job->phase == PHASE_WAIT || job->phase == PHASE_DELAY || job->phase == PHASE_AWAY ||
         (job->phase == PHASE_RUN && job->remote);
}

void life_begin(struct job *job) {
  list_init(&job->effect_link);
  job->phase = PHASE_SUBMIT;
  job->j->busy++;
}

void life_end(struct job *job) {
  if (!life_at_rest(job))
    job->j->busy--;
  list_remove(&job->effect_link);
}

/* ---- events and effects ---- */

static void stay_awake(uv_idle_t *handle) {
  (void)handle;
}

void life_turn_due(struct jobs *j) {
  if (!uv_is_active((uv_handle_t *)&j->turn_due) && !uv_is_closing((uv_handle_t *)&j->turn_due))
    uv_idle_start(&j->turn_due, stay_awake);
}

void life_wake(struct jobs *j) {
  j->wake = true;
  life_turn_due(j);
}

bool life_is_legal(enum phase phase, enum life_event event) {
  return table[phase][event].legal;
}

static void report(const struct job *job, enum life_event event) {
  log_error("job.life",
            "job %s: '%s' cannot happen in the phase '%s'%s; this is a mistake of "
            "lathed: please report it; the job stays as it is until the next start",
            job->id, event_words[event], phase_words[job->phase],
            job->effect ? ", where something is still to be done for it" : "");
#ifndef NDEBUG
  abort();
#endif
}

void life_post(struct job *job, enum life_event event) {
  const struct transition *t = &table[job->phase][event];
  if (!t->legal || job->effect != EFFECT_NONE) {
    report(job, event);
    return;
  }
  int rested = life_at_rest(job);
  job->phase = (uint8_t)t->to;
  job->j->busy += rested - life_at_rest(job);
  if (t->effect == EFFECT_NONE)
    return;
  job->effect = (uint8_t)t->effect;
  list_push_back(&job->j->effects, &job->effect_link);
  life_turn_due(job->j);
}

void life_decided(struct job *job) {
  life_post(job, job->out->state == JOB_QUEUED ? LIFE_RETURNS : LIFE_ENDS);
}

enum effect life_next_effect(struct jobs *j, struct job **job) {
  struct list *first = list_pop_front(&j->effects);
  if (!first)
    return EFFECT_NONE;
  *job = container_of(first, struct job, effect_link);
  enum effect effect = (enum effect)(*job)->effect;
  (*job)->effect = EFFECT_NONE;
  return effect;
}
