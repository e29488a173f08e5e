/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id}/log: what the plugin printed, as text; ?follow=1 goes on until the job ends.
 */
#include "api/fields.h"
#include "api/stream.h"

void log_get(void *ctx, struct http_request *r) {
  const char *id = api_job_id(r);
  bool follow = false;
  if (!id || !fields_flag(r, "follow", &follow))
    return;
  if (api_head_of_stream(r, "text/plain; charset=utf-8"))
    return;
  stream_open(
      ctx, r,
      &(struct stream_request){
          .job_id = id, .after = -1, .types = 1 << EVENT_LOG, .as_log = true, .once = !follow});
}
