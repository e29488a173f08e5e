/* SPDX-License-Identifier: MIT
 *
 * The results of a job at the far daemon: its files, each held against the length and the SHA-256 that the
 * job there has on record, and the facts that it reported.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
  struct far *f;
  struct lathe_job *job;
  const struct lathe_request *request;
  const char *id;
  int64_t done, all; /* bytes */
  struct lathe_net_answer a;
};

/* ---- facts ---- */

static void report(const struct fetch *t, const char *key, const json_t *value) {
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (text && LATHE_CAN(t->f->host, report))
    t->f->host->report(t->job, key, text);
  free(text);
}

/* Those of its last attempt there, and the times of the job. */
static void report_facts(const struct fetch *t, const json_t *job) {
  const json_t *attempts = json_object_get(job, "attempts");
  size_t count = json_array_size(attempts);
  json_t *facts = json_object_get(json_array_get(attempts, count ? count - 1 : 0), "facts"), *value;
  const char *key;
  json_object_foreach(facts, key, value) {
    report(t, key, value);
  }
  static const struct {
    const char *key, *from, *to;
  } times[] = {{"time.queued_s", "created_at", "started_at"},
               {"time.run_s", "started_at", "ended_at"}};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    const json_t *from = json_object_get(job, times[i].from),
                 *to = json_object_get(job, times[i].to);
    if (!json_is_number(from) || !json_is_number(to) ||
        json_number_value(to) < json_number_value(from))
      continue;
    json_t *seconds = json_real(json_number_value(to) - json_number_value(from));
    report(t, times[i].key, seconds);
    json_decref(seconds);
  }
}

/* ---- files ---- */

static void on_moved(void *user, int64_t bytes, int64_t of) {
  const struct fetch *t = user;
  char what[80];
  (void)of;
  snprintf(what, sizeof what, "download %lld/%lld", (long long)(t->done + bytes),
           (long long)t->all);
  if (t->all > 1 << 20)
    t->f->host->progress(t->job, 1000, what);
}

static bool path_of(const struct fetch *t, const char *name, char *path, size_t size) {
  char part[800];
  if (!lathe_net_escape(name, part, sizeof part))
    return false;
  snprintf(path, size, "/api/jobs/%s/artifacts/%s", t->id, part);
  return true;
}

/* A file that lies at a service of the far daemon's: clients of ours are sent there, too. */
static int32_t give_elsewhere(struct fetch *t, const char *path, const json_t *artifact) {
  char url[4096];
  struct lathe_net_request r = {
      .path = path, .job = t->job, .deadline_ms = t->request->deadline_ms};
  const json_t *bytes = json_object_get(artifact, "bytes");
  const char *sha256 = far_text(artifact, "sha256");
  far_call(t->f, &r, &t->a);
  if (t->a.status != 307)
    return t->a.result == LATHE_OK
               ? far_say(t->f, &t->a, LATHE_RETRY_DOWN, "names no place of the file %.100s",
                         far_text(artifact, "name"))
               : t->a.result;
  if (!lathe_net_header(&t->a, "Location", url, sizeof url))
    return far_say(t->f, &t->a, LATHE_PERMANENT, "names no place of the file %.100s",
                   far_text(artifact, "name"));
  struct lathe_artifact a = {
      .struct_size = sizeof a,
      .name = far_text(artifact, "name"),
      .media_type = far_text(artifact, "media_type"),
      .url = url,
      .bytes = json_is_integer(bytes) ? json_integer_value(bytes) : -1,
      .expires_s = (int64_t)json_number_value(json_object_get(artifact, "expires_at")),
      .sha256 = strlen(sha256) == 64 ? sha256 : NULL,
  };
  t->a.why[0] = '\0'; /* put() says why */
  return t->a.result = t->f->host->put(t->job, &a);
}

static int32_t give_file(struct fetch *t, const char *path, const json_t *artifact, size_t number) {
  char local[40], file_path[4200];
  const char *name = far_text(artifact, "name"), *type = far_text(artifact, "media_type");
  const json_t *bytes = json_object_get(artifact, "bytes");
  const char *sha256 = far_text(artifact, "sha256");
  if (!json_is_integer(bytes) || json_integer_value(bytes) < 0 || strlen(sha256) != 64)
    return far_say(t->f, &t->a, LATHE_RETRY_DOWN,
                   "promises no length and SHA-256 of the file %.100s", name);
  snprintf(local, sizeof local, "far-%zu", number);
  snprintf(file_path, sizeof file_path, "%s/%s", t->request->workdir, local);
  struct lathe_net_request r = {.path = path,
                                .job = t->job,
                                .deadline_ms = t->request->deadline_ms,
                                .moved = on_moved,
                                .user = t};
  struct lathe_net_file file = {.path = file_path,
                                .bytes = json_integer_value(bytes),
                                .sha256 = sha256,
                                .most = json_integer_value(bytes) + 1};
  if (far_ready(t->f, &t->a) != LATHE_OK)
    return t->a.result;
  lathe_net_download(t->f->t.net, &r, &file, &t->a);
  far_failed(t->f, &t->a);
  far_doubt(&t->a);
  if (t->a.result != LATHE_OK)
    return t->a.result;
  t->done += json_integer_value(bytes);
  t->a.why[0] = '\0'; /* artifact() says why */
  return t->a.result = t->f->host->artifact(t->job, name, local, *type ? type : NULL);
}

static int32_t give(struct fetch *t, const json_t *artifact, size_t number) {
  char path[FAR_PATH];
  if (json_is_true(json_object_get(artifact, "provisional")))
    return LATHE_OK;
  if (!path_of(t, far_text(artifact, "name"), path, sizeof path))
    return far_say(t->f, &t->a, LATHE_PERMANENT, "has a file whose name is none: \"%.100s\"",
                   far_text(artifact, "name"));
  if (strcmp(far_text(artifact, "location"), "remote") == 0)
    return give_elsewhere(t, path, artifact);
  return give_file(t, path, artifact, number);
}

static int32_t give_all(struct fetch *t, const json_t *job) {
  const json_t *list = json_object_get(job, "artifacts"), *artifact;
  size_t i;
  json_array_foreach(list, i, artifact) {
    json_int_t bytes = json_integer_value(json_object_get(artifact, "bytes"));
    t->all += bytes > 0 && bytes < INT64_MAX / 100000 ? bytes : 0;
  }
  json_array_foreach(list, i, artifact) {
    int32_t result = give(t, artifact, i);
    if (result != LATHE_OK)
      return result;
  }
  report_facts(t, job);
  return LATHE_OK;
}

static int32_t check(struct fetch *t, const json_t *job) {
  if (strcmp(far_text(job, "job_id"), t->id) != 0)
    return far_say(t->f, &t->a, LATHE_RETRY_DOWN, "answers with another job than was asked for");
  if (strcmp(far_text(job, "status"), "completed") != 0 ||
      !json_is_array(json_object_get(job, "artifacts")))
    return far_say(t->f, &t->a, LATHE_RETRY_DOWN, "told of the end of job %s, which is %.40s",
                   t->id, far_text(job, "status"));
  return LATHE_OK;
}

/* The file is another one than the job there has on record, or the record is none: that is not the
 * network's fault, which ends in connections that break. */
static bool is_lie(const struct lathe_net_answer *a) {
  return strstr(a->why, "nothing of it is kept") || strstr(a->why, "promise") ||
         strstr(a->why, "longer than the") || strstr(a->why, "that is no JSON") ||
         strstr(a->why, "JSON of more than") || strncmp(a->why, "the far daemon at", 17) == 0;
}

int32_t far_fetch(void *far, struct lathe_job *job, const struct lathe_request *request,
                  const void *ref, size_t len) {
  char id[FAR_ID + 1], path[FAR_PATH];
  struct fetch t = {.f = far, .job = job, .request = request, .id = id};
  if (!far_id_of(ref, len, id))
    return LATHE_PERMANENT;
  snprintf(path, sizeof path, "/api/jobs/%s", id);
  json_t *answer = far_get(t.f, job, request, path, FAR_JOB_MAX, &t.a);
  int32_t result = answer ? check(&t, answer) : t.a.result;
  if (result == LATHE_OK)
    result = give_all(&t, answer);
  if (result == LATHE_RETRY_DOWN && is_lie(&t.a) && far_jobs_lied(t.f, id))
    result = t.a.result = LATHE_RETRY_ANEW;
  bool gone = (t.a.status == 404 &&
               (far_is_problem(&t.a, "unknown-job") || far_is_problem(&t.a, "unknown-artifact"))) ||
              (t.a.status == 410 && far_is_problem(&t.a, "artifact-expired"));
  if (result != LATHE_OK && gone)
    result = t.a.result = LATHE_RETRY_ANEW;
  else if (result == LATHE_PERMANENT && t.a.status == 404)
    result = far_say(t.f, &t.a, LATHE_RETRY_DOWN,
                     "does not answer as a lathed (404 without its problem)");
  if (result != LATHE_OK)
    far_tell(t.f, job, &t.a);
  if (result == LATHE_OK || result / 1000 != LATHE_RETRY / 1000 || result == LATHE_RETRY_ANEW)
    far_jobs_drop(t.f, id);
  json_decref(answer);
  lathe_net_free(&t.a);
  return result;
}
