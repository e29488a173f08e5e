/* SPDX-License-Identifier: MIT
 *
 * Jobs whose work is elsewhere: what is submitted once is never submitted again while nobody knows
 * what became of it.
 *
 *   START --submit--> RUN --DONE--> as any other
 *                      |  ^
 *     its worker died, v  | its backend is ready: poll with the reference, or find by the key
 *     or AUTH         AWAY --its time is over--> failed; the message says who may have it
 *                      ^
 *     the daemon starts again
 *
 * An attempt is on disk with the reference "" before its step leaves, so that an attempt without a
 * reference is known to be remote.  A reference is on disk before the plugin's checkpoint()
 * returns.  An attempt that ends while its submission may live ("open") binds the next one to the
 * same backend and the same key; every other end makes the key a new one.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  AWAY_MS = 60000, /* a backend gets so long to come back, though the job's time is over */
  LOOKS = 12,      /* at the jobs that are away, in that time */
  INSIDE_MAX = 10, /* deaths in a row with the job inside the plugin that cost it nothing */
};

/* ---- which submission ---- */

const struct attempt *remote_open(const struct job *job) {
  const struct attempt *last = job_last(job);
  return last && last->open ? last : NULL;
}

void remote_attempt(struct job *job, struct attempt *a) {
  job->remote = job->usage->facts->remote;
  job->resumed = job->remote && a > job->attempts && a[-1].open;
  if (!job->remote)
    return;
  a->ref = mem_dup(job->resumed ? a[-1].ref : "");
  if (job->resumed)
    a->note = mem_dup(a[-1].note);
}

enum step_go remote_go(const struct job *job) {
  if (!job->remote)
    return STEP_RUN;
  if (job_last(job)->ref[0])
    return STEP_POLL;
  return job->resumed ? STEP_FIND : STEP_SUBMIT;
}

const char *remote_key(const struct job *job) {
  static char key[ID_SIZE + 12];
  int ended = 0;
  for (int i = 0; i + 1 < job->attempt_count; i++)
    ended += job->attempts[i].ref && !job->attempts[i].open;
  if (!job->remote || ended == 0)
    snprintf(key, sizeof key, "%s", job->id);
  else
    snprintf(key, sizeof key, "%s-%d", job->id, ended + 1);
  return key;
}

/* ---- away ---- */

static int64_t away_ms(const struct jobs *j) {
  return j->o.away_ms > 0 ? j->o.away_ms : AWAY_MS;
}

/* The job's time, or a while for its backend to come back: whichever is longer. */
static int64_t expires_mono(const struct job *job) {
  int64_t wall_ms = run_limits(job).wall_ms;
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

void remote_away(struct job *job) {
  struct jobs *j = job->j;
  job->step = NULL;
  job->resumed = true;
  job->give_back = false;
  job->away_mono = clock_mono_us();
  job_set_phase(job, PHASE_AWAY);
  list_push_back(&job->usage->away, &job->link);
  if (!uv_is_active((uv_handle_t *)&j->away_timer)) {
    uint64_t every = (uint64_t)away_ms(j) / LOOKS;
    uv_timer_start(&j->away_timer, on_look, every, every);
  }
  jobs_check_drained(j);
}

void remote_recovered(struct job *job) {
  job->usage = usage_find(job->j, job_last(job)->usage->name);
  sched_take_again(job->j->sched, &job->sched, job->usage->facts);
  remote_away(job);
}

/* Who was inside when a worker died and nobody knows which of them ended it, is suspect, in the
 * long run. */
bool remote_survives(struct job *job, const struct step_result *r) {
  if (r->inside && ++job->lost >= INSIDE_MAX)
    return false;
  output_flush(job);
  remote_away(job);
  return true;
}

bool remote_keeps(struct job *job, const struct step_result *r) {
  bool begun = r->open || (job->go != STEP_SUBMIT && r->class == STEP_AUTH);
  if (!job->remote || !begun)
    return false;
  output_flush(job);
  remote_away(job);
  return true;
}

void remote_resume(struct jobs *j) {
  for (struct backend_usage *p = j->usages; p; p = p->next) {
    struct backend *b = list_empty(&p->away) ? NULL : workers_find(j->workers, p->name);
    if (!b || !backend_goes_on(b) || !backend_is_remote(b))
      continue;
    int64_t n = 0;
    p->said_away = false;
    for (struct list *it; (it = list_pop_front(&p->away)); n++) {
      struct job *job = container_of(it, struct job, link);
      run_hand_over(job, b);
      if (job->cancel)
        run_stop(job);
    }
    log_info("jobs.resume", "backend %s takes up %lld job%s that it has already", p->name,
             (long long)n, n == 1 ? "" : "s");
  }
}

/* ---- references and notes ---- */

void remote_note(struct job *job, const char *note, bool lazily) {
  struct attempt *last = job_last(job);
  free(last->note);
  last->note = mem_dup(note);
  if (!lazily)
    store_note(job->j->store, job->num, last->number, note);
}

struct checkpoint { /* on its way to the disk; the job may end meanwhile */
  struct jobs *j;
  char id[ID_SIZE];
  uint32_t steps; /* job->steps when it came */
  int attempt;
  char *ref;
};

static void on_kept(void *arg, int code, const struct store_receipt *receipt) {
  struct checkpoint *c = arg;
  struct jobs *j = c->j;
  struct job *job = j->closing ? NULL : map_get(&j->live, c->id);
  struct attempt *last = job ? job_last(job) : NULL;
  if (code < 0)
    log_warn("job.checkpoint", "the reference of job %s could not be kept: %s", c->id,
             receipt && receipt->text ? receipt->text : err_slug(code));
  if (last && last->number == c->attempt && last->ref) {
    if (code == 0) {
      free(last->ref);
      last->ref = c->ref;
      c->ref = NULL;
    }
    if (job->step && job->steps == c->steps)
      workers_checkpointed(job->step, code);
  }
  free(c->ref);
  free(c);
  j->requests--;
  if (j->closing)
    jobs_release(j);
}

void remote_on_checkpoint(void *ctx, void *owner, const char *ref) {
  struct jobs *j = ctx;
  const struct job *job = owner;
  struct checkpoint *c = mem_alloc(sizeof *c);
  c->j = j;
  memcpy(c->id, job->id, sizeof c->id);
  c->steps = job->steps;
  c->attempt = job_last(job)->number;
  c->ref = mem_dup(ref);
  j->requests++;
  reported_flush(owner); /* what it costs is on disk when it is known there */
  store_checkpoint(j->store, job->num, c->attempt, ref, on_kept, c);
}
