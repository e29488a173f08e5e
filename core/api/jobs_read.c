/* SPDX-License-Identifier: MIT
 *
 * GET /api/jobs/{id} and GET /api/jobs.
 */
#include "api/internal.h"
#include "api/page.h"
#include "api/render.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_DEFAULT 50
#define PAGE_MAX     1000

static void read_on_job(void *arg, int code, const struct record_job *job) {
  struct call *c = arg;
  if (c->r && code < 0)
    api_refuse(c->r, code, NULL);
  else if (c->r)
    api_reply_job(c->r, 200, job);
  free(c);
}

void jobs_read_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_job_id(r);
  if (id)
    jobs_get(a->at.jobs, id, read_on_job, call_new(a, r));
}

/* ---- the list ---- */

static void on_list(void *arg, int code, const struct record_job *jobs, size_t count, bool more) {
  struct call *c = arg;
  struct buf b = {0};
  if (!c->r || code < 0) {
    if (c->r)
      api_refuse(c->r, code == ERR_NOT_FOUND ? ERR_SYSTEM : code, NULL);
    free(c);
    return;
  }
  buf_reserve(&b, count * 900 + 64);
  buf_puts(&b, "{\"jobs\":[");
  for (size_t i = 0; i < count; i++) {
    /* A live job's newest progress is in memory. */
    const struct record_job *live = job_state_is_final(jobs[i].state)
                                        ? NULL
                                        : jobs_live(c->api->at.jobs, jobs[i].id);
    if (i)
      buf_putc(&b, ',');
    render_job(&b, live ? live : &jobs[i], http_base(c->r));
  }
  buf_puts(&b, "],");
  page_end(&b, more && count > 0 ? jobs[count - 1].num : 0);
  http_add_header(c->r, "Cache-Control", "no-store");
  api_reply_json(c->r, 200, &b);
  free(c);
}

static const char *given(struct http_request *r, const char *name) {
  const char *text = http_query(r, name);
  return text && *text ? text : NULL;
}

/* False after the 400 was sent.  prefix: room for what the filter points to. */
static bool read_filter(struct http_request *r, struct store_filter *f, char prefix[ID_SIZE]) {
  static const char *const others[] = {"state", "kind", "backend", "client", "page_token", NULL};
  const char *state = given(r, "state"), *limit = given(r, "limit");
  const char *token = given(r, "page_token");
  int64_t n;
  *f = (struct store_filter){
      .state = -1,
      .kind = given(r, "kind"),
      .backend = given(r, "backend"),
      .client = given(r, "client"),
      .limit = PAGE_DEFAULT,
  };
  if (state && (f->state = job_state_parse(state)) < 0) {
    http_problem(r, 0, "bad-request", 0,
                 "state must be one of queued, running, completed, failed, cancelled, not '%.40s'.",
                 state);
    return false;
  }
  if (limit && !api_parse_number(limit, INT64_MAX, &n)) {
    http_problem(r, 0, "bad-request", 0, "limit must be a whole number from 1 to %d, not '%.40s'.",
                 PAGE_MAX, limit);
    return false;
  }
  if (limit && n > 0)
    f->limit = n > PAGE_MAX ? PAGE_MAX : (int)n;
  if (token && !page_token_parse(token, &f->before_num)) {
    http_problem(r, 0, "bad-request", 0,
                 "page_token is not one that this server gave; start again without it.");
    return false;
  }
  if (!page_id_prefix(r, others, prefix))
    return false;
  f->id_prefix = *prefix ? prefix : NULL;
  return true;
}

/* ---- that of an Idempotency-Key ---- */

static void on_keyed(void *arg, int code, const struct record_job *job) {
  on_list(arg, code == ERR_NOT_FOUND ? 0 : code, job, code == 0, false);
}

/* A key belongs to its client: that of the token, where there is one. */
static void list_keyed(struct api *a, struct http_request *r, const char *key) {
  const char *of_token = http_client(r), *asked = given(r, "client");
  const char *client = of_token && *of_token ? of_token : asked ? asked : "";
  store_get_by_key(a->at.store, client, key, on_keyed, call_new(a, r));
}

/* The filters of the list are for others. */
static bool goes_alone(struct http_request *r) {
  static const char *const others[] = {"state",      "kind",      "backend",
                                       "page_token", "id_prefix", "limit"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (given(r, others[i])) {
      http_problem(r, 0, "bad-request", 0,
                   "idempotency_key does not go with %s; leave one of them out.", others[i]);
      return false;
    }
  return true;
}

void jobs_read_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct store_filter filter;
  char prefix[ID_SIZE];
  const char *key = given(r, "idempotency_key");
  if (key) {
    if (goes_alone(r))
      list_keyed(a, r, key);
  } else if (read_filter(r, &filter, prefix)) {
    store_list(a->at.store, &filter, on_list, call_new(a, r));
  }
}
