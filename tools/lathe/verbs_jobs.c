/* SPDX-License-Identifier: MIT
 *
 * Jobs that exist: log, cancel, retry, delete, get.
 */
#include "artifacts.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- log ---- */

enum { LINE_MAX_BYTES = 1 << 20 }; /* of a line as JSON; a longer one comes in pieces */

struct log_output {
  bool json;
  bool any;   /* something came */
  int errnum; /* why a write failed */
  struct say_stream shown;
  struct buf line;
};

/* JSON is UTF-8, a log need not be. */
static void say_log_line(const char *text, size_t len) {
  struct buf line = {0};
  buf_put_utf8(&line, text, len);
  json_t *value = json_pack("{s:s%}", "text", line.len ? line.data : "", line.len);
  if (value)
    say_json_line(value);
  json_decref(value);
  buf_free(&line);
}

static int on_log(void *arg, const char *data, size_t len) {
  struct log_output *o = arg;
  o->any |= len > 0;
  if (!o->json)
    return o->errnum = say_stream_put(&o->shown, data, len);
  for (const char *end; len > 0; data = end) {
    const char *newline = memchr(data, '\n', len);
    end = newline ? newline + 1 : data + len;
    buf_put(&o->line, data, (size_t)((newline ? newline : end) - data));
    len -= (size_t)(end - data);
    if (!newline && o->line.len < LINE_MAX_BYTES)
      break;
    say_log_line(o->line.data, o->line.len);
    buf_clear(&o->line);
  }
  return 0;
}

int verb_log(struct cli *c) {
  struct log_output output = {.json = c->json};
  char *path = http_path(c,
                         option_get(c, "follow") ? "/api/jobs/%s/log?follow=1" : "/api/jobs/%s/log",
                         c->operands[0]);
  struct http_call call = {
      .path = path, .type = "text/plain", .endless = true, .sink = on_log, .arg = &output};
  struct http_answer answer;
  int code = http_do(c, &call, &answer);
  if (output.line.len)
    say_log_line(output.line.data, output.line.len);
  say_stream_end(&output.shown);
  if (output.errnum == EPIPE) /* its reader has had enough */
    code = CLI_OK;
  else if (output.errnum)
    code = fail(CLI_USAGE, "cannot write the log to standard output: %s", strerror(output.errnum));
  else
    http_report(&answer, code);
  if (code == CLI_OK && !output.any && !c->json)
    say_note("Job %s has printed nothing.\n", c->operands[0]);
  http_answer_free(&answer);
  buf_free(&output.line);
  free(path);
  return code;
}

/* ---- cancel, retry, delete ---- */

/* The problem for a job about which the server did not answer as it should. */
static json_t *problem_of(const char *id, const struct http_answer *answer) {
  return json_pack("{s:s, s:s, s:s, s:s}", "type", "about:blank", "title", "The request failed",
                   "detail", answer->text, "job_id", id);
}

/* What became of one job: printed, or put to the answers. */
static void tell_state(const struct cli *c, const char *id, const char *word, int code,
                       const struct http_answer *answer, json_t *answers) {
  const char *state = json_text(answer->json, "status");
  if (c->json && answer->json && !answer->text[0])
    json_array_append(answers, answer->json);
  else if (c->json && code == CLI_OK)
    json_array_append_new(answers, json_pack("{s:s, s:s}", "job_id", id, "status", word));
  else if (c->json)
    json_array_append_new(answers, problem_of(id, answer));
  else if (code == CLI_OK)
    say("%s %s\n", id, *state ? state : word);
  else {
    if (c->operand_count > 1)
      say_note("job %s\n", id);
    http_report(answer, code);
  }
}

/* Asks the server the same of each job; goes on after a refusal and returns the worst code. */
static int for_each_job(struct cli *c, const char *method, const char *suffix, const char *word) {
  int worst = CLI_OK;
  bool whole = strcmp(method, "DELETE") != 0; /* the answer is the job */
  json_t *answers = json_array();
  for (size_t i = 0; i < c->operand_count && worst != CLI_INTERRUPTED; i++) {
    char *path = mem_printf("/api/jobs/%s%s", c->operands[i], suffix);
    struct http_answer answer;
    struct http_call call = {.method = method,
                             .path = path,
                             .type = whole ? "json" : NULL,
                             .headers = {"Accept: application/json"}};
    int code = http_do(c, &call, &answer);
    bool odd = whole ? !id_is_valid(json_text(answer.json, "job_id")) : answer.status != 204;
    if (code == CLI_OK && odd) {
      code = CLI_SERVER;
      snprintf(answer.text, sizeof answer.text,
               "%s answered without the job %s; is it a lathe server?", c->server, c->operands[i]);
    }
    if (code != CLI_INTERRUPTED)
      tell_state(c, c->operands[i], word, code, &answer, answers);
    worst = code > worst ? code : worst;
    bool nobody = code == CLI_UNREACHABLE && answer.status == 0;
    http_answer_free(&answer);
    free(path);
    if (nobody)
      break;
  }
  /* One job: its answer; several: an object with the list of answers, as of all lists. */
  json_t *document = json_pack("{s:O}", "jobs", answers);
  if (json_array_size(answers))
    say_json(c->operand_count == 1 ? json_array_get(answers, 0) : document);
  json_decref(document);
  json_decref(answers);
  return worst;
}

int verb_cancel(struct cli *c) {
  return for_each_job(c, "POST", "/cancel", "cancelled");
}

int verb_retry(struct cli *c) {
  return for_each_job(c, "POST", "/retry", "queued");
}

int verb_delete(struct cli *c) {
  return for_each_job(c, "DELETE", "", "deleted");
}

/* ---- get ---- */

/* The folder's file where `out` is a folder.  The caller frees. */
static char *file_for(const char *out, const char *name) {
  struct stat st;
  bool folder = out && strcmp(out, "-") != 0 && stat(out, &st) == 0 && S_ISDIR(st.st_mode);
  return folder ? path_join(out, name) : mem_dup(out ? out : name);
}

static int get_one(struct cli *c, const json_t *job, const char *name) {
  const char *out = option_get(c, "output");
  const json_t *artifact = artifact_find(job, name);
  if (!artifact)
    return fail(CLI_REFUSED, "job %s (%s) has no artifact %s; `lathe show %s` lists them",
                c->operands[0], json_text(job, "status"), name, c->operands[0]);
  char *path = file_for(out, name);
  int code = artifact_get(c, artifact, path);
  if (code == CLI_OK && c->json && strcmp(path, "-") != 0)
    say_json(artifact);
  free(path);
  return code;
}

static int get_all(struct cli *c, const json_t *job) {
  const char *out = option_get(c, "output");
  if (out && !strcmp(out, "-"))
    return fail(CLI_USAGE,
                "standard output takes one artifact: name it, as in lathe get %s NAME -o -; "
                "`lathe show %s` lists them",
                c->operands[0], c->operands[0]);
  if (!json_array_size(json_object_get(job, "artifacts")))
    return fail(CLI_REFUSED, "job %s is %s and has no artifacts", c->operands[0],
                json_text(job, "status"));
  int code = artifacts_get_all(c, job, out ? out : ".", !c->json);
  if (code == CLI_OK && c->json) {
    json_t *document = json_pack("{s:O, s:O}", "job_id", json_object_get(job, "job_id"),
                                 "artifacts", json_object_get(job, "artifacts"));
    say_json(document);
    json_decref(document);
  }
  return code;
}

int verb_get(struct cli *c) {
  char *path = http_path(c, "/api/jobs/%s", c->operands[0]);
  json_t *job;
  int code = http_fetch(c, NULL, path, "job_id", &job);
  free(path);
  if (code == CLI_OK)
    code = c->operand_count > 1 ? get_one(c, job, c->operands[1]) : get_all(c, job);
  json_decref(job);
  return code;
}
