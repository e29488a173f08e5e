/* SPDX-License-Identifier: MIT */
#include "worker/step.h"

#include "base/clock.h"
#include "base/json64.h"
#include "base/json_check.h"
#include "base/mem.h"
#include "wire/death.h"
#include "worker/class.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The text of the file, which the caller frees; NULL: it cannot be read, and the job's message says
 * why. */
static char *read_file(struct lathe_job *job, const struct job_artifact *a, size_t *len) {
  struct err err = {0};
  struct stat st;
  char *text = NULL;
  int fd = folder_open(job->folder, a->relpath, &err);
  if (fd < 0 || fstat(fd, &st) < 0) {
    snprintf(job->message, sizeof job->message, "the artifact \"%.200s\" is lost: %s", a->name,
             fd < 0 ? err.text : strerror(errno));
  } else if (st.st_size > WIRE_RESULT_MAX) {
    snprintf(job->message, sizeof job->message, "result.json has %lld bytes; 256 KiB are allowed",
             (long long)st.st_size);
  } else {
    text = mem_alloc((size_t)st.st_size + 1);
    ssize_t n = read(fd, text, (size_t)st.st_size);
    *len = n > 0 ? (size_t)n : 0;
  }
  if (fd >= 0)
    close(fd);
  return text;
}

/* result.json travels with the result, so that nobody needs to open the file for it.  The parser
 * knows the line of a mistake; what the daemon takes is a little less than it does. */
static int read_result(struct lathe_job *job, const struct job_artifact *a,
                       struct step_outcome *out) {
  size_t len = 0;
  char *text = read_file(job, a, &len);
  if (!text)
    return -1;
  json_error_t why = {.text = ""};
  json_t *json = json64_load(text, len, JSON_REJECT_DUPLICATES, &why);
  bool object = json_is_object(json);
  bool fine = object && json_check_object(text, len, WIRE_RESULT_DEPTH, false);
  if (!object)
    snprintf(job->message, sizeof job->message, "result.json is not a JSON object: %s (line %d)",
             json ? "another value" : why.text, why.line);
  else if (!fine)
    snprintf(job->message, sizeof job->message,
             "result.json has more than %d values inside each other, or a number that most readers "
             "cannot hold (an integer past 64 bits, 1e999)",
             WIRE_RESULT_DEPTH);
  json_decref(json);
  if (fine) {
    struct buf compact = {0};
    json_put_compact(&compact, text, len);
    out->done.result_json = out->result_json = buf_take(&compact);
  }
  free(text);
  return fine ? 0 : -1;
}

static int take_artifacts(struct lathe_job *job, struct step_outcome *out) {
  out->artifacts = mem_array(job->artifact_count, sizeof *out->artifacts);
  for (size_t i = 0; i < job->artifact_count; i++) {
    struct job_artifact *a = &job->artifacts[i];
    if (a->relpath && strcmp(a->name, "result.json") == 0 && read_result(job, a, out) < 0)
      return fail(job, out, WIRE_PERMANENT);
    out->artifacts[i] = (struct wire_artifact){.name = a->name,
                                               .media_type = a->media_type,
                                               .path = a->relpath,
                                               .url = a->url,
                                               .bytes = a->bytes,
                                               .expires_s = a->expires_s,
                                               .sha256 = a->sha256};
  }
  out->done.artifacts = out->artifacts;
  out->done.artifact_count = job->artifact_count;
  return 0;
}

static int check_output(struct lathe_job *job, struct step_outcome *out) {
  int64_t limit = job->step->limits.output_bytes;
  if (limit <= 0 || folder_is_empty(job->folder))
    return 0;
  int64_t bytes = folder_bytes(job->folder, limit);
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
    out->done.error_code = job->fault.code[0] ? job->fault.code : NULL;
    out->done.request_id = job->fault.request_id[0] ? job->fault.request_id : NULL;
  } else if (check_output(job, out) == 0 && job->artifact_count) {
    take_artifacts(job, out);
  }
  out->done.run_us = clock_mono_us() - start_us;
  facts_of_host(job, out->done.run_us);
  job_flush(job);
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
      .threads = s->threads ? s->threads : 1,
      .memory_bytes = s->limits.memory,
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
        .folder = out->done.folder,
    };
    wire_put_done(frames, token, &failed, NULL);
  }
  link_end(link, flush);
  free(out->artifacts);
  free(out->result_json);
}
