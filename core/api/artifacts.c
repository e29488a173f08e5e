/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id}/artifacts/{name} and, as the original's clients ask, /data/output/{id}/{name}.
 * The name is looked up in the job's record; what a client sends is never made into a path.
 */
#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types that a browser shows without running anything; all others are downloads. */
static const char *const harmless[] = {
    "image/png", "image/jpeg",       "image/webp", "text/plain",       "text/csv",
    "model/",    "application/json", "video/",     "application/vnd.", NULL};
/* Those that could run something, and are shown locked in (http_file.page). */
static const char *const pages[] = {"text/html", "image/svg+xml", NULL};

static bool is_one_of(const char *media_type, const char *const *types) {
  for (; *types; types++)
    if (strncmp(media_type, *types, strlen(*types)) == 0)
      return true;
  return false;
}

/* To where it lies.  A client that keeps the answer would come too late some day. */
static void send_elsewhere(const struct call *c, const struct record_artifact *x) {
  if (x->expires_us != 0 && x->expires_us <= clock_wall_us()) {
    http_problem(
        c->r, 0, "artifact-expired", 0,
        "The file '%.100s' lay at another service, which kept it until a time that is over; "
        "run the job again.",
        x->name);
    return;
  }
  http_add_header(c->r, "Location", x->url);
  http_add_header(c->r, "Cache-Control", "no-store");
  http_add_header(c->r, "Referrer-Policy", "no-referrer");
  http_reply(c->r, 307, NULL, NULL);
}

/* Of a running job, from memory. */
static void send_preview(const struct call *c, const struct record_job *job,
                         const struct record_artifact *x) {
  struct buf body = {0};
  size_t len = 0;
  const char *data = jobs_preview(c->api->at.jobs, job->id, x->name, &len);
  if (!data) {
    http_problem(c->r, 0, "unknown-artifact", 0, "The file '%.100s' is no longer there.", x->name);
    return;
  }
  buf_put(&body, data, len);
  http_add_header(c->r, "Cache-Control", "no-store");
  http_add_header(c->r, "Content-Disposition",
                  is_one_of(x->media_type, harmless) ? "inline" : "attachment");
  http_reply(c->r, 200, x->media_type, &body);
}

struct sending { /* an artifact that is being opened */
  struct call call;
  char *name, *media_type, sha256[SHA256_HEX_SIZE];
};

static void sending_free(struct sending *s) {
  free(s->name);
  free(s->media_type);
  free(s);
}

static void send_content(const struct sending *s, const struct storage_content *content) {
  struct http_request *r = s->call.r;
  const char *type = s->media_type && *s->media_type ? s->media_type : "application/octet-stream";
  bool shown = is_one_of(type, harmless) || is_one_of(type, pages);
  int download = 0;
  const char *wish = http_query(r, "download");
  if (wish)
    units_bool(wish, &download, NULL);
  http_reply_file(r, &(struct http_file){
                         .fd = content->fd,
                         .data = content->data,
                         .size = content->bytes,
                         .media_type = type,
                         .etag = s->sha256,
                         .download_name = download || !shown ? s->name : NULL,
                         .immutable = true,
                         .page = is_one_of(type, pages),
                     });
}

static void on_opened(void *arg, int code, const struct storage_content *content,
                      const struct err *err) {
  struct sending *s = arg;
  struct http_request *r = s->call.r;
  if (code == 0 && r)
    send_content(s, content);
  else if (code == 0)
    storage_drop_content(s->call.api->at.storage, content);
  else if (r && code == ERR_NOT_FOUND)
    http_problem(r, 0, "unknown-artifact", 0, "The file '%.100s' is no longer there.", s->name);
  else if (r)
    api_refuse(r, code, &(struct jobs_answer){.text = err->text});
  sending_free(s);
}

static void open_artifact(struct sending *s, const struct record_job *job,
                          const struct record_artifact *x) {
  s->name = mem_dup(x->name);
  s->media_type = x->media_type ? mem_dup(x->media_type) : NULL;
  snprintf(s->sha256, sizeof s->sha256, "%s", x->sha256);
  storage_get_artifact(s->call.api->at.storage, job->source ? job->source : job->id, x->name,
                       on_opened, s);
}

static void on_job(void *arg, int code, const struct record_job *job) {
  struct sending *s = arg;
  const struct record_artifact *found = NULL;
  if (!s->call.r || code < 0) {
    if (s->call.r)
      api_refuse(s->call.r, code, NULL);
    sending_free(s);
    return;
  }
  const char *name = http_param(s->call.r, "name");
  for (size_t i = 0; i < job->artifact_count && !found; i++)
    if (strcmp(job->artifacts[i].name, name) == 0)
      found = &job->artifacts[i];
  if (found && found->url) {
    send_elsewhere(&s->call, found);
  } else if (found && found->provisional) {
    send_preview(&s->call, job, found);
  } else if (found) {
    open_artifact(s, job, found);
    return;
  } else {
    http_problem(s->call.r, 0, "unknown-artifact", 0,
                 "The job (%s) has no artifact '%.100s'; its JSON lists what it has.",
                 job_state_word(job->state), name);
  }
  sending_free(s);
}

void artifacts_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_job_id(r);
  if (!id)
    return;
  struct sending *s = mem_alloc(sizeof *s);
  call_init(&s->call, a, r);
  jobs_get(a->at.jobs, id, on_job, s);
}
