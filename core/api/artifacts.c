/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id}/artifacts/{name} and, as the original's clients ask, /data/output/{id}/{name}.
 * The name is looked up in the job's record; what a client sends is never made into a path.
 */
#include "api/internal.h"
#include "base/mem.h"
#include "base/units.h"

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

static void send_artifact(struct call *c, const struct record_job *job,
                          const struct record_artifact *x) {
  struct err err = {0};
  int64_t bytes = 0;
  const char *owner = job->source ? job->source : job->id;
  int fd = storage_open_artifact(c->api->at.storage, owner, x->name, &bytes, &err);
  if (fd < 0) {
    if (fd == ERR_NOT_FOUND)
      http_problem(c->r, 0, "unknown-artifact", 0, "The file '%.100s' is no longer there.",
                   x->name);
    else
      api_refuse(c->r, fd, &(struct jobs_answer){.text = err.text});
    return;
  }
  const char *type = x->media_type && *x->media_type ? x->media_type : "application/octet-stream";
  bool shown = is_one_of(type, harmless) || is_one_of(type, pages);
  int download = 0;
  const char *wish = http_query(c->r, "download");
  if (wish)
    units_bool(wish, &download, NULL);
  http_reply_file(c->r, &(struct http_file){
                            .fd = fd,
                            .size = bytes,
                            .media_type = type,
                            .etag = x->sha256,
                            .download_name = download || !shown ? x->name : NULL,
                            .immutable = true,
                            .page = is_one_of(type, pages),
                        });
}

static void on_job(void *arg, int code, const struct record_job *job) {
  struct call *c = arg;
  const struct record_artifact *found = NULL;
  if (!c->r || code < 0) {
    if (c->r)
      api_refuse(c->r, code, NULL);
    free(c);
    return;
  }
  const char *name = http_param(c->r, "name");
  for (size_t i = 0; i < job->artifact_count && !found; i++)
    if (strcmp(job->artifacts[i].name, name) == 0)
      found = &job->artifacts[i];
  if (found)
    send_artifact(c, job, found);
  else
    http_problem(c->r, 0, "unknown-artifact", 0,
                 "The job (%s) has no artifact '%.100s'; its JSON lists what it has.",
                 job_state_word(job->state), name);
  free(c);
}

void artifacts_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_job_id(r);
  if (id)
    jobs_get(a->at.jobs, id, on_job, call_new(a, r));
}
