/* SPDX-License-Identifier: MIT
 *
 * Errors as RFC 9457 problems.  libmicrohttpd answers some things itself, before any call
 * of ours, with a line of HTML and the connection closed: a wrong HTTP version, a malformed header
 * line, a head larger than the connection's memory, a Content-Length that is not a number, and
 * broken chunks.  A request line that it cannot parse it closes without a word.
 */
#include "http/problem.h"
#include "http/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const struct problem {
  const char *slug;
  int status;
  const char *title;
} problems[] = {
#define X(slug, status, title) {slug, status, title},
    PROBLEM_TABLE(X)
#undef X
};

static const struct problem *problem_find(const char *slug) {
  static const struct problem unknown = {"internal", 500, "The server failed"};
  for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
    if (strcmp(problems[i].slug, slug) == 0)
      return &problems[i];
  }
  return &unknown;
}

int problem_status(const char *slug) {
  return problem_find(slug)->status;
}

/* What the failure of a sink means to the client. */
static const struct {
  int code, retry_after_s;
  const char *slug;
} of_codes[] = {
    {ERR_LIMIT, 0, "too-large"},      {ERR_INVAL, 0, "bad-request"},
    {ERR_PROTOCOL, 0, "bad-request"}, {ERR_UNSUPPORTED, 0, "unsupported-media-type"},
    {ERR_NOT_FOUND, 0, "not-found"},  {ERR_BUSY, 5, "not-ready"},
    {ERR_IO, 5, "storage-failed"},    {ERR_NO_SPACE, 30, "storage-failed"},
};

const char *problem_slug(int err_code, int *retry_after_s) {
  for (size_t i = 0; i < sizeof of_codes / sizeof *of_codes; i++) {
    if (of_codes[i].code != err_code)
      continue;
    *retry_after_s = of_codes[i].retry_after_s;
    return of_codes[i].slug;
  }
  *retry_after_s = 0;
  return "internal";
}

void problem_render(struct buf *out, const char *slug, int status, const char *detail) {
  const struct problem *p = problem_find(slug);
  buf_puts(out, "{\"type\":\"/problems/");
  buf_puts(out, p->slug);
  buf_puts(out, "\",\"title\":");
  buf_put_json_str(out, p->title);
  buf_puts(out, ",\"status\":");
  buf_put_i64(out, status ? status : p->status);
  buf_puts(out, ",\"detail\":");
  buf_put_json_str(out, detail && *detail ? detail : p->title);
  buf_puts(out, "}\n");
}

void http_problem_listed(struct http_request *r, const char *slug, const char *detail,
                         const char *errors) {
  struct buf body = {0};
  problem_render(&body, slug, 0, detail);
  if (errors) {
    body.len -= strlen("}\n");
    buf_puts(&body, ",\"errors\":");
    buf_puts(&body, errors);
    buf_puts(&body, "}\n");
  }
  http_reply(r, problem_status(slug), "application/problem+json", &body);
}

void http_problem(struct http_request *r, int status, const char *slug, int retry_after_s,
                  const char *detail_fmt, ...) {
  char *detail = NULL;
  va_list args;
  va_start(args, detail_fmt);
  int len = vasprintf(&detail, detail_fmt, args);
  va_end(args);
  struct buf body = {0};
  problem_render(&body, slug, status, len < 0 ? NULL : detail);
  if (len >= 0)
    free(detail);
  if (retry_after_s > 0) {
    char text[16];
    snprintf(text, sizeof text, "%d", retry_after_s);
    http_add_header(r, "Retry-After", text);
  }
  http_reply(r, status ? status : problem_status(slug), "application/problem+json", &body);
}

void problem_of_err(struct http_request *r, const struct err *err) {
  int retry_after_s;
  const char *slug = problem_slug(err->code, &retry_after_s);
  http_problem(r, 0, slug, retry_after_s, "%s", err->text);
}

static void add_line(void *arg, const char *name, const char *value) {
  buf_printf(arg, "%s: %s\r\n", name, value);
}

/* libmicrohttpd takes a response before the body or after it, not in between.  Nothing of ours can
 * be on its way to the client there, and so little always fits into the socket's buffer. */
void problem_send_now(struct http_request *r, const char *slug, int status, int retry_after_s,
                      const char *detail) {
  struct buf body = {0}, out = {0};
  char date[64];
  struct tm tm;
  time_t now = time(NULL);
  if (!status)
    status = problem_status(slug);
  problem_render(&body, slug, status, detail);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
  buf_printf(&out, "HTTP/1.1 %d %s\r\nConnection: close\r\nDate: %s\r\nContent-Length: %zu\r\n",
             status, MHD_get_reason_phrase_for((unsigned)status), date, body.len);
  if (retry_after_s > 0)
    buf_printf(&out, "Retry-After: %d\r\n", retry_after_s);
  reply_headers(r, "application/problem+json", add_line, &out);
  buf_puts(&out, "\r\n");
  buf_put(&out, body.data, body.len);
  ssize_t sent = send(r->conn->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)sent; /* a client that is gone needs no reply */
  reply_count(r, status);
  buf_free(&body);
  buf_free(&out);
}
