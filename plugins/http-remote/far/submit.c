/* SPDX-License-Identifier: MIT
 *
 * A job to the far daemon: submitted, found again, cancelled.
 *
 *   submit --202--> id --checkpoint--> LATHE_OK
 *     |  ^
 *     |  +-- missing inputs sent <--422 unknown-blob
 *     +--422 idempotency-mismatch--> it is there already, with another time limit: found by its key
 *
 * Every submission carries the job's key, so that one whose answer was lost may be repeated: the far daemon
 * makes one job of it.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3 }; /* of uploads: an input may be removed there between two requests */

/* ---- the reference ---- */

int32_t far_adopt(struct far *f, struct lathe_job *job, const char *id) {
  int32_t code = f->host->checkpoint(job, id, FAR_ID);
  if (code != LATHE_OK)
    return code;
  far_jobs_add(f, id);
  if (far_jobs_ended(f, id) &&
      LATHE_CAN(f->host, wake)) /* before anybody here knew the reference */
    f->host->wake(f->host, id, FAR_ID);
  return LATHE_OK;
}

/* ---- find ---- */

static int32_t take_found(struct far *f, const struct lathe_request *request, const json_t *answer,
                          char id[FAR_ID + 1], struct lathe_net_answer *a) {
  const json_t *jobs = json_object_get(answer, "jobs"), *job = json_array_get(jobs, 0);
  const char *text = far_text(job, "job_id");
  if (!json_is_array(jobs) || json_array_size(jobs) > 1)
    return far_say(f, a, LATHE_RETRY_DOWN, "answers the question for a key with something else");
  if (!job)
    return LATHE_NOT_FOUND;
  if (!far_id_of(text, strlen(text), id))
    return far_say(f, a, LATHE_RETRY_DOWN, "names a job without an id");
  if (strcmp(far_text(job, "kind"), request->kind) != 0)
    return far_say(f, a, LATHE_PERMANENT,
                   "has a job of the kind %.64s under the key of this one, a %.64s: do two daemons "
                   "share one data folder?",
                   far_text(job, "kind"), request->kind);
  return LATHE_OK;
}

int32_t far_look_up(struct far *f, struct lathe_job *job, const struct lathe_request *request,
                    char id[FAR_ID + 1], struct lathe_net_answer *a) {
  char path[FAR_PATH], key[256];
  id[0] = '\0';
  snprintf(path, sizeof path, "/api/jobs?idempotency_key=%s",
           lathe_net_escape(request->idem_key, key, sizeof key) ? key : "");
  json_t *answer = far_get(f, job, request, path, FAR_JOB_MAX, a);
  int32_t result = answer ? take_found(f, request, answer, id, a) : a->result;
  json_decref(answer);
  return result;
}

int32_t far_find(void *far, struct lathe_job *job, const struct lathe_request *request,
                 const void *ref, size_t len) {
  struct far *f = far;
  char id[FAR_ID + 1];
  struct lathe_net_answer a = {.result = LATHE_OK};
  (void)ref, (void)len;
  int32_t result = far_look_up(f, job, request, id, &a);
  if (result == LATHE_OK)
    result = far_adopt(f, job, id);
  else if (result != LATHE_NOT_FOUND)
    far_tell(f, job, &a);
  lathe_net_free(&a);
  return result;
}

/* ---- submit ---- */

static void via_of(const json_t *rest, char *out, size_t size) {
  const json_t *id;
  size_t i, len = 0;
  out[0] = '\0';
  json_array_foreach(json_object_get(rest, "via"), i, id) {
    if (len < size && json_is_string(id))
      len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "",
                              json_string_value(id));
  }
}

static int32_t post(struct far *f, const struct lathe_request *request, const struct far_spec *s,
                    struct lathe_net_answer *a) {
  char path[FAR_PATH], kind[256], via[600];
  const char *trace = far_text(s->rest, "traceparent");
  size_t len = 0;
  via_of(s->rest, via, sizeof via);
  struct lathe_net_header headers[5] = {{"Idempotency-Key", request->idem_key, NULL},
                                        {"Lathe-Via", via, NULL}};
  size_t count = 2;
  if (*trace)
    headers[count++] = (struct lathe_net_header){"traceparent", trace, NULL};
  if (json_is_true(json_object_get(s->rest, "no_cache")))
    headers[count++] = (struct lathe_net_header){"Cache-Control", "no-cache", NULL};
  snprintf(path, sizeof path, "/api/jobs/%s",
           lathe_net_escape(request->kind, kind, sizeof kind) ? kind : "");
  char *body = far_body(f, request, s, &len, a);
  if (!body)
    return a->result;
  /* Without the job: a cancel that comes meanwhile is for cancel(), which needs the id. */
  struct lathe_net_request r = {.path = path,
                                .headers = headers,
                                .body = body,
                                .body_len = len,
                                .type = "application/json",
                                .deadline_ms = request->deadline_ms,
                                .most_ms = 3 * f->request_ms,
                                .keyed = 1};
  far_call(f, &r, a);
  free(body);
  return a->result;
}

/* The far daemon refuses what this one has found to be right: the two differ, and the job may be right for
 * another backend. */
static int32_t judge(struct far *f, struct lathe_net_answer *a) {
  static const int statuses[] = {400, 404, 405, 409, 413, 415, 422};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (a->status == statuses[i] && a->result != LATHE_RETRY_DOWN)
      a->result = a->status == 409 ? LATHE_RETRY : LATHE_PERMANENT;
  if (a->status == 404 || a->status == 422) { /* its kinds may be others by now */
    pthread_mutex_lock(&f->lock);
    f->look_now = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
  }
  return a->result;
}

static int32_t take_accepted(struct far *f, struct lathe_job *job, struct lathe_net_answer *a) {
  char id[FAR_ID + 1];
  json_t *answer = lathe_net_json(a);
  if (!answer)
    return far_tell(f, job, a);
  const char *text = far_text(answer, "job_id");
  bool good = far_id_of(text, strlen(text), id);
  json_decref(answer);
  if (good)
    return far_adopt(f, job, id);
  far_say(f, a, LATHE_RETRY_DOWN, "took the job and named no id of it");
  return far_tell(f, job, a);
}

static int32_t submit(struct far *f, struct lathe_job *job, const struct lathe_request *request,
                      const struct far_spec *s, struct lathe_net_answer *a) {
  char id[FAR_ID + 1];
  for (int round = 0; round < ROUNDS; round++) {
    if (post(f, request, s, a) == LATHE_OK)
      return take_accepted(f, job, a);
    if (a->status == 422 && far_is_problem(a, "idempotency-mismatch")) {
      int32_t found = far_look_up(f, job, request, id, a);
      if (found == LATHE_OK)
        return far_adopt(f, job, id);
      if (found == LATHE_NOT_FOUND)
        far_say(f, a, LATHE_RETRY, "knows the job's key and has no job of it");
      return far_tell(f, job, a);
    }
    if (a->status != 422 || !far_is_problem(a, "unknown-blob"))
      break;
    if (far_upload(f, job, request, s, a) != LATHE_OK) {
      int32_t result = far_tell(f, job, a);
      return result == LATHE_CANCELLED ? LATHE_RETRY_ANEW : result; /* nothing was begun */
    }
    a->result = LATHE_RETRY_DOWN; /* where it is the last round */
  }
  judge(f, a);
  return far_tell(f, job, a);
}

int32_t far_submit(void *far, struct lathe_job *job, const struct lathe_request *request,
                   const void *ref, size_t len) {
  struct far *f = far;
  struct far_spec s;
  struct lathe_net_answer a = {.result = LATHE_OK};
  int32_t result = LATHE_PERMANENT;
  (void)ref, (void)len;
  if (far_spec_read(request->spec, &s))
    result = submit(f, job, request, &s, &a);
  else
    f->host->error(job, "the job's specification is not one that this plugin understands");
  far_spec_free(&s);
  lathe_net_free(&a);
  return result;
}

/* ---- cancel ---- */

int32_t far_cancel(void *far, struct lathe_job *job, const struct lathe_request *request,
                   const void *ref, size_t len) {
  struct far *f = far;
  char id[FAR_ID + 1], path[FAR_PATH];
  struct lathe_net_answer a = {.result = LATHE_OK};
  if (!far_id_of(ref, len, id))
    return LATHE_OK; /* no job there has such an id */
  snprintf(path, sizeof path, "/api/jobs/%s/cancel", id);
  struct lathe_net_request r = {.method = "POST",
                                .path = path,
                                .body = "{}",
                                .body_len = 2,
                                .type = "application/json",
                                .deadline_ms = request->deadline_ms,
                                .keyed = 1};
  int32_t result = far_call(f, &r, &a);
  if (a.status == 409 && far_is_problem(&a, "wrong-state"))
    result = LATHE_TOO_LATE;
  else if (a.status == 404 && far_is_problem(&a, "unknown-job"))
    result = LATHE_OK;
  else if (result != LATHE_OK)
    far_tell(f, job, &a);
  if (result == LATHE_OK || result == LATHE_TOO_LATE)
    far_jobs_drop(f, id);
  lathe_net_free(&a);
  return result;
}
