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
#include "jobs/remote.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/backends.h"
#include "jobs/facts.h"
#include "jobs/life.h"
#include "jobs/output.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSIDE_MAX = 10 }; /* deaths in a row with the job inside the plugin that cost it nothing */
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

void remote_away(struct job *job) {
  job->step = NULL;
  job->resumed = true;
  job->give_back = false;
  job->away_mono = clock_mono_us();
  life_post(job, LIFE_AWAY);
  list_push_back(&job->usage->away, &job->link);
  life_turn_due(job->j); /* somebody has to look after it: away.c */
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

/* ---- references and notes ---- */

void remote_note(struct job *job, const char *note, bool lazily) {
  struct attempt *last = job_last(job);
  free(last->note);
  last->note = mem_dup(note);
  if (lazily)
    return;
  output_flush(job); /* the log that a cursor has passed is on disk no later than the cursor */
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
