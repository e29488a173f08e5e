/* SPDX-License-Identifier: MIT
 *
 * lathe list.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http_client.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* Pages are small, because a job's record may be large. */
enum { PAGE = 50, LIMIT_MAX = 1000000, LIMIT = 50 };

struct listing {
  json_t *jobs;
  int64_t limit;
  double since; /* seconds of the epoch; 0: any */
  bool complete;
};

static double now(void) {
  return (double)clock_wall_us() / 1e6;
}

static void put_job_row(struct table *t, const json_t *job) {
  char age[SAY_SIZE], elapsed[SAY_SIZE];
  const json_t *progress = json_object_get(job, "progress"),
               *inputs = json_object_get(job, "inputs");
  const char *file = json_text(json_array_get(inputs, 0), "name");
  size_t files = json_array_size(inputs);
  table_put(t, json_text(job, "job_id"));
  table_put(t, json_text(job, "kind"));
  table_put(t, json_text(job, "status"));
  if (files > 1)
    table_putf(t, "%.400s +%zu", file, files - 1);
  else
    table_put(t, file);
  table_put(t, say_seconds(now() - json_real_of(job, "created_at"), age));
  table_put(t, json_real_of(job, "started_at") > 0 ? say_seconds(job_elapsed(job), elapsed) : "");
  table_put(t, json_text(job, "client"));
  table_put(t, json_text(job, "backend"));
  table_putf(t, "%.0f%%", json_real_of(progress, "percent"));
  table_put(t, json_text(progress, "stage"));
}

/* The query of a page, from the options and the token of the page before. */
static char *list_path(struct cli *c, int64_t left, const char *token) {
  static const char *const filters[] = {"state", "kind", "backend", "client"};
  struct buf path = {0};
  buf_printf(&path, "/api/jobs?limit=%d", left > PAGE ? PAGE : (int)left);
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

/* Takes the jobs of a page that are young enough. */
static void take_page(struct listing *l, const json_t *page) {
  size_t i;
  json_t *job;
  json_array_foreach(json_object_get(page, "jobs"), i, job) {
    if (json_real_of(job, "created_at") < l->since) /* and so are all after it */
      l->complete = true;
    else if (!l->complete)
      json_array_append(l->jobs, job);
  }
  const char *token = json_text(page, "next_page_token");
  l->complete |= !*token || (int64_t)json_array_size(l->jobs) >= l->limit;
}

static int fetch_jobs(struct cli *c, struct listing *l) {
  json_t *page = NULL;
  const struct cli_gathered before = c->gathered;
  int code = CLI_OK;
  while (code == CLI_OK && !l->complete) {
    char *path = list_path(c, l->limit - (int64_t)json_array_size(l->jobs),
                           page ? json_text(page, "next_page_token") : NULL);
    json_decref(page);
    code = http_fetch(c, NULL, path, "jobs[]", &page);
    size_t count = json_array_size(json_object_get(page, "jobs"));
    if (code == CLI_OK && (count > PAGE || (count == 0 && *json_text(page, "next_page_token"))))
      code = fail(CLI_SERVER,
                  "%s gave a page of %zu jobs where one of 1 to %d was asked for; is it a "
                  "lathe server?",
                  c->server, count, PAGE);
    else if (code == CLI_OK)
      code = http_within(c, &before, CLI_USAGE, "ask for less with --limit or --since");
    if (code == CLI_OK)
      take_page(l, page);
    free(path);
  }
  json_decref(page);
  return code;
}

static void print(const json_t *jobs) {
  struct table t;
  size_t i;
  json_t *job;
  table_begin(&t, "JOB|KIND|STATE|=FILE|>AGE|?>TIME|?~CLIENT|?~BACKEND|?>DONE|?~STAGE");
  json_array_foreach(jobs, i, job) {
    put_job_row(&t, job);
  }
  table_print(&t, 0);
  if (!json_array_size(jobs))
    say_note("The server keeps no such jobs.\n");
}

int verb_list(struct cli *c) {
  struct listing l = {.limit = LIMIT};
  int64_t since = -1;
  if (option_int(c, "limit", 1, LIMIT_MAX, &l.limit) != CLI_OK ||
      option_duration(c, "since", &since) != CLI_OK)
    return CLI_USAGE;
  if (since >= 0)
    l.since = now() - (double)since / 1000;
  l.jobs = json_array();
  int code = fetch_jobs(c, &l);
  if (code == CLI_OK && c->json) {
    json_t *document = json_pack("{s:O}", "jobs", l.jobs);
    say_json(document);
    json_decref(document);
  } else if (code == CLI_OK) {
    print(l.jobs);
  }
  json_decref(l.jobs);
  return code;
}
