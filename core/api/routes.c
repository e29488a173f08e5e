/* SPDX-License-Identifier: MIT
 *
 * Every path of the API.  openapi.json describes the same; a test holds them together.
 */
#include "api/internal.h"

/* A kind's name begins with a small letter, an id with a digit: POST of one and GET of the other
 * have one shape of path. */
static bool names_kind(const char *value) {
  return *value >= 'a' && *value <= 'z';
}

static bool names_job(const char *value) {
  return !names_kind(value);
}

#define KEYS(...)                                                                                  \
  (const char *const[]) {                                                                          \
    __VA_ARGS__, NULL                                                                              \
  }
#define LIST_KEYS   "client", "limit", "page_token", "id_prefix"
#define RESUME_KEYS "last_event_id", "lastEventId"

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = "/api/jobs/{kind}",
     .handler = jobs_submit_post,
     .names = names_kind,
     .body = HTTP_BODY_FORM},
    {.method = "GET",
     .pattern = "/api/jobs",
     .handler = jobs_read_list,
     .query = KEYS("state", "kind", "backend", LIST_KEYS)},
    {.method = "GET", .pattern = "/api/jobs/{id}", .handler = jobs_read_get, .names = names_job},
    {.method = "DELETE",
     .pattern = "/api/jobs/{id}",
     .handler = jobs_act_delete,
     .names = names_job},
    {.method = "GET",
     .pattern = "/api/jobs/{id}/events",
     .handler = events_of_job,
     .link = true,
     .query = KEYS(RESUME_KEYS)},
    {.method = "POST",
     .pattern = "/api/jobs/{id}/cancel",
     .handler = jobs_act_cancel,
     .body = HTTP_BODY_BUFFER},
    {.method = "POST",
     .pattern = "/api/jobs/{id}/retry",
     .handler = jobs_act_retry,
     .body = HTTP_BODY_BUFFER},
    {.method = "GET",
     .pattern = "/api/jobs/{id}/log",
     .handler = log_get,
     .link = true,
     .query = KEYS("follow")},
    {.method = "GET",
     .pattern = "/api/jobs/{id}/artifacts/{name}",
     .handler = artifacts_get,
     .link = true,
     .query = KEYS("download")},
    {.method = "GET",
     .pattern = "/data/output/{id}/{name}",
     .handler = artifacts_get,
     .link = true,
     .query = KEYS("download")},
    {.method = "GET",
     .pattern = "/api/events",
     .handler = events_of_all,
     .link = true,
     .query = KEYS("after", RESUME_KEYS)},
    {.method = "POST", .pattern = "/api/links", .handler = links_post, .body = HTTP_BODY_BUFFER},
    {.method = "POST", .pattern = "/api/blobs", .handler = blobs_post, .body = HTTP_BODY_SINK},
    {.method = "POST", .pattern = "/api/batches", .handler = batches_post, .body = HTTP_BODY_FORM},
    {.method = "GET", .pattern = "/api/batches", .handler = batches_list, .query = KEYS(LIST_KEYS)},
    {.method = "GET",
     .pattern = "/api/batches/{id}",
     .handler = batches_get,
     .query = KEYS("limit", "after")},
    {.method = "DELETE", .pattern = "/api/batches/{id}", .handler = batches_delete},
    {.method = "GET",
     .pattern = "/api/batches/{id}/events",
     .handler = batches_events,
     .link = true,
     .query = KEYS(RESUME_KEYS)},
    {.method = "GET",
     .pattern = "/api/batches/{id}/summary",
     .handler = batches_summary,
     .link = true,
     .query = KEYS("format")},
    {.method = "GET",
     .pattern = "/api/batches/{id}/archive",
     .handler = batches_archive,
     .link = true,
     .query = KEYS("format")},
    {.method = "POST",
     .pattern = "/api/batches/{id}/cancel",
     .handler = batches_cancel,
     .body = HTTP_BODY_BUFFER},
    {.method = "GET", .pattern = "/api/kinds", .handler = kinds_list},
    {.method = "GET", .pattern = "/api/kinds/{name}", .handler = kinds_get},
    {.method = "GET", .pattern = "/api/backends", .handler = backends_list},
    {.method = "POST",
     .pattern = "/api/backends/{name}/resume",
     .handler = backends_resume,
     .body = HTTP_BODY_BUFFER},
    {.method = "GET", .pattern = "/api/health", .handler = health_get, .open = true},
    {.method = "GET",
     .pattern = "/api/ready",
     .handler = health_ready,
     .query = KEYS("kind"),
     .open = true},
    {.method = "GET", .pattern = "/metrics", .handler = health_metrics},
    {.method = "GET", .pattern = "/api/openapi.json", .handler = openapi_get, .open = true},
    {.method = "GET", .pattern = "/problems", .handler = problems_list, .open = true},
    {.method = "GET", .pattern = "/problems/{slug}", .handler = problems_get, .open = true},
    /* The same for clients of the original services, in their words (docs/original.md). */
    {.method = "POST",
     .pattern = "/original/api/jobs/{kind}",
     .handler = jobs_submit_post,
     .names = names_kind,
     .body = HTTP_BODY_FORM},
    {.method = "GET",
     .pattern = "/original/api/jobs/{id}",
     .handler = jobs_read_get,
     .names = names_job},
    {.method = "GET",
     .pattern = "/original/api/jobs/{id}/events",
     .handler = events_of_job,
     .link = true,
     .query = KEYS(RESUME_KEYS)},
    {.method = "POST",
     .pattern = "/original/api/jobs/{id}/cancel",
     .handler = jobs_act_cancel,
     .body = HTTP_BODY_BUFFER},
    {.method = "GET",
     .pattern = "/original/data/output/{id}/{name}",
     .handler = artifacts_get,
     .link = true,
     .query = KEYS("download")},
    {.method = "GET", .pattern = "/original/api/health", .handler = health_get, .open = true},
    {.method = NULL},
};

const struct http_route *api_routes(void) {
  return routes;
}
