/* SPDX-License-Identifier: MIT
 *
 * A simulation of jobs that go to three backends, by the policy `fastest` and by others: for the
 * unit tests, and at length for tests/bench.
 *
 *   2 slots, slow;  4 slots, fast, one second to begin;  20 slots, fast, six seconds to begin
 *
 * Sizes are log-normal, arrivals Poisson.  With `drift` the second backend is four times slower for
 * a fifth of the time, and later the first one three times.
 */
#ifndef UNIT_ROUTING_SIM_H
#define UNIT_ROUTING_SIM_H

#include "base/backoff.h"
#include "base/mem.h"
#include "routing/estimate.h"

#include <math.h>
#include <stdlib.h>

enum { SIM_BACKENDS = 3, SIM_SLOTS = 20, SIM_LOOKS = 64 };

enum sim_policy {
  SIM_FIXED_0,
  SIM_FIXED_1,
  SIM_FIXED_2,
  SIM_ROUND_ROBIN,
  SIM_LEAST_LOADED,
  SIM_EWMA,       /* of seconds, times the load */
  SIM_MODEL,      /* fastest, without a look at late jobs and without exploring */
  SIM_FASTEST,    /* as the daemon does it */
  SIM_ORACLE,     /* knows each job's true time; each waits for its slot */
  SIM_ORACLE_NOW, /* the same, and each job has its backend when it comes */
  SIM_POLICIES
};

struct sim_setting {
  const char *name;
  double per_second; /* jobs */
  bool drift;
  int jobs;
  uint64_t seed;
};

static const struct {
  int slots;
  double begin_s, unit_s;
} sim_backends[SIM_BACKENDS] = {{2, 0, 2.0}, {4, 1, 0.66}, {20, 6, 0.66}};

struct sim_job {
  double at, size, noise[SIM_BACKENDS];
  double started, ended, expected;
  int backend;
};

struct sim {
  const struct sim_setting *o;
  enum sim_policy policy;
  struct sim_job *jobs;
  double last_at;
  int running[SIM_BACKENDS][SIM_SLOTS], running_count[SIM_BACKENDS];
  int *waiting, waiting_count;
  struct estimate own[SIM_BACKENDS], pool;
  struct estimate_explorer explorer;
};

/* ---- jobs ---- */

static inline double sim_uniform(uint64_t *random) {
  return ((double)(random_next(random) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double sim_normal(uint64_t *random) {
  double r = sqrt(-2 * log(sim_uniform(random)));
  return r * cos(6.283185307179586 * sim_uniform(random));
}

static inline struct sim_job *sim_make_jobs(const struct sim_setting *o) {
  struct sim_job *jobs = mem_array((size_t)o->jobs, sizeof *jobs);
  uint64_t random = o->seed;
  double at = 0;
  for (int i = 0; i < o->jobs; i++) {
    at -= log(sim_uniform(&random)) / o->per_second;
    jobs[i].at = at;
    jobs[i].size = exp(sim_normal(&random));
    for (int b = 0; b < SIM_BACKENDS; b++)
      jobs[i].noise[b] = exp(0.2 * sim_normal(&random));
  }
  return jobs;
}

static inline double sim_slowness(const struct sim *s, int b, double at) {
  double part = at / s->last_at;
  if (!s->o->drift)
    return 1;
  return b == 1 && part >= 0.2 && part < 0.4 ? 4 : b == 0 && part >= 0.6 && part < 0.8 ? 3 : 1;
}

static inline double sim_seconds(const struct sim *s, const struct sim_job *job, int b, double at) {
  double seconds = sim_backends[b].begin_s + sim_backends[b].unit_s * job->size;
  return seconds * sim_slowness(s, b, at) * job->noise[b];
}

static inline double sim_mean(const struct sim *s) {
  double sum = 0;
  for (int i = 0; i < s->o->jobs; i++)
    sum += s->jobs[i].ended - s->jobs[i].at;
  return sum / s->o->jobs;
}

/* ---- policies that give each job a backend when it comes ---- */

static inline int sim_choose_now(const struct sim *s, int i, const double *ewma, const int *load,
                                 double slots[][SIM_SLOTS], const int *first) {
  double best = INFINITY;
  int found = 0;
  if (s->policy <= SIM_FIXED_2)
    return (int)s->policy;
  if (s->policy == SIM_ROUND_ROBIN)
    return i % SIM_BACKENDS;
  for (int b = 0; b < SIM_BACKENDS; b++) {
    double share = (load[b] + 1.0) / sim_backends[b].slots, score;
    double begin = slots[b][first[b]] > s->jobs[i].at ? slots[b][first[b]] : s->jobs[i].at;
    if (s->policy == SIM_LEAST_LOADED)
      score = share;
    else if (s->policy == SIM_EWMA)
      score = ewma[b] * (share > 1 ? share : 1);
    else
      score = begin + sim_seconds(s, &s->jobs[i], b, begin);
    if (score < best) {
      best = score;
      found = b;
    }
  }
  return found;
}

static inline void sim_run_now(struct sim *s) {
  double slots[SIM_BACKENDS][SIM_SLOTS] = {{0}}, ewma[SIM_BACKENDS] = {0};
  int *active = mem_array((size_t)s->o->jobs, sizeof *active), count = 0;
  for (int i = 0; i < s->o->jobs; i++) {
    struct sim_job *job = &s->jobs[i];
    int load[SIM_BACKENDS] = {0}, first[SIM_BACKENDS] = {0}, kept = 0;
    for (int k = 0; k < count; k++) {
      struct sim_job *a = &s->jobs[active[k]];
      if (a->ended <= job->at)
        ewma[a->backend] += 0.2 * (a->ended - a->started - ewma[a->backend]);
      else
        load[a->backend]++, active[kept++] = active[k];
    }
    count = kept;
    for (int b = 0; b < SIM_BACKENDS; b++)
      for (int k = 1; k < sim_backends[b].slots; k++)
        if (slots[b][k] < slots[b][first[b]])
          first[b] = k;
    int b = job->backend = sim_choose_now(s, i, ewma, load, slots, first);
    double *slot = &slots[b][first[b]];
    job->started = *slot > job->at ? *slot : job->at;
    *slot = job->ended = job->started + sim_seconds(s, job, b, job->started);
    active[count++] = i;
  }
  free(active);
}

/* ---- fastest: jobs wait in one queue until the choice is a backend with a free slot ---- */

static inline int64_t sim_us(double at) {
  return (int64_t)(at * 1e6);
}

static inline void sim_look(const struct sim *s, double at, struct estimate_candidate *list) {
  for (int b = 0; b < SIM_BACKENDS; b++) {
    struct estimate_candidate *c = &list[b];
    *c = (struct estimate_candidate){.own = &s->own[b],
                                     .pool = &s->pool,
                                     .slots = sim_backends[b].slots,
                                     .free = sim_backends[b].slots - s->running_count[b],
                                     .idle = s->running_count[b] == 0,
                                     .able = true};
    for (int k = 0; k < s->running_count[b]; k++) {
      const struct sim_job *job = &s->jobs[s->running[b][k]];
      double elapsed = at - job->started, late = estimate_late(job->expected, elapsed);
      if (s->policy == SIM_ORACLE)
        c->ahead_s += job->ended - at;
      else
        c->ahead_s += estimate_left(job->expected, elapsed);
      if (s->policy == SIM_FASTEST && job->expected > 0 && late > c->late)
        c->late = late;
    }
  }
}

static inline int sim_choose(struct sim *s, struct estimate_candidate *list, struct sim_job *job,
                             double at, bool *explored) {
  *explored = false;
  if (s->policy == SIM_ORACLE) {
    int best = 0;
    for (int b = 0; b < SIM_BACKENDS; b++) {
      list[b].run_s = sim_seconds(s, job, b, at);
      list[b].wait_s = list[b].free > 0 ? 0 : list[b].ahead_s / list[b].slots;
      if (list[b].run_s + list[b].wait_s < list[best].run_s + list[best].wait_s)
        best = b;
    }
    return best;
  }
  estimate_all(list, SIM_BACKENDS, job->size, sim_us(at));
  for (int b = 0; b < SIM_BACKENDS; b++)
    list[b].explore = s->policy == SIM_FASTEST &&
                      estimate_may_explore(&s->explorer, &list[b], job->size, sim_us(at));
  int found = estimate_explore(list, SIM_BACKENDS);
  *explored = found >= 0;
  return found >= 0 ? found : estimate_first(list, SIM_BACKENDS);
}

static inline void sim_start(struct sim *s, int i, int b, double expected, double at) {
  struct sim_job *job = &s->jobs[i];
  job->backend = b;
  job->started = at;
  job->expected = expected;
  job->ended = at + sim_seconds(s, job, b, at);
  s->running[b][s->running_count[b]++] = i;
}

static inline void sim_round(struct sim *s, double at) {
  struct estimate_candidate list[SIM_BACKENDS];
  int kept = 0;
  sim_look(s, at, list);
  for (int k = 0; k < s->waiting_count; k++) {
    int i = s->waiting[k];
    bool explored;
    if (kept >= SIM_LOOKS) {
      s->waiting[kept++] = i;
      continue;
    }
    int b = sim_choose(s, list, &s->jobs[i], at, &explored);
    list[b].ahead_s += list[b].run_s;
    if (list[b].free > 0) {
      list[b].free--;
      list[b].idle = false;
      estimate_count(&s->explorer, explored);
      sim_start(s, i, b, list[b].run_s, at);
    } else {
      s->waiting[kept++] = i;
    }
  }
  s->waiting_count = kept;
}

/* Ends the job that ends next, if that is before `limit`.  Returns its time, or `limit`. */
static inline double sim_end_next(struct sim *s, double limit) {
  int found = -1, slot = 0;
  for (int b = 0; b < SIM_BACKENDS; b++)
    for (int k = 0; k < s->running_count[b]; k++)
      if (s->jobs[s->running[b][k]].ended < limit) {
        limit = s->jobs[s->running[b][k]].ended;
        found = b;
        slot = k;
      }
  if (found < 0)
    return limit;
  const struct sim_job *job = &s->jobs[s->running[found][slot]];
  s->running[found][slot] = s->running[found][--s->running_count[found]];
  estimate_learn(&s->own[found], job->size, job->ended - job->started, sim_us(limit));
  estimate_learn(&s->pool, job->size, job->ended - job->started, sim_us(limit));
  return limit;
}

static inline void sim_run_queue(struct sim *s) {
  int busy = 1;
  s->waiting = mem_array((size_t)s->o->jobs + 1, sizeof *s->waiting);
  for (int i = 0; i < s->o->jobs || busy;
       busy = s->running_count[0] + s->running_count[1] + s->running_count[2] + s->waiting_count) {
    double arrival = i < s->o->jobs ? s->jobs[i].at : INFINITY;
    double at = sim_end_next(s, arrival);
    if (at == arrival && isfinite(arrival))
      s->waiting[s->waiting_count++] = i++;
    if (isfinite(at))
      sim_round(s, at);
  }
  free(s->waiting);
}

/* The mean time from a job's arrival to its end. */
static inline double sim_run(const struct sim_setting *o, enum sim_policy policy) {
  struct sim *s = mem_alloc(sizeof *s);
  s->o = o;
  s->policy = policy;
  s->jobs = sim_make_jobs(o);
  s->last_at = s->jobs[o->jobs - 1].at;
  if (policy == SIM_MODEL || policy == SIM_FASTEST || policy == SIM_ORACLE)
    sim_run_queue(s);
  else
    sim_run_now(s);
  double mean = sim_mean(s);
  free(s->jobs);
  free(s);
  return mean;
}

#endif
