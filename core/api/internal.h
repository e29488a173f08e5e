/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "api/api.h"
#include "api/frames.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"

struct api {
  struct api_rooms at;
  struct api_options options;
  int64_t started_us;
  bool draining;
  struct map watches;     /* job id -> struct watch */
  struct list streams;    /* every open stream */
  struct list waiters;    /* every request that waits for the end of a job */
  struct list everything; /* streams over all jobs */
  struct list heavy;      /* what waits to run beside the loop (offload.c) */
  bool heavy_runs;        /* a piece of it does */
  size_t pieces;          /* those, and what has yielded; each calls back */
  struct frames frames;
  uv_timer_t beat; /* the comment that keeps streams alive; runs only while there is one */
  bool beat_open;
  struct map holds;   /* sha256 -> struct hold: blobs of requests under way */
  struct buf openapi; /* made when first asked for */
};

/* ---- calls that answer later ---- */
struct call {
  struct api *api;
  struct http_request *r; /* NULL once the client went away */
};
void call_init(struct call *c, struct api *api, struct http_request *r);
struct call *call_new(struct api *api, struct http_request *r); /* the caller frees */

/* ---- answers ---- */
/* The request's traceparent, where it is one as W3C says; else NULL. */
const char *api_trace(const struct http_request *r);
/* A line of the log: what (`event`, "batch.cancel") is asked of which `key` ("batch"), by whom. */
void api_log_asked(const struct http_request *r, const char *event, const char *key,
                   const char *id);
/* The problem for a refusal by jobs (answer may be NULL) or for a failed read of the store. */
void api_refuse(struct http_request *r, int code, const struct jobs_answer *answer);
/* 200 with the whole job, or the problem. */
void api_reply_job(struct http_request *r, int status, const struct record_job *job);
/* Who acts on a job or a batch: NULL where all may be acted on, else the client whose own it has to
 * be (the caller frees). */
char *api_actor(const struct http_request *r);
/* May the actor act on the "job" or "batch" of this client?  If not, a problem was sent (r NULL: to
 * nobody). */
bool api_may_act(struct http_request *r, const char *actor, const char *what, const char *client);
/* Location: .../api/jobs/ID or .../api/batches/ID. */
void api_add_location(struct http_request *r, const char *folder, const char *id);
void api_unknown_job(struct http_request *r, const char *id);
void api_unknown_kind(struct api *a, struct http_request *r, const char *word);
void api_reply_json(struct http_request *r, int status, struct buf *body);
/* The job's id of the path, or NULL after the 404 was sent. */
const char *api_job_id(struct http_request *r);
void api_unknown_batch(struct http_request *r, const char *id);
/* As api_job_id. */
const char *api_batch_id(struct http_request *r);
/* True for HEAD, after an empty 200 was sent: for bodies without an end. */
bool api_head_of_stream(struct http_request *r, const char *media_type);
/* Fits a text into the 64-bit range: digits only. */
bool api_parse_number(const char *text, int64_t max, int64_t *out);

/* ---- the listeners of a job ---- */
struct watch {
  char id[ID_SIZE];
  struct list streams; /* struct stream.link */
  struct list waiters; /* struct waiter.link */
  bool busy;           /* it is being walked: not freed meanwhile */
};
struct watch *watch_get(struct api *a, const char *id); /* found or made */
void watch_drop(struct api *a, struct watch *w);        /* freed when nobody is left */

/* ---- requests that wait for the end of a job (wait.c) ---- */
/* Takes the request: answers it with the whole job, 200 when the job ended within wait_s, else
 * `late_status`.  fresh: the job was made by this request, just now. */
void wait_for_job(struct api *a, struct http_request *r, const char *id, bool fresh, int wait_s,
                  int late_status);
void wait_on_ended(void *api, const struct record_job *job); /* for jobs_on_ended */
void wait_end_all(struct api *a);
/* Seconds asked for by a Prefer header, at most max; 0: none. */
int prefer_wait(const char *header, int max);

/* ---- streams (stream.c) ---- */
void stream_on_event(struct api *a, struct watch *w, const struct frame *f);
void stream_end_all(struct api *a);
void stream_on_batch_ended(void *api, const char *id); /* for jobs_on_batch_ended */

/* ---- blobs of requests under way (hold.c) ---- */
/* A blob that a request may still refuse: it is removed again if this request made it and no other
 * request or job names it. */
void hold_blob(struct api *a, const char *sha256);
bool hold_is_held(void *api, const char *sha256); /* for storage_on_remove */
void hold_release(struct api *a, const char *sha256, bool made_here, bool refused);

/* ---- clients of the original services (original.c) ---- */
bool original_asked(const struct http_request *r);
/* As render_job, in their words. */
void original_render(struct buf *b, const struct record_job *job, const char *base);

/* A backend as JSON (backends.c). */
void backends_render(struct buf *b, struct api *a, const struct backend *x);

/* A line of the audit log as JSON (audit.c). */
void audit_render(struct buf *b, const struct record_audit *line);

/* The whole OpenAPI document as text. */
void openapi_make(const struct kinds *kinds, struct buf *out);

/* ---- handlers, one group a file; the table is in routes.c ---- */
http_handler jobs_submit_post;
http_handler jobs_read_list, jobs_read_get, status_get;
http_handler jobs_act_cancel, jobs_act_retry, jobs_act_delete;
http_handler events_of_job, events_of_all;
http_handler log_get;
http_handler artifacts_get;
http_handler blobs_post, blobs_get, links_post;
http_handler batches_post, batches_list, batches_get, batches_summary;
http_handler batches_cancel, batches_delete, batches_events, batches_archive;
http_handler kinds_list, kinds_get;
http_handler backends_list;
http_handler switch_use, switch_unuse, switch_drain, switch_resume, switch_breaker, switch_warm,
    switch_rollback;
http_handler routing_list, routing_get, routing_of_job;
http_handler costs_get;
http_handler audit_list;
http_handler health_get, health_ready, health_metrics;
http_handler openapi_get;
http_handler problems_get, problems_list;

#endif
