/* SPDX-License-Identifier: MIT
 *
 * What becomes of a job when its attempt ends.
 *
 *   result --verdict--> outcome --(adopt outputs)--> commit --> gone | queued again
 *                                                      |  ^
 *                                          disk failed +--+ 100 ms .. 5 s later
 *
 * An outcome stays in memory until it is on disk.  Should the daemon die before that, the job runs
 * again: work may happen twice, its completion is recorded once.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

enum next_step { DONE, FAIL, STOP, RETRY, NEXT, BACK };

struct verdict {
  enum next_step next;
  const char *slug, *title, *detail; /* detail: when the result says nothing */
};

/* The classes of results, and what follows. RETRY: anywhere, after a pause. NEXT: on another
 * backend only. BACK: the attempt does not count. */
static const struct verdict verdicts[] = {
    [STEP_OK] = {DONE, NULL, NULL, NULL},
    [STEP_BAD_INPUT] = {FAIL, "job-bad-input", "The input cannot be processed",
                        "the input is not acceptable"},
    [STEP_CANCELLED] = {STOP, "job-cancelled", "The job was cancelled", "the job was cancelled"},
    [STEP_RETRY] = {RETRY, "job-failed", "The job failed", "the backend asked to try again later"},
    [STEP_PERMANENT] = {NEXT, "job-failed", "The job failed", "the backend gave no reason"},
    [STEP_AUTH] = {NEXT, /* of run(); of a remote step the backend pauses, and the job waits */
                   "job-auth", "The backend refused the credential",
                   "check the credentials of the backend"},
    [STEP_CRASHED] = {RETRY, "job-crashed", "The worker process crashed",
                      "the worker process ended unexpectedly"},
    [STEP_TIMEOUT] = {NEXT, "job-timeout", "The job ran out of time",
                      "the attempt took longer than allowed"},
    [STEP_LIMIT] = {NEXT, "job-limit", "The job ran into a resource limit",
                    "the attempt needed more than allowed"},
    [STEP_LOST] = {BACK, "job-interrupted", "The attempt was interrupted",
                   "the worker process ended before the attempt began"},
};
static const struct verdict rate_limited = {RETRY, "job-rate-limited",
                                            "The backend limits the rate",
                                            "the backend asks for fewer requests"};
static const struct verdict disk_failed = {BACK, "job-interrupted", "The attempt was interrupted",
                                           "the disk of the server failed"};
static const struct verdict input_lost = {FAIL, "job-input-lost", "An input of the job is gone",
                                          "an input is gone"};
static const struct verdict no_backend = {FAIL, "no-backend", "No backend can do this job",
                                          "no configured backend can do this job"};

enum {
  DISK_PAUSE_MS = 1000, /* at least, before an attempt that our disk spoiled is made again */
  LOST_PAUSE = 10,      /* steps lost in a row before the next one waits */
  LOST_MAX = 100,       /* and before it counts as a crash */
  CRASHES_MAX = 2, /* workers that a job may end, whatever its attempts: the others need them */
};

/* ---- outcomes ---- */

static char *problem(const struct verdict *v, const char *detail, const char *backend,
                     bool retryable, bool open) {
  struct buf b = {0};
  buf_puts(&b, "{\"type\":\"/problems/");
  buf_puts(&b, v->slug);
  buf_puts(&b, "\",\"title\":");
  buf_put_json_str(&b, v->title);
  buf_puts(&b, ",\"detail\":");
  buf_put_json_str(&b, detail && detail[0] ? detail : v->detail);
  buf_puts(&b, retryable ? ",\"retryable\":true" : ",\"retryable\":false");
  if (backend) {
    buf_puts(&b, ",\"backend\":");
    buf_put_json_str(&b, backend);
  }
  if (open)
    buf_puts(&b, ",\"submission\":\"unknown\"");
  buf_putc(&b, '}');
  return buf_take(&b);
}

static struct outcome *conclude(struct job *job, enum job_state state) {
  struct outcome *out = mem_alloc(sizeof *out);
  struct attempt *last = job_last(job);
  out->state = state;
  out->attempt_state = state;
  out->with_attempt = job->state == JOB_RUNNING && last;
  out->ended_us = clock_wall_us();
  job->out = out;
  return out;
}

static void fail(struct job *job, enum job_state state, const struct verdict *v, const char *detail,
                 bool retryable) {
  struct outcome *out = conclude(job, state);
  struct attempt *last = out->with_attempt ? job_last(job) : NULL;
  struct buf text = {0};
  if (last && last->open) {
    buf_printf(&text, "%s. Backend %s may still have it under the %s %s",
               detail && detail[0] ? detail : v->detail, last->place->name,
               last->ref[0] ? "reference" : "key", last->ref[0] ? last->ref : remote_key(job));
    detail = text.data;
  }
  out->error_json = problem(v, detail, last ? last->place->name : NULL, retryable,
                            last && last->open);
  buf_free(&text);
}

/* Queued again; `counts`: the attempt is one of those that the limit is about. */
static void again(struct job *job, const struct verdict *v, const char *detail, bool retryable,
                  bool counts, int64_t delay_ms) {
  fail(job, JOB_QUEUED, v, detail, retryable);
  job->out->attempt_state = counts ? JOB_FAILED : JOB_QUEUED;
  job->out->not_before_us = delay_ms > 0 ? job->out->ended_us + delay_ms * 1000 : 0;
  job->out->due_mono = delay_ms > 0 ? clock_mono_us() + delay_ms * 1000 : 0;
}

static int failures(const struct job *job) {
  int n = 0;
  for (int i = job->attempt_base; i < job->attempt_count; i++)
    n += job->attempts[i].state == JOB_FAILED;
  return n;
}

static int crashes(const struct job *job) {
  int n = 0;
  for (int i = job->attempt_base; i < job->attempt_count; i++)
    n += job->attempts[i].state == JOB_FAILED && job->attempts[i].crashed;
  return n;
}

static int attempts_allowed(const struct job *job) {
  const struct route_options *route = routing_route(job->j->routing, job->lane->kind_name);
  int n = route ? route->attempts : 0;
  if (n <= 0 && job->lane->kind)
    n = kind_attempts(job->lane->kind);
  if (n <= 0)
    n = job->j->o.attempts;
  return n > 0 ? n : 1;
}

/* Exponential with full jitter, so that many that failed together do not come back together. */
static int64_t back_off(struct job *job, int tries, int64_t at_least_ms) {
  const struct jobs_options *o = &job->j->o;
  int64_t ceiling = o->backoff_base_ms > 0 ? o->backoff_base_ms : 1;
  for (int i = 1; i < tries && ceiling < o->backoff_max_ms; i++)
    ceiling *= 2;
  if (ceiling > o->backoff_max_ms)
    ceiling = o->backoff_max_ms;
  int64_t delay = jobs_random(job->j, ceiling + 1);
  return delay > at_least_ms ? delay : at_least_ms;
}

/* The service limits the rate: that says nothing of the job, and the backend begins no other one
 * meanwhile. */
static void wait_for_rate(struct job *job, const char *detail, int64_t retry_after_ms) {
  struct attempt *last = job_last(job);
  last->state = JOB_FAILED; /* where it is not to go at once */
  int64_t delay = budget_elsewhere(job) ? 0 : retry_after_ms;
  again(job, &rate_limited, detail, true, false, delay);
}

/* Tried no more, though attempts are left. */
static void fail_crashed(struct job *job, const struct verdict *v, const char *detail) {
  struct buf text = {0};
  buf_printf(&text, "%s; it has ended %d worker processes, so no other one is tried",
             detail && detail[0] ? detail : v->detail, crashes(job));
  fail(job, JOB_FAILED, v, text.data, true);
  buf_free(&text);
}

/* A failure that another try may mend: on another backend at once, on the same one after a pause.
 */
static void retry_or_fail(struct job *job, const struct verdict *v, const char *detail,
                          int64_t retry_after_ms) {
  struct attempt *last = job_last(job);
  bool retryable = v->next == RETRY;
  last->state = JOB_FAILED;
  last->never = !retryable;
  last->crashed = v == &verdicts[STEP_CRASHED];
  int tries = failures(job);
  if (tries < attempts_allowed(job) && crashes(job) >= CRASHES_MAX) {
    fail_crashed(job, v, detail);
    return;
  }
  if (tries >= attempts_allowed(job) || !budget_hope(job)) {
    fail(job, JOB_FAILED, v, detail, retryable);
    return;
  }
  int64_t delay = budget_elsewhere(job) ? 0 : back_off(job, tries, retry_after_ms);
  again(job, v, detail, retryable, true, delay);
}

/* Its work folder went with all of work/, or a worker had it that knew the old one alone. */
static bool lost_work(struct job *job) {
  struct jobs *j = job->j;
  int64_t made_us = storage_work_made_us(j->storage);
  if (made_us > j->work_made_us) {
    j->work_made_us = made_us;
    j->renewed_us = clock_wall_us();
    if (j->workers)
      workers_renew(j->workers);
  }
  return job_last(job)->started_us <= j->renewed_us;
}

/* The folders of the server went while the attempt ran, or are not as they should be: it is made
 * again and not counted, once they are.  `code`: of a failure of the disk, 0 for none; that may be
 * the job's own doing (a full disk), so it is not excused for ever. */
static bool spoil(struct job *job, int code) {
  struct jobs *j = job->j;
  struct err err = {0};
  bool failing = (code == ERR_NO_SPACE || code == ERR_IO) && ++job->lost < LOST_MAX;
  bool ours = storage_check(j->storage, &err) < 0;
  ours |= lost_work(job);
  if (!failing && !ours)
    return false;
  again(job, &disk_failed, err.code ? err.text : NULL, true, false, DISK_PAUSE_MS);
  run_pause(j);
  return true;
}

/* The first input that is not there for sure: its code, else 0. */
static int look_at_inputs(const struct job *job, const struct record_input **missing) {
  int64_t bytes;
  for (int i = 0; i < job->input_count; i++) {
    *missing = &job->inputs[i];
    int code = storage_blob_size(job->j->storage, (*missing)->sha256, &bytes);
    if (code < 0)
      return code;
  }
  return 0;
}

/* An input that nobody has any more: no attempt will do better. */
static void fail_unfed(struct job *job, const struct record_input *missing) {
  char *text = mem_printf("the input '%.200s' (sha256:%s) is no longer on the disk of the server; "
                          "send the job again with its file",
                          missing->name, missing->sha256);
  fail(job, JOB_FAILED, &input_lost, text, false);
  free(text);
}

bool end_unfed(struct job *job) {
  const struct record_input *missing;
  int code = look_at_inputs(job, &missing);
  if (code == 0 || (code != ERR_NOT_FOUND && !spoil(job, code)))
    return false;
  budget_release(job);
  if (code == ERR_NOT_FOUND)
    fail_unfed(job, missing);
  end_save(job);
  return true;
}

/* Was it not the job's own failure? */
static bool excused(struct job *job, const struct step_result *r) {
  bool blameless = r->class == STEP_CANCELLED || r->class == STEP_LOST || job->give_back;
  const struct record_input *missing;
  if (blameless || r->open)
    return false;
  if (spoil(job, 0))
    return true;
  bool unfed = look_at_inputs(job, &missing) == ERR_NOT_FOUND;
  if (unfed)
    fail_unfed(job, missing);
  return unfed;
}

static void judge(struct job *job, const struct step_result *r) {
  const struct verdict *v = &verdicts[r->class];
  if (!job->cancel && excused(job, r))
    return;
  if (r->class == STEP_RETRY && r->code == STEP_CODE_RATE)
    v = &rate_limited;
  bool stopped = v->next == STOP || r->class == STEP_CRASHED || r->class == STEP_LOST;
  if (job->cancel)
    fail(job, JOB_CANCELLED, &verdicts[STEP_CANCELLED], NULL, true);
  else if (job->give_back && stopped)
    again(job, &verdicts[STEP_LOST], "the server shut down", true, false, 0);
  else if (v == &rate_limited)
    wait_for_rate(job, r->message, r->retry_after_ms);
  else if (r->class == STEP_AUTH && job->remote) /* nothing was begun; the backend is paused */
    again(job, v, r->message, true, false, 0);
  else if (r->open && v->next == NEXT) /* another backend would do it a second time */
    fail(job, JOB_FAILED, v, r->message, true);
  else if (v->next == FAIL || v->next == STOP)
    fail(job, v->next == STOP ? JOB_CANCELLED : JOB_FAILED, v, r->message, v->next == STOP);
  else if (v->next == BACK && ++job->lost < LOST_MAX)
    again(job, v, r->message, true, false, job->lost > LOST_PAUSE ? 1000 : 0);
  else
    retry_or_fail(job, v->next == BACK ? &verdicts[STEP_CRASHED] : v, r->message,
                  r->retry_after_ms);
  if (v->next != BACK)
    job->lost = 0;
}

/* ---- outputs ---- */

static void keep_result(struct job *job, const struct step_result *r) {
  struct outcome *out = conclude(job, JOB_COMPLETED);
  out->result_json = mem_dup(r->result_json);
  if (r->artifact_count == 0)
    return;
  out->artifacts = mem_array(r->artifact_count, sizeof *out->artifacts);
  for (size_t i = 0; i < r->artifact_count; i++)
    out->artifacts[out->artifact_count++] = (struct record_artifact){
        .name = mem_dup(r->artifacts[i].name),
        .media_type = mem_dup(r->artifacts[i].media_type),
    }; /* what they are is found when they are adopted */
}

/* Only once the end is on disk: removing files takes the same journal of the file system, and the
 * commit that somebody waits for would wait for it. */
static void release_workdir(struct job *job) {
  struct jobs *j = job->j;
  if (job->out && job->out->workdir && j->workers)
    workers_release_workdir(j->workers, job->out->workdir);
}

/* Its first outcome does not hold; the next one takes over the work folder. */
static char *drop_outcome(struct job *job) {
  char *workdir = job->out->workdir;
  job->out->workdir = NULL;
  outcome_free(job->out);
  job->out = NULL;
  return workdir;
}

static void forget(struct job *job) {
  struct jobs *j = job->j;
  release_workdir(job);
  if (job->out && job->out->artifact_count > 0) {
    const char *ids[] = {job->id};
    storage_remove_jobs(j->storage, ids, 1, NULL, NULL);
  }
  job_free(job);
  jobs_check_drained(j);
}

void end_abandoned(struct job *job) {
  if (job->phase == PHASE_RUN)
    run_stop(job); /* else its outputs or its end are on their way, and it is forgotten then */
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
    forget(job);
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
    job->out->artifacts[i].sha256 = mem_dup(kept[i].sha256);
    job->out->artifacts[i].bytes = kept[i].bytes;
  }
  if (code < 0) {
    log_warn("job.adopt", "job %s: %s", job->id, err->text);
    struct step_result failed = {.class = code == ERR_LIMIT            ? STEP_LIMIT
                                          : jobs_is_disk_failure(code) ? STEP_RETRY
                                                                       : STEP_PERMANENT,
                                 .message = err->text};
    char *workdir = drop_outcome(job);
    if (!jobs_is_disk_failure(code) || !spoil(job, code))
      judge(job, &failed);
    job->out->workdir = workdir;
  }
  end_save(job);
}

static void adopt(struct job *job, const struct step_result *r) {
  struct jobs *j = job->j;
  struct storage_output *outputs = mem_array(r->artifact_count, sizeof *outputs);
  for (size_t i = 0; i < r->artifact_count; i++)
    outputs[i] = (struct storage_output){.name = r->artifacts[i].name,
                                         .path = r->artifacts[i].path};
  job_set_phase(job, PHASE_ADOPT);
  storage_adopt(j->storage, job->id, r->workdir, outputs, r->artifact_count, job->output_max,
                on_adopted, job);
  free(outputs);
}

/* The slot, memory and threads are free from here on: the next start may be written while this
 * result is. */
void end_result(struct job *job, const struct step_result *r) {
  struct jobs *j = job->j;
  struct step_result crashed = {.class = STEP_CRASHED, .message = r->message, .open = true};
  if (r->class == STEP_AUTH && remote_keeps(job, r))
    return;
  if (r->class == STEP_LOST && job->remote && (r->open || job->go != STEP_SUBMIT)) {
    if (remote_survives(job, r))
      return;
    r = &crashed;
  }
  struct meter *meter = jobs_meter(j, job->place, job->lane);
  job->step = NULL;
  budget_release(job);
  output_flush(job);
  metric_observe(meter->run_seconds, clock_mono_us() - job_last(job)->begun_mono);
  job_last(job)->open = job->remote && r->open;
  if (r->class == STEP_OK && !job->cancel)
    keep_result(job, r);
  else
    judge(job, r);
  job->out->workdir = mem_dup(r->workdir);
  if (job->abandoned)
    forget(job);
  else if (job->out->artifact_count > 0)
    adopt(job, r);
  else
    end_save(job);
}

void end_cancelled(struct job *job) {
  fail(job, JOB_CANCELLED, &verdicts[STEP_CANCELLED], NULL, true);
  end_save(job);
}

void end_give_back(struct job *job, const char *detail) {
  again(job, &verdicts[STEP_LOST], detail, true, false, 0);
  end_save(job);
}

/* That attempt's error says more where a backend refused the job; else the time was over. */
static void fail_no_backend(struct job *job) {
  struct buf why = {0}, text = {0};
  for (int i = job->attempt_count; i-- > job->attempt_base;)
    if (job->attempts[i].never && job->attempts[i].error_json) {
      fail(job, JOB_FAILED, &no_backend, NULL, true);
      free(job->out->error_json);
      job->out->error_json = mem_dup(job->attempts[i].error_json);
      return;
    }
  routing_outlook(job->j->routing, job->lane->kind_name, job->lane->pin, &why);
  buf_printf(&text,
             "the job waited for a backend as long as [limits] max_wait allows, %lld s, and none "
             "came: %s",
             (long long)(job->j->o.max_wait_ms / 1000),
             why.len > 0 ? why.data : "no configured backend does this kind");
  fail(job, JOB_FAILED, &no_backend, text.data, true);
  buf_free(&why);
  buf_free(&text);
}

void end_no_backend(struct job *job) {
  if (job->recovered) { /* a client's retry before the restart may have lifted the exclusions */
    job->recovered = false;
    job->attempt_base = job->attempt_count;
    end_rest(job);
    return;
  }
  fail_no_backend(job);
  end_save(job);
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
  job_set_phase(job, PHASE_END);
  store_finish(j->store, &r, attempt, &event, on_saved, job);
}

static void save_back(struct job *job, const struct record_attempt *attempt) {
  struct jobs *j = job->j;
  struct store_event_in event = {EVENT_QUEUED, event_requeued(job, job->out, &j->scratch)};
  job_set_phase(job, PHASE_BACK);
  store_requeue(j->store, job->num, job->id, attempt, job->out->not_before_us, &event, on_saved,
                job);
}

void end_save(struct job *job) {
  const struct outcome *out = job->out;
  struct record_attempt attempt;
  if (out->with_attempt) {
    attempt = job_attempt_record(job_last(job));
    attempt.state = out->attempt_state;
    attempt.ended_us = out->ended_us;
    attempt.error_json = out->error_json;
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
    last->state = out->attempt_state;
    last->ended_us = out->ended_us;
    last->error_json = out->error_json;
    out->error_json = NULL;
  }
  job->not_before_us = out->not_before_us;
  job->due_mono = out->due_mono;
  job->out = NULL;
  job->give_back = false;
  outcome_free(out);
  output_drop(job);
  job_set_state(job, JOB_QUEUED);
  end_rest(job);
  run_dispatch(job->j);
}

static void not_saved(struct job *job, int code, const char *text) {
  struct jobs *j = job->j;
  bool theirs = code == ERR_CONFLICT || code == ERR_NOT_FOUND;
  if (!theirs && !jobs_is_disk_failure(code) && job->out->state == JOB_COMPLETED) {
    log_error("job.save", "the result of job %s cannot be stored: %s", job->id, text);
    char *workdir = drop_outcome(job);
    fail(job, JOB_FAILED, &verdicts[STEP_PERMANENT], text, false);
    job->out->workdir = workdir;
    end_save(job);
    return;
  }
  if (theirs) { /* the store knows better; nothing is left to say */
    log_error("job.save", "the end of job %s was refused: %s", job->id, text);
    end_gone(job, job->out->state);
    return;
  }
  answer_waiters(job, code, JOB_QUEUED);
  list_push_back(&j->unsaved, &job->link);
  jobs_later(j);
}

static void on_saved(void *arg, int code, const struct store_receipt *receipt) {
  struct job *job = arg;
  if (job_orphaned(job))
    return;
  if (job->abandoned) {
    forget(job);
    return;
  }
  if (code < 0) {
    not_saved(job, code, receipt && receipt->text ? receipt->text : err_slug(code));
    return;
  }
  job->j->retry_ms = 0;
  if (job->out->state == JOB_QUEUED) {
    went_back(job);
    return;
  }
  job_transition_end(job);
  if (job->j->ended)
    job->j->ended(job->j->ended_ctx, job_view_ended(job));
  end_gone(job, job->out->state);
}

void end_gone(struct job *job, enum job_state state) {
  struct jobs *j = job->j;
  struct attempt *last = job_last(job);
  struct meter *meter = jobs_meter(
      j, job->out && job->out->with_attempt ? (struct place *)last->place : NULL, job->lane);
  metric_add(meter->finished[state], 1);
  release_workdir(job);
  answer_waiters(job, 0, state);
  job_free(job);
  jobs_check_drained(j);
}

void end_rest(struct job *job) {
  struct jobs *j = job->j;
  if (job->cancel) {
    end_cancelled(job);
    return;
  }
  queue_push(job);
  jobs_check_drained(j);
}
