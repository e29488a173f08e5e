/* SPDX-License-Identifier: MIT
 *
 * Requests to the far daemon, and what is said of those that failed.
 */
#include "private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 3 }; /* of a request that was cut */

int32_t far_say(const struct far *f, struct lathe_net_answer *a, int32_t result, const char *format,
                ...) {
  va_list args;
  int len = snprintf(a->why, sizeof a->why, "the far daemon at %.200s ", f->where);
  va_start(args, format);
  vsnprintf(a->why + len, sizeof a->why - (size_t)len, format, args);
  va_end(args);
  a->result = result;
  return result;
}

int32_t far_ready(struct far *f, struct lathe_net_answer *a) {
  if (!f->t.ready)
    return LATHE_OK;
  lathe_net_free(a);
  a->retry_after_ms = -1;
  return a->result = f->t.ready(f->t.ctx, a);
}

bool far_failed(struct far *f, struct lathe_net_answer *a) {
  return f->t.failed && a->status == 0 && a->result / 1000 == LATHE_RETRY / 1000 &&
         f->t.failed(f->t.ctx, a);
}

static bool is_problem(const struct lathe_net_answer *a) {
  char type[80];
  return lathe_net_header(a, "Content-Type", type, sizeof type) &&
         strncmp(type, "application/problem+json", 24) == 0;
}

/* A lathed refuses with a problem.  What refuses in another form is something on the way, as the page of a
 * proxy: it says nothing of the job, and may be gone in a moment.  A proxy that takes no body of such a size
 * (413) takes none later. */
void far_doubt(struct lathe_net_answer *a) {
  if ((a->result == LATHE_PERMANENT || a->result == LATHE_BAD_INPUT) && a->status >= 300 &&
      a->status != 413 && !is_problem(a))
    a->result = LATHE_RETRY_DOWN;
}

/* May it be made a second time? */
static bool is_repeatable(const struct lathe_net_request *r) {
  if (r->method)
    return r->keyed || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
  return r->keyed || (!r->body && !r->json && !r->file && !r->form);
}

int32_t far_call(struct far *f, struct lathe_net_request *r, struct lathe_net_answer *a) {
  if (!r->most_ms)
    r->most_ms = f->request_ms;
  if (!r->job)
    r->stop = &f->closing;
  /* A moment without a way is to cost no job an attempt. */
  for (int tries = 0; tries < TRIES && far_ready(f, a) == LATHE_OK; tries++) {
    lathe_net_call(f->t.net, r, a);
    if (!far_failed(f, a) || !is_repeatable(r))
      break;
  }
  far_doubt(a);
  return a->result;
}

json_t *far_get(struct far *f, struct lathe_job *job, const struct lathe_request *request,
                const char *path, int64_t most, struct lathe_net_answer *a) {
  struct lathe_net_request r = {.path = path,
                                .job = job,
                                .deadline_ms = request ? request->deadline_ms : 0,
                                .answer_max = most};
  return far_call(f, &r, a) == LATHE_OK ? lathe_net_json(a) : NULL;
}

int32_t far_tell(struct far *f, struct lathe_job *job, const struct lathe_net_answer *a) {
  return lathe_net_fail(f->t.net, job, a);
}

bool far_is_problem(const struct lathe_net_answer *a, const char *word) {
  return is_problem(a) && strcmp(a->code, word) == 0;
}

const char *far_text(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : "";
}
