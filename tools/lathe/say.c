/* SPDX-License-Identifier: MIT
 *
 * How things are said: errors with what to do about them, JSON, sizes and times.
 */
#include "base/clock.h"
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void say_error(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fputs("lathe: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
}

/* By the last part of a problem's type. */
static const struct {
  const char *slug, *advice;
} advices[] = {
    {"unauthorized", "Give the token with --token-file FILE or in LATHE_TOKEN."},
    {"forbidden-host", "Use a name of the server that its [server] allowed_hosts lists."},
    {"unknown-job", "`lathe list` shows the jobs that the server keeps."},
    {"unknown-kind", "`lathe kinds` shows what the server can do."},
    {"unknown-artifact", "`lathe show ID` lists the artifacts of a job."},
    {"unknown-parameter", "`lathe kinds KIND` lists the parameters."},
    {"bad-parameter", "`lathe kinds KIND` lists the parameters with their ranges."},
    {"unknown-backend", "`lathe backends` lists the backends and what they do."},
    {"wrong-state", "`lathe show ID` tells the state of the job."},
    {"too-large", "The admin sets the limit with [server] max_upload."},
    {"idempotency-mismatch", "Use a fresh --idempotency-key for a different request."},
    {"storage-failed", "Tell the admin: the disk of the server is full or broken."},
    {"job-crashed", "`lathe log ID` may tell more; `lathe retry ID` tries again."},
    {"job-timeout", "Give it more time with --timeout SECONDS, or ask for less."},
    {"job-failed", "`lathe log ID` may tell more."},
};

static const char *advice_for(const char *type) {
  const char *slug = strrchr(type, '/');
  for (size_t i = 0; slug && i < sizeof advices / sizeof *advices; i++)
    if (!strcmp(slug + 1, advices[i].slug))
      return advices[i].advice;
  return NULL;
}

void say_problem(const json_t *problem, int status, int retry_after_s) {
  const char *title = json_text(problem, "title"), *detail = json_text(problem, "detail");
  say_error("%s", *title ? title : "The server gave no reason");
  if (*detail)
    fprintf(stderr, "  %s\n", detail);
  const char *advice = advice_for(json_text(problem, "type"));
  if (advice)
    fprintf(stderr, "  %s\n", advice);
  if (retry_after_s > 0)
    fprintf(stderr, "  Try again in %d s.\n", retry_after_s);
  if (status)
    fprintf(stderr, "  (HTTP %d, %s)\n", status, json_text(problem, "type"));
}

void say_json(const json_t *value) {
  json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
  putchar('\n');
  fflush(stdout);
}

void say_json_line(const json_t *value) {
  json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
  putchar('\n');
  fflush(stdout);
}

char *say_bytes(int64_t bytes, char out[SAY_SIZE]) {
  static const char units[] = "KMGTPE";
  if (bytes < 1024) {
    snprintf(out, SAY_SIZE, "%d B", (int)bytes);
    return out;
  }
  double value = (double)bytes / 1024;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < sizeof units - 1) {
    value /= 1024;
    unit++;
  }
  snprintf(out, SAY_SIZE, value < 10 ? "%.1f %cB" : "%.0f %cB", value, units[unit]);
  return out;
}

char *say_seconds(double seconds, char out[SAY_SIZE]) {
  if (seconds < 0)
    seconds = 0;
  if (seconds < 60)
    snprintf(out, SAY_SIZE, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
  else if (seconds < 3600)
    snprintf(out, SAY_SIZE, "%d:%02d min", (int)seconds / 60, (int)seconds % 60);
  else if (seconds < 86400)
    snprintf(out, SAY_SIZE, "%d:%02d h", (int)seconds / 3600, (int)seconds / 60 % 60);
  else
    snprintf(out, SAY_SIZE, "%.0f d", seconds / 86400);
  return out;
}

const char *json_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

double json_real_of(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

double job_elapsed(const json_t *job) {
  double begin = json_real_of(job, "started_at"), end = json_real_of(job, "ended_at");
  if (begin <= 0)
    return 0;
  return (end > 0 ? end : (double)clock_wall_us() / 1e6) - begin;
}

int job_exit(const json_t *job) {
  const char *state = json_text(job, "status");
  if (!strcmp(state, "failed"))
    return CLI_JOB_FAILED;
  return !strcmp(state, "cancelled") ? CLI_CANCELLED : CLI_OK;
}
