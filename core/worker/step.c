/* SPDX-License-Identifier: MIT */
#include "worker/step.h"

#include "base/clock.h"
#include "base/json64.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "wire/death.h"
#include "worker/class.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESULT_MAX (256 << 10)
#define READ_SIZE  (256u << 10)

/* The class of what run() returned. */
static enum wire_class class_of_run(struct lathe_job *job, int32_t code) {
  int cancelled = atomic_load(&job->cancelled);
  if (code == LATHE_OK)
    return WIRE_OK;
  return cancelled ? (enum wire_class)cancelled : class_of(code);
}

static void default_message(struct lathe_job *job, int32_t code) {
  int cancelled = atomic_load(&job->cancelled);
  if (cancelled)
    snprintf(job->message, sizeof job->message, "%s",
             cancelled == WIRE_TIMEOUT ? "the job ran out of its time" : "cancelled");
  if (job->message[0])
    return;
  if (code == LATHE_CANCELLED)
    snprintf(job->message, sizeof job->message,
             "the plugin %s gave up though nobody cancelled the job", job->host->plugin.d.name);
  else
    snprintf(job->message, sizeof job->message,
             "the plugin %s failed with result %d and gave no message; the job's log may say more",
             job->host->plugin.d.name, code);
}

/* A plugin gives the system's reason; who reads it may not think of the jail. */
static void hint_at_jail(struct lathe_job *job) {
  size_t at = strlen(job->message);
  if (job->host->jail.on && jail_is_behind(job->message) && at < sizeof job->message)
    snprintf(job->message + at, sizeof job->message - at, " (%s)", JAIL_HINT);
}

static int fail(struct lathe_job *job, struct step_outcome *out, enum wire_class class) {
  out->done.class = class;
  out->done.message = job->message;
  out->done.artifact_count = 0;
  return -1;
}

static int hash_artifact(struct lathe_job *job, struct job_artifact *a, char *buffer) {
  struct err err = {0};
  int fd = folder_open(job->folder, a->relpath, &err);
  if (fd < 0) {
    snprintf(job->message, sizeof job->message, "the artifact \"%.200s\" is lost: %s", a->name,
             err.text);
    return -1;
  }
  struct sha256 *hash = sha256_begin();
  ssize_t n;
  while ((n = read(fd, buffer, READ_SIZE)) > 0 || (n < 0 && errno == EINTR)) {
    if (n < 0)
      continue;
    sha256_add(hash, buffer, (size_t)n);
    a->bytes += n;
  }
  sha256_end(hash, a->sha256);
  close(fd);
  if (n < 0)
    snprintf(job->message, sizeof job->message, "the artifact \"%.200s\" cannot be read back: %s",
             a->name, strerror(errno));
  return n < 0 ? -1 : 0;
}

/* result.json travels with the result, so that nobody needs to open the file for it. */
static int read_result(struct lathe_job *job, const struct job_artifact *a,
                       struct step_outcome *out) {
  char *text = NULL;
  if (a->bytes > RESULT_MAX) {
    snprintf(job->message, sizeof job->message, "result.json has %lld bytes; 256 KiB are allowed",
             (long long)a->bytes);
    return -1;
  }
  int fd = folder_open(job->folder, a->relpath, NULL);
  if (fd >= 0) {
    text = mem_alloc((size_t)a->bytes + 1);
    if (read(fd, text, (size_t)a->bytes) != a->bytes) {
      free(text);
      text = NULL;
    }
    close(fd);
  }
  json_error_t why = {.text = "it cannot be read"};
  json_t *json = text ? json64_load(text, (size_t)a->bytes, JSON_REJECT_DUPLICATES, &why) : NULL;
  if (!json_is_object(json)) {
    snprintf(job->message, sizeof job->message, "result.json is no JSON object: %s (line %d)",
             json ? "another value" : why.text, why.line);
    json_decref(json);
    free(text);
    return -1;
  }
  json_decref(json);
  out->result_json = text;
  out->done.result_json = text;
  return 0;
}

static int take_artifacts(struct lathe_job *job, struct step_outcome *out) {
  int rc = 0;
  char *buffer = mem_alloc(READ_SIZE);
  out->artifacts = mem_array(job->artifact_count, sizeof *out->artifacts);
  for (size_t i = 0; i < job->artifact_count && rc == 0; i++) {
    struct job_artifact *a = &job->artifacts[i];
    rc = hash_artifact(job, a, buffer);
    if (rc == 0 && strcmp(a->name, "result.json") == 0)
      rc = read_result(job, a, out);
    out->artifacts[i] = (struct wire_artifact){
        .name = a->name,
        .media_type = a->media_type,
        .path = a->path,
        .sha256 = a->sha256,
        .bytes = a->bytes,
    };
  }
  free(buffer);
  if (rc < 0)
    return fail(job, out, WIRE_PERMANENT);
  out->done.artifacts = out->artifacts;
  out->done.artifact_count = job->artifact_count;
  return 0;
}

static int check_output(struct lathe_job *job, struct step_outcome *out) {
  int64_t limit = job->step->limits.output_bytes;
  if (limit <= 0 || folder_is_empty(job->folder))
    return 0;
  int64_t bytes = folder_bytes(job->folder);
  if (bytes <= limit)
    return 0;
  wire_tell_output(bytes, limit, job->message, sizeof job->message);
  return fail(job, out, WIRE_LIMIT);
}

void step_conclude(struct lathe_job *job, int32_t code, int64_t start_us,
                   struct step_outcome *out) {
  *out = (struct step_outcome){0};
  out->done.code = code;
  out->done.class = class_of_run(job, code);
  out->done.retry_after_ms = job->retry_after_ms;
  if (out->done.class != WIRE_OK) {
    default_message(job, code);
    hint_at_jail(job);
    out->done.message = job->message;
  } else if (check_output(job, out) == 0 && job->artifact_count) {
    take_artifacts(job, out);
  }
  job_flush_progress(job);
  out->done.run_us = clock_mono_us() - start_us;
}

void step_request(struct lathe_job *job, struct lathe_request *request) {
  const struct wire_step *s = job->step;
  job->began_us = clock_mono_us();
  *request = (struct lathe_request){
      .struct_size = sizeof *request,
      .attempt = (uint32_t)s->attempt,
      .id = s->job_id,
      .kind = s->kind,
      .idem_key = s->idem_key ? s->idem_key : s->job_id,
      .spec = s->spec_json,
      .workdir = job->folder->path,
      .deadline_ms = s->limits.wall_ms > 0 ? job->began_us / 1000 + s->limits.wall_ms : 0,
  };
}

void step_run(struct lathe_job *job, struct step_outcome *out) {
  struct lathe_request request;
  step_request(job, &request);
  int32_t code = job->host->plugin.d.run(job->host->self, job, &request);
  step_conclude(job, code, job->began_us, out); /* it may have become another job */
}

void step_fail(struct step_outcome *out, enum wire_class class, const char *message) {
  *out = (struct step_outcome){.done = {.class = class, .message = message}};
}

void step_spoil(struct step_outcome *out, enum wire_class class, const char *message) {
  free(out->artifacts);
  free(out->result_json);
  step_fail(out, class, message);
}

void step_send(struct link *link, uint64_t token, struct step_outcome *out, bool flush) {
  struct err err = {0};
  struct buf *frames = link_begin(link);
  if (wire_put_done(frames, token, &out->done, &err) < 0) {
    struct wire_done failed = {
        .class = WIRE_PERMANENT,
        .code = out->done.code,
        .message = err.text,
        .workdir = out->done.workdir,
    };
    wire_put_done(frames, token, &failed, NULL);
  }
  link_end(link, flush);
  free(out->artifacts);
  free(out->result_json);
}
