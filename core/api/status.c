/* SPDX-License-Identifier: MIT
 *
 * GET /api/status: how it is with certain jobs, for whoever waits for many.
 */
#include "api/internal.h"
#include "api/render.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 100 };

struct named { /* a request for certain jobs */
  struct call call;
  size_t count, due;
  struct named_one {
    struct named *all;
    char id[ID_SIZE];
    struct buf text; /* of the job; empty: it is not there */
  } ones[];
};

static void named_free(struct named *n) {
  for (size_t i = 0; i < n->count; i++)
    buf_free(&n->ones[i].text);
  free(n);
}

/* One less to wait for. */
static void named_done(struct named *n) {
  struct buf b = {0};
  if (--n->due > 0)
    return;
  if (n->call.r) {
    buf_puts(&b, "{\"jobs\":[");
    for (size_t i = 0, told = 0; i < n->count; i++) {
      if (n->ones[i].text.len == 0)
        continue;
      buf_puts(&b, told++ ? "," : "");
      buf_put(&b, n->ones[i].text.data, n->ones[i].text.len);
    }
    buf_puts(&b, "]}");
    http_add_header(n->call.r, "Cache-Control", "no-store");
    api_reply_json(n->call.r, 200, &b);
  }
  named_free(n);
}

static void on_named(void *arg, int code, const struct record_job *job) {
  struct named_one *one = arg;
  struct named *n = one->all;
  struct http_request *r = n->call.r;
  if (r && code == 0) {
    render_job_brief(&one->text, job);
  } else if (r && code != ERR_NOT_FOUND) {
    api_refuse(r, code, NULL);
    n->call.r = NULL;
  }
  named_done(n);
}

/* The ids of a list with commas; NULL after the 400 was sent. */
static struct named *named_parse(struct http_request *r, const char *text) {
  struct named *n = mem_alloc(sizeof *n + NAMED_MAX * sizeof n->ones[0]);
  n->count = 0;
  for (const char *at = text;;) {
    size_t len = strcspn(at, ",");
    struct named_one *one = &n->ones[n->count];
    char id[ID_SIZE] = "";
    if (len < sizeof id)
      memcpy(id, at, len);
    if (n->count == NAMED_MAX || !id_is_valid(id)) {
      http_problem(r, 0, "bad-request", 0,
                   "ids must be 1 to %d ids of jobs with commas between them; '%.*s' is %s.",
                   NAMED_MAX, len < 40 ? (int)len : 40, at,
                   n->count == NAMED_MAX ? "one too many" : "none");
      free(n);
      return NULL;
    }
    *one = (struct named_one){.all = n};
    memcpy(one->id, id, sizeof id);
    n->count++;
    if (!at[len])
      return n;
    at += len + 1;
  }
}

void status_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *ids = http_query(r, "ids");
  struct named *n = named_parse(r, ids ? ids : "");
  if (!n)
    return;
  call_init(&n->call, a, r);
  n->due = n->count + 1; /* an answer may come at once */
  for (size_t i = 0; i < n->count; i++)
    jobs_get(a->at.jobs, n->ones[i].id, on_named, &n->ones[i]);
  named_done(n);
}
