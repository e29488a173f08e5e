/* SPDX-License-Identifier: MIT
 *
 * @NAME@: a plugin of lathe whose jobs run at a service.
 *
 * The service of the example is service.py: PUT /jobs/KEY begins a job, GET /jobs/KEY says how far it
 * is, GET /jobs/KEY/output is the result, DELETE /jobs/KEY stops it.  Put your service's requests in
 * place of these; what must stay is the order of things:
 *
 *   submit   begins the work under request->idem_key, and makes the reference durable
 *
 *   find     was something begun under that key?  lathe asks after a crash, before it submits
 *
 *   poll     is it over?
 *
 *   fetch    brings the result
 *
 *   cancel   stops it
 *
 * Each may be repeated, in any process, with nothing but the reference; no state is kept here. They
 * are called on several threads at once, and last as long as one request.
 *
 * The client kit (lathe/net.h) says what a failure means: 401, 403 and 402 pause the backend, 429 slows
 * it, no answer and 5xx are tried again, 400 and 422 are the job's own fault.  Where the service means
 * something else, say so: here by `gone`, what a 404 is in each step.
 */
#include <lathe/net.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4200, POLL_MS = 50, ANSWER_MS = 20000 };

struct self {
  const struct lathe_host *host;
  struct lathe_net *net; /* one service, one client */
};

static int32_t fail(const struct self *self, struct lathe_job *job, int32_t result,
                    const char *why) {
  self->host->error(job, why);
  return result;
}

/* "/jobs/REFERENCE" and what follows; false: that cannot be one of ours. */
static bool path_of(char *path, const void *ref, size_t len, const char *tail) {
  char name[200], part[600];
  if (len >= sizeof name)
    return false;
  memcpy(name, ref, len);
  name[len] = '\0';
  if (!lathe_net_escape(name, part, sizeof part))
    return false;
  return snprintf(path, PATH_SIZE, "/jobs/%s%s", part, tail) < PATH_SIZE;
}

/* One request.  What a 404 means in this step is `gone`, and `why_gone` says it. */
static int32_t ask(const struct self *self, struct lathe_job *job,
                   const struct lathe_net_request *request, struct lathe_net_answer *answer,
                   int32_t gone, const char *why_gone) {
  int32_t rc = lathe_net_call(self->net, request, answer);
  if (answer->status != 404)
    return rc == LATHE_OK ? rc : lathe_net_fail(self->net, job, answer);
  return *why_gone ? fail(self, job, gone, why_gone) : gone;
}

/* ---- the five steps ---- */

static const char *const kinds[] = {"@NAME@", NULL};

static int32_t find(void *data, struct lathe_job *job, const struct lathe_request *r,
                    const void *ref, size_t len) {
  const struct self *self = data;
  struct lathe_net_answer answer = {0};
  char path[PATH_SIZE];
  (void)ref, (void)len;
  if (!path_of(path, r->idem_key, strlen(r->idem_key), ""))
    return LATHE_NOT_FOUND;
  struct lathe_net_request request = {
      .path = path, .job = job, .deadline_ms = r->deadline_ms, .most_ms = ANSWER_MS};
  int32_t rc = ask(self, job, &request, &answer, LATHE_NOT_FOUND, "");
  lathe_net_free(&answer);
  return rc == LATHE_OK ? self->host->checkpoint(job, r->idem_key, strlen(r->idem_key)) : rc;
}

static bool input_of(const struct lathe_request *r, char *path) {
  json_t *spec = json_loads(r->spec, 0, NULL);
  const json_t *input = json_array_get(json_object_get(spec, "inputs"), 0);
  const char *name = json_string_value(json_object_get(input, "name"));
  bool fits = name && snprintf(path, PATH_SIZE, "%s/in/%s", r->workdir, name) < PATH_SIZE;
  json_decref(spec);
  return fits;
}

/* The job is not passed on: what may have begun needs its reference, and then cancel() follows. */
static int32_t submit(void *data, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  const struct self *self = data;
  struct lathe_net_answer answer = {0};
  char path[PATH_SIZE], input[PATH_SIZE];
  (void)ref, (void)len;
  if (strcmp(r->kind, kinds[0]) != 0) /* a second kind in the table gets its own work here */
    return fail(self, job, LATHE_PERMANENT, "this plugin does no such kind");
  if (!input_of(r, input) || !path_of(path, r->idem_key, strlen(r->idem_key), ""))
    return fail(self, job, LATHE_BAD_INPUT, "the job has no input");
  struct lathe_net_request request = {
      .method = "PUT",
      .path = path,
      .file = input,
      .type = "text/plain",
      .deadline_ms = r->deadline_ms,
      .keyed = 1, /* the service begins a key once, however often it comes; else leave it out */
  };
  int32_t rc = ask(self, job, &request, &answer, LATHE_PERMANENT,
                   "the service takes no jobs at this url");
  lathe_net_free(&answer);
  /* the reference: most services give one of their own */
  return rc == LATHE_OK ? self->host->checkpoint(job, r->idem_key, strlen(r->idem_key)) : rc;
}

/* {"done": 0.4}: how far it is, from 0 to 1 */
static int32_t read_state(const struct self *self, struct lathe_job *job,
                          struct lathe_net_answer *answer) {
  json_t *state = lathe_net_json(answer);
  if (!state) /* a page of a proxy, say */
    return lathe_net_fail(self->net, job, answer);
  double done = json_number_value(json_object_get(state, "done"));
  json_decref(state);
  if (done >= 1)
    return LATHE_OK;
  self->host->progress(job, done > 0 ? (int32_t)(900 * done) : 0, "there");
  self->host->retry_after(job, POLL_MS);
  return LATHE_PENDING;
}

static int32_t poll_job(void *data, struct lathe_job *job, const struct lathe_request *r,
                        const void *ref, size_t len) {
  const struct self *self = data;
  struct lathe_net_answer answer = {0};
  char path[PATH_SIZE];
  if (!path_of(path, ref, len, ""))
    return fail(self, job, LATHE_PERMANENT, "the reference is not one of this plugin's");
  struct lathe_net_request request = {
      .path = path, .job = job, .deadline_ms = r->deadline_ms, .most_ms = ANSWER_MS};
  int32_t rc = ask(self, job, &request, &answer, LATHE_RETRY_ANEW,
                   "the service does not know the job any more");
  if (rc == LATHE_OK)
    rc = read_state(self, job, &answer);
  lathe_net_free(&answer);
  return rc;
}

static int32_t fetch(void *data, struct lathe_job *job, const struct lathe_request *r,
                     const void *ref, size_t len) {
  const struct self *self = data;
  struct lathe_net_answer answer = {0};
  char path[PATH_SIZE], target[PATH_SIZE];
  snprintf(target, sizeof target, "%s/output.txt", r->workdir);
  if (!path_of(path, ref, len, "/output"))
    return fail(self, job, LATHE_PERMANENT, "the reference is not one of this plugin's");
  struct lathe_net_request request = {.path = path, .job = job, .deadline_ms = r->deadline_ms};
  /* give bytes and sha256, too, where the service tells them */
  struct lathe_net_file file = {.path = target, .most = (int64_t)64 << 20};
  self->host->progress(job, 900, "fetch");
  int32_t rc = lathe_net_download(self->net, &request, &file, &answer);
  if (rc == LATHE_OK)
    rc = self->host->artifact(job, "output.txt", "output.txt", "text/plain");
  else if (answer.status == 404)
    rc = fail(self, job, LATHE_RETRY_ANEW, "the service does not know the job any more");
  else
    rc = lathe_net_fail(self->net, job, &answer);
  lathe_net_free(&answer);
  return rc;
}

static int32_t cancel(void *data, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  const struct self *self = data;
  struct lathe_net_answer answer = {0};
  char path[PATH_SIZE];
  if (!path_of(path, ref, len, ""))
    return LATHE_OK;
  struct lathe_net_request request = {
      .method = "DELETE", .path = path, .deadline_ms = r->deadline_ms, .keyed = 1};
  int32_t rc = ask(self, job, &request, &answer, LATHE_OK, ""); /* unknown there: it does not run */
  if (rc == LATHE_OK && !strcmp(answer.body, "late"))
    rc = LATHE_TOO_LATE;
  lathe_net_free(&answer);
  return rc;
}

/* ---- the plugin ---- */

static int32_t create(const struct lathe_host *host, void **data) {
  struct self *self = calloc(1, sizeof *self);
  const char *key = host->config(host, "key");
  struct lathe_net_options options = {
      .base = host->config(host, "url"),
      .token = *key ? key : NULL, /* the name of a secret, sent as "Authorization: Bearer ..." */
  };
  if (!self)
    return LATHE_RETRY_MEM;
  self->host = host;
  int32_t rc = lathe_net_open(host, &options, &self->net);
  if (rc == LATHE_OK)
    *data = self;
  else
    free(self);
  return rc;
}

static void destroy(void *data) {
  struct self *self = data;
  lathe_net_close(self->net);
  free(self);
}

static const struct lathe_option url = {
    .struct_size = sizeof url,
    .type = LATHE_STRING,
    .key = "url",
    .help = "Where the service is: https://host:port.",
};
static const struct lathe_option key = {
    .struct_size = sizeof key,
    .type = LATHE_SECRET,
    .key = "key",
    .fallback = "",
    .help = "Name of the secret with the service's key; empty: it wants none.",
};
static const struct lathe_option *const options[] = {&url, &key, NULL};
static const struct lathe_remote remote = {
    .struct_size = sizeof remote,
    .submit = submit,
    .find = find,
    .poll = poll_job,
    .fetch = fetch,
    .cancel = cancel,
};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .rights = LATHE_NEEDS_NETWORK,
    .name = "@NAME@",
    .version = "0.1",
    .summary = "Sorts lines, at a service",
    .license = "MIT",
    .kinds = kinds,
    .options = options,
    .device = "net",
    .isolation = LATHE_SHARED,
    .max_concurrency = 8,
    .create = create,
    .destroy = destroy,
    .remote = &remote,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
