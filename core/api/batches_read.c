/* SPDX-License-Identifier: MIT
 *
 * GET /api/batches, GET /api/batches/{id}, GET /api/batches/{id}/summary.
 */
#include "api/batch_render.h"
#include "api/internal.h"
#include "api/page.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_DEFAULT = 50, PAGE_MAX = 1000, ROWS_A_READ = 200 };

/* False after the 400 was sent. */
static bool read_number(struct http_request *r, const char *name, int64_t max, int64_t *out) {
  const char *text = http_query(r, name);
  if (!text || !*text)
    return true;
  if (api_parse_number(text, INT64_MAX, out)) {
    *out = *out > max ? max : *out;
    return true;
  }
  http_problem(r, 0, "bad-request", 0, "%s must be a whole number, not '%.40s'.", name, text);
  return false;
}

/* ---- the list ---- */

static void on_list(void *arg, int code, const struct record_batch *batches, size_t count,
                    bool more) {
  struct call *c = arg;
  struct buf b = {0};
  if (!c->r || code < 0) {
    if (c->r)
      api_refuse(c->r, code, NULL);
    free(c);
    return;
  }
  buf_puts(&b, "{\"batches\":[");
  for (size_t i = 0; i < count; i++) {
    if (i)
      buf_putc(&b, ',');
    batch_render(&b, &batches[i], http_base(c->r));
    buf_putc(&b, '}');
  }
  buf_puts(&b, "],");
  page_end(&b, more && count > 0 ? batches[count - 1].num : 0);
  http_add_header(c->r, "Cache-Control", "no-store");
  api_reply_json(c->r, 200, &b);
  free(c);
}

void batches_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *token = http_query(r, "page_token"), *client = http_query(r, "client");
  static const char *const others[] = {"client", "page_token", NULL};
  int64_t limit = LIST_DEFAULT, before = 0;
  char prefix[ID_SIZE];
  if (!read_number(r, "limit", PAGE_MAX, &limit) || !page_id_prefix(r, others, prefix))
    return;
  if (token && *token && !page_token_parse(token, &before)) {
    http_problem(r, 0, "bad-request", 0,
                 "page_token is not one that this server gave; start again without it.");
    return;
  }
  store_batch_list(a->at.store, client && *client ? client : NULL, *prefix ? prefix : NULL, before,
                   (int)limit, on_list, call_new(a, r));
}

/* ---- one batch, and its table ---- */

struct table { /* its rows come from the store in pages, and are put together on the thread pool */
  struct call call;
  char id[ID_SIZE];
  bool csv, whole; /* whole: the summary, with all rows */
  int64_t from, to, skip, limit;
  struct record_batch batch; /* num and count alone are good after the read */
  struct buf head, rows, out;
};

static void table_free(struct table *t) {
  buf_free(&t->head);
  buf_free(&t->rows);
  buf_free(&t->out);
  free(t);
}

static void put_together(void *arg) {
  struct table *t = arg;
  if (t->csv)
    batch_table_csv(&t->out, t->head.data, &t->rows);
  else
    batch_table_json(&t->out, t->head.data, &t->rows);
}

static void on_together(void *arg) {
  struct table *t = arg;
  struct http_request *r = t->call.r;
  if (r) {
    http_add_header(r, "Cache-Control", "no-store");
    http_reply(r, 200, t->csv ? "text/csv; charset=utf-8" : "application/json", &t->out);
  }
  table_free(t);
}

static void on_rows(void *arg, int code, const struct record_batch_job *items, size_t count,
                    bool more);

static void read_rows(struct table *t) {
  struct api *a = t->call.api;
  int64_t left = t->to - t->from;
  if (left > 0 && t->call.r)
    store_batch_jobs(a->at.store, t->from, t->to, left < ROWS_A_READ ? (int)left : ROWS_A_READ,
                     false, on_rows, t);
  else
    storage_work(a->at.storage, put_together, on_together, t);
}

static void on_rows(void *arg, int code, const struct record_batch_job *items, size_t count,
                    bool more) {
  struct table *t = arg;
  (void)more;
  if (code < 0 || !t->call.r) {
    if (t->call.r)
      api_refuse(t->call.r, code, NULL);
    table_free(t);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    batch_render_job(&t->rows, &t->batch, &items[i], http_base(t->call.r));
    buf_putc(&t->rows, 0);
  }
  t->from = count > 0 ? items[count - 1].job.num + 1 : t->to;
  read_rows(t);
}

static void on_batch(void *arg, int code, const struct record_batch *b, size_t count, bool more) {
  struct table *t = arg;
  (void)count, (void)more;
  if (code < 0 || !t->call.r) {
    if (t->call.r && code == ERR_NOT_FOUND)
      api_unknown_batch(t->call.r, t->id);
    else if (t->call.r)
      api_refuse(t->call.r, code, NULL);
    table_free(t);
    return;
  }
  t->batch = (struct record_batch){.num = b->num, .count = b->count};
  t->from = b->num + (t->skip < b->count ? t->skip : b->count);
  t->to = t->from + t->limit < b->num + b->count ? t->from + t->limit : b->num + b->count;
  batch_render(&t->head, b, http_base(t->call.r));
  if (!t->whole) {
    int64_t next = t->to - b->num;
    buf_printf(&t->head, next < b->count ? ",\"next\":%lld" : ",\"next\":null", (long long)next);
  }
  read_rows(t);
}

static struct table *table_new(struct api *a, struct http_request *r, const char *id) {
  struct table *t = mem_alloc(sizeof *t);
  call_init(&t->call, a, r);
  memcpy(t->id, id, sizeof t->id);
  return t;
}

void batches_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_batch_id(r);
  int64_t limit = PAGE_MAX, after = 0;
  if (!id || !read_number(r, "limit", PAGE_MAX, &limit) ||
      !read_number(r, "after", INT32_MAX, &after))
    return;
  struct table *t = table_new(a, r, id);
  t->limit = limit;
  t->skip = after;
  store_batch_get(a->at.store, t->id, on_batch, t);
}

void batches_summary(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_batch_id(r), *format = http_query(r, "format");
  const char *accept = http_header(r, "Accept");
  bool csv = format ? strcmp(format, "csv") == 0 : accept && strstr(accept, "text/csv");
  if (!id)
    return;
  if (format && *format && !csv && strcmp(format, "json") != 0) {
    http_problem(r, 0, "bad-request", 0, "format must be csv or json, not '%.40s'.", format);
    return;
  }
  struct table *t = table_new(a, r, id);
  t->csv = csv;
  t->whole = true;
  t->limit = INT32_MAX;
  store_batch_get(a->at.store, t->id, on_batch, t);
}
