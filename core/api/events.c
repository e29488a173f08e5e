/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id}/events, GET /api/batches/{id}/events and GET /api/events: server-sent events
 * (WHATWG HTML 9.2).
 */
#include "api/fields.h"
#include "api/stream.h"

/* Where the client wants to go on: header Last-Event-ID, else the query's last_event_id
 * (lastEventId is what stand-ins for EventSource send), else -1.  False after the 400 was sent. */
static bool resume_point(struct http_request *r, const char *query, int64_t *after) {
  const char *text = http_header(r, "Last-Event-ID");
  if (!text || !*text)
    text = http_query(r, "last_event_id");
  if (!text || !*text)
    text = http_query(r, "lastEventId");
  if ((!text || !*text) && query)
    text = http_query(r, query);
  *after = -1;
  if (!text || !*text || api_parse_number(text, INT64_MAX, after))
    return true;
  http_problem(r, 0, "bad-request", 0,
               "'%.40s' is not an id of an event of this server; send the `id` of the last one "
               "that came, or none.",
               text);
  return false;
}

void events_of_job(void *ctx, struct http_request *r) {
  const char *id = api_job_id(r);
  int64_t after;
  bool follow = true;
  if (!id || !resume_point(r, NULL, &after) || !fields_flag(r, "follow", &follow) ||
      api_head_of_stream(r, "text/event-stream"))
    return;
  stream_open(ctx, r, &(struct stream_request){.job_id = id, .after = after, .once = !follow});
}

void batches_events(void *ctx, struct http_request *r) {
  const char *id = api_batch_id(r);
  int64_t after;
  if (!id || !resume_point(r, NULL, &after) || api_head_of_stream(r, "text/event-stream"))
    return;
  stream_open(ctx, r, &(struct stream_request){.batch_id = id, .after = after});
}

void events_of_all(void *ctx, struct http_request *r) {
  int64_t after;
  if (!resume_point(r, "after", &after) || api_head_of_stream(r, "text/event-stream"))
    return;
  stream_open(ctx, r, &(struct stream_request){.after = after});
}
