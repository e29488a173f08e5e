/* SPDX-License-Identifier: MIT
 *
 * lathe batch: many jobs handed in, followed, cancelled and brought here together.
 */
#include "artifacts.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "follow.h"
#include "form.h"
#include "http_client.h"
#include "progress.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAGE = 200 };

/* ---- submit ---- */

static int fill_form(const struct cli *c, curl_mime *mime) {
  const char *kind = c->operands[1], *name = option_get(c, "name");
  json_t *sets = json_array();
  size_t pos = 0;
  int count = 0, code = CLI_OK;
  for (const char *text; code == CLI_OK && (text = option_each(c, "set", &pos));)
    code = form_add_set(sets, text);
  form_add_field(mime, "kind", 4, kind);
  if (name)
    form_add_field(mime, "name", 4, name);
  if (code == CLI_OK && json_array_size(sets) > 0) {
    char *text = json_dumps(sets, JSON_COMPACT);
    form_add_field(mime, "sets", 4, text);
    free(text);
  }
  if (code == CLI_OK)
    code = form_add_params(c, mime, kind, &count);
  if (code == CLI_OK)
    code = form_add_inputs(c, mime, 2, "input-name");
  json_decref(sets);
  return code;
}

static int wait_for(struct cli *c, const char *id);

static int batch_submit(struct cli *c) {
  curl_mime *mime = curl_mime_init(c->curl);
  const char *key = option_get(c, "idempotency-key");
  char *header = key ? mem_printf("Idempotency-Key: %s", key) : NULL;
  const char *fresh = option_get(c, "no-cache") ? "Cache-Control: no-cache" : NULL;
  struct http_answer answer = {0};
  int code = fill_form(c, mime);
  if (code == CLI_OK) {
    struct http_call call = {.method = "POST",
                             .path = "/api/batches",
                             .type = "json",
                             .mime = mime,
                             .headers = {"Accept: application/json", fresh, header},
                             .endless = true};
    code = http_do(c, &call, &answer);
    http_report(&answer, code);
  }
  const char *id = json_text(answer.json, "batch_id");
  if (code == CLI_OK && !id_is_valid(id))
    code = fail(CLI_SERVER, "%s did not answer with a batch; is it a lathe server?", c->server);
  if (code == CLI_OK && !c->json)
    say("%s\n", id); /* first, so that it is known whatever becomes of the waiting */
  else if (code == CLI_OK && !option_get(c, "wait"))
    say_json(answer.json);
  if (code == CLI_OK && option_get(c, "wait"))
    code = wait_for(c, id);
  http_answer_free(&answer);
  curl_mime_free(mime);
  free(header);
  return code;
}

/* ---- wait ---- */

struct waiting {
  struct progress progress;
  int64_t total, ended, failed;
};

static int on_event(void *arg, const char *event, const char *id, const json_t *data) {
  struct waiting *w = arg;
  char stage[60];
  (void)id, (void)data;
  if (!follow_is_final(event))
    return 0;
  w->ended++;
  w->failed += strcmp(event, "failed") == 0;
  snprintf(stage, sizeof stage, "%lld of %lld%s", (long long)w->ended, (long long)w->total,
           w->failed ? ", some failed" : "");
  progress_update(&w->progress, stage,
                  w->total > 0 ? 100.0 * (double)w->ended / (double)w->total : 0);
  return 0;
}

/* "batch failed: 1 completed 1 failed" */
static void say_batch_end(const json_t *batch) {
  const json_t *counts = json_object_get(batch, "counts");
  struct buf line = {0};
  const char *state;
  json_t *n;
  json_object_foreach((json_t *)counts, state, n) {
    if (json_integer_value(n) > 0)
      buf_printf(&line, " %lld %s", (long long)json_integer_value(n), state);
  }
  say_note("batch %s:%s\n", json_text(batch, "status"), line.len ? line.data : "");
  buf_free(&line);
}

static int interrupted(const struct cli *c, const char *id) {
  cli_clear_interrupt();
  if (c->json)
    return fail(CLI_INTERRUPTED, "batch %s goes on; lathe batch wait %s waits again", id, id);
  say_note("Interrupted; batch %s goes on.\n  lathe batch wait %s      waits for it again\n"
           "  lathe batch cancel %s    stops it\n",
           id, id, id);
  return CLI_INTERRUPTED;
}

static int wait_for(struct cli *c, const char *id) {
  char *path = http_path(c, "/api/batches/%s?limit=0", id);
  struct waiting w = {0};
  json_t *batch = NULL;
  int code = http_fetch(c, NULL, path, "batch_id", &batch);
  if (code == CLI_OK) {
    w.total = json_integer_value(json_object_get(batch, "total"));
    json_decref(batch);
    batch = NULL;
    progress_begin(&w.progress, "batch", c->json);
    code = follow_batch(c, id, on_event, &w);
    progress_end(&w.progress);
  }
  if (code == CLI_OK)
    code = http_fetch(c, NULL, path, "batch_id", &batch);
  if (code == CLI_OK && c->json)
    say_json(batch);
  else if (code == CLI_OK)
    say_batch_end(batch);
  if (code == CLI_OK)
    code = job_exit(batch);
  if (code == CLI_INTERRUPTED)
    interrupted(c, id);
  json_decref(batch);
  free(path);
  return code;
}

static int batch_wait(struct cli *c) {
  return wait_for(c, c->operands[1]);
}

/* ---- show, list ---- */

static void put_batch_row(struct table *t, const json_t *job) {
  char seconds[SAY_SIZE];
  double took = json_real_of(job, "seconds");
  table_putf(t, "%lld", (long long)json_integer_value(json_object_get(job, "n")));
  table_put(t, json_text(job, "job_id"));
  table_put(t, json_text(job, "file"));
  table_put(t, json_text(job, "set"));
  table_put(t, json_text(job, "status"));
  table_put(t, json_is_true(json_object_get(job, "cached")) ? "cached"
               : took > 0                                   ? say_seconds(took, seconds)
                                                            : "");
  table_put(t, json_text(json_object_get(job, "error"), "detail"));
}

/* A page of the batch after the n-th job. */
static int fetch_page(struct cli *c, const char *id, int64_t after, json_t **page) {
  char *path = mem_printf("/api/batches/%s?after=%lld&limit=%d", id, (long long)after, PAGE);
  int code = http_fetch(c, NULL, path, "jobs[]", page);
  free(path);
  int64_t next = json_integer_value(json_object_get(*page, "next"));
  if (code == CLI_OK && next != 0 && (next <= after || next > after + PAGE))
    code = fail(CLI_SERVER,
                "%s continues the batch after job %lld with job %lld; is it a lathe server?",
                c->server, (long long)after, (long long)next);
  return code;
}

/* Page after page, so that a batch of any size is shown. */
static int fetch_whole(struct cli *c, const char *id, json_t **out) {
  int64_t after = 0;
  const struct cli_gathered before = c->gathered;
  char *instead = mem_printf("the batch's summary has it: GET /api/batches/%s/summary?format=csv",
                             id);
  *out = NULL;
  int code;
  do {
    json_t *page = NULL;
    code = fetch_page(c, id, after, &page);
    after = code == CLI_OK ? json_integer_value(json_object_get(page, "next")) : 0;
    if (*out && code == CLI_OK)
      json_array_extend(json_object_get(*out, "jobs"), json_object_get(page, "jobs"));
    if (*out || code != CLI_OK)
      json_decref(page);
    else
      *out = page;
    if (code == CLI_OK)
      code = http_within(c, &before, CLI_REFUSED, instead);
  } while (code == CLI_OK && after > 0);
  free(instead);
  json_object_del(*out, "next");
  return code;
}

static int batch_show(struct cli *c) {
  json_t *batch = NULL;
  int code = fetch_whole(c, c->operands[1], &batch);
  if (code == CLI_OK && c->json) {
    say_json(batch);
  } else if (code == CLI_OK) {
    struct table t = {0};
    size_t i;
    json_t *job;
    const char *name = json_text(batch, "name");
    char *head = mem_printf("%s  %s%s%s  %s  %.0f%%", json_text(batch, "batch_id"),
                            json_text(batch, "kind"), *name ? "  " : "", name,
                            json_text(batch, "status"),
                            json_real_of(json_object_get(batch, "progress"), "percent"));
    say_wrapped("", 2, head, 0);
    free(head);
    table_begin(&t, ">N|JOB|=FILE|?~SET|STATUS|?>TIME|?~ERROR");
    json_array_foreach(json_object_get(batch, "jobs"), i, job) put_batch_row(&t, job);
    table_print(&t, 0);
  }
  json_decref(batch);
  return code;
}

static int batch_list(struct cli *c) {
  json_t *page = NULL, *batch;
  size_t i;
  int code = http_fetch(c, NULL, "/api/batches?limit=100", "batches[]", &page);
  if (code == CLI_OK && c->json) {
    say_json(page);
  } else if (code == CLI_OK) {
    struct table t = {0};
    char age[SAY_SIZE];
    table_begin(&t, "BATCH|KIND|=NAME|STATUS|>JOBS|>DONE|>AGE|?~CLIENT");
    json_array_foreach(json_object_get(page, "batches"), i, batch) {
      table_put(&t, json_text(batch, "batch_id"));
      table_put(&t, json_text(batch, "kind"));
      table_put(&t, json_text(batch, "name"));
      table_put(&t, json_text(batch, "status"));
      table_putf(&t, "%lld", (long long)json_integer_value(json_object_get(batch, "total")));
      table_putf(&t, "%.0f%%", json_real_of(json_object_get(batch, "progress"), "percent"));
      table_put(
          &t, say_seconds((double)clock_wall_us() / 1e6 - json_real_of(batch, "created_at"), age));
      table_put(&t, json_text(batch, "client"));
    }
    table_print(&t, 0);
    if (!json_array_size(json_object_get(page, "batches")))
      say_note("The server keeps no batches.\n");
  }
  json_decref(page);
  return code;
}

/* ---- cancel, delete, get ---- */

static int batch_cancel(struct cli *c) {
  const char *id = c->operands[1];
  char *before_path = mem_printf("/api/batches/%s?limit=0", id);
  char *path = mem_printf("/api/batches/%s/cancel", id);
  json_t *before = NULL, *batch = NULL;
  int code = http_fetch(c, NULL, before_path, "status", &before);
  if (code == CLI_OK &&
      follow_is_final(json_text(before, "status"))) /* as of a job that has ended */
    code = fail(CLI_REFUSED, "batch %s has ended already (%s); there is nothing to cancel", id,
                json_text(before, "status"));
  else if (code == CLI_OK)
    code = http_fetch(c, "POST", path, "status", &batch);
  if (code == CLI_OK && c->json)
    say_json(batch);
  else if (code == CLI_OK)
    say("%s %s\n", id, json_text(batch, "status"));
  json_decref(before);
  json_decref(batch);
  free(before_path);
  free(path);
  return code;
}

static int batch_delete(struct cli *c) {
  char *path = http_path(c, "/api/batches/%s", c->operands[1]);
  json_t *answer = NULL;
  int code = http_fetch(c, "DELETE", path, NULL, &answer);
  if (code == CLI_OK && c->json) {
    json_t *said = answer
                       ? json_incref(answer)
                       : json_pack("{s:s, s:s}", "batch_id", c->operands[1], "status", "deleted");
    say_json(said);
    json_decref(said);
  } else if (code == CLI_OK) {
    say("%s deleted\n", c->operands[1]);
  }
  json_decref(answer);
  free(path);
  return code;
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a > b && strcasecmp(text + a - b, end) == 0;
}

/* The format that the file's ending names, or NULL. */
static const char *format_of(const char *file) {
  static const char *const endings[][2] = {
      {".zip", "zip"}, {".tar.gz", "tar.gz"}, {".tgz", "tar.gz"}, {".tar", "tar"}};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (ends_with(file, endings[i][0]))
      return endings[i][1];
  return !strcmp(file, "-") ? "zip" : NULL;
}

static int batch_get(struct cli *c) {
  const char *out = option_get(c, "output"), *id = c->operands[1];
  const char *format = out ? format_of(out) : "zip";
  if (!format)
    return fail(CLI_USAGE,
                "-o %s: its ending names no archive; lathe makes .zip, .tar, .tar.gz and .tgz",
                out);
  char *file = out ? mem_dup(out) : mem_printf("batch-%s.zip", id);
  char *url = mem_printf("/api/batches/%s/archive?format=%s", id, format);
  json_t *artifact = json_pack("{s:s, s:s}", "name", "the archive", "url", url);
  int code = artifact_get(c, artifact, file);
  bool stream = !strcmp(file, "-");
  if (code == CLI_OK && !stream && c->json) {
    json_t *said = json_pack("{s:s, s:s, s:s}", "batch_id", id, "file", file, "format", format);
    if (said)
      say_json(said);
    json_decref(said);
  } else if (code == CLI_OK && !stream) {
    say_note("%s\n", file);
  }
  json_decref(artifact);
  free(url);
  free(file);
  return code;
}

/* ---- the verb ---- */

static const struct {
  const char *word;
  size_t min, max; /* operands behind the word */
  int (*run)(struct cli *c);
} acts[] = {
    {"submit", 1, (size_t)-1, batch_submit},
    {"list", 0, 0, batch_list},
    {"show", 1, 1, batch_show},
    {"wait", 1, 1, batch_wait},
    {"cancel", 1, 1, batch_cancel},
    {"get", 1, 1, batch_get},
    {"delete", 1, 1, batch_delete},
};
enum { ACTS = sizeof acts / sizeof *acts };

static const char *act_at(const void *ctx, size_t i) {
  (void)ctx;
  return acts[i].word;
}

int verb_batch(struct cli *c) {
  for (size_t i = 0; i < ACTS; i++) {
    if (strcmp(acts[i].word, c->operands[0]) != 0)
      continue;
    size_t n = c->operand_count - 1;
    if (n >= acts[i].min && n <= acts[i].max)
      return acts[i].run(c);
    return fail(CLI_USAGE, "lathe batch %s takes %s; see lathe help batch", acts[i].word,
                acts[i].max == 1   ? "the id of one batch"
                : acts[i].max == 0 ? "nothing more"
                                   : "a kind and files");
  }
  const char *near = words_nearest(c->operands[0], act_at, NULL, ACTS);
  return fail(CLI_USAGE, "there is no lathe batch %s%s%s%s", c->operands[0],
              near ? "; did you mean lathe batch " : "; see lathe help batch", near ? near : "",
              near ? "?" : "");
}
