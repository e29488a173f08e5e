/* SPDX-License-Identifier: MIT
 *
 * Jobs that exist: list, show, log, cancel, retry, delete, get.
 */
#include "artifacts.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http_client.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_job_row(struct table *t, const json_t *job) {
  char age[SAY_SIZE], elapsed[SAY_SIZE];
  const json_t *progress = json_object_get(job, "progress");
  table_put(t, json_text(job, "job_id"));
  table_put(t, json_text(job, "kind"));
  table_put(t, json_text(job, "status"));
  table_put(t, json_text(job, "backend"));
  table_putf(t, "%.0f%%", json_real_of(progress, "percent"));
  table_put(t, json_text(progress, "stage"));
  table_put(t, say_seconds((double)clock_wall_us() / 1e6 - json_real_of(job, "created_at"), age));
  table_put(t, json_real_of(job, "started_at") > 0 ? say_seconds(job_elapsed(job), elapsed) : "");
}

/* The query of a page, from the options and the token of the page before. */
static char *list_path(struct cli *c, int left, const char *token) {
  static const char *const filters[] = {"state", "kind", "backend"};
  struct buf path = {0};
  buf_printf(&path, "/api/jobs?limit=%d", left > 200 ? 200 : left);
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    const char *value = option_get(c, filters[i]);
    char *text = value ? http_path(c, "%s", value) : NULL;
    if (text)
      buf_printf(&path, "&%s=%s", filters[i], text);
    free(text);
  }
  if (token) {
    char *text = http_path(c, "%s", token);
    buf_printf(&path, "&page_token=%s", text);
    free(text);
  }
  return buf_take(&path);
}

/* Gathers up to `limit` jobs, page by page. */
static int fetch_jobs(struct cli *c, int limit, json_t *all) {
  json_t *page = NULL;
  int code = CLI_OK, left = limit;
  do {
    const char *token = page ? json_text(page, "next_page_token") : NULL;
    char *path = list_path(c, left, token);
    json_t *next = NULL;
    code = http_fetch(c, NULL, path, &next);
    free(path);
    json_decref(page);
    page = next;
    if (code == CLI_OK)
      json_array_extend(all, json_object_get(page, "jobs"));
    left = limit - (int)json_array_size(all);
  } while (code == CLI_OK && left > 0 && *json_text(page, "next_page_token"));
  json_decref(page);
  return code;
}

int verb_list(struct cli *c) {
  const char *text = option_get(c, "limit");
  int limit = text ? atoi(text) : 50;
  if (limit < 1) {
    say_error("--limit takes a number of 1 or more, not %s", text);
    return CLI_USAGE;
  }
  json_t *all = json_array();
  int code = fetch_jobs(c, limit, all);
  if (code == CLI_OK && c->json) {
    json_t *document = json_pack("{s:O}", "jobs", all);
    say_json(document);
    json_decref(document);
  } else if (code == CLI_OK) {
    struct table t;
    table_begin(&t, "JOB|KIND|STATE|BACKEND|>DONE|STAGE|>AGE|>TIME");
    size_t i;
    json_t *job;
    json_array_foreach(all, i, job) {
      put_job_row(&t, job);
    }
    table_print(&t, 0);
  }
  json_decref(all);
  return code;
}

/* ---- show ---- */

static void show_time(const char *name, const json_t *job, const char *key) {
  double value = json_real_of(job, key);
  if (value <= 0)
    return;
  char text[40];
  time_t seconds = (time_t)value;
  struct tm tm;
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
  printf("%-10s %s UTC\n", name, text);
}

static void show_object(const char *name, const json_t *value) {
  if (!json_object_size(value))
    return;
  char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
  if (strlen(text) > 400)
    printf("%-10s %zu entries (see --json)\n", name, json_object_size(value));
  else
    printf("%-10s %s\n", name, text);
  free(text);
}

static void show_attempts(const json_t *job) {
  struct table t;
  char elapsed[SAY_SIZE];
  size_t i;
  json_t *a;
  if (!json_array_size(json_object_get(job, "attempts")))
    return;
  printf("attempts\n");
  table_begin(&t, "BACKEND|STATE|>TIME|ERROR");
  json_array_foreach(json_object_get(job, "attempts"), i, a) {
    table_put(&t, json_text(a, "backend"));
    table_put(&t, json_text(a, "status"));
    table_put(&t, say_seconds(job_elapsed(a), elapsed));
    table_put(&t, json_text(json_object_get(a, "error"), "detail"));
  }
  table_print(&t, 2);
}

static void show_files(const char *title, const json_t *files) {
  struct table t;
  char size[SAY_SIZE];
  size_t i;
  json_t *f;
  if (!json_array_size(files))
    return;
  printf("%s\n", title);
  table_begin(&t, "NAME|>SIZE|SHA-256");
  json_array_foreach(files, i, f) {
    table_put(&t, json_text(f, "name"));
    table_put(&t, say_bytes(json_integer_value(json_object_get(f, "bytes")), size));
    table_putf(&t, "%.12s", json_text(f, "sha256"));
  }
  table_print(&t, 2);
}

static void show_job(const json_t *job) {
  char elapsed[SAY_SIZE];
  const json_t *progress = json_object_get(job, "progress");
  printf("job        %s\nkind       %s\nstate      %s\n", json_text(job, "job_id"),
         json_text(job, "kind"), json_text(job, "status"));
  if (*json_text(job, "backend"))
    printf("backend    %s\n", json_text(job, "backend"));
  if (json_is_object(progress))
    printf("progress   %.0f%% %s\n", json_real_of(progress, "percent"),
           json_text(progress, "stage"));
  show_time("created", job, "created_at");
  show_time("started", job, "started_at");
  show_time("ended", job, "ended_at");
  if (json_real_of(job, "started_at") > 0)
    printf("%-10s %s\n", "took", say_seconds(job_elapsed(job), elapsed));
  show_object("params", json_object_get(job, "params"));
  show_object("result", json_object_get(job, "result"));
  const json_t *error = json_object_get(job, "error");
  if (json_is_object(error))
    printf("error      %s: %s\n", json_text(error, "title"), json_text(error, "detail"));
  show_attempts(job);
  show_files("inputs", json_object_get(job, "inputs"));
  show_files("artifacts", json_object_get(job, "artifacts"));
}

static int fetch_job(struct cli *c, const char *id, json_t **job) {
  char *path = http_path(c, "/api/jobs/%s", id);
  int code = http_fetch(c, NULL, path, job);
  free(path);
  return code;
}

int verb_show(struct cli *c) {
  json_t *job;
  int code = fetch_job(c, c->operands[0], &job);
  if (code == CLI_OK && c->json)
    say_json(job);
  else if (code == CLI_OK)
    show_job(job);
  json_decref(job);
  return code;
}

/* ---- log ---- */

struct log_output {
  bool json;
  struct buf line;
};

static int on_log(void *arg, const char *data, size_t len) {
  struct log_output *o = arg;
  if (!o->json) {
    fwrite(data, 1, len, stdout);
    fflush(stdout);
    return 0;
  }
  buf_put(&o->line, data, len);
  for (char *end; o->line.len && (end = memchr(o->line.data, '\n', o->line.len));) {
    json_t *line = json_pack("{s:s%}", "text", o->line.data, (size_t)(end - o->line.data));
    say_json_line(line);
    json_decref(line);
    buf_consume(&o->line, (size_t)(end - o->line.data) + 1);
  }
  return 0;
}

int verb_log(struct cli *c) {
  struct log_output output = {.json = c->json};
  char *path = http_path(c,
                         option_get(c, "follow") ? "/api/jobs/%s/log?follow=1" : "/api/jobs/%s/log",
                         c->operands[0]);
  struct http_call call = {.path = path, .endless = true, .sink = on_log, .arg = &output};
  struct http_answer answer;
  int code = http_do(c, &call, &answer);
  http_report(c, &answer, code);
  http_answer_free(&answer);
  buf_free(&output.line);
  free(path);
  return code;
}

/* ---- cancel, retry, delete ---- */

/* Asks the server the same of each job; goes on after a refusal and returns the worst code. */
static int for_each_job(struct cli *c, const char *method, const char *suffix, const char *word) {
  int worst = CLI_OK;
  json_t *answers = json_array();
  for (size_t i = 0; i < c->operand_count; i++) {
    char *id = http_path(c, "%s", c->operands[i]), *path = mem_printf("/api/jobs/%s%s", id, suffix);
    struct http_answer answer;
    struct http_call call = {
        .method = method, .path = path, .headers = {"Accept: application/json"}};
    int code = http_do(c, &call, &answer);
    if (c->json && answer.json)
      json_array_append(answers, answer.json);
    else if (c->json && code == CLI_OK)
      json_array_append_new(answers,
                            json_pack("{s:s, s:s}", "job_id", c->operands[i], "status", word));
    else if (code != CLI_OK)
      http_report(c, &answer, code);
    else
      printf("%s %s\n", c->operands[i],
             *json_text(answer.json, "status") ? json_text(answer.json, "status") : word);
    if (code > worst)
      worst = code;
    http_answer_free(&answer);
    free(path);
    free(id);
    if (code == CLI_INTERRUPTED || (code == CLI_UNREACHABLE && !json_array_size(answers)))
      break;
  }
  /* One job: its answer; several: the list of answers. */
  if (json_array_size(answers))
    say_json(c->operand_count == 1 ? json_array_get(answers, 0) : answers);
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

int verb_get(struct cli *c) {
  const char *out = option_get(c, "output"), *name = c->operand_count > 1 ? c->operands[1] : NULL;
  json_t *job;
  int code = fetch_job(c, c->operands[0], &job);
  if (code != CLI_OK)
    return code;
  const json_t *artifact = name ? artifact_find(job, name) : NULL;
  if (!name && !json_array_size(json_object_get(job, "artifacts"))) {
    say_error("job %s is %s and has no artifacts", c->operands[0], json_text(job, "status"));
    code = CLI_REFUSED;
  } else if (!name) {
    code = artifacts_get_all(c, job, out ? out : ".", !c->json);
    if (code == CLI_OK && c->json)
      say_json(json_object_get(job, "artifacts"));
  } else if (!artifact) {
    say_error("job %s (%s) has no artifact %s; `lathe show %s` lists them", c->operands[0],
              json_text(job, "status"), name, c->operands[0]);
    code = CLI_REFUSED;
  } else {
    code = artifact_get(c, artifact, out ? out : name);
    if (code == CLI_OK && c->json && !(out && !strcmp(out, "-")))
      say_json(artifact);
  }
  json_decref(job);
  return code;
}
