/* SPDX-License-Identifier: MIT */
#include "api/batch_render.h"

#include "base/json64.h"
#include "base/map.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static const char *status_of(const struct record_batch *b) {
  if (b->states[JOB_RUNNING] > 0)
    return "running";
  if (b->states[JOB_QUEUED] > 0)
    return b->states[JOB_COMPLETED] + b->states[JOB_FAILED] > 0 ? "running" : "queued";
  return b->states[JOB_FAILED] > 0      ? "failed"
         : b->states[JOB_CANCELLED] > 0 ? "cancelled"
                                        : "completed";
}

void batch_render(struct buf *b, const struct record_batch *batch, const char *base) {
  int64_t there = 0;
  buf_puts(b, "{\"batch_id\":\"");
  buf_puts(b, batch->id);
  buf_puts(b, "\",\"kind\":");
  buf_put_json_str(b, batch->kind);
  buf_puts(b, ",\"name\":");
  buf_put_json_str(b, batch->name);
  buf_puts(b, ",\"client\":");
  buf_put_json_str(b, batch->client);
  buf_printf(b, ",\"status\":\"%s\",\"total\":%lld,\"counts\":{", status_of(batch),
             (long long)batch->count);
  for (int state = JOB_QUEUED; state <= JOB_CANCELLED; state++) {
    buf_printf(b, "\"%s\":%lld,", job_state_word((enum job_state)state),
               (long long)batch->states[state]);
    there += batch->states[state];
  }
  buf_printf(b, "\"deleted\":%lld},\"progress\":{\"percent\":%.1f},\"sets\":",
             (long long)(batch->count - there), batch->percent);
  buf_puts(b, batch->sets_json && *batch->sets_json ? batch->sets_json : "[]");
  buf_puts(b, ",\"created_at\":");
  buf_put_json_time(b, batch->created_us);
  static const char *const links[] = {"url",     "",         "events",  "/events",
                                      "archive", "/archive", "summary", "/summary"};
  for (size_t i = 0; i < sizeof links / sizeof *links; i += 2)
    buf_printf(b, ",\"%s\":\"%s/api/batches/%s%s\"", links[i], base, batch->id, links[i + 1]);
}

static void put_progress(struct buf *b, const struct record_job *job) {
  buf_puts(b, ",\"progress\":");
  buf_puts(b, job->progress_json            ? job->progress_json
              : job->state == JOB_COMPLETED ? "{\"percent\":100.0}"
                                            : "{\"percent\":0.0}");
}

void batch_render_job(struct buf *b, const struct record_batch *batch,
                      const struct record_batch_job *x, const char *base) {
  const struct record_job *job = &x->job;
  buf_printf(b, "{\"n\":%lld,\"folder\":", (long long)job->num - batch->num + 1);
  buf_put_json_str(b, x->item.folder);
  buf_puts(b, ",\"file\":");
  buf_put_json_str(b, x->item.file);
  buf_puts(b, ",\"set\":");
  buf_put_json_str(b, x->item.set);
  buf_printf(b, ",\"job_id\":\"%s\",\"url\":\"%s/api/jobs/%s\",\"status\":\"%s\"", x->id, base,
             x->id, x->there ? job_state_word(job->state) : "deleted");
  if (!x->there) {
    buf_putc(b, '}');
    return;
  }
  put_progress(b, job);
  buf_puts(b, ",\"backend\":");
  buf_put_json_str(b, job->backend);
  buf_puts(b, job->cached ? ",\"cached\":true" : ",\"cached\":false");
  int64_t us = job->started_us && job->ended_us > job->started_us ? job->ended_us - job->started_us
                                                                  : 0;
  buf_printf(b, ",\"seconds\":%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
  buf_puts(b, ",\"error\":");
  buf_puts(b, job->error_json && *job->error_json ? job->error_json : "null");
  buf_puts(b, ",\"result\":");
  buf_puts(b, job->state == JOB_COMPLETED && x->summary_json ? x->summary_json : "null");
  buf_putc(b, '}');
}

void batch_table_json(struct buf *out, const char *batch_json, const struct buf *rows) {
  buf_puts(out, batch_json);
  buf_puts(out, ",\"jobs\":[\n");
  for (size_t at = 0; at < rows->len; at += strlen(rows->data + at) + 1) {
    if (at > 0)
      buf_puts(out, ",\n");
    buf_puts(out, rows->data + at);
  }
  buf_puts(out, "\n]}\n");
}

/* ---- CSV ---- */

enum { COLUMNS_MAX = 300 }; /* results that differ from job to job do not widen it without end */

struct columns { /* of the parameters or of the results, in the order in which they were met */
  struct map known;
  char *names[COLUMNS_MAX];
  size_t count;
};

static void add_columns(struct columns *c, const json_t *object) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)object, key, v) {
    if (c->count == COLUMNS_MAX || map_get(&c->known, key))
      continue;
    c->names[c->count] = mem_dup(key);
    map_put(&c->known, c->names[c->count], c->names[c->count]);
    c->count++;
  }
}

static void free_columns(struct columns *c) {
  for (size_t i = 0; i < c->count; i++)
    free(c->names[i]);
  map_free(&c->known);
}

/* A spreadsheet takes what begins so for a formula, and a client chose the name. */
static bool is_formula(const char *text) {
  return strchr("=+-@\t\r", text[0]) && text[0];
}

static void put_cell(struct buf *out, const char *text, bool first) {
  if (!first)
    buf_putc(out, ',');
  if (!is_formula(text) && !strpbrk(text, ",\"\r\n")) {
    buf_puts(out, text);
    return;
  }
  buf_puts(out, is_formula(text) ? "\"'" : "\"");
  for (; *text; text++) {
    if (*text == '"')
      buf_putc(out, '"');
    buf_putc(out, *text);
  }
  buf_putc(out, '"');
}

static void put_value(struct buf *out, const json_t *v, bool first) {
  if (json_is_string(v) && !json64_is_number(v)) {
    put_cell(out, json_string_value(v), first);
    return;
  }
  if (!first)
    buf_putc(out, ',');
  if (!v || json_is_null(v))
    return;
  char *text = json64_dump(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
  if (json_is_object(v) || json_is_array(v)) {
    buf_putc(out, '"');
    for (const char *p = text; *p; p++) {
      if (*p == '"')
        buf_putc(out, '"');
      buf_putc(out, *p);
    }
    buf_putc(out, '"');
  } else {
    buf_puts(out, text); /* a number is not a formula */
  }
  free(text);
}

static const char *const fixed[] = {"n",      "folder",  "file",   "set",    "status",
                                    "job_id", "backend", "cached", "seconds"};

static void put_head(struct buf *out, const struct columns *params, const struct columns *results) {
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
    put_cell(out, fixed[i], i == 0);
  put_cell(out, "error", false);
  const struct columns *all[] = {params, results};
  for (int k = 0; k < 2; k++)
    for (size_t i = 0; i < all[k]->count; i++) {
      char *name = mem_printf("%s.%s", k == 0 ? "params" : "result", all[k]->names[i]);
      put_cell(out, name, false);
      free(name);
    }
  buf_puts(out, "\r\n");
}

static const json_t *set_named(const json_t *batch, const char *name) {
  size_t i;
  const json_t *set;
  json_array_foreach(json_object_get(batch, "sets"), i, set) {
    const char *its = json_string_value(json_object_get(set, "name"));
    if (its && name && strcmp(its, name) == 0)
      return json_object_get(set, "params");
  }
  return NULL;
}

static void batch_put_row(struct buf *out, const json_t *batch, const json_t *row,
                          const struct columns *params, const struct columns *results) {
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
    put_value(out, json_object_get(row, fixed[i]), i == 0);
  put_value(out, json_object_get(json_object_get(row, "error"), "detail"), false);
  const json_t *set = set_named(batch, json_string_value(json_object_get(row, "set")));
  const json_t *result = json_object_get(row, "result");
  for (size_t i = 0; i < params->count; i++)
    put_value(out, json_object_get(set, params->names[i]), false);
  for (size_t i = 0; i < results->count; i++)
    put_value(out, json_object_get(result, results->names[i]), false);
  buf_puts(out, "\r\n");
}

/* One row at a time is parsed, twice: a batch may have thousands. */
void batch_table_csv(struct buf *out, const char *batch_json, const struct buf *rows) {
  char *whole = mem_printf("%s}", batch_json);
  json_t *batch = json64_load(whole, strlen(whole), 0, NULL);
  struct columns params = {0}, results = {0};
  size_t i;
  const json_t *set;
  json_array_foreach(json_object_get(batch, "sets"), i, set)
      add_columns(&params, json_object_get(set, "params"));
  for (int pass = 0; pass < 2; pass++) {
    if (pass == 1)
      put_head(out, &params, &results);
    for (size_t at = 0; at < rows->len; at += strlen(rows->data + at) + 1) {
      json_t *row = json64_load(rows->data + at, strlen(rows->data + at), 0, NULL);
      if (pass == 0)
        add_columns(&results, json_object_get(row, "result"));
      else
        batch_put_row(out, batch, row, &params, &results);
      json_decref(row);
    }
  }
  free_columns(&params);
  free_columns(&results);
  json_decref(batch);
  free(whole);
}
