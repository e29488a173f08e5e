/* SPDX-License-Identifier: MIT
 *
 * Jobs in the words of the services that lathe succeeds, for their clients: all of /original/.
 * docs/original.md has the whole.
 */
#include "api/internal.h"
#include "api/render.h"
#include "base/json64.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool original_asked(const struct http_request *r) {
  return strncmp(http_pattern(r), "/original/", 10) == 0;
}

/* The file that the job was for: the first that is neither a table nor a text about it. */
static const char *main_file(const struct record_job *job) {
  static const char *const beside[] = {"application/json", "text/"};
  for (size_t i = 0; i < job->artifact_count; i++) {
    const char *type = job->artifacts[i].media_type ? job->artifacts[i].media_type : "";
    if (strncmp(type, beside[0], strlen(beside[0])) != 0 &&
        strncmp(type, beside[1], strlen(beside[1])) != 0)
      return job->artifacts[i].name;
  }
  return job->artifact_count ? job->artifacts[0].name : NULL;
}

static json_t *output_file(const struct record_job *job, const char *base) {
  const char *name = main_file(job);
  struct buf url = {0};
  if (!name)
    return json_null();
  buf_printf(&url, "%s/data/output/%s/", base, job->id);
  buf_put_segment(&url, name);
  json_t *text = json_string(url.data);
  buf_free(&url);
  return text;
}

static json_t *result_of(const struct record_job *job, json_t *job_json, const char *base) {
  json_t *result = json_object_get(job_json, "result");
  result = json_is_object(result) ? json_incref(result) : json_object();
  json_object_set_new(result, "success", json_true());
  json_object_set_new(result, "output_file", output_file(job, base));
  json_object_set_new(result, "message",
                      json_sprintf("%s completed, with %zu %s", job->kind, job->artifact_count,
                                   job->artifact_count == 1 ? "file" : "files"));
  return result;
}

void original_render(struct buf *b, const struct record_job *job, const char *base) {
  struct buf ours = {0};
  render_job(&ours, job, base);
  json_t *json = json64_load(ours.data, ours.len, 0, NULL);
  buf_free(&ours);
  if (job->state == JOB_COMPLETED) {
    json_object_set_new(json, "status", json_string("succeeded"));
    json_object_set_new(json, "result", result_of(job, json, base));
  }
  char *text = json64_dump(json, JSON_COMPACT);
  buf_puts(b, text ? text : "{}");
  free(text);
  json_decref(json);
}
