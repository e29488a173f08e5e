/* SPDX-License-Identifier: MIT
 *
 * Every path of the API.  openapi.json describes the same; a test holds them together.
 */
#include "api/internal.h"

const struct http_route *api_routes(void) {
  static const struct http_route routes[] = {
      {.method = "POST",
       .pattern = "/api/jobs/{kind}",
       .handler = jobs_submit_post,
       .body = HTTP_BODY_FORM},
      {.method = "GET", .pattern = "/api/jobs", .handler = jobs_read_list},
      {.method = "GET", .pattern = "/api/jobs/{id}", .handler = jobs_read_get},
      {.method = "DELETE", .pattern = "/api/jobs/{id}", .handler = jobs_act_delete},
      {.method = "GET", .pattern = "/api/jobs/{id}/events", .handler = events_of_job},
      {.method = "POST",
       .pattern = "/api/jobs/{id}/cancel",
       .handler = jobs_act_cancel,
       .body = HTTP_BODY_BUFFER},
      {.method = "POST",
       .pattern = "/api/jobs/{id}/retry",
       .handler = jobs_act_retry,
       .body = HTTP_BODY_BUFFER},
      {.method = "GET", .pattern = "/api/jobs/{id}/log", .handler = log_get},
      {.method = "GET", .pattern = "/api/jobs/{id}/artifacts/{name}", .handler = artifacts_get},
      {.method = "GET", .pattern = "/data/output/{id}/{name}", .handler = artifacts_get},
      {.method = "GET", .pattern = "/api/events", .handler = events_of_all},
      {.method = "POST", .pattern = "/api/blobs", .handler = blobs_post, .body = HTTP_BODY_SINK},
      {.method = "POST",
       .pattern = "/api/batches",
       .handler = batches_post,
       .body = HTTP_BODY_FORM},
      {.method = "GET", .pattern = "/api/batches", .handler = batches_list},
      {.method = "GET", .pattern = "/api/batches/{id}", .handler = batches_get},
      {.method = "DELETE", .pattern = "/api/batches/{id}", .handler = batches_delete},
      {.method = "GET", .pattern = "/api/batches/{id}/events", .handler = batches_events},
      {.method = "GET", .pattern = "/api/batches/{id}/summary", .handler = batches_summary},
      {.method = "GET", .pattern = "/api/batches/{id}/archive", .handler = batches_archive},
      {.method = "POST",
       .pattern = "/api/batches/{id}/cancel",
       .handler = batches_cancel,
       .body = HTTP_BODY_BUFFER},
      {.method = "GET", .pattern = "/api/kinds", .handler = kinds_list},
      {.method = "GET", .pattern = "/api/kinds/{name}", .handler = kinds_get},
      {.method = "GET", .pattern = "/api/backends", .handler = backends_list},
      {.method = "GET", .pattern = "/api/health", .handler = health_get, .open = true},
      {.method = "GET", .pattern = "/api/ready", .handler = health_ready, .open = true},
      {.method = "GET", .pattern = "/metrics", .handler = health_metrics},
      {.method = "GET", .pattern = "/api/openapi.json", .handler = openapi_get, .open = true},
      {.method = "GET", .pattern = "/problems", .handler = problems_list, .open = true},
      {.method = "GET", .pattern = "/problems/{slug}", .handler = problems_get, .open = true},
      {.method = NULL},
  };
  return routes;
}
