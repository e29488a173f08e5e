/* SPDX-License-Identifier: MIT
 *
 * One line of the log for each step in a job's life, so that one word, the id, finds all of them:
 *
 *   job.accepted  job.started  job.requeued  job.completed | job.failed | job.cancelled
 *
 * Each has the job, its kind and client, the address that sent it, its traceparent, the backend and
 * the attempt, and what went wrong.  What clients ask of a job later is a line of the API.
 */
#include "jobs/job_log.h"

#include "jobs/record.h"
#include "observe/log.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const events[] = {
    [TRANSITION_ACCEPTED] = "job.accepted", [TRANSITION_STARTED] = "job.started",
    [TRANSITION_REQUEUED] = "job.requeued", [TRANSITION_COMPLETED] = "job.completed",
    [TRANSITION_FAILED] = "job.failed",     [TRANSITION_CANCELLED] = "job.cancelled",
};
static const char *const sentences[] = {
    [TRANSITION_ACCEPTED] = "the job was accepted",
    [TRANSITION_STARTED] = "an attempt has begun",
    [TRANSITION_REQUEUED] = "the job is queued again",
    [TRANSITION_COMPLETED] = "the job has ended well",
    [TRANSITION_FAILED] = "the job has failed",
    [TRANSITION_CANCELLED] = "the job was cancelled",
};

/* "a full, b taken"; NULL: there was no choice. */
static char *considered_text(const json_t *decision) {
  struct buf b = {0};
  const json_t *list = json_object_get(decision, "considered");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *c = json_array_get(list, i);
    const char *reason = json_string_value(json_object_get(c, "reason"));
    bool taken = json_is_true(json_object_get(c, "taken"));
    buf_printf(&b, "%s%s %s", i ? ", " : "", json_string_value(json_object_get(c, "backend")),
               taken    ? "taken"
               : reason ? reason
                        : "admitted");
  }
  return buf_take(&b);
}

void job_transition(const struct job *job, enum transition what) {
  if (!log_wants(LOG_INFO))
    return;
  const struct attempt *last = job_last(job);
  const struct outcome *out = job->out;
  bool tried = last && what != TRANSITION_ACCEPTED;
  bool over = what >= TRANSITION_REQUEUED; /* the end of an early one may be known before */
  json_t *error = over && out && out->error_json ? json_loads(out->error_json, 0, NULL) : NULL;
  bool chosen = what == TRANSITION_STARTED && last->decision_json;
  json_t *decision = chosen ? json_loads(last->decision_json, 0, NULL) : NULL;
  char *considered = considered_text(decision);
  const struct log_field fields[] = {
      {.key = "job", .text = job->id},
      {.key = "kind", .text = job->lane->kind_name},
      {.key = "client", .text = job->client->name},
      {.key = "peer", .text = job->peer},
      {.key = "traceparent", .text = job->trace},
      {.key = "batch", .text = job->batch ? job->batch->id : NULL},
      {.key = "backend", .text = tried ? last->usage->name : NULL},
      {.key = "attempt", .number = tried ? last->number : 0},
      {.key = "policy", .text = json_string_value(json_object_get(decision, "policy"))},
      {.key = "considered", .text = decision ? considered : NULL},
      {.key = "cached_from", .text = out ? out->source : NULL},
      {.key = "problem", .text = json_string_value(json_object_get(error, "type"))},
      {.key = "code", .text = json_string_value(json_object_get(error, "code"))},
      {.key = "request_id", .text = json_string_value(json_object_get(error, "request_id"))},
      {.key = "reason", .text = json_string_value(json_object_get(error, "detail"))},
  };
  log_fields(LOG_INFO, events[what], fields, sizeof fields / sizeof *fields, sentences[what]);
  json_decref(error);
  json_decref(decision);
  free(considered);
}

void job_transition_end(const struct job *job) {
  job_transition(job, job->out->state == JOB_COMPLETED ? TRANSITION_COMPLETED
                      : job->out->state == JOB_FAILED  ? TRANSITION_FAILED
                                                       : TRANSITION_CANCELLED);
}
