/* SPDX-License-Identifier: MIT
 *
 * The outcome of an attempt.  It follows from the class of the result and the job's earlier
 * attempts, and is only computed here; end.c writes it to the disk.
 */
#include "jobs/judge.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/breakers.h"
#include "jobs/decision.h"
#include "jobs/disk_retry.h"
#include "jobs/estimates.h"
#include "jobs/record.h"
#include "jobs/remote.h"
#include "jobs/waiting.h"

#include <stdlib.h>
#include <string.h>

enum next_step { DONE, FAIL, STOP, RETRY, NEXT, BACK };

struct verdict {
  enum next_step next;
  enum attempt_fault fault;          /* where it may be tried again */
  const char *slug, *title, *detail; /* detail: when the result says nothing */
};

/* The classes of results, and what follows. RETRY: anywhere, after a pause. NEXT: on another
 * backend only. BACK: the attempt does not count. */
static const struct verdict verdicts[] = {
    [STEP_OK] = {DONE, ATTEMPT_NO_FAULT, NULL, NULL, NULL},
    [STEP_BAD_INPUT] = {FAIL, ATTEMPT_NO_FAULT, "job-bad-input", "The input cannot be processed",
                        "the input is not acceptable"},
    [STEP_CANCELLED] = {STOP, ATTEMPT_NO_FAULT, "job-cancelled", "The job was cancelled",
                        "the job was cancelled"},
    [STEP_RETRY] = {RETRY, ATTEMPT_NO_FAULT, "job-failed", "The job failed",
                    "the backend asked to try again later"},
    [STEP_PERMANENT] = {NEXT, ATTEMPT_NO_FAULT, "job-failed", "The job failed",
                        "the backend gave no reason"},
    [STEP_AUTH] = {BACK, ATTEMPT_NO_FAULT, /* the backend is paused */
                   "job-auth", "The backend refused the credential",
                   "check the credentials of the backend"},
    [STEP_CRASHED] = {RETRY, ATTEMPT_CRASHED, "job-crashed", "The worker process crashed",
                      "the worker process ended unexpectedly"},
    [STEP_TIMEOUT] = {NEXT, ATTEMPT_NO_FAULT, "job-timeout", "The job ran out of time",
                      "the attempt took longer than allowed"},
    [STEP_LIMIT] = {NEXT, ATTEMPT_NO_FAULT, "job-limit", "The job ran into a resource limit",
                    "the attempt needed more than allowed"},
    [STEP_LOST] = {BACK, ATTEMPT_INTERRUPTED, "job-interrupted", "The attempt was interrupted",
                   "the worker process ended before the attempt began"},
    [STEP_QUOTA] = {BACK, ATTEMPT_NO_FAULT, "job-quota", "The quota of the backend is used up",
                    "raise the quota or the credit of the backend"},
};
static const struct verdict rate_limited = {RETRY, ATTEMPT_NO_FAULT, "job-rate-limited",
                                            "The backend limits the rate",
                                            "the backend asks for fewer requests"};
static const struct verdict disk_failed = {BACK, ATTEMPT_INTERRUPTED, "job-interrupted",
                                           "The attempt was interrupted",
                                           "the disk of the server failed"};
static const struct verdict input_lost = {FAIL, ATTEMPT_NO_FAULT, "job-input-lost",
                                          "An input of the job is gone", "an input is gone"};
static const struct verdict no_backend = {FAIL, ATTEMPT_NO_FAULT, "no-backend",
                                          "No backend can do this job",
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

struct outcome *judge_outcome(struct job *job, enum job_state state) {
  struct outcome *out = mem_alloc(sizeof *out);
  struct attempt *last = job_last(job);
  out->state = state;
  out->attempt_state = state;
  out->with_attempt = job->state == JOB_RUNNING && last;
  out->ended_us = clock_wall_us();
  job->out = out;
  return out;
}

static enum attempt_fault fault_of(const struct verdict *v, bool retryable) {
  return retryable ? v->fault : ATTEMPT_REFUSED;
}

static void fail(struct job *job, enum job_state state, const struct verdict *v, const char *detail,
                 bool retryable) {
  struct outcome *out = judge_outcome(job, state);
  struct attempt *last = out->with_attempt ? job_last(job) : NULL;
  struct buf text = {0};
  if (last && last->open) {
    buf_printf(&text, "%s. Backend %s may still have it under the %s %s",
               detail && detail[0] ? detail : v->detail, last->usage->name,
               last->ref[0] ? "reference" : "key", last->ref[0] ? last->ref : remote_key(job));
    detail = text.data;
  }
  out->fault = fault_of(v, retryable);
  out->error_json = problem(v, detail, last ? last->usage->name : NULL, retryable,
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
    n += job->attempts[i].state == JOB_FAILED && job->attempts[i].fault == ATTEMPT_CRASHED;
  return n;
}

int judge_attempts(const struct jobs *j, const char *name, const struct kind *kind) {
  const struct route_options *route = routing_route(j->routing, name);
  int n = route ? route->attempts : 0;
  if (n <= 0 && kind)
    n = kind_attempts(kind);
  if (n <= 0)
    n = j->o.attempts;
  return n > 0 ? n : 1;
}

static int attempts_allowed(const struct job *job) {
  return judge_attempts(job->j, job->lane->kind_name, job->lane->kind);
}

/* One attempt and no fallback: nothing is submitted a second time, whoever ended the first one. */
static bool is_once(const struct job *job) {
  const struct route_options *route = routing_route(job->j->routing, job->lane->kind_name);
  return route && route->no_fallback && attempts_allowed(job) == 1;
}

static void interrupt(struct job *job, const struct verdict *v, const char *detail,
                      int64_t delay_ms) {
  struct buf text = {0};
  if (!is_once(job)) {
    again(job, v, detail, true, false, delay_ms);
    return;
  }
  buf_printf(
      &text,
      "%s; it is not made again, because [route %s] says fallback = no and it has one attempt",
      detail, job->lane->kind_name);
  fail(job, JOB_FAILED, v, text.data, true);
  buf_free(&text);
}

/* Exponential with full jitter, so that many that failed together do not come back together. */
static int64_t back_off(struct job *job, int tries, int64_t at_least_ms) {
  const struct jobs_options *o = &job->j->o;
  int64_t first = o->backoff_base_ms > 0 ? o->backoff_base_ms : 1;
  int64_t delay = random_up_to(random_next(&job->j->random),
                               backoff_delay(tries, first, o->backoff_max_ms));
  return delay > at_least_ms ? delay : at_least_ms;
}

/* The service limits the rate: that says nothing of the job, and the backend begins no other one
 * meanwhile. */
static void wait_for_rate(struct job *job, const char *detail, int64_t retry_after_ms) {
  struct attempt *last = job_last(job);
  last->state = JOB_FAILED; /* where it is not to go at once */
  int64_t delay = waiting_is_ready_elsewhere(job) ? 0 : retry_after_ms;
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
  last->fault = fault_of(v, retryable);
  int tries = failures(job);
  if (tries < attempts_allowed(job) && crashes(job) >= CRASHES_MAX) {
    fail_crashed(job, v, detail);
    return;
  }
  if (tries >= attempts_allowed(job) || !waiting_has_hope(job)) {
    fail(job, JOB_FAILED, v, detail, retryable);
    return;
  }
  int64_t delay = waiting_is_ready_elsewhere(job) ? 0 : back_off(job, tries, retry_after_ms);
  again(job, v, detail, retryable, true, delay);
}

/* Workers keep folders in work/ for life: those of an earlier work/ have to go. */
static void renew_workers(struct jobs *j) {
  int64_t made_us = storage_work_made_us(j->storage);
  if (made_us > j->work_made_us) {
    j->work_made_us = made_us;
    j->renewed_us = clock_mono_us();
    if (j->workers)
      workers_renew(j->workers);
  }
}

static void on_looked(struct jobs *j, int code) {
  (void)code; /* what was found is in the log */
  renew_workers(j);
}

void judge_look(struct jobs *j) {
  disk_look(j, on_looked);
}

/* Its work folder went with all of work/, or a worker had it that knew the old one alone. */
static bool lost_work(const struct job *job) {
  struct jobs *j = job->j;
  renew_workers(j);
  return j->renewed_us > 0 && job_last(job)->begun_mono <= j->renewed_us;
}

static bool spoilt(struct job *job, int code, const struct disk_seen *seen) {
  bool failing = (code == ERR_NO_SPACE || code == ERR_IO) && ++job->lost < LOST_MAX;
  bool ours = seen->folder < 0;
  ours |= lost_work(job);
  if (!failing && !ours)
    return false;
  interrupt(job, &disk_failed, seen->text, DISK_PAUSE_MS);
  disk_pause(job->j);
  return true;
}

/* An input that nobody has any more: no attempt will do better. */
static void fail_unfed(struct job *job, const struct record_input *missing) {
  char *text = mem_printf("the input '%.200s' (sha256:%s) is no longer on the disk of the server; "
                          "send the job again with its file",
                          missing->name, missing->sha256);
  fail(job, JOB_FAILED, &input_lost, text, false);
  free(text);
}

static bool blameless(const struct job *job, const struct step_result *r) {
  return r->class == STEP_CANCELLED || r->class == STEP_LOST || job->give_back || r->open;
}

bool judge_asks_disk(const struct job *job, const struct step_result *r) {
  return r->class != STEP_OK && !job->cancel && !blameless(job, r);
}

/* Was it not the job's own failure? */
static bool excused(struct job *job, const struct step_result *r, int code,
                    const struct disk_seen *seen) {
  if (job->cancel || blameless(job, r))
    return false;
  if (spoilt(job, code ? code : seen->input, seen))
    return true;
  if (seen->input == ERR_NOT_FOUND)
    fail_unfed(job, &job->inputs[seen->which]);
  return seen->input == ERR_NOT_FOUND;
}

void judge_seen(struct job *job, const struct step_result *r, int code,
                const struct disk_seen *seen) {
  if (excused(job, r, code, seen)) {
    breakers_neutral(job);
    return;
  }
  if (job->permit.generation) /* else it is known: its outputs could not be taken */
    breakers_result(job, r);
  estimates_failed(job, r->class);
  judge_result(job, r);
}

/* The service's own words for it, before the brace that ends the problem. */
static void add_fault(struct job *job, const struct step_result *r) {
  struct buf b = {0};
  char *json = job->out->error_json;
  if (!json || (!r->error_code && !r->request_id))
    return;
  buf_put(&b, json, strlen(json) - 1);
  if (r->error_code) {
    buf_puts(&b, ",\"code\":");
    buf_put_json_str(&b, r->error_code);
  }
  if (r->request_id) {
    buf_puts(&b, ",\"request_id\":");
    buf_put_json_str(&b, r->request_id);
  }
  buf_putc(&b, '}');
  free(json);
  job->out->error_json = buf_take(&b);
}

/* It says nothing of the job, and the backend begins no other one before that is mended. */
static bool is_of_backend(enum step_class class) {
  return class == STEP_AUTH || class == STEP_QUOTA;
}

void judge_result(struct job *job, const struct step_result *r) {
  const struct verdict *v = &verdicts[r->class];
  if (r->class == STEP_RETRY && r->code == STEP_CODE_RATE)
    v = &rate_limited;
  bool stopped = v->next == STOP || r->class == STEP_CRASHED || r->class == STEP_LOST;
  if (job->cancel)
    fail(job, JOB_CANCELLED, &verdicts[STEP_CANCELLED], NULL, true);
  else if (job->give_back && stopped)
    interrupt(job, &verdicts[STEP_LOST], "the server shut down", 0);
  else if (v == &rate_limited)
    wait_for_rate(job, r->message, r->retry_after_ms);
  else if (is_of_backend(r->class))
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
  if (v->next != BACK || is_of_backend(r->class))
    job->lost = 0;
  if (!job->cancel && v->next != STOP)
    add_fault(job, r);
}

/* ---- ends without a result ---- */

void judge_cancelled(struct job *job) {
  fail(job, JOB_CANCELLED, &verdicts[STEP_CANCELLED], NULL, true);
}

void judge_give_back(struct job *job, const char *detail) {
  again(job, &verdicts[STEP_LOST], detail, true, false, 0);
}

void judge_interrupted(struct job *job, const char *detail) {
  interrupt(job, &verdicts[STEP_LOST], detail, 0);
}

void judge_unsaved(struct job *job, const char *text) {
  fail(job, JOB_FAILED, &verdicts[STEP_PERMANENT], text, false);
}

/* The decision goes into the problem, before the brace that ends it. */
static void add_decision(struct job *job, const struct sched_choice *choice) {
  struct buf b = {0};
  char *json = job->out->error_json;
  buf_put(&b, json, strlen(json) - 1);
  buf_puts(&b, ",\"decision\":");
  decision_put(&b, choice);
  buf_putc(&b, '}');
  free(json);
  job->out->error_json = buf_take(&b);
}

static void fail_waited(struct job *job, const struct sched_choice *choice) {
  struct jobs *j = job->j;
  const char *kind = job->lane->kind_name;
  int64_t longest = sched_max_wait_us(j->sched, &job->sched);
  bool own = longest != j->o.max_wait_ms * 1000;
  struct buf why = {0}, text = {0};
  routing_blame(j->routing, kind, job->lane->pin, &why);
  decision_put_reasons(&why, choice);
  buf_printf(
      &text,
      "the job waited for a backend as long as %s%s%s max_wait allows, %lld s, and none %s: %s",
      own ? "[route " : "[limits", own ? kind : "", "]", (long long)(longest / 1000000),
      choice->considered_count ? "could take it" : "came",
      why.len > 0 ? why.data : "no configured backend does this kind");
  fail(job, JOB_FAILED, &no_backend, text.data, true);
  add_decision(job, choice);
  buf_free(&why);
  buf_free(&text);
}

/* That attempt's error says more where a backend refused the job; else the time was over. */
void judge_no_backend(struct job *job, const struct sched_choice *choice) {
  for (int i = job->attempt_count; i-- > job->attempt_base;)
    if (job->attempts[i].fault == ATTEMPT_REFUSED && job->attempts[i].error_json) {
      fail(job, JOB_FAILED, &no_backend, NULL, true);
      free(job->out->error_json);
      job->out->error_json = mem_dup(job->attempts[i].error_json);
      return;
    }
  fail_waited(job, choice);
}
