/* SPDX-License-Identifier: MIT
 *
 * POST /api/jobs/{kind}
 *
 *   parsed --> named blobs found --> checked --> inline inputs stored --> jobs_submit --> on disk: 202
 *      |                               |                |                      |
 *      +-- 4xx                         +-- 4xx          +-- 4xx, 503           +-- 409, 422, 503
 *
 * A large body is parsed beside the loop (offload.h).
 * A client that goes away before jobs_submit leaves nothing; after it the job runs.
 */
#include "api/offload.h"
#include "api/render.h"
#include "api/submission.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse_it(struct submission *s) {
  const struct refusal *no = &s->no;
  if (s->call.r)
    http_problem_listed(s->call.r, no->slug ? no->slug : "bad-request", no->err.text, no->errors);
  submission_free(s, true);
}

static void reply_accepted(struct submission *s, const struct jobs_answer *answer) {
  struct http_request *r = s->call.r;
  struct buf b = {0};
  char text[80];
  api_add_location(r, "jobs", answer->job_id);
  if (answer->replayed)
    http_add_header(r, "Idempotency-Replayed", "true");
  if (s->wait_s > 0) {
    snprintf(text, sizeof text, "wait=%d", s->wait_s);
    http_add_header(r, "Preference-Applied", text);
    if (answer->job) {
      api_reply_job(r, 200, answer->job);
      return;
    }
    wait_for_job(s->call.api, r, answer->job_id, !answer->replayed, s->wait_s, 202);
    return;
  }
  buf_reserve(&b, 224);
  buf_puts(&b, "{\"job_id\":\"");
  buf_puts(&b, answer->job_id);
  buf_puts(&b, "\",\"status\":\"");
  buf_puts(&b, job_state_word(answer->state));
  static const char *const links[] = {"\",\"url\":\"", "\",\"events\":\""};
  for (size_t i = 0; i < 2; i++) {
    buf_puts(&b, links[i]);
    buf_puts(&b, http_base(r));
    buf_puts(&b, "/api/jobs/");
    buf_puts(&b, answer->job_id);
  }
  buf_puts(&b, answer->job ? "/events\",\"cached\":true}" : "/events\"}");
  api_reply_json(r, 202, &b);
}

static void on_answered(void *arg, int code, const struct jobs_answer *answer) {
  struct submission *s = arg;
  if (s->call.r && code < 0)
    api_refuse(s->call.r, code, answer);
  else if (s->call.r)
    reply_accepted(s, answer);
  submission_free(s, code < 0);
}

static void submit(struct submission *s) {
  struct record_input inputs[INPUTS_MAX];
  for (size_t i = 0; i < s->inputs.count; i++) {
    struct input *x = &s->inputs.list[i];
    inputs[i] = input_record(x);
  }
  if (s->idem_key)
    submission_fingerprint(s);
  jobs_submit(s->call.api->at.jobs,
              &(struct jobs_request){
                  .kind = s->kind,
                  .client = s->client ? s->client : "",
                  .peer = http_peer(s->call.r),
                  .trace = api_trace(s->call.r),
                  .via = s->via,
                  .pin = s->backend,
                  .priority = s->priority,
                  .timeout_ms = s->timeout_ms,
                  .params_json = s->params.data,
                  .inputs = inputs,
                  .input_count = s->inputs.count,
                  .anew = s->anew,
                  .idem_key = s->idem_key,
                  .fingerprint = s->idem_key ? s->fingerprint : NULL,
              },
              on_answered, s);
}

static void on_inputs_stored(void *arg, int code, const struct err *err) {
  struct submission *s = arg;
  if (code == 0 && s->call.r) {
    submit(s);
    return;
  }
  if (s->call.r)
    api_refuse(s->call.r, code, &(struct jobs_answer){.text = err ? err->text : NULL});
  submission_free(s, true);
}

static void on_found(void *arg) {
  struct submission *s = arg;
  if (s->call.r)
    submission_finish(s);
  if (s->rc < 0 || !s->call.r) {
    refuse_it(s);
    return;
  }
  s->storing =
      (struct storing){.call = &s->call, .inputs = &s->inputs, .done = on_inputs_stored, .arg = s};
  storing_start(&s->storing);
}

static void on_digested(void *arg) {
  struct submission *s = arg;
  if (s->rc < 0 || !s->call.r) {
    refuse_it(s);
    return;
  }
  s->finding = (struct finding){
      .call = &s->call, .lists = &s->inputs, .count = 1, .done = on_found, .arg = s};
  finding_start(&s->finding);
}

/* ---- the handler ---- */

void api_unknown_kind(struct api *a, struct http_request *r, const char *word) {
  const char *near = kinds_nearest(a->at.kinds, word);
  http_problem(r, 0, "unknown-kind", 0, "There is no kind '%.60s'%s%s%s GET /api/kinds lists all.",
               word, near ? "; did you mean '" : ".", near ? near : "", near ? "'?" : "");
}

void jobs_submit_post(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *word = http_param(r, "kind");
  const struct kind *kind = kinds_find(a->at.kinds, word);
  if (!kind) {
    api_unknown_kind(a, r, word);
    return;
  }
  if (a->draining) {
    http_problem(r, 0, "draining", 10,
                 "The server is shutting down; send the request again later.");
    return;
  }
  struct submission *s = mem_alloc(sizeof *s);
  s->kind = kind;
  call_init(&s->call, a, r);
  submission_begin(s);
  if (s->rc < 0)
    refuse_it(s);
  else
    offload(&s->call, http_content_size(s->content), submission_digest, on_digested, s);
}
