/* SPDX-License-Identifier: MIT
 *
 * lathe show.
 */
#include "base/clock.h"
#include "base/json64.h"
#include "base/mem.h"
#include "http_client.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INDENT = 11, VALUES_MAX = 40 };

static void show_text(const char *name, const char *text) {
  char lead[INDENT + 1];
  snprintf(lead, sizeof lead, "%-*s", INDENT, name);
  if (*text)
    say_wrapped(lead, INDENT, text, 0);
}

static void show_time(const char *name, const json_t *job, const char *key) {
  double value = json_real_of(job, key);
  if (!(value > 0 && value < 1e11))
    return;
  char text[40], age[SAY_SIZE], line[100];
  time_t seconds = (time_t)value;
  struct tm tm;
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
  double ago = (double)clock_wall_us() / 1e6 - value;
  snprintf(line, sizeof line, ago >= 0 ? "%s UTC, %s ago" : "%s UTC, in %s", text,
           say_seconds(fabs(ago), age));
  show_text(name, line);
}

/* ---- values: parameters and results, two levels deep ---- */

/* A plain value as text; the caller frees.  NULL: it is none. */
static char *value_text(const json_t *value) {
  if (json_is_string(value) && !json64_is_number(value))
    return mem_dup(json_string_value(value));
  if (json_is_array(value))
    return mem_printf("%zu value%s", json_array_size(value),
                      json_array_size(value) == 1 ? "" : "s");
  if (json_is_object(value))
    return NULL;
  char *text = json64_dump(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)), *own = mem_dup(text);
  free(text);
  return own;
}

/* Short lists of plain values are shown, longer ones counted. */
static char *list_text(const json_t *list) {
  struct buf b = {0};
  size_t i;
  json_t *value;
  json_array_foreach(list, i, value) {
    char *text = json_is_array(value) ? NULL : value_text(value);
    if (!text || i >= 6) {
      buf_free(&b);
      free(text);
      return value_text(list);
    }
    buf_printf(&b, "%s%s", i ? " " : "", text);
    free(text);
  }
  return buf_take(&b);
}

static size_t put_values(struct table *t, const char *lead, const json_t *values, size_t count) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)values, name, value) {
    char *full = mem_printf("%s%s%s", lead, *lead ? "." : "", name);
    char *text = json_is_array(value) ? list_text(value) : value_text(value);
    if (!text && *lead)
      text = mem_printf("%zu entries", json_object_size(value));
    if (text && count < VALUES_MAX) {
      table_put(t, full);
      table_put(t, text);
    }
    if (text)
      count++;
    else
      count = put_values(t, full, value, count);
    free(text);
    free(full);
  }
  return count;
}

static void show_values(const char *title, const json_t *values) {
  if (!json_object_size(values))
    return;
  struct table t;
  say("%s\n", title);
  table_begin(&t, "NAME|~VALUE");
  size_t count = put_values(&t, "", values, 0);
  table_print(&t, 2);
  if (count > VALUES_MAX)
    say("  and %zu more (see --json)\n", count - VALUES_MAX);
}

/* ---- lists ---- */

static void put_amount(struct buf *b, const json_t *cost, const char *key, const char *what) {
  const json_t *amount = json_object_get(cost, key);
  if (json64_is_number(amount))
    buf_printf(b, "%s%.12g%s%s%s", b->len ? ", " : "", json64_number(amount),
               *json_text(cost, "currency") ? " " : "", json_text(cost, "currency"), what);
}

static void show_cost(const json_t *job) {
  struct buf b = {0};
  const json_t *cost = json_object_get(job, "cost");
  put_amount(&b, cost, "actual", "");
  put_amount(&b, cost, "estimated", " estimated");
  if (b.len)
    show_text("cost", b.data);
  buf_free(&b);
}

/* Those of the last attempt; of earlier ones --json tells. */
static void show_facts(const json_t *job) {
  const json_t *attempts = json_object_get(job, "attempts");
  size_t count = json_array_size(attempts);
  if (count)
    show_values(count > 1 ? "facts of the last attempt" : "facts",
                json_object_get(json_array_get(attempts, count - 1), "facts"));
}

static void show_attempts(const json_t *job) {
  struct table t;
  char elapsed[SAY_SIZE];
  size_t i;
  json_t *a;
  const json_t *attempts = json_object_get(job, "attempts");
  bool plain = json_array_size(attempts) == 1 && /* the head says it all */
               !json_is_object(json_object_get(json_array_get(attempts, 0), "error"));
  if (!json_array_size(attempts) || plain)
    return;
  say("attempts\n");
  table_begin(&t, "BACKEND|STATE|>TIME|+ERROR");
  json_array_foreach(attempts, i, a) {
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
  say("%s\n", title);
  table_begin(&t, "~NAME|>SIZE|SHA-256");
  json_array_foreach(files, i, f) {
    const json_t *bytes = json_object_get(f, "bytes");
    table_put(&t, json_text(f, "name"));
    table_put(&t, json_is_integer(bytes) ? say_bytes(json_integer_value(bytes), size) : "");
    if (json_is_true(json_object_get(f, "provisional")))
      table_put(&t, "provisional");
    else
      table_putf(&t, "%.12s%s", json_text(f, "sha256"),
                 *json_text(f, "location") ? " (elsewhere)" : "");
  }
  table_print(&t, 2);
}

/* ---- the whole ---- */

static void show_head(const json_t *job) {
  static const struct {
    const char *name, *key;
  } texts[] = {{"job", "job_id"},           {"kind", "kind"},       {"state", "status"},
               {"client", "client"},        {"backend", "backend"}, {"batch", "batch_id"},
               {"result of", "cached_from"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    show_text(texts[i].name, json_text(job, texts[i].key));
  const json_t *progress = json_object_get(job, "progress");
  char *text = mem_printf("%.0f%%%s%s", json_real_of(progress, "percent"),
                          *json_text(progress, "stage") ? " " : "", json_text(progress, "stage"));
  if (json_is_object(progress))
    show_text("progress", text);
  free(text);
  if (json_integer_value(json_object_get(job, "priority"))) {
    char number[24];
    snprintf(number, sizeof number, "%lld",
             (long long)json_integer_value(json_object_get(job, "priority")));
    show_text("priority", number);
  }
}

static void show_job(const json_t *job) {
  char elapsed[SAY_SIZE];
  show_head(job);
  show_time("created", job, "created_at");
  show_time("started", job, "started_at");
  show_time("ended", job, "ended_at");
  show_time("again", job, "retry_at");
  if (json_real_of(job, "started_at") > 0)
    show_text("took", say_seconds(job_elapsed(job), elapsed));
  show_cost(job);
  const json_t *error = json_object_get(job, "error");
  if (json_is_object(error)) {
    show_text("error", json_text(error, "title"));
    show_text("", json_text(error, "detail"));
    show_text("code", json_text(error, "code"));
    show_text("request", json_text(error, "request_id"));
  }
  show_attempts(job);
  show_values("params", json_object_get(job, "params"));
  show_values("result", json_object_get(job, "result"));
  show_facts(job);
  show_files("inputs", json_object_get(job, "inputs"));
  show_files("artifacts", json_object_get(job, "artifacts"));
}

int verb_show(struct cli *c) {
  char *path = http_path(c, "/api/jobs/%s", c->operands[0]);
  json_t *job;
  int code = http_fetch(c, NULL, path, "job_id", &job);
  free(path);
  if (code == CLI_OK && c->json)
    say_json(job);
  else if (code == CLI_OK)
    show_job(job);
  json_decref(job);
  return code;
}
