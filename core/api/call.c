/* SPDX-License-Identifier: MIT
 *
 * Requests that are answered later, and the answers that many resources share.
 */
#include "api/internal.h"
#include "api/render.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void on_gone(void *arg) {
  struct call *c = arg;
  c->r = NULL;
}

void call_init(struct call *c, struct api *api, struct http_request *r) {
  *c = (struct call){.api = api, .r = r};
  http_on_abort(r, on_gone, c);
}

struct call *call_new(struct api *api, struct http_request *r) {
  struct call *c = mem_alloc(sizeof *c);
  call_init(c, api, r);
  return c;
}

/* What a code means when nobody gave a slug. */
static const struct {
  int code, retry_after_s;
  const char *slug, *text;
} refusals[] = {
    {ERR_NOT_FOUND, 0, "unknown-job", "There is no such job."},
    {ERR_CONFLICT, 0, "wrong-state", "The job's state does not allow this."},
    {ERR_BUSY, 5, "queue-full", "The queue is full; send the request again later."},
    {ERR_IO, 5, "storage-failed",
     "The disk of the server does not accept writes or cannot be read."},
    {ERR_NO_SPACE, 30, "storage-failed", "The disk of the server is full."},
    {ERR_LIMIT, 0, "too-large", "The body is larger than the server allows."},
    {ERR_INVAL, 0, "bad-request", "The request is malformed."},
    {ERR_MISMATCH, 0, "idempotency-mismatch",
     "This Idempotency-Key was used for a request with another content; use a new key."},
};

void api_refuse(struct http_request *r, int code, const struct jobs_answer *answer) {
  if (answer && answer->slug) {
    http_problem(r, 0, answer->slug, answer->retry_after_s, "%s", answer->text ? answer->text : "");
    return;
  }
  const char *id = code == ERR_NOT_FOUND && !(answer && answer->text) ? http_param(r, "id") : NULL;
  if (id) {
    api_unknown_job(r, id);
    return;
  }
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    if (refusals[i].code == code) {
      const char *text = answer && answer->text ? answer->text : refusals[i].text;
      http_problem(r, 0, refusals[i].slug, refusals[i].retry_after_s, "%s", text);
      return;
    }
  }
  http_problem(r, 0, "internal", 0, "%s",
               answer && answer->text ? answer->text
                                      : "The request failed; the server's log says why.");
}

void api_unknown_job(struct http_request *r, const char *id) {
  http_problem(r, 0, "unknown-job", 0,
               "There is no job '%.40s'; it was deleted, removed by retention, or never existed.",
               id);
}

void api_add_location(struct http_request *r, const char *folder, const char *id) {
  char *location = mem_printf("%s/api/%s/%s", http_base(r), folder, id);
  http_add_header(r, "Location", location);
  free(location);
}

void api_reply_json(struct http_request *r, int status, struct buf *body) {
  http_reply(r, status, "application/json", body);
}

void api_reply_job(struct http_request *r, int status, const struct record_job *job) {
  struct buf b = {0};
  if (original_asked(r))
    original_render(&b, job, http_base(r));
  else
    render_job(&b, job, http_base(r));
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, status, &b);
}

const char *api_job_id(struct http_request *r) {
  const char *id = http_param(r, "id");
  if (id && id_is_valid(id))
    return id;
  api_unknown_job(r, id ? id : "");
  return NULL;
}

void api_unknown_batch(struct http_request *r, const char *id) {
  http_problem(r, 0, "unknown-batch", 0,
               "There is no batch '%.40s'; it went with its last job, or never existed.", id);
}

const char *api_batch_id(struct http_request *r) {
  const char *id = http_param(r, "id");
  if (id && id_is_valid(id))
    return id;
  api_unknown_batch(r, id ? id : "");
  return NULL;
}

bool api_head_of_stream(struct http_request *r, const char *media_type) {
  if (strcmp(http_method(r), "HEAD") != 0)
    return false;
  http_reply(r, 200, media_type, NULL);
  return true;
}

bool api_parse_number(const char *text, int64_t max, int64_t *out) {
  int64_t v = 0;
  if (!text || !*text)
    return false;
  for (const char *p = text; *p; p++) {
    if (*p < '0' || *p > '9' || v > (INT64_MAX - 9) / 10)
      return false;
    v = v * 10 + (*p - '0');
  }
  if (v > max)
    return false;
  *out = v;
  return true;
}
