/* SPDX-License-Identifier: MIT
 *
 * The jobs of a benchmark, one at a time: so that no job waits for another of ours, and what is
 * measured is the backend.
 *
 *   files --> warm-up --> round --> enough? --no--> round ...
 *                           |          |yes, most rounds, Ctrl-C
 *                           v          v
 *        results file after each     end
 *
 * In each round the cases come in a random order, and for each case the backends do: what drifts
 * (heat, other programs, the time of day) hits all of them alike.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "bench/program.h"
#include "bench/record.h"
#include "follow.h"
#include "form.h"
#include "http_client.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_TRIES = 30, BUSY_MAX_S = 10 };

struct run {
  struct cli *c;
  struct bench_plan *plan;
  struct progress progress;
  struct stat_random random;
  char id[ID_SIZE]; /* of this run, in the keys of its jobs */
  int order;
};

/* ---- files: each is sent once ---- */

static int send_input(struct cli *c, struct bench_plan *p, size_t i) {
  struct bench_case *one = &p->bench.cases[i];
  struct bench_input *input = &p->inputs[i];
  curl_mime *mime = curl_mime_init(c->curl);
  curl_mimepart *part = curl_mime_addpart(mime);
  struct http_answer answer = {0};
  curl_mime_name(part, "file");
  if (input->path)
    curl_mime_filedata(part, input->path);
  else
    curl_mime_data(part, (const char *)input->sample, CURL_ZERO_TERMINATED);
  curl_mime_filename(part, one->file);
  struct http_call call = {.method = "POST",
                           .path = "/api/blobs",
                           .type = "json",
                           .mime = mime,
                           .headers = {"Accept: application/json"},
                           .endless = true};
  int64_t begin = clock_mono_us();
  int code = http_do(c, &call, &answer);
  one->upload = (double)(clock_mono_us() - begin) / 1e6;
  http_report(&answer, code);
  if (code == CLI_OK && !*json_text(answer.json, "blob"))
    code = fail(CLI_SERVER, "%s did not answer with a blob; is it a lathe server?", c->server);
  input->blob = mem_dup(json_text(answer.json, "blob"));
  one->sha256 = mem_dup(json_text(answer.json, "sha256"));
  http_answer_free(&answer);
  curl_mime_free(mime);
  return code;
}

static int send_inputs(struct cli *c, struct bench_plan *p) {
  int code = CLI_OK;
  for (size_t i = 0; i < p->bench.case_count && code == CLI_OK; i++) {
    struct bench_input *input = &p->inputs[i], *before = i ? &p->inputs[i - 1] : NULL;
    if (!input->path && !input->sample)
      continue;
    if (before && before->path == input->path && before->sample == input->sample) {
      input->blob = mem_dup(before->blob);
      p->bench.cases[i].sha256 = mem_dup(p->bench.cases[i - 1].sha256);
      p->bench.cases[i].upload = p->bench.cases[i - 1].upload;
      continue;
    }
    code = send_input(c, p, i);
  }
  return code;
}

/* ---- one job ---- */

static void add_field(curl_mime *mime, const char *name, const char *value) {
  form_add_field(mime, name, strlen(name), value);
}

static curl_mime *make_form(const struct run *r, size_t which, size_t backend) {
  const struct bench *b = &r->plan->bench;
  curl_mime *mime = curl_mime_init(r->c->curl);
  const char *name;
  json_t *value;
  json_object_foreach(b->cases[which].params, name, value) {
    add_field(mime, name, json_string_value(value));
  }
  add_field(mime, "backend", b->backends[backend].name);
  add_field(mime, "client", "lathe-bench"); /* by which they are found */
  if (r->plan->timeout)
    add_field(mime, "timeout_s", r->plan->timeout);
  if (r->plan->inputs[which].blob) {
    add_field(mime, "input", r->plan->inputs[which].blob);
    add_field(mime, "input_name", b->cases[which].file);
  }
  return mime;
}

/* Sleeps, or less when Ctrl-C comes. */
static void pause_s(int seconds) {
  for (int i = 0; i < seconds * 20 && !cli_interrupted(); i++)
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
}

/* One submit, again while the server is busy or gone for a moment: the key makes it the same job.
 * Ctrl-C does not end it, because the job may have been made; it is asked for once more then. */
static int submit(struct run *r, size_t which, size_t backend, struct http_answer *answer) {
  char *key = mem_printf("Idempotency-Key: lathe-bench-%s-%d", r->id, r->order);
  int code = CLI_OK;
  bool stop = false;
  for (int tries = 1;; tries++) {
    curl_mime *mime = make_form(r, which, backend);
    struct http_call call = {
        .method = "POST",
        .path = NULL,
        .type = "json",
        .mime = mime,
        .headers = {"Accept: application/json", "Cache-Control: no-cache", key},
        .endless = true};
    char *path = http_path(r->c, "/api/jobs/%s", r->plan->bench.kind);
    call.path = path;
    code = http_do(r->c, &call, answer);
    free(path);
    curl_mime_free(mime);
    if (code == CLI_INTERRUPTED && !stop) {
      stop = true;
      cli_clear_interrupt();
    } else if (code != CLI_UNREACHABLE || tries >= BUSY_TRIES || stop) {
      break;
    } else {
      int wait = answer->retry_after_s;
      pause_s(wait < 1 ? 1 : wait > BUSY_MAX_S ? BUSY_MAX_S : wait);
    }
    http_answer_free(answer);
    if (cli_interrupted()) {
      code = CLI_INTERRUPTED;
      break;
    }
  }
  free(key);
  if (stop)
    r->plan->bench.interrupted = true;
  return code;
}

static int on_event(void *arg, const char *event, const char *id, const json_t *data) {
  (void)arg, (void)id, (void)data;
  return follow_is_final(event);
}

static void cancel(struct cli *c, const char *id) {
  struct http_answer answer;
  char *path = http_path(c, "/api/jobs/%s/cancel", id);
  cli_clear_interrupt();
  http_do(c, &(struct http_call){.method = "POST", .path = path, .type = "json"}, &answer);
  http_answer_free(&answer);
  free(path);
}

/* Waits for its end and gives its record in *job; it stays NULL where the patience ended. */
static int see_through(struct run *r, const char *id, json_t **job) {
  struct bench *b = &r->plan->bench;
  char *path = http_path(r->c, "/api/jobs/%s", id);
  r->c->give_up_ms = clock_mono_ms() + r->plan->patience_ms;
  int code = b->interrupted ? CLI_INTERRUPTED : follow_job(r->c, id, NULL, on_event, NULL);
  r->c->give_up_ms = 0;
  if (code == CLI_INTERRUPTED && !b->interrupted && !cli_interrupted()) {
    cancel(r->c, id);
    free(path);
    return CLI_OK;
  }
  if (code == CLI_OK)
    code = http_fetch(r->c, NULL, path, "job_id", job);
  if (code == CLI_INTERRUPTED) {
    b->interrupted = true;
    cancel(r->c, id);
  }
  free(path);
  return code;
}

/* A refusal is a failure of the job; what does not answer as lathe does ends the benchmark. */
static int refused(struct run *r, size_t which, size_t backend, int round, int code,
                   const struct http_answer *answer) {
  bool a_problem = json_is_object(answer->json) && !answer->text[0];
  if (!a_problem || (code != CLI_REFUSED && code != CLI_SERVER))
    return code == CLI_INTERRUPTED ? code : http_report(answer, code);
  record_refusal(&r->plan->bench, which, backend, round, r->order, answer->json);
  return CLI_OK;
}

static int run_job(struct run *r, size_t which, size_t backend, int round) {
  struct bench *b = &r->plan->bench;
  struct http_answer answer = {0};
  json_t *job = NULL;
  r->order++;
  int code = submit(r, which, backend, &answer);
  if (code != CLI_OK) {
    progress_end(&r->progress);
    code = refused(r, which, backend, round, code, &answer);
  } else if (!id_is_valid(json_text(answer.json, "job_id"))) {
    code = fail(CLI_SERVER, "%s did not answer with a job; is it a lathe server?", r->c->server);
  } else {
    code = see_through(r, json_text(answer.json, "job_id"), &job);
    if (code == CLI_OK && !job)
      record_lost(b, which, backend, round, r->order, json_text(answer.json, "job_id"),
                  r->plan->patience_ms);
    else if (code == CLI_OK)
      record_job(b, which, backend, round, r->order, job, r->plan->values);
  }
  if (code == CLI_INTERRUPTED)
    b->interrupted = true;
  json_decref(job);
  http_answer_free(&answer);
  return code;
}

/* ---- rounds ---- */

static void show(struct run *r, size_t backend, int round, size_t done) {
  const struct bench *b = &r->plan->bench;
  int goal = round <= b->rounds_min ? b->rounds_min : b->rounds_max;
  char stage[64];
  if (round == 0)
    snprintf(stage, sizeof stage, "warm-up: %s", b->backends[backend].name);
  else
    snprintf(stage, sizeof stage, "%d of %d: %s", round, goal, b->backends[backend].name);
  double each = (double)(b->case_count * b->backend_count);
  double rounds = round == 0 ? 0 : round - 1 + (double)done / each;
  progress_update(&r->progress, stage, 100 * rounds / goal);
}

static void number(size_t *items, size_t count) {
  for (size_t i = 0; i < count; i++)
    items[i] = i;
}

/* Every case on every backend once. */
static int run_round(struct run *r, int round) {
  const struct bench *b = &r->plan->bench;
  size_t *cases = mem_array(b->case_count, sizeof *cases), done = 0;
  size_t *backends = mem_array(b->backend_count, sizeof *backends);
  int code = CLI_OK;
  number(cases, b->case_count);
  stat_shuffle(&r->random, cases, b->case_count);
  for (size_t i = 0; i < b->case_count; i++) {
    number(backends, b->backend_count);
    stat_shuffle(&r->random, backends, b->backend_count);
    for (size_t j = 0; j < b->backend_count && code == CLI_OK; j++, done++) {
      show(r, backends[j], round, done);
      if (!b->backends[backends[j]].error && !bench_gave_up(b, cases[i], backends[j]))
        code = run_job(r, cases[i], backends[j], round);
    }
  }
  free(cases);
  free(backends);
  return code;
}

static bool is_enough(const struct bench *b) {
  struct bench_analysis a;
  if (b->rounds < b->rounds_min)
    return false;
  bench_analyse(&a, b);
  bool enough = bench_is_settled(&a);
  bench_analysis_free(&a);
  return enough;
}

int bench_run(struct cli *c, struct bench_plan *p) {
  struct bench *b = &p->bench;
  struct run r = {.c = c, .plan = p, .random = {b->seed}};
  id_make(&(struct id_maker){0}, r.id);
  progress_begin(&r.progress, "bench", c->json || !isatty(STDERR_FILENO));
  int code = send_inputs(c, p);
  for (int i = 0; i < b->warmup && code == CLI_OK; i++)
    code = run_round(&r, 0);
  while (code == CLI_OK && b->rounds < b->rounds_max && !is_enough(b)) {
    code = run_round(&r, b->rounds + 1);
    if (code != CLI_OK)
      break;
    b->rounds++;
    code = bench_save(b, p->results); /* so that a power cut costs one round */
  }
  progress_end(&r.progress);
  b->interrupted |= code != CLI_OK;
  return code;
}
