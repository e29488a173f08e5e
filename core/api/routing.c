/* SPDX-License-Identifier: MIT
 *
 * GET /api/routes, GET /api/routes/{kind}, GET /api/jobs/{id}/decision: where jobs go, and why.
 */
#include "api/internal.h"
#include "api/render.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

static void put_route(struct buf *b, struct api *a, struct http_request *r, const char *kind) {
  struct jobs_route_question q = {.kind = kind, .client = http_client(r)};
  jobs_put_route(a->at.jobs, &q, b);
}

/* False after the problem was sent. */
static bool read_question(struct api *a, struct http_request *r, struct jobs_route_question *q) {
  const char *bytes = http_query(r, "bytes");
  *q = (struct jobs_route_question){.kind = http_param(r, "kind"),
                                    .pin = http_query(r, "backend"),
                                    .client = http_client(r),
                                    .input = http_query(r, "input")};
  if (!kinds_find(a->at.kinds, q->kind) && !jobs_has_route(a->at.jobs, q->kind)) {
    api_unknown_kind(a, r, q->kind);
    return false;
  }
  if (q->pin && !workers_find(a->at.workers, q->pin)) {
    http_problem(r, 0, "unknown-backend", 0,
                 "There is no backend '%.60s'; GET /api/backends lists all.", q->pin);
    return false;
  }
  if (q->input && !sha256_is_hex(q->input)) {
    http_problem(r, 0, "bad-request", 0,
                 "input must be the SHA-256 of an input, 64 small hexadecimal digits.");
    return false;
  }
  if (bytes && !api_parse_number(bytes, INT64_MAX, &q->bytes)) {
    http_problem(r, 0, "bad-request", 0, "bytes must be a whole number, not '%.40s'.", bytes);
    return false;
  }
  return true;
}

/* Of each kind that is declared, then of routes whose kind nobody declares. */
void routing_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct buf b = {0};
  size_t n = 0, pos = 0;
  buf_puts(&b, "{\"routes\":[");
  for (const struct kind *k = kinds_next(a->at.kinds, NULL); k; k = kinds_next(a->at.kinds, k)) {
    buf_puts(&b, n++ ? "," : "");
    put_route(&b, a, r, kind_name(k));
  }
  for (const char *kind; (kind = jobs_next_route(a->at.jobs, &pos));) {
    if (kinds_find(a->at.kinds, kind))
      continue;
    buf_puts(&b, n++ ? "," : "");
    put_route(&b, a, r, kind);
  }
  buf_puts(&b, "]}");
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, 200, &b);
}

void routing_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct jobs_route_question q;
  struct buf b = {0};
  if (!read_question(a, r, &q))
    return;
  jobs_put_route(a->at.jobs, &q, &b);
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, 200, &b);
}

/* A job that waits: what would be decided now.  Each: its attempts, with what was decided then. */
static void put_decision(struct buf *b, struct api *a, const struct record_job *job) {
  buf_puts(b, "{\"job_id\":");
  buf_put_json_str(b, job->id);
  buf_puts(b, ",\"kind\":");
  buf_put_json_str(b, job->kind);
  buf_puts(b, ",\"status\":\"");
  buf_puts(b, job_state_word(job->state));
  buf_puts(b, "\",\"pinned_to\":");
  buf_put_json_str(b, job->pin);
  buf_puts(b, ",\"retry_at\":");
  buf_put_json_time(b, job->not_before_us);
  buf_puts(b, ",\"attempts\":");
  render_attempts(b, job);
  buf_putc(b, ',');
  if (!jobs_put_waiting(a->at.jobs, job->id, b))
    buf_puts(b, "\"backend\":null,\"decision\":null,\"queued\":null");
  buf_putc(b, '}');
}

static void on_job(void *arg, int code, const struct record_job *job) {
  struct call *c = arg;
  struct buf b = {0};
  if (c->r && code < 0) {
    api_refuse(c->r, code, NULL);
  } else if (c->r) {
    put_decision(&b, c->api, job);
    http_add_header(c->r, "Cache-Control", "no-store");
    api_reply_json(c->r, 200, &b);
  }
  free(c);
}

void routing_of_job(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_job_id(r);
  if (id)
    jobs_get(a->at.jobs, id, on_job, call_new(a, r));
}
