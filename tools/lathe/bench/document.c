/* SPDX-License-Identifier: MIT
 *
 * A benchmark as JSON, and back.
 */
#include "base/mem.h"
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct bench_job *bench_add_job(struct bench *b) {
  if (b->job_count == b->job_cap) {
    b->job_cap = b->job_cap ? b->job_cap * 2 : 64;
    b->jobs = mem_grow(b->jobs, b->job_cap * sizeof *b->jobs);
  }
  struct bench_job *job = &b->jobs[b->job_count++];
  *job = (struct bench_job){.seconds = NAN,
                            .queue = NAN,
                            .cold_start = NAN,
                            .transfer = NAN,
                            .compute = NAN,
                            .retry = NAN,
                            .cost = NAN};
  return job;
}

void bench_free(struct bench *b) {
  for (size_t i = 0; i < b->case_count; i++) {
    struct bench_case *one = &b->cases[i];
    free(one->file);
    free(one->set);
    free(one->sha256);
    json_decref(one->params);
  }
  for (size_t i = 0; i < b->backend_count; i++) {
    struct bench_backend *one = &b->backends[i];
    free(one->name);
    free(one->plugin);
    free(one->version);
    free(one->device);
    free(one->error);
  }
  for (size_t i = 0; i < b->job_count; i++) {
    struct bench_job *one = &b->jobs[i];
    free(one->id);
    free(one->status);
    free(one->error);
    free(one->currency);
    json_decref(one->quality);
  }
  free(b->cases);
  free(b->backends);
  free(b->jobs);
  free(b->kind);
  free(b->server);
  free(b->client_version);
  free(b->server_version);
  free(b->timestamp);
  *b = (struct bench){0};
}

/* ---- out ---- */

static json_t *text_or_null(const char *text) {
  json_t *value = text ? json_string(text) : NULL;
  return value ? value : json_null(); /* what is not UTF-8 cannot be written */
}

static json_t *real_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *case_to_json(const struct bench_case *one) {
  return json_pack("{s:o, s:I, s:o, s:o, s:O, s:o}", "file", text_or_null(one->file), "file_size",
                   (json_int_t)one->bytes, "sha256", text_or_null(one->sha256), "set",
                   text_or_null(one->set), "params", one->params, "upload_s",
                   real_or_null(one->upload));
}

static json_t *backend_to_json(const struct bench_backend *one) {
  return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o}", "backend", one->name, "plugin",
                   text_or_null(one->plugin), "version", text_or_null(one->version), "device",
                   text_or_null(one->device), "local", one->local, "error",
                   text_or_null(one->error));
}

static json_t *job_to_json(const struct bench *b, const struct bench_job *job) {
  bool named = job->currency && *job->currency;
  json_t *cost = isfinite(job->cost) ? json_pack("{s:f, s:o}", "amount", job->cost, "currency",
                                                 text_or_null(named ? job->currency : NULL))
                                     : json_null();
  return json_pack("{s:i, s:I, s:s, s:i, s:b, s:o, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, "
                   "s:o, s:O}",
                   "order", job->order, "case", (json_int_t)job->which, "backend",
                   b->backends[job->backend].name, "round", job->round, "warmup", job->round == 0,
                   "job_id", text_or_null(job->id), "status", job->status, "error",
                   text_or_null(job->error), "attempts", job->attempts, "seconds",
                   real_or_null(job->seconds), "queue_s", real_or_null(job->queue), "cold_start_s",
                   real_or_null(job->cold_start), "transfer_s", real_or_null(job->transfer),
                   "compute_s", real_or_null(job->compute), "retry_s", real_or_null(job->retry),
                   "cost", cost, "quality", job->quality);
}

json_t *bench_to_json(const struct bench *b) {
  json_t *cases = json_array(), *backends = json_array(), *jobs = json_array();
  for (size_t i = 0; i < b->case_count; i++)
    json_array_append_new(cases, case_to_json(&b->cases[i]));
  for (size_t i = 0; i < b->backend_count; i++)
    json_array_append_new(backends, backend_to_json(&b->backends[i]));
  for (size_t i = 0; i < b->job_count; i++)
    json_array_append_new(jobs, job_to_json(b, &b->jobs[i]));
  /* The seed is a text, because not every reader has integers of 64 bits. */
  char seed[24], *p = seed + sizeof seed - 1;
  *p = '\0';
  for (uint64_t left = b->seed; left || !*p; left /= 10)
    *--p = (char)('0' + left % 10);
  return json_pack("{s:s, s:o, s:i, s:s, s:o, s:o, s:o, s:s, s:i, s:i, s:i, s:f, s:f, s:b, s:I, "
                   "s:o, s:o, s:o}",
                   "format", "lathe-bench/1", "timestamp", text_or_null(b->timestamp), "iterations",
                   b->rounds, "kind", b->kind, "server", text_or_null(b->server), "client_version",
                   text_or_null(b->client_version), "server_version",
                   text_or_null(b->server_version), "seed", p, "rounds_min", b->rounds_min,
                   "rounds_max", b->rounds_max, "warmup", b->warmup, "within", b->within,
                   "prefer_local_s", b->prefer_local, "interrupted", b->interrupted,
                   "other_jobs_at_start", (json_int_t)b->others, "cases", cases, "backends",
                   backends, "jobs", jobs);
}

/* ---- in: somebody may have written the file by hand ---- */

static char *text_of(const json_t *object, const char *key) {
  return mem_dup(json_string_value(json_object_get(object, key)));
}

static char *text_or_empty(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return mem_dup(text ? text : "");
}

static double real_of(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A time, which is never below 0. */
static double time_of(const json_t *object, const char *key) {
  double value = real_of(object, key);
  return value >= 0 ? value : NAN;
}

static bool whole_of(const json_t *object, const char *key, json_int_t min, json_int_t max,
                     json_int_t *out) {
  const json_t *value = json_object_get(object, key);
  *out = json_integer_value(value);
  return json_is_integer(value) && *out >= min && *out <= max;
}

static int wrong(struct err *err, const char *what, size_t i) {
  return err_set(err, ERR_INVAL, "%s[%zu] is not one that lathe bench writes", what, i);
}

static int take_case(struct bench_case *one, const json_t *value) {
  json_int_t bytes;
  json_t *params = json_object_get(value, "params");
  one->file = text_or_empty(value, "file");
  one->set = text_or_empty(value, "set");
  one->sha256 = text_of(value, "sha256");
  one->upload = time_of(value, "upload_s");
  one->params = json_is_object(params) ? json_incref(params) : json_object();
  bool good = whole_of(value, "file_size", 0, INT64_MAX, &bytes);
  one->bytes = bytes;
  return good ? 0 : ERR_INVAL;
}

static int take_backend(struct bench_backend *one, const json_t *value) {
  one->name = text_or_empty(value, "backend");
  one->plugin = text_of(value, "plugin");
  one->version = text_of(value, "version");
  one->device = text_of(value, "device");
  one->local = json_is_true(json_object_get(value, "local"));
  one->error = text_of(value, "error");
  return *one->name ? 0 : ERR_INVAL;
}

static json_t *numbers_of(const json_t *object) {
  json_t *out = json_object(), *value;
  const char *name;
  json_object_foreach((json_t *)object, name, value) {
    if (json_is_number(value))
      json_object_set(out, name, value);
  }
  return out;
}

static int take_job(struct bench *b, const json_t *value) {
  const char *name = json_string_value(json_object_get(value, "backend"));
  const json_t *cost = json_object_get(value, "cost");
  json_int_t which, round, attempts, order;
  size_t backend = 0;
  while (name && backend < b->backend_count && strcmp(b->backends[backend].name, name) != 0)
    backend++;
  if (!name || backend == b->backend_count ||
      !whole_of(value, "case", 0, (json_int_t)b->case_count - 1, &which) ||
      !whole_of(value, "round", 0, BENCH_ROUNDS_MAX, &round) ||
      !whole_of(value, "attempts", 0, INT32_MAX, &attempts) ||
      !whole_of(value, "order", 0, INT32_MAX, &order))
    return ERR_INVAL;
  struct bench_job *job = bench_add_job(b);
  job->which = (size_t)which;
  job->backend = backend;
  job->round = (int)round;
  job->order = (int)order;
  job->attempts = (int)attempts;
  job->id = text_of(value, "job_id");
  job->status = text_or_empty(value, "status");
  job->error = text_of(value, "error");
  job->seconds = time_of(value, "seconds");
  job->queue = time_of(value, "queue_s");
  job->cold_start = time_of(value, "cold_start_s");
  job->transfer = time_of(value, "transfer_s");
  job->compute = time_of(value, "compute_s");
  job->retry = time_of(value, "retry_s");
  job->cost = real_of(cost, "amount");
  if (isfinite(job->cost))
    job->currency = text_or_empty(cost, "currency");
  job->quality = numbers_of(json_object_get(value, "quality"));
  /* A success without a time, or a failure without a reason, is neither. */
  return job->error || job->seconds > 0 ? 0 : ERR_INVAL;
}

static int take_header(struct bench *b, const json_t *document, struct err *err) {
  const char *seed = json_string_value(json_object_get(document, "seed"));
  json_int_t rounds, least, most, warmup, others;
  char *end = NULL;
  b->kind = text_or_empty(document, "kind");
  b->server = text_of(document, "server");
  b->client_version = text_of(document, "client_version");
  b->server_version = text_of(document, "server_version");
  b->timestamp = text_of(document, "timestamp");
  b->within = time_of(document, "within");
  b->prefer_local = time_of(document, "prefer_local_s");
  b->interrupted = json_is_true(json_object_get(document, "interrupted"));
  b->seed = seed ? strtoull(seed, &end, 10) : 0;
  bool good = *b->kind && seed && end && !*end && b->within >= 0 && b->prefer_local >= 0 &&
              whole_of(document, "iterations", 0, BENCH_ROUNDS_MAX, &rounds) &&
              whole_of(document, "rounds_min", 1, BENCH_ROUNDS_MAX, &least) &&
              whole_of(document, "rounds_max", 1, BENCH_ROUNDS_MAX, &most) &&
              whole_of(document, "warmup", 0, BENCH_ROUNDS_MAX, &warmup) &&
              whole_of(document, "other_jobs_at_start", 0, INT64_MAX, &others);
  if (!good)
    return err_set(err, ERR_INVAL, "a member at the top is missing or wrong");
  b->rounds = (int)rounds;
  b->rounds_min = (int)least;
  b->rounds_max = (int)most;
  b->warmup = (int)warmup;
  b->others = others;
  return 0;
}

int bench_from_json(struct bench *b, const json_t *document, struct err *err) {
  const json_t *cases = json_object_get(document, "cases"),
               *backends = json_object_get(document, "backends"),
               *jobs = json_object_get(document, "jobs");
  const char *format = json_string_value(json_object_get(document, "format"));
  size_t i;
  json_t *value;
  *b = (struct bench){0};
  if (!format || strcmp(format, "lathe-bench/1") != 0)
    return err_set(err, ERR_INVAL, "its format is not lathe-bench/1");
  if (json_array_size(cases) == 0 || json_array_size(cases) > BENCH_CASES_MAX ||
      json_array_size(backends) == 0 || json_array_size(backends) > BENCH_BACKENDS_MAX)
    return err_set(err, ERR_INVAL, "it has no cases or backends, or too many");
  int code = take_header(b, document, err);
  b->cases = mem_array(json_array_size(cases), sizeof *b->cases);
  b->backends = mem_array(json_array_size(backends), sizeof *b->backends);
  json_array_foreach(cases, i, value) {
    if (code == 0 && take_case(&b->cases[b->case_count++], value) != 0)
      code = wrong(err, "cases", i);
  }
  json_array_foreach(backends, i, value) {
    if (code == 0 && take_backend(&b->backends[b->backend_count++], value) != 0)
      code = wrong(err, "backends", i);
  }
  json_array_foreach(jobs, i, value) {
    if (code == 0 && take_job(b, value) != 0)
      code = wrong(err, "jobs", i);
  }
  if (code != 0)
    bench_free(b);
  return code;
}
