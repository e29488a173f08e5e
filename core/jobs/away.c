/* SPDX-License-Identifier: MIT
 *
 * Jobs that run elsewhere while no worker here can ask for them: they are handed over again when
 * their backend is there, and given up when their time is over.  remote.c says which
 * jobs these are, and sees that each is submitted only once.
 */
#include "jobs/away.h"

#include "base/clock.h"
#include "jobs/end.h"
#include "jobs/record.h"
#include "jobs/step.h"
#include "observe/log.h"

#include <stdio.h>

enum {
  AWAY_MS = 60000, /* a backend gets so long to come back, though the job's time is over */
  LOOKS = 12,      /* at the jobs that are away, in that time */
};

static int64_t away_ms(const struct jobs *j) {
  return j->o.away_ms > 0 ? j->o.away_ms : AWAY_MS;
}

/* The job's time, or a while for its backend to come back: whichever is longer. */
static int64_t expires_mono(const struct job *job) {
  int64_t wall_ms = step_limits_of(job).wall_ms;
  int64_t end = job_last(job)->begun_mono + wall_ms * 1000;
  int64_t least = job->away_mono + away_ms(job->j) * 1000;
  return wall_ms == 0 ? INT64_MAX : end > least ? end : least;
}

/* Why the backend of jobs that are away is not there. */
static const char *absence(const struct jobs *j, const struct backend_usage *p) {
  const struct backend *b = j->workers ? workers_find(j->workers, p->name) : NULL;
  const char *why = "it is not in the configuration";
  if (b && backend_state(b) == BACKEND_READY)
    why = "it is not a remote backend any more";
  else if (b && backend_message(b))
    why = backend_message(b);
  return why;
}

/* A person has to mend it, however long that takes; what it has is not given up meanwhile. */
static bool is_paused(const struct jobs *j, const struct backend_usage *p) {
  const struct backend *b = j->workers ? workers_find(j->workers, p->name) : NULL;
  return b && backend_state(b) == BACKEND_PAUSED;
}

static void expire(struct job *job) {
  char text[1600];
  snprintf(text, sizeof text,
           "the backend that has the job could not be asked until the job's time was over: %s; "
           "bring it back and retry the job, which then goes on where it was",
           absence(job->j, job->usage));
  end_result(job, &(struct step_result){.class = STEP_TIMEOUT, .message = text, .open = true});
}

/* Once for each absence. */
static void say_away(const struct jobs *j, struct backend_usage *p) {
  int64_t n = 0;
  if (p->said_away)
    return;
  list_for_each(it, &p->away) n++;
  p->said_away = true;
  log_warn(
      "jobs.away",
      "backend %s has %lld job%s and cannot be asked: %s; they wait for it until their time is "
      "over",
      p->name, (long long)n, n == 1 ? "" : "s", absence(j, p));
}

static void on_look(uv_timer_t *t) {
  struct jobs *j = t->data;
  int64_t now = clock_mono_us();
  bool any = false;
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    bool kept = j->draining || is_paused(j, p);
    list_for_each_safe(it, &p->away) {
      struct job *job = container_of(it, struct job, link);
      if (!kept && expires_mono(job) <= now)
        expire(job);
    }
    if (list_empty(&p->away))
      continue;
    any = true;
    say_away(j, p);
  }
  if (!any)
    uv_timer_stop(t);
}

static bool is_any_away(const struct jobs *j) {
  for (const struct backend_usage *p = j->usages; p; p = p->next)
    if (!list_empty(&p->away))
      return true;
  return false;
}

void away_arm(struct jobs *j) {
  if (uv_is_active((uv_handle_t *)&j->away_timer) || !is_any_away(j))
    return;
  uint64_t every = (uint64_t)away_ms(j) / LOOKS;
  uv_timer_start(&j->away_timer, on_look, every, every);
}

void away_resume(struct jobs *j) {
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    struct backend *b = list_empty(&p->away) ? NULL : workers_find(j->workers, p->name);
    if (!b || !backend_goes_on(b) || !backend_is_remote(b))
      continue;
    int64_t n = 0;
    p->said_away = false;
    for (struct list *it; (it = list_pop_front(&p->away)); n++) {
      struct job *job = container_of(it, struct job, link);
      step_hand_over(job, b);
      if (job->cancel)
        step_stop(job);
    }
    log_info("jobs.resume", "backend %s takes up %lld job%s that it has already", p->name,
             (long long)n, n == 1 ? "" : "s");
  }
}
