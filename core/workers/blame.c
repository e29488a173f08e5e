/* SPDX-License-Identifier: MIT
 *
 * A worker is dead: whom to blame among its steps, and what becomes of each.
 *
 *   FORK       each child is judged by the zygote; those that had no child yet are lost
 *   PROCESS    the step that was inside the plugin; those sent ahead are lost
 *   SHARED     all that were sent
 *   remote     the step whose thread ended the process, if the board says so; the others go on with
 *              the next worker, and it costs them nothing
 */
#include "workers/internal.h"

#include "wire/death.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define BEGUN_MS 20 /* a worker takes its step at once */

/* What its death means for a step that was inside the plugin. */
static enum step_class judge(const struct worker *k, const struct workers_step *s, int signal,
                             int exit_code, char *text, size_t size) {
  if (s->cancel_class) {
    snprintf(text, size, "%s",
             s->cancel_class == STEP_TIMEOUT ? "the job ran out of its time" : "cancelled");
    return (enum step_class)s->cancel_class;
  }
  if (k->killed && k->kill_token) {
    snprintf(text, size, "the worker was killed because of another job");
    return STEP_LOST;
  }
  if (k->killed) {
    snprintf(text, size, "the worker was killed: %s", k->why);
    return STEP_CRASHED;
  }
  uint32_t over = atomic_load(&k->board->over); /* the worker's own word: it may be anything */
  if (over == WIRE_OVER_MEMORY && k->isolation == WIRE_SHARED && k->died_with > 1) {
    snprintf(text, size,
             "the worker was ended: its %zu jobs together took %lld MiB of memory, which is more "
             "than job_memory allows for so many, and nobody knows whose it was",
             k->died_with, (long long)(atomic_load(&k->board->found) >> 20));
    return STEP_CRASHED;
  }
  struct wire_death death = {
      .signal = signal,
      .exit_code = exit_code,
      .over = over <= WIRE_OVER_CPU ? (enum wire_over)over : WIRE_OVER_NONE,
      .found = atomic_load(&k->board->found),
  };
  return (enum step_class)wire_judge(&death, &s->limits, text, size);
}

/* The step that a PROCESS worker was at, as it says itself on its board.  One that says nothing, or
 * nonsense, was at its first, if that had time to begin: else a job could say that it never began,
 * and be run again and again at no cost.  A worker that ends by its own wish (REFUSED) does so
 * between two steps; a job that says that falsely is lost at most as often as jobs allow. */
static const struct workers_step *at_work(struct worker *k) {
  struct table_node *n = table_get(&k->by_token, atomic_load(&k->board->running));
  if (n)
    return container_of(n, struct workers_step, by_token);
  const struct workers_step *head = list_empty(&k->steps)
                                        ? NULL
                                        : container_of(k->steps.next, struct workers_step, ring);
  bool begun = !k->refused && head && head->began_at &&
               uv_now(k->b->w->loop) - head->began_at >= BEGUN_MS;
  return begun ? head : NULL;
}

/* Had the step begun? */
static bool was_inside(const struct worker *k, const struct workers_step *s,
                       const struct workers_step *at) {
  if (k->isolation == WIRE_FORK)
    return s->begun;
  return k->isolation != WIRE_PROCESS || s == at;
}

/* Is it inside one of a remote worker's calls? */
static bool in_a_call(const struct worker *k, const struct workers_step *s) {
  for (int i = 0; i < WIRE_INSIDE_MAX; i++)
    if (atomic_load(&k->board->inside[i]) == s->token)
      return true;
  return false;
}

static void release(struct worker *k, uint64_t token) {
  char path[PATH_MAX];
  steps_folder(k, token, path);
  workers_release_workdir(k->b->w, path);
}

static void release_cell(struct worker *k) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s-%" PRIu64, k->b->w->work_root, k->b->o.name, k->cell);
  workers_release_workdir(k->b->w, path);
}

/* Its reference, or its key, finds again what it has submitted. */
static void settle_remote(struct worker *k, struct workers_step *s, int signal, int exit_code) {
  char text[900];
  enum step_class class = STEP_LOST;
  s->inside = in_a_call(k, s);
  s->open = true;
  if (s->inside)
    release(k, s->token);
  if (atomic_load(&k->board->crash_owner) == s->token) {
    class = judge(k, s, signal, exit_code, text, sizeof text);
  } else {
    snprintf(text, sizeof text, "the worker ended; the job goes on with the next one");
  }
  steps_doom(s, class, text);
}

static void settle(struct worker *k, struct workers_step *s, const struct workers_step *at,
                   int signal, int exit_code) {
  char text[900];
  enum step_class class = STEP_LOST;
  snprintf(text, sizeof text, "the worker ended before it came to the job");
  if (was_inside(k, s, at))
    class = judge(k, s, signal, exit_code, text, sizeof text);
  else if (s->cancel_class)
    class = (enum step_class)s->cancel_class;
  release(k, s->token);
  steps_doom(s, class, text);
}

void steps_settle(struct worker *k, int signal, int exit_code) {
  const struct workers_step *at = k->isolation == WIRE_PROCESS ? at_work(k) : NULL;
  k->died_with = k->count;
  release_cell(k);
  list_for_each_safe(it, &k->steps) {
    struct workers_step *s = container_of(it, struct workers_step, ring);
    if (k->remote)
      settle_remote(k, s, signal, exit_code);
    else
      settle(k, s, at, signal, exit_code);
  }
}
