/* SPDX-License-Identifier: MIT
 *
 * The breakers of the backends: what the ends of attempts say of them, what is kept of them over a
 * restart, and what a person says.  routing/breaker.h has the rules; the choice asks them there.
 *
 *   attempt_begin --take--> permit --result--> success, failure or neutral --> breaker_end
 *                                                                     |
 *                                        log, metric, store <--another state--> the queue is woken
 *
 * A breaker belongs to a backend as it is configured: another plugin or another option makes it
 * new, a reload does not.
 */
#include "jobs/breakers.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/life.h"
#include "jobs/record.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT "breaker/"

enum {
  LEASE_MS = 600000,  /* of a probe whose job has no limit of time */
  ONE_DEATH_MS = 1000 /* a worker takes all its steps with it, and that is one failure */
};

/* ---- what an end says ---- */

static const struct {
  int32_t code;
  enum breaker_outcome outcome;
} retries[] = {
    {STEP_CODE_RETRY, BREAKER_FAILURE}, {STEP_CODE_RATE, BREAKER_NEUTRAL},
    {STEP_CODE_MEM, BREAKER_NEUTRAL},   {STEP_CODE_ANEW, BREAKER_NEUTRAL},
    {STEP_CODE_CRASH, BREAKER_FAILURE}, {STEP_CODE_DOWN, BREAKER_FAILURE},
};

static const enum breaker_outcome classes[] = {
    [STEP_OK] = BREAKER_SUCCESS,        [STEP_BAD_INPUT] = BREAKER_NEUTRAL,
    [STEP_CANCELLED] = BREAKER_NEUTRAL, [STEP_RETRY] = BREAKER_FAILURE,
    [STEP_PERMANENT] = BREAKER_NEUTRAL, [STEP_AUTH] = BREAKER_NEUTRAL,
    [STEP_CRASHED] = BREAKER_FAILURE,   [STEP_TIMEOUT] = BREAKER_NEUTRAL,
    [STEP_LIMIT] = BREAKER_NEUTRAL,     [STEP_LOST] = BREAKER_FAILURE,
    [STEP_QUOTA] = BREAKER_NEUTRAL, /* pauses of their own: workers/pause.c */
};

/* One that names a time asks for patience. */
static enum breaker_outcome outcome_of(const struct step_result *r) {
  if (r->class != STEP_RETRY)
    return r->class == STEP_LOST && !r->inside ? BREAKER_NEUTRAL : classes[r->class];
  for (size_t i = 0; i < sizeof retries / sizeof *retries; i++)
    if (retries[i].code == r->code && r->retry_after_ms == 0)
      return retries[i].outcome;
  return BREAKER_NEUTRAL;
}

static bool is_same_death(struct backend_usage *p, enum step_class class) {
  int64_t now = clock_mono_us(), before = p->died_mono;
  if (class != STEP_LOST && class != STEP_CRASHED)
    return false;
  p->died_mono = now;
  return class == STEP_LOST && before > 0 && now - before < ONE_DEATH_MS * 1000;
}

/* ---- another state ---- */

static void keep(struct jobs *j, const struct backend_usage *p) {
  struct buf value = {0};
  char *name = mem_printf(KEPT "%s", p->name);
  buf_printf(&value, "%s ", p->identity ? p->identity : "-");
  size_t empty = value.len;
  breaker_write(p->facts->breaker, clock_mono_us(), clock_wall_us(), &value);
  store_keep(j->store, name, value.len > empty ? value.data : NULL);
  buf_free(&value);
  free(name);
}

static void say(const struct backend_usage *p) {
  const struct breaker *b = p->facts->breaker;
  int64_t now = clock_mono_us();
  switch (breaker_state_at(b, now)) {
  case BREAKER_OPEN:
    if (breaker_reopens_us(b, false) == BREAKER_FOR_EVER)
      log_warn("breaker.open", "backend %s gets no jobs until it is resumed: %s", p->name,
               breaker_reason(b));
    else
      log_warn("breaker.open", "backend %s gets no jobs for %.1f s: %s", p->name,
               (double)(breaker_reopens_us(b, false) - now) / 1e6, breaker_reason(b));
    break;
  case BREAKER_HALF_OPEN:
    log_info("breaker.half_open", "backend %s gets one job, to see whether it is well", p->name);
    break;
  case BREAKER_CLOSED:
    log_info("breaker.closed", "backend %s gets jobs as before", p->name);
    break;
  }
}

static void show(const struct backend_usage *p) {
  static const double levels[] = {
      [BREAKER_CLOSED] = 0, [BREAKER_HALF_OPEN] = 1, [BREAKER_OPEN] = 2};
  if (p->breaker_state)
    metric_set(p->breaker_state, levels[breaker_state_at(p->facts->breaker, clock_mono_us())]);
}

static void changed(struct jobs *j, struct backend_usage *p) {
  const struct breaker *b = p->facts->breaker;
  show(p);
  if (p->breaker_openings && b->openings > p->openings)
    metric_add(p->breaker_openings, b->openings - p->openings);
  p->openings = b->openings;
  say(p);
  keep(j, p);
  life_wake(j);
}

/* ---- the way of an attempt ---- */

void breakers_take(struct job *job, int64_t wall_ms) {
  int64_t lease_us = (wall_ms > 0 ? wall_ms : LEASE_MS) * 1000;
  struct breaker *b = job->usage->facts->breaker;
  enum breaker_state before = b->state;
  job->permit = breaker_take(b, clock_mono_us(), lease_us);
  if (b->state != before)
    changed(job->j, job->usage);
}

static void end(struct job *job, enum breaker_outcome outcome, const char *reason) {
  struct jobs *j = job->j;
  struct breaker_permit permit = job->permit;
  struct backend_usage *p = (struct backend_usage *)job_last(job)->usage;
  job->permit = (struct breaker_permit){0};
  if (outcome == BREAKER_FAILURE && p->breaker_failures)
    metric_add(p->breaker_failures, 1);
  if (breaker_end(p->facts->breaker, permit, outcome, reason, clock_mono_us(),
                  random_next(&j->random)))
    changed(j, p);
  else if (permit.lease)
    life_wake(j); /* the next one may be tried */
}

void breakers_neutral(struct job *job) {
  if (job->permit.generation)
    end(job, BREAKER_NEUTRAL, NULL);
}

/* Of an attempt that an earlier life of the daemon began there is no permit; its end counts all the
 * same. */
void breakers_result(struct job *job, const struct step_result *r) {
  enum breaker_outcome outcome = outcome_of(r);
  bool ours = job->abandoned || (r->class != STEP_OK && (job->cancel || job->give_back));
  if (ours || is_same_death((struct backend_usage *)job_last(job)->usage, r->class))
    outcome = BREAKER_NEUTRAL;
  end(job, outcome, r->message);
}

void breakers_look(struct jobs *j) {
  const struct facts *facts = routing_facts(j->routing);
  int64_t now = clock_mono_us();
  for (size_t i = 0; i < facts->count; i++)
    if (breaker_look_us(facts->all[i]->breaker) <= now &&
        breaker_look(facts->all[i]->breaker, now, random_next(&j->random)))
      changed(j, usage_find(j, facts->all[i]->name));
}

/* ---- over a restart, and over a reload ---- */

void breakers_take_kept(struct jobs *j, const char *name, const char *value) {
  const char *text = value ? strchr(value, ' ') : NULL;
  if (strncmp(name, KEPT, sizeof KEPT - 1) != 0 || !text)
    return;
  struct backend_usage *p = usage_find(j, name + sizeof KEPT - 1);
  struct breaker *b = p->facts->breaker;
  free(p->identity);
  p->identity = mem_dup_n(value, (size_t)(text - value));
  if (!breaker_read(b, text + 1, clock_mono_us(), clock_wall_us()))
    log_warn("breaker.kept",
             "the breaker of backend %s was kept in words that are not known; it "
             "begins closed",
             p->name);
  else if (!breaker_is_closed(b))
    say(p);
}

static void make_metrics(struct jobs *j, struct backend_usage *p) {
  char labels[100];
  snprintf(labels, sizeof labels, "backend=\"%.64s\"", p->name);
  p->breaker_state = metrics_gauge(j->metrics, "lathe_breaker_state",
                                   "0 closed, 1 half-open, 2 open: the backend gets no jobs",
                                   labels);
  p->breaker_failures = metrics_counter(j->metrics, "lathe_breaker_failures_total",
                                        "Attempts that failed by the fault of the backend", labels);
  p->breaker_openings = metrics_counter(j->metrics, "lathe_breaker_openings_total",
                                        "How often the breaker of a backend opened", labels);
}

bool breakers_is(struct jobs *j, struct backend_usage *p, const char *identity) {
  bool other = p->identity && strcmp(p->identity, identity) != 0;
  if (!p->breaker_state)
    make_metrics(j, p);
  if (!p->identity || other) {
    free(p->identity);
    p->identity = mem_dup(identity);
  }
  if (other && !breaker_is_closed(p->facts->breaker)) {
    breaker_reset(p->facts->breaker, clock_mono_us());
    changed(j, p);
  }
  show(p);
  return other;
}

void breakers_gone(struct jobs *j, struct backend_usage *p) {
  breaker_reset(p->facts->breaker, clock_mono_us());
  keep(j, p);
}

/* ---- by a person ---- */

const struct breaker *jobs_breaker(const struct jobs *j, const char *name) {
  const struct backend_facts *b = facts_find(routing_facts(j->routing), name);
  breakers_look((struct jobs *)j);
  return b ? b->breaker : NULL;
}

void jobs_breaker_force(struct jobs *j, const char *name, enum breaker_hand hand,
                        int64_t until_us) {
  struct backend_usage *p = usage_find(j, name);
  int64_t now = clock_mono_us();
  int64_t until = until_us == BREAKER_FOR_EVER ? until_us : now + until_us - clock_wall_us();
  breaker_force(p->facts->breaker, hand, until, now);
  changed(j, p);
}

bool jobs_breaker_reset(struct jobs *j, const char *name) {
  struct backend_usage *p = usage_find(j, name);
  const struct breaker *b = p->facts->breaker;
  bool news = !breaker_is_closed(b) || b->hand != BREAKER_BY_ITSELF || b->step > 0;
  breaker_reset(p->facts->breaker, clock_mono_us());
  if (news)
    changed(j, p);
  return news;
}
