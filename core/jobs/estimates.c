/* SPDX-License-Identifier: MIT
 *
 * What ends of attempts teach of the times of a kind on a backend, and what routing is told of the
 * jobs that run.  routing/estimate.h has the model.
 *
 * Only successes teach, from the choice of the backend to the result; a job that ran out of time
 * teaches that it takes at least so long.  One that went on after a restart, or after its worker
 * died, does not: nobody knows how long it stood still.
 */
#include "jobs/estimates.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/record.h"

#include <stdlib.h>
#include <string.h>

#define KEPT "estimate/"

static const int64_t KEEP_US = 30000000; /* a model is written that seldom */

/* ---- the way of an attempt ---- */

void estimates_begin(struct job *job, double expected_s) {
  struct routing *r = job->j->routing;
  if (expected_s == 0 && routing_is_timed(r)) /* its own route does not go by time */
    expected_s =
        estimate_seconds(models_of(routing_models(r), job->lane->kind_name, job->usage->facts),
                         job->sched.size, clock_mono_us());
  job->expected_s = expected_s;
  list_remove(&job->work_link);
  list_push_back(&job->usage->at_work, &job->work_link);
}

void estimates_release(struct job *job) {
  list_remove(&job->work_link);
}

static double elapsed_s(const struct job *job, int64_t now_us) {
  return (double)(now_us - job_last(job)->begun_mono) / 1e6;
}

static void keep(struct jobs *j, const char *kind, struct backend_usage *p) {
  struct estimate *e = models_of(routing_models(j->routing), kind, p ? p->facts : NULL);
  struct buf value = {0};
  char *name = mem_printf(KEPT "%s%s%s", kind, p ? "/" : "", p ? p->name : "");
  buf_printf(&value, "%s ", p && p->identity ? p->identity : "-");
  estimate_write(e, clock_mono_us(), clock_wall_us(), &value);
  store_keep(j->store, name, value.data);
  e->kept_us = e->at_us;
  buf_free(&value);
  free(name);
}

static bool is_keep_due(const struct estimate *e) {
  return e->samples == ESTIMATE_SAMPLES || e->at_us - e->kept_us >= KEEP_US;
}

typedef void teach(struct estimate *e, double size, double seconds, int64_t now_us);

static void tell_both(struct job *job, teach *how) {
  struct jobs *j = job->j;
  struct models *m = routing_models(j->routing);
  struct backend_usage *p = (struct backend_usage *)job_last(job)->usage;
  const char *kind = job->lane->kind_name;
  int64_t now = clock_mono_us();
  double seconds = elapsed_s(job, now);
  if (job->resumed || job->steps > (uint32_t)job->attempt_count)
    return;
  for (int i = 0; i < 2; i++) {
    struct estimate *e = models_of(m, kind, i == 0 ? p->facts : NULL);
    how(e, job->sched.size, seconds, now);
    if (is_keep_due(e))
      keep(j, kind, i == 0 ? p : NULL);
  }
}

void estimates_learn(struct job *job) {
  tell_both(job, estimate_learn);
}

/* Bad input and a cancel say nothing at all. */
void estimates_failed(struct job *job, enum step_class class) {
  bool miss = class == STEP_RETRY || class == STEP_PERMANENT || class == STEP_CRASHED ||
              class == STEP_LIMIT;
  if (class == STEP_TIMEOUT)
    tell_both(job, estimate_learn_more_than);
  else if (miss && !job->cancel)
    estimate_miss(models_of(routing_models(job->j->routing), job->lane->kind_name,
                            job_last(job)->usage->facts));
}

/* ---- what runs now ---- */

void estimates_tell(struct jobs *j) {
  int64_t now = clock_mono_us();
  if (!routing_is_timed(j->routing))
    return;
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    double ahead_s = 0, late = 1;
    list_for_each(it, &p->at_work) {
      const struct job *job = container_of(it, struct job, work_link);
      double elapsed = elapsed_s(job, now), l = estimate_late(job->expected_s, elapsed);
      ahead_s += estimate_left(job->expected_s, elapsed);
      late = l > late ? l : late;
    }
    facts_busy(routing_facts(j->routing), p->name, ahead_s, late);
  }
}

/* ---- over a restart ---- */

/* "KIND/BACKEND" or "KIND". */
void estimates_take_kept(struct jobs *j, const char *name, const char *value) {
  const char *text = value ? strchr(value, ' ') : NULL;
  if (strncmp(name, KEPT, sizeof KEPT - 1) != 0 || !text)
    return;
  const char *kind = name + sizeof KEPT - 1, *slash = strchr(kind, '/');
  char *identity = mem_dup_n(value, (size_t)(text - value));
  char *kind_name = mem_dup_n(kind, slash ? (size_t)(slash - kind) : strlen(kind));
  struct backend_usage *p = slash ? usage_find(j, slash + 1) : NULL;
  if (p && !p->identity)
    p->identity = mem_dup(identity);
  if (!p || strcmp(p->identity, identity) == 0)
    estimate_read(models_of(routing_models(j->routing), kind_name, p ? p->facts : NULL), text + 1,
                  clock_mono_us(), clock_wall_us());
  free(kind_name);
  free(identity);
}

void estimates_keep_all(struct jobs *j) {
  struct models *m = routing_models(j->routing);
  size_t pos = 0;
  for (const char *kind; (kind = models_next(m, &pos));) {
    if (models_of(m, kind, NULL)->at_us > models_of(m, kind, NULL)->kept_us)
      keep(j, kind, NULL);
    for (struct backend_usage *p = j->usages; p; p = p->next)
      if (models_of(m, kind, p->facts)->at_us > models_of(m, kind, p->facts)->kept_us)
        keep(j, kind, p);
  }
}

void estimates_forget(struct jobs *j, struct backend_usage *p) {
  struct models *m = routing_models(j->routing);
  size_t pos = 0;
  for (const char *kind; (kind = models_next(m, &pos));) {
    char *name = mem_printf(KEPT "%s/%s", kind, p->name);
    if (models_of(m, kind, p->facts)->samples > 0)
      store_keep(j->store, name, NULL);
    free(name);
  }
  models_forget(m, p->facts);
}
