/* SPDX-License-Identifier: MIT
 *
 * POST /api/jobs/{id}/cancel, POST /api/jobs/{id}/retry, DELETE /api/jobs/{id}.
 */
#include "api/fields.h"
#include "api/internal.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void act_verb(struct jobs *j, const char *id, jobs_answered *answered, void *arg);

struct act {
  struct call call;
  act_verb *verb;
  char *actor; /* whose own the job has to be, NULL: anybody's */
  int status;  /* of success */
  char id[ID_SIZE];
};

static void act_free(struct act *x) {
  free(x->actor);
  free(x);
}

static void act_on_job(void *arg, int code, const struct record_job *job) {
  struct act *x = arg;
  if (x->call.r && code < 0)
    api_refuse(x->call.r, code, NULL);
  else if (x->call.r)
    api_reply_job(x->call.r, x->status, job);
  act_free(x);
}

/* Success is told with the job as it is now. */
static void on_acted(void *arg, int code, const struct jobs_answer *answer) {
  struct act *x = arg;
  if (code == 0 && x->call.r && x->status != 204) {
    if (x->status == 202)
      api_add_location(x->call.r, "jobs", x->id);
    jobs_get(x->call.api->at.jobs, x->id, act_on_job, x);
    return;
  }
  if (x->call.r && code == 0)
    http_reply(x->call.r, 204, NULL, NULL);
  else if (x->call.r && code == ERR_NOT_FOUND)
    api_unknown_job(x->call.r, x->id);
  else if (x->call.r)
    api_refuse(x->call.r, code, answer);
  act_free(x);
}

static void act_on_owner(void *arg, int code, const struct record_job *job) {
  struct act *x = arg;
  if (code < 0) {
    if (x->call.r)
      api_refuse(x->call.r, code, NULL);
    act_free(x);
  } else if (!api_may_act(x->call.r, x->actor, "job", job->client)) {
    act_free(x);
  } else {
    x->verb(x->call.api->at.jobs, x->id, on_acted, x);
  }
}

static void act(void *ctx, struct http_request *r, int status, const char *event, act_verb *verb) {
  const char *id = api_job_id(r);
  if (!id || !fields_none(r))
    return;
  struct act *x = mem_alloc(sizeof *x);
  call_init(&x->call, ctx, r);
  x->verb = verb;
  x->actor = api_actor(r);
  x->status = status;
  memcpy(x->id, id, sizeof x->id);
  api_log_asked(r, event, "job", x->id);
  if (x->actor)
    jobs_get(x->call.api->at.jobs, x->id, act_on_owner, x);
  else
    verb(x->call.api->at.jobs, x->id, on_acted, x);
}

void jobs_act_cancel(void *ctx, struct http_request *r) {
  act(ctx, r, 200, "job.cancel", jobs_cancel);
}

void jobs_act_retry(void *ctx, struct http_request *r) {
  act(ctx, r, 202, "job.retry", jobs_retry);
}

void jobs_act_delete(void *ctx, struct http_request *r) {
  act(ctx, r, 204, "job.delete", jobs_delete);
}
