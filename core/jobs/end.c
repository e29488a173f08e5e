/* SPDX-License-Identifier: MIT
 *
 * What becomes of a job when its attempt ends.
 *
 *   result --(disk_check.c)--judge.c--> outcome --(adopt outputs)--> commit --> gone | queued again
 *                                                                |  ^
 *                                                    disk failed +--+ 100 ms .. 5 s later
 *
 * An outcome stays in memory until it is on disk.  Should the daemon die before that, the job runs
 * again: work may happen twice, its completion is recorded once.
 */
#include "jobs/end.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/answer.h"
#include "jobs/attempt.h"
#include "jobs/breakers.h"
#include "jobs/cache.h"
#include "jobs/cost.h"
#include "jobs/disk_check.h"
#include "jobs/disk_retry.h"
#include "jobs/estimates.h"
#include "jobs/job_log.h"
#include "jobs/judge.h"
#include "jobs/life.h"
#include "jobs/meters.h"
#include "jobs/output.h"
#include "jobs/previews.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/remote.h"
#include "jobs/spending.h"
#include "jobs/step.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- outputs ---- */

static void keep_result(struct job *job, const struct step_result *r) {
  struct outcome *out = judge_outcome(job, JOB_COMPLETED);
  out->result_json = mem_dup(r->result_json);
  if (r->artifact_count == 0)
    return;
  out->artifacts = mem_array(r->artifact_count, sizeof *out->artifacts);
  for (size_t i = 0; i < r->artifact_count; i++)
    out->artifacts[out->artifact_count++] = (struct record_artifact){
        .name = mem_dup(r->artifacts[i].name),
        .media_type = mem_dup(r->artifacts[i].media_type),
        .url = mem_dup(r->artifacts[i].url),
        .sha256 = mem_dup(r->artifacts[i].sha256),
        .bytes = r->artifacts[i].bytes,
        .expires_us = r->artifacts[i].expires_us,
    }; /* what files are is found when they are adopted */
}

static bool has_files(const struct outcome *out) {
  for (size_t i = 0; i < out->artifact_count; i++)
    if (!out->artifacts[i].url)
      return true;
  return false;
}

/* Only once the end is on disk: removing files takes the same journal of the file system, and the
 * commit that somebody waits for would wait for it. */
static void release_workdir(struct job *job) {
  struct jobs *j = job->j;
  if (job->out && job->out->workdir && j->workers)
    workers_release_workdir(j->workers, job->out->workdir);
}

/* Before the end is on disk: what the attempt left may be what fills it. */
static void make_room(struct job *job) {
  release_workdir(job);
  free(job->out->workdir);
  job->out->workdir = NULL;
}

/* Its first outcome does not hold; the next one takes over the work folder. */
static char *drop_outcome(struct job *job) {
  char *workdir = job->out->workdir;
  job->out->workdir = NULL;
  outcome_free(job->out);
  job->out = NULL;
  return workdir;
}

void end_forget(struct job *job) {
  struct jobs *j = job->j;
  release_workdir(job);
  if (job->out && job->out->artifact_count > 0) {
    const char *ids[] = {job->id};
    storage_remove_jobs(j->storage, ids, 1, NULL, NULL);
  }
  job_free(job);
}

void end_abandoned(struct job *job) {
  if (job->phase == PHASE_RUN)
    step_stop(job); /* else its outputs or its end are on their way, and it is forgotten then */
}

static void on_unadopted(void *arg, int code, const struct err *err) {
  struct job *job = arg;
  (void)code, (void)err; /* what is left goes with the job */
  if (!job_orphaned(job))
    end_cancelled(job);
}

static void on_adopted(void *arg, int code, const struct storage_kept *kept,
                       const struct err *err) {
  struct job *job = arg;
  if (job_orphaned(job))
    return;
  if (job->abandoned) {
    end_forget(job);
    return;
  }
  if (job->cancel) {
    const char *ids[] = {job->id};
    release_workdir(job);
    free(drop_outcome(job));
    storage_remove_jobs(job->j->storage, ids, 1, on_unadopted, job);
    return;
  }
  for (size_t i = 0; kept && i < job->out->artifact_count; i++) {
    struct record_artifact *a = &job->out->artifacts[i];
    if (a->url)
      continue;
    a->sha256 = mem_dup(kept->sha256);
    a->bytes = kept->bytes;
    kept++;
  }
  if (code < 0) {
    log_warn("job.adopt", "job %s: %s", job->id, err->text);
    struct step_result failed = {.class = code == ERR_LIMIT       ? STEP_LIMIT
                                          : disk_is_failure(code) ? STEP_RETRY
                                                                  : STEP_PERMANENT,
                                 .message = err->text};
    char *workdir = drop_outcome(job);
    failed.workdir = workdir;
    look_at_failure(job, &failed, code);
    free(workdir);
    return;
  }
  life_decided(job);
}

static void adopt(struct job *job, const struct step_result *r) {
  struct jobs *j = job->j;
  struct storage_output *outputs = mem_array(r->artifact_count, sizeof *outputs);
  size_t count = 0;
  for (size_t i = 0; i < r->artifact_count; i++)
    if (!r->artifacts[i].url)
      outputs[count++] = (struct storage_output){.name = r->artifacts[i].name,
                                                 .path = r->artifacts[i].path};
  life_post(job, LIFE_OUTPUTS);
  storage_adopt(j->storage, job->id, r->workdir, outputs, count, job->output_max, on_adopted, job);
  free(outputs);
}

/* The slot, memory and threads are free from here on: the next start may be written while this
 * result is. */
void end_result(struct job *job, const struct step_result *r) {
  struct jobs *j = job->j;
  struct step_result crashed = {.class = STEP_CRASHED, .message = r->message, .open = true};
  if ((r->class == STEP_AUTH || r->class == STEP_QUOTA) && remote_keeps(job, r)) {
    breakers_result(job, r);
    return;
  }
  if (r->class == STEP_LOST && job->remote && (r->open || job->go != STEP_SUBMIT)) {
    if (remote_survives(job, r)) {
      breakers_result(job, r);
      return;
    }
    r = &crashed;
  }
  struct meter *meter = meter_find(j, job->usage, job->lane);
  job->step = NULL;
  attempt_release(job);
  output_flush(job);
  metric_observe(meter->run_seconds, clock_mono_us() - job_last(job)->begun_mono);
  job_last(job)->open = job->remote && r->open;
  job_last(job)->begun = r->class != STEP_LOST; /* else it never was */
  job_last(job)->cancel = (enum attempt_cancel)r->cancel;
  if (judge_asks_disk(job, r)) {
    look_at_failure(job, r, 0);
    return;
  }
  breakers_result(job, r);
  if (r->class == STEP_OK)
    estimates_learn(job);
  if (r->class == STEP_OK && !job->cancel)
    keep_result(job, r);
  else
    judge_result(job, r);
  job->out->workdir = mem_dup(r->workdir);
  if (job->abandoned)
    end_forget(job);
  else if (has_files(job->out))
    adopt(job, r);
  else
    life_decided(job);
}

void end_judged(struct job *job, char *workdir) {
  job->out->workdir = workdir;
  if (job->abandoned)
    end_forget(job);
  else
    life_decided(job);
}

void end_cancelled(struct job *job) {
  judge_cancelled(job);
  life_decided(job);
}

void end_give_back(struct job *job, const char *detail) {
  judge_give_back(job, detail);
  life_decided(job);
}

void end_interrupted(struct job *job, const char *detail) {
  judge_interrupted(job, detail);
  life_decided(job);
}

void end_no_backend(struct job *job, const struct sched_choice *choice) {
  if (job->recovered) { /* a client's retry before the restart may have lifted the exclusions */
    job->recovered = false;
    job->attempt_base = job->attempt_count;
    life_post(job, LIFE_QUEUED);
    return;
  }
  judge_no_backend(job, choice);
  life_decided(job);
}

/* ---- onto the disk ---- */

static void on_saved(void *arg, int code, const struct store_receipt *receipt);

static void save_end(struct job *job, const struct record_attempt *attempt) {
  struct jobs *j = job->j;
  const struct outcome *out = job->out;
  char key[SHA256_HEX_SIZE];
  struct record_job r = {
      .num = job->num,
      .id = job->id,
      .state = out->state,
      .result_json = out->result_json,
      .error_json = out->error_json,
      .progress_json = out->state == JOB_COMPLETED ? progress_done(job, &j->scratch2) : NULL,
      .backend = attempt ? attempt->backend : NULL,
      .ended_us = out->ended_us,
      .cache_key = cache_key(job, key),
      .artifacts = out->artifacts,
      .artifact_count = out->artifact_count,
  };
  struct store_event_in event = {
      .type = out->state == JOB_COMPLETED ? EVENT_COMPLETED
              : out->state == JOB_FAILED  ? EVENT_FAILED
                                          : EVENT_CANCELLED,
      .data_json = event_ended(job, out, &j->scratch),
  };
  store_finish(j->store, &r, attempt, &event, on_saved, job);
}

static void save_back(struct job *job, const struct record_attempt *attempt) {
  struct jobs *j = job->j;
  struct store_event_in event = {EVENT_QUEUED, event_requeued(job, job->out, &j->scratch)};
  store_requeue(j->store, job->num, job->id, attempt, job->out->not_before_us, &event, on_saved,
                job);
}

void end_save(struct job *job) {
  const struct outcome *out = job->out;
  struct record_attempt attempt;
  struct record_month month;
  previews_drop(job);
  if (out->with_attempt) {
    cost_settle(job, out);
    attempt = job_attempt_record(job_last(job));
    attempt.month = spending_month(job->j, job_last(job), &month);
    attempt.state = out->attempt_state;
    attempt.ended_us = out->ended_us;
    attempt.error_json = out->error_json;
    attempt.fault = out->fault;
    if (attempt.ref && !*attempt.ref)
      attempt.ref = NULL; /* one may be on its way to the disk */
  }
  if (out->state == JOB_QUEUED)
    save_back(job, out->with_attempt ? &attempt : NULL);
  else
    save_end(job, out->with_attempt ? &attempt : NULL);
}

/* The attempt's end is on disk, and the job is queued there. */
static void went_back(struct job *job) {
  struct outcome *out = job->out;
  struct attempt *last = job_last(job);
  job_transition(job, TRANSITION_REQUEUED);
  release_workdir(job);
  if (out->with_attempt) {
    cost_count(job, out);
    last->state = out->attempt_state;
    last->ended_us = out->ended_us;
    last->fault = out->fault;
    last->error_json = out->error_json;
    out->error_json = NULL;
  }
  job->not_before_us = out->not_before_us;
  job->sched.due_us = out->due_mono;
  job->out = NULL;
  job->give_back = false;
  outcome_free(out);
  output_drop(job);
  job_set_state(job, JOB_QUEUED);
  life_post(job, LIFE_QUEUED);
}

static void not_saved(struct job *job, int code, const char *text) {
  struct jobs *j = job->j;
  bool theirs = code == ERR_CONFLICT || code == ERR_NOT_FOUND;
  if (!theirs && !disk_is_failure(code) && job->out->state == JOB_COMPLETED) {
    log_error("job.save", "the result of job %s cannot be stored: %s", job->id, text);
    char *workdir = drop_outcome(job);
    judge_unsaved(job, text);
    job->out->workdir = workdir;
    life_decided(job);
    return;
  }
  if (theirs) { /* the store knows better; nothing is left to say */
    log_error("job.save", "the end of job %s was refused: %s", job->id, text);
    end_gone(job, job->out->state);
    return;
  }
  answer_waiters(job, code, JOB_QUEUED);
  make_room(job);
  list_push_back(&j->unsaved, &job->link);
  disk_later(j);
}

static void on_saved(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  if (job_orphaned(job))
    return;
  if (job->abandoned) {
    end_forget(job);
    return;
  }
  if (code < 0) {
    not_saved(job, code, receipt && receipt->text ? receipt->text : err_slug(code));
    return;
  }
  job->j->retry_ms = 0;
  if (job->out->with_attempt)
    spending_settled(job, receipt);
  if (job->out->state == JOB_QUEUED) {
    went_back(job);
    return;
  }
  job_transition_end(job);
  if (job->out->with_attempt)
    cost_count(job, job->out);
  if (job->j->ended)
    job->j->ended(job->j->ended_ctx, job_view_ended(job));
  end_gone(job, job->out->state);
}

void end_gone(struct job *job, enum job_state state) {
  struct jobs *j = job->j;
  struct attempt *last = job_last(job);
  struct meter *meter =
      meter_find(j, job->out && job->out->with_attempt ? (struct backend_usage *)last->usage : NULL,
                 job->lane);
  if (job_state_is_final(state)) /* else the store refused to queue it again */
    metric_add(meter->finished[state], 1);
  release_workdir(job);
  answer_waiters(job, 0, state);
  job_free(job);
}
