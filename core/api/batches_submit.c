/* SPDX-License-Identifier: MIT
 *
 * POST /api/batches
 *
 *   parsed --> named blobs found --> checked --> inline inputs stored --> jobs_submit_batch --> 202
 *      |                               |                |                       |
 *      +-- 4xx                         +-- 4xx          +-- 4xx, 503            +-- 409, 422, 503
 *
 * All jobs are accepted, or none.  A client that goes away before jobs_submit_batch leaves nothing.
 */
#include "api/batch_request.h"
#include "api/offload.h"
#include "base/mem.h"

#include <stdio.h>

enum { JOB_WEIGHT = 64 }; /* making one is as much work as parsing so many bytes */

static void on_answered(void *arg, int code, const struct jobs_answer *answer) {
  struct batch_request *b = arg;
  struct http_request *r = b->s.call.r;
  struct buf body = {0};
  if (r && code < 0) {
    api_refuse(r, code, answer);
  } else if (r) {
    api_add_location(r, "batches", answer->job_id);
    if (answer->replayed)
      http_add_header(r, "Idempotency-Replayed", "true");
    buf_printf(&body,
               "{\"batch_id\":\"%s\",\"total\":%zu,\"url\":\"%s/api/batches/%s\","
               "\"events\":\"%s/api/batches/%s/events\"}",
               answer->job_id, b->batch.count, http_base(r), answer->job_id, http_base(r),
               answer->job_id);
    api_reply_json(r, 202, &body);
  }
  batch_request_free(b, code < 0);
}

static void store_entry(struct batch_request *b);

static void on_entry_stored(void *arg, int code, const struct err *err) {
  struct batch_request *b = arg;
  struct http_request *r = b->s.call.r;
  if (code < 0 && r)
    api_refuse(r, code, &(struct jobs_answer){.text = err ? err->text : NULL});
  if (code < 0 || !r) {
    batch_request_free(b, true);
    return;
  }
  b->at++;
  store_entry(b);
}

static void on_jobs_made(void *arg) {
  struct batch_request *b = arg;
  if (!b->s.call.r) { /* gone before anything was accepted */
    batch_request_free(b, true);
    return;
  }
  b->batch.peer = http_peer(b->s.call.r);
  b->batch.trace = api_trace(b->s.call.r);
  b->batch.via = b->s.via;
  jobs_submit_batch(b->s.call.api->at.jobs, &b->batch, on_answered, b);
}

/* Entries whose inputs are blobs already are passed over here, so that a thousand of them do not
 * call each other a thousand deep. */
static void store_entry(struct batch_request *b) {
  for (; b->at < b->file_count; b->at++) {
    const struct inputs *in = &b->files[b->at];
    for (size_t i = 0; i < in->count; i++) {
      if (in->list[i].sha256[0])
        continue;
      b->s.storing = (struct storing){
          .call = &b->s.call, .inputs = &b->files[b->at], .done = on_entry_stored, .arg = b};
      storing_start(&b->s.storing);
      return;
    }
  }
  offload(&b->s.call, JOB_WEIGHT * b->file_count * b->set_count, batch_make_jobs, on_jobs_made, b);
}

/* ---- reading ---- */

static bool refused(struct batch_request *b) {
  const struct submission *s = &b->s;
  if (s->rc >= 0 && s->call.r)
    return false;
  if (s->call.r)
    http_problem_listed(s->call.r, s->no.slug ? s->no.slug : "bad-request", s->no.err.text,
                        s->no.errors);
  batch_request_free(b, true);
  return true;
}

static void check_files(void *arg) {
  struct batch_request *b = arg;
  if (refused(b))
    return;
  bool more = batch_check_files(b);
  if (more)
    offload_yield(&b->s.call, check_files, b);
  else if (!refused(b))
    store_entry(b);
}

static void find_files(void *arg) {
  struct batch_request *b = arg;
  if (refused(b))
    return;
  b->s.finding = (struct finding){
      .call = &b->s.call, .lists = b->files, .count = b->file_count, .done = check_files, .arg = b};
  finding_start(&b->s.finding);
}

static void on_keys(void *arg) {
  struct batch_request *b = arg;
  if (b->s.rc >= 0 && b->s.call.r)
    batch_keys_known(b);
  if (!refused(b))
    offload(&b->s.call, b->weight, batch_digest_lists, find_files, b);
}

void batches_post(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  if (a->draining) {
    http_problem(r, 0, "draining", 10,
                 "The server is shutting down; send the request again later.");
    return;
  }
  struct batch_request *b = mem_alloc(sizeof *b);
  call_init(&b->s.call, a, r);
  batch_begin(b);
  if (refused(b))
    return;
  b->weight = http_content_size(b->s.content);
  offload(&b->s.call, b->weight, batch_digest_keys, on_keys, b);
}
