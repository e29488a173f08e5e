/* SPDX-License-Identifier: MIT
 *
 * A job's record as JSON.  Written by hand: lists of a thousand jobs and every answer of a submit
 * pass here.  What is already JSON in the record (params, progress, result, error) goes in as it
 * is.
 */
#include "api/render.h"

#include "api/cost.h"

#include <string.h>

static void put(struct buf *b, const char *text) {
  buf_puts(b, text);
}

static void put_json_or(struct buf *b, const char *json, const char *fallback) {
  put(b, json && *json ? json : fallback);
}

/* A given-back attempt does not end the job, but it ends the attempt: it was interrupted where
 * it was nobody's fault, and failed where the backend answered so (it limits the rate, refuses the
 * credential). */
static const char *attempt_word(const struct record_attempt *a) {
  if (a->state != JOB_QUEUED)
    return job_state_word(a->state);
  return a->fault == ATTEMPT_INTERRUPTED || !a->error_json ? "interrupted" : "failed";
}

/* Where there was one candidate nothing is kept; attempts of versions that kept none have no plugin's
 * version either. */
static void render_decision(struct buf *b, const struct record_attempt *a) {
  if (a->decision_json || !a->plugin_version) {
    put_json_or(b, a->decision_json, "null");
    return;
  }
  put(b, "{\"policy\":\"ordered\",\"considered\":[{\"backend\":");
  buf_put_json_str(b, a->backend);
  put(b, ",\"taken\":true,\"reason\":null}]}");
}

void render_attempts(struct buf *b, const struct record_job *job) {
  put(b, "[");
  for (size_t i = 0; i < job->attempt_count; i++) {
    const struct record_attempt *a = &job->attempts[i];
    put(b, i ? ",{\"backend\":" : "{\"backend\":");
    buf_put_json_str(b, a->backend);
    put(b, ",\"status\":\"");
    put(b, attempt_word(a));
    put(b, "\",\"started_at\":");
    buf_put_json_time(b, a->started_us);
    put(b, ",\"ended_at\":");
    buf_put_json_time(b, a->ended_us);
    put(b, ",\"ref\":");
    buf_put_json_str(b, a->ref && *a->ref ? a->ref : NULL);
    put(b, ",\"error\":");
    put_json_or(b, a->error_json, "null");
    put(b, ",\"facts\":");
    put_json_or(b, a->facts_json, "{}");
    put(b, ",\"cancel\":");
    buf_put_json_str(b, attempt_cancel_word(a->cancel));
    put(b, ",\"plugin_version\":");
    buf_put_json_str(b, a->plugin_version);
    put(b, ",\"decision\":");
    render_decision(b, a);
    put(b, ",\"cost\":");
    render_attempt_cost(b, a);
    put(b, "}");
  }
  put(b, "]");
}

static void render_inputs(struct buf *b, const struct record_job *job) {
  put(b, "[");
  for (size_t i = 0; i < job->input_count; i++) {
    const struct record_input *in = &job->inputs[i];
    put(b, i ? ",{\"name\":" : "{\"name\":");
    buf_put_json_str(b, in->name);
    put(b, ",\"sha256\":");
    buf_put_json_str(b, in->sha256);
    put(b, ",\"bytes\":");
    buf_put_i64(b, in->bytes);
    put(b, ",\"role\":");
    buf_put_json_str(b, in->role);
    put(b, "}");
  }
  put(b, "]");
}

static void render_artifacts(struct buf *b, const struct record_job *job, const char *base) {
  put(b, "[");
  for (size_t i = 0; i < job->artifact_count; i++) {
    const struct record_artifact *a = &job->artifacts[i];
    put(b, i ? ",{\"name\":" : "{\"name\":");
    buf_put_json_str(b, a->name);
    put(b, ",\"bytes\":");
    if (a->bytes < 0)
      put(b, "null");
    else
      buf_put_i64(b, a->bytes);
    put(b, ",\"sha256\":");
    buf_put_json_str(b, a->sha256);
    put(b, ",\"media_type\":");
    buf_put_json_str(b, a->media_type);
    put(b, ",\"url\":\"");
    put(b, base);
    put(b, "/api/jobs/");
    put(b, job->id);
    put(b, "/artifacts/");
    buf_put_segment(b, a->name);
    put(b, "\"");
    if (a->url) {
      put(b, ",\"location\":\"remote\",\"expires_at\":");
      buf_put_json_time(b, a->expires_us);
    }
    if (a->provisional)
      put(b, ",\"provisional\":true");
    put(b, "}");
  }
  put(b, "]");
}

static void render_request(struct buf *b, const struct record_job *job) {
  put(b, ",\"params\":");
  put_json_or(b, job->params_json, "{}");
  put(b, ",\"inputs\":");
  render_inputs(b, job);
  put(b, ",\"priority\":");
  buf_put_i64(b, job->priority);
  put(b, ",\"timeout_s\":");
  buf_put_i64(b, job->timeout_ms / 1000);
  if (job->timeout_ms % 1000)
    buf_printf(b, ".%03d", (int)(job->timeout_ms % 1000));
  put(b, ",\"client\":");
  buf_put_json_str(b, job->client ? job->client : "");
}

static void put_progress(struct buf *b, const struct record_job *job) {
  put_json_or(b, job->progress_json,
              job->state == JOB_COMPLETED
                  ? "{\"percent\":100.0,\"stage\":null,\"current\":0,\"total\":0}"
                  : "{\"percent\":0.0,\"stage\":null,\"current\":0,\"total\":0}");
}

static void render_times(struct buf *b, const struct record_job *job) {
  put(b, ",\"created_at\":");
  buf_put_json_time(b, job->created_us);
  put(b, ",\"started_at\":");
  buf_put_json_time(b, job->started_us);
  put(b, ",\"ended_at\":");
  buf_put_json_time(b, job->ended_us);
  put(b, ",\"retry_at\":");
  buf_put_json_time(b, job->state == JOB_QUEUED ? job->not_before_us : 0);
}

void render_job(struct buf *b, const struct record_job *job, const char *base) {
  buf_reserve(b, 1024);
  put(b, "{\"job_id\":\"");
  put(b, job->id);
  put(b, "\",\"kind\":");
  buf_put_json_str(b, job->kind);
  put(b, ",\"status\":\"");
  put(b, job_state_word(job->state));
  put(b, "\",\"backend\":");
  buf_put_json_str(b, job->backend ? job->backend : job->pin);
  put(b, ",\"attempts\":");
  render_attempts(b, job);
  put(b, ",\"progress\":");
  put_progress(b, job);
  render_request(b, job);
  put(b, ",\"artifacts\":");
  render_artifacts(b, job, base);
  put(b, ",\"result\":");
  put_json_or(b, job->result_json, "null");
  put(b, ",\"error\":");
  put_json_or(b, job->error_json, "null");
  put(b, job->cached ? ",\"cached\":true,\"cached_from\":" : ",\"cached\":false,\"cached_from\":");
  buf_put_json_str(b, job->source);
  put(b, ",\"batch_id\":");
  buf_put_json_str(b, job->batch);
  put(b, ",\"cost\":");
  render_cost(b, job);
  render_times(b, job);
  put(b, "}");
}

void render_job_brief(struct buf *b, const struct record_job *job) {
  put(b, "{\"job_id\":\"");
  put(b, job->id);
  put(b, "\",\"kind\":");
  buf_put_json_str(b, job->kind);
  put(b, ",\"status\":\"");
  put(b, job_state_word(job->state));
  put(b, "\",\"backend\":");
  buf_put_json_str(b, job->backend ? job->backend : job->pin);
  put(b, ",\"progress\":");
  put_progress(b, job);
  put(b, ",\"error\":");
  put_json_or(b, job->error_json, "null");
  render_times(b, job);
  put(b, "}");
}
