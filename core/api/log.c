/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id}/log: what the plugin printed, as text; ?follow=1 goes on until the job ends.
 */
#include "api/stream.h"
#include "base/units.h"

void log_get(void *ctx, struct http_request *r) {
  const char *id = api_job_id(r);
  const char *text = http_query(r, "follow");
  int follow = 0;
  if (!id)
    return;
  if (text && *text && units_bool(text, &follow, NULL) < 0) {
    http_problem(r, 0, "bad-request", 0, "follow must be 1 or 0, not '%.40s'.", text);
    return;
  }
  if (api_head_of_stream(r, "text/plain; charset=utf-8"))
    return;
  stream_open(
      ctx, r,
      &(struct stream_request){
          .job_id = id, .after = -1, .types = 1 << EVENT_LOG, .as_log = true, .once = !follow});
}
