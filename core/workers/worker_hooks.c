/* SPDX-License-Identifier: MIT
 *
 * What follows from a worker's life: the hooks that worker.c calls, as it knows nothing of steps.
 */
#include "workers/internal.h"

#include "observe/log.h"

#include <string.h>

/* The sentence about a death; NULL when it was no accident. */
static void tell(struct worker *k, int signal, int exit_code) {
  const char *name = k->b->o.name;
  if (k->retiring || k->b->removed || k->b->w->freeing)
    log_debug("worker.exit", "backend %s: worker %d has ended", name, (int)k->pid);
  else if (k->killed)
    log_info("worker.killed", "backend %s: worker %d was killed: %s", name, (int)k->pid, k->why);
  else if (signal)
    log_warn("worker.exit", "backend %s: worker %d died by signal %d (%s) %s", name, (int)k->pid,
             signal, strsignal(signal), k->state == WORKER_READY ? "at work" : "while it started");
  else
    log_warn("worker.exit", "backend %s: worker %d ended with exit code %d %s", name, (int)k->pid,
             exit_code, k->state == WORKER_READY ? "at work" : "while it started");
}

/* For backend_message(). */
static void note_death(struct worker *k, int signal, int exit_code) {
  struct backend *b = k->b;
  if (b->refused || k->refused || k->retiring || k->generation != b->generation)
    return;
  const char *when = k->state == WORKER_READY      ? "at work"
                     : k->state == WORKER_CREATING ? "while its plugin started (create)"
                                                   : "while it loaded its plugin";
  if (k->killed)
    backend_say(b, "worker %d was killed %s: %s", (int)k->pid, when, k->why);
  else if (signal)
    backend_say(
        b, "worker %d died %s by signal %d (%s); the daemon's standard error holds its last words",
        (int)k->pid, when, signal, strsignal(signal));
  else
    backend_say(
        b, "worker %d ended %s with exit code %d; the daemon's standard error holds its last words",
        (int)k->pid, when, exit_code);
}

static void worker_killed(struct worker *k) {
  backend_update(k->b);
}

static void worker_dead(struct worker *k, int signal, int exit_code) {
  worker_output_last(k);
  steps_tell_lost(k);
  tell(k, signal, exit_code);
  if (!k->b->has_message || k->state != WORKER_READY)
    note_death(k, signal, exit_code);
  if (!k->b->w->freeing)
    steps_settle(k, signal, exit_code);
}

static void worker_gone(struct worker *k, bool was_ready) {
  orphans_end(k->b->w); /* what it leaves comes to us */
  health_answered(k);
  if (!k->b->removed && !k->retiring && k->generation == k->b->generation)
    backend_worker_gone(k, was_ready);
}

const struct worker_hooks worker_hooks = {
    .started = worker_output_begin,
    .read = worker_read,
    .killed = worker_killed,
    .dead = worker_dead,
    .gone = worker_gone,
};
