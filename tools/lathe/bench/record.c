/* SPDX-License-Identifier: MIT
 *
 * What a job's record says of its time, cost and quality.
 *
 *   accepted --queue--> attempt --------------------------------> ended
 *                       | far queue | cold start | run | transfer |     where the backend reports them
 *
 * All times are the server's: the way between this program and the server is in none of them.
 */
#include "bench/record.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 300 };

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

/* NAN where it is not there. */
static double real_of(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static double or_zero(double value) {
  return value >= 0 ? value : 0;
}

/* Between two of the server's times, which are whole microseconds and come as reals. */
static double between(const json_t *object, const char *begin, const char *end) {
  return round((real_of(object, end) - real_of(object, begin)) * 1e6) / 1e6;
}

static double wall_of(const json_t *attempt) {
  return or_zero(between(attempt, "started_at", "ended_at"));
}

/* ---- times ---- */

static void take_times(struct bench_job *out, const json_t *job) {
  const json_t *attempts = json_object_get(job, "attempts");
  size_t count = json_array_size(attempts);
  const json_t *last = json_array_get(attempts, count - 1), *facts = json_object_get(last, "facts");
  double earlier = 0, wall = wall_of(last), run = real_of(facts, "time.run_s"),
         far_queue = or_zero(real_of(facts, "time.queued_s"));
  for (size_t i = 0; i + 1 < count; i++)
    earlier += wall_of(json_array_get(attempts, i));
  out->seconds = between(job, "created_at", "ended_at");
  out->retry = earlier;
  out->queue = or_zero(round((out->seconds - earlier - wall) * 1e6) / 1e6) + far_queue;
  out->cold_start = real_of(facts, "time.cold_start_s");
  double rest = or_zero(wall - far_queue - or_zero(out->cold_start));
  out->compute = run >= 0 ? fmin(run, rest) : rest;
  out->transfer = run >= 0 ? rest - out->compute : NAN;
}

/* ---- cost and quality ---- */

static void take_cost(struct bench_job *out, const json_t *job) {
  const json_t *cost = json_object_get(job, "cost");
  double actual = real_of(cost, "actual");
  const char *currency = json_string_value(json_object_get(cost, "currency"));
  out->cost = isfinite(actual) ? actual : real_of(cost, "estimated");
  if (isfinite(out->cost))
    out->currency = mem_dup(currency ? currency : "");
}

/* "quality.min_sicn": the member of a member. */
static const json_t *find(const json_t *object, const char *path) {
  const json_t *whole = json_object_get(object, path);
  const char *dot = strchr(path, '.');
  if (whole || !dot)
    return whole;
  return find(json_object_getn(object, path, (size_t)(dot - path)), dot + 1);
}

static void take_quality(struct bench_job *out, const json_t *job, const json_t *values) {
  const json_t *result = json_object_get(job, "result"),
               *attempts = json_object_get(job, "attempts"),
               *last = json_array_get(attempts, json_array_size(attempts) - 1);
  size_t i;
  json_t *one;
  const char *name;
  json_array_foreach(values, i, one) {
    const json_t *value = find(result, json_string_value(one));
    if (json_is_number(value))
      json_object_set(out->quality, json_string_value(one), (json_t *)value);
  }
  json_object_foreach(json_object_get(last, "facts"), name, one) {
    if (!strncmp(name, "quality.", 8) && json_is_number(one))
      json_object_set(out->quality, name, one);
  }
}

/* ---- the record ---- */

static struct bench_job *begin(struct bench *b, size_t which, size_t backend, int round,
                               int order) {
  struct bench_job *out = bench_add_job(b);
  out->which = which;
  out->backend = backend;
  out->round = round;
  out->order = order;
  out->quality = json_object();
  return out;
}

/* What a problem says, in one sentence of a length that a table can hold. */
static char *reason_of(const json_t *problem, const char *otherwise) {
  const char *detail = text_of(problem, "detail"), *title = text_of(problem, "title");
  const char *text = *detail ? detail : *title ? title : otherwise;
  size_t len = strlen(text);
  if (len <= REASON_MAX)
    return mem_dup(text);
  for (len = REASON_MAX; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;) /* not mid-letter */
    len--;
  return mem_printf("%.*s...", (int)len, text);
}

void record_job(struct bench *b, size_t which, size_t backend, int round, int order,
                const json_t *job, const json_t *values) {
  struct bench_job *out = begin(b, which, backend, round, order);
  const char *status = text_of(job, "status"), *served = text_of(job, "backend");
  out->id = mem_dup(text_of(job, "job_id"));
  out->status = mem_dup(status);
  out->attempts = (int)json_array_size(json_object_get(job, "attempts"));
  if (strcmp(status, "completed") != 0) {
    out->error = reason_of(json_object_get(job, "error"),
                           strcmp(status, "cancelled") ? "it failed" : "somebody cancelled it");
    take_cost(out, job);
    return;
  }
  take_times(out, job);
  take_cost(out, job);
  take_quality(out, job, values);
  if (json_is_true(json_object_get(job, "cached")) || out->attempts == 0)
    out->error = mem_dup("an earlier result answered, though the job asked for a new one");
  else if (strcmp(served, b->backends[backend].name) != 0)
    out->error = mem_printf("the backend %.60s did it instead", served);
  else if (!(out->seconds > 0 && out->seconds < 1e9))
    out->error = mem_dup("the server's clock was set while it ran");
}

void record_refusal(struct bench *b, size_t which, size_t backend, int round, int order,
                    const json_t *problem) {
  struct bench_job *out = begin(b, which, backend, round, order);
  out->status = mem_dup("refused");
  out->error = reason_of(problem, "the server refused it");
}

void record_lost(struct bench *b, size_t which, size_t backend, int round, int order,
                 const char *id, int64_t patience_ms) {
  struct bench_job *out = begin(b, which, backend, round, order);
  out->id = mem_dup(id);
  out->status = mem_dup("cancelled");
  out->error = mem_printf("it did not end within %.6g s (--patience), and was cancelled",
                          (double)patience_ms / 1000);
}
