/* SPDX-License-Identifier: MIT
 *
 * GET /api/audit: what changed how the server works, newest first.
 */
#include "api/internal.h"
#include "api/page.h"

#include <stdlib.h>

enum { LIST_DEFAULT = 50, LIMIT_MAX = 1000 };

static void put_text(struct buf *b, const char *name, const char *text) {
  buf_printf(b, ",\"%s\":", name);
  buf_put_json_str(b, text);
}

static void put_json(struct buf *b, const char *name, const char *json) {
  buf_printf(b, ",\"%s\":%s", name, json ? json : "null");
}

void audit_render(struct buf *b, const struct record_audit *line) {
  buf_printf(b, "{\"num\":%lld,\"at\":%.6f", (long long)line->num, (double)line->at_us / 1e6);
  put_text(b, "who", line->who);
  put_text(b, "what", line->what);
  put_text(b, "about", line->about);
  put_json(b, "from", line->from_json);
  put_json(b, "to", line->to_json);
  put_text(b, "why", line->why);
  buf_printf(b, ",\"by_hand\":%s,\"undone\":%s}", line->by_hand ? "true" : "false",
             line->undone ? "true" : "false");
}

static void on_list(void *arg, int code, const struct record_audit *lines, size_t count,
                    bool more) {
  struct call *c = arg;
  struct buf b = {0};
  if (c->r && code < 0)
    api_refuse(c->r, code, NULL);
  if (c->r && code >= 0) {
    buf_puts(&b, "{\"audit\":[");
    for (size_t i = 0; i < count; i++) {
      if (i)
        buf_putc(&b, ',');
      audit_render(&b, &lines[i]);
    }
    buf_puts(&b, "],");
    page_end(&b, more && count > 0 ? lines[count - 1].num : 0);
    http_add_header(c->r, "Cache-Control", "no-store");
    api_reply_json(c->r, 200, &b);
  }
  free(c);
}

/* Seconds since the epoch, with or without a fraction; false after the 400 was sent. */
static bool read_since(struct http_request *r, int64_t *us) {
  const char *text = http_query(r, "since");
  if (!text || !*text)
    return true;
  char *end = (char *)(uintptr_t)text;
  double seconds = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
  if (seconds >= 0 && seconds < 1e11 && !*end) {
    *us = (int64_t)(seconds * 1e6);
    return true;
  }
  http_problem(r, 0, "bad-request", 0, "since must be seconds since the epoch, not '%.40s'.", text);
  return false;
}

static const char *given(const struct http_request *r, const char *name) {
  const char *value = http_query(r, name);
  return value && *value ? value : NULL;
}

void audit_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct store_audit_filter f = {
      .who = given(r, "who"), .what = given(r, "what"), .limit = LIST_DEFAULT};
  const char *limit = given(r, "limit"), *token = given(r, "page_token");
  int64_t number;
  if (!read_since(r, &f.since_us))
    return;
  if (limit && !api_parse_number(limit, INT64_MAX, &number)) {
    http_problem(r, 0, "bad-request", 0, "limit must be a whole number, not '%.40s'.", limit);
    return;
  }
  if (limit)
    f.limit = number > LIMIT_MAX ? LIMIT_MAX : (int)number;
  if (token && !page_token_parse(token, &f.before_num)) {
    http_problem(r, 0, "bad-request", 0,
                 "page_token is not one that this server gave; start again without it.");
    return;
  }
  store_audit(a->at.store, &f, on_list, call_new(a, r));
}
