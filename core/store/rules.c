/* SPDX-License-Identifier: MIT */
#include "store/rules.h"

#include "base/clock.h"

#include <string.h>

/* ---- totals ---- */

void totals_move(struct totals *t, enum job_state from, enum job_state to) {
  t->jobs[from]--;
  t->jobs[to]++;
}

void totals_add_bytes(struct totals *t, int64_t bytes) {
  int64_t sum;
  if (__builtin_add_overflow(t->bytes, bytes, &sum))
    sum = bytes < 0 ? 0 : INT64_MAX;
  t->bytes = sum > 0 ? sum : 0;
}

void totals_add_job(struct totals *t, int64_t num, enum job_state state, int64_t bytes) {
  t->jobs[state]++;
  totals_add_bytes(t, bytes);
  if (num > t->last_num)
    t->last_num = num;
}

int64_t rules_input_bytes(const struct record_job *job) {
  int64_t bytes = 0;
  for (size_t i = 0; i < job->input_count; i++)
    bytes += job->inputs[i].bytes;
  return bytes;
}

int64_t rules_artifact_bytes(const struct record_job *job) {
  int64_t bytes = 0;
  for (size_t i = 0; i < job->artifact_count; i++)
    bytes += job->artifacts[i].url == NULL ? job->artifacts[i].bytes : 0; /* not on our disk */
  return bytes;
}

/* ---- refusals ---- */

int rules_refuse_absent(const struct op *op, struct err *err) {
  return err_set(err, ERR_NOT_FOUND, "there is no job %s (number %lld)",
                 op->id != NULL ? op->id : "of that number", (long long)op->num);
}

int rules_refuse_state(const struct op *op, const struct job_row *row, const char *wish,
                       struct err *err) {
  return err_set(err, ERR_CONFLICT, "job %s is %s (attempt %d), so it cannot %s",
                 op->id != NULL ? op->id : "?", job_state_word(row->state), row->tries, wish);
}

int rules_may_finish(const struct op *op, const struct job_row *row, struct err *err) {
  bool of_another = op->attempt != NULL && row->tries != op->attempt->number;
  return job_state_is_final(row->state) || of_another ? rules_refuse_state(op, row, "end", err) : 0;
}

int rules_may_requeue(const struct op *op, const struct job_row *row, struct err *err) {
  bool fits = op->attempt == NULL ||
              (row->state == JOB_RUNNING && row->tries == op->attempt->number);
  return fits ? 0 : rules_refuse_state(op, row, "be given back", err);
}

int rules_may_spend(const struct op *op, int64_t spent, struct err *err) {
  if (money_add(spent, op->attempt->cost->counted) <= op->attempt->month->limit)
    return 0;
  return err_set(err, ERR_LIMIT,
                 "what is left of the budget of backend %s is not enough for job %s",
                 op->attempt->backend, op->id != NULL ? op->id : "?");
}

/* A client was told that nothing follows the last event. */
int rules_may_tell(const struct op *op, const struct job_row *row, struct err *err) {
  return job_state_is_final(row->state) ? rules_refuse_state(op, row, "have more events", err) : 0;
}

int rules_may_delete(const struct op *op, enum job_state state, struct err *err) {
  if (job_state_is_final(state))
    return 0;
  return err_set(err, ERR_CONFLICT, "job %s is %s; cancel it before it is removed", op->id,
                 job_state_word(state));
}

/* ---- idempotency keys ---- */

int rules_key(struct op *op, const struct key_row *row, struct err *err) {
  bool lives = row->expires_us > clock_age_us() && row->job_is_there;
  if (!lives)
    return 0;
  if (strcmp(row->fingerprint, op->key->fingerprint) != 0)
    return err_set(err, ERR_MISMATCH,
                   "the idempotency key '%.100s' was used for another request (job %s); use a new "
                   "key for a new request",
                   op->key->key, row->job_id);
  op->num = row->job_num;
  op->id = arena_dup(&op->arena, row->job_id);
  op->replayed = true;
  return 1;
}

/* ---- retention ---- */

struct retention retention_begin(const struct store_retention *r, const struct totals *t,
                                 int64_t open_bytes) {
  return (struct retention){
      .r = r,
      .finals = t->jobs[JOB_COMPLETED] + t->jobs[JOB_FAILED] + t->jobs[JOB_CANCELLED],
      .bytes = t->bytes > open_bytes ? t->bytes - open_bytes : 0,
      .events = RETENTION_EVENTS_A_CALL,
      .jobs = r->batch,
  };
}

enum retention_verdict retention_of_job(struct retention *p, enum job_state state,
                                        int64_t created_us, int64_t ended_us, int64_t bytes) {
  const struct store_retention *r = p->r;
  bool by_number = (r->jobs_max > 0 && p->finals > r->jobs_max) ||
                   (r->bytes_max > 0 && p->bytes > r->bytes_max);
  if (!by_number && created_us >= r->jobs_before_us)
    return RETENTION_END;
  if (!job_state_is_final(state) || (!by_number && ended_us >= r->jobs_before_us))
    return RETENTION_KEEP;
  if (p->jobs <= 0)
    return RETENTION_MORE;
  p->jobs--;
  p->finals--;
  p->bytes = p->bytes > bytes ? p->bytes - bytes : 0;
  return RETENTION_TAKE;
}

enum retention_verdict retention_of_events(const struct retention *p, int64_t created_us,
                                           int64_t ended_us) {
  if (created_us >= p->r->events_before_us)
    return RETENTION_END;
  return ended_us < p->r->events_before_us ? RETENTION_TAKE : RETENTION_KEEP;
}
