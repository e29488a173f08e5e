/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/mem.h"
#include "http/private.h"
#include "observe/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char *const methods[METHODS] = {"GET",    "HEAD",    "POST", "PUT",
                                             "DELETE", "OPTIONS", "other"};

static size_t method_index(const char *method) {
  size_t i = 0;
  while (i < METHODS - 1 && strcmp(methods[i], method) != 0)
    i++;
  return i;
}

void reply_count(struct http_request *r, int status) {
  struct http *h = r->h;
  size_t m = method_index(r->method), class = status >= 100 && status < 600 ? status / 100 : 5;
  struct metric **counter = &h->requests_total[m][class];
  if (!*counter) {
    char labels[48];
    snprintf(labels, sizeof labels, "method=\"%s\",code=\"%zuxx\"", methods[m], class);
    *counter = metrics_counter(h->metrics, "lathe_http_requests_total",
                               "HTTP requests answered, by method and class of status", labels);
  }
  int64_t us = clock_mono_us() - r->started_us;
  metric_add(*counter, 1);
  metric_observe(h->seconds, us);
  r->replied = true;
  r->on_gone = NULL;
  log_debug("http.request", "%s %s %d in %lld us", r->method, r->uri.raw, status, (long long)us);
}

void http_add_header(struct http_request *r, const char *name, const char *value) {
  size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
  struct extra *x = mem_alloc(sizeof *x + name_size + value_size);
  memcpy(x->name, name, name_size);
  x->value = x->name + name_size;
  memcpy(x->value, value, value_size);
  /* Nothing from outside can end a header's line. */
  for (char *p = x->value; *p; p++) {
    if ((unsigned char)*p < ' ' || *p == 0x7f)
      *p = ' ';
  }
  struct extra **last = &r->extras;
  while (*last)
    last = &(*last)->next;
  *last = x;
}

static void uncount(struct http_request *r) {
  assert(r->h->reply_bytes >= r->reply_bytes);
  r->h->reply_bytes -= r->reply_bytes;
  metric_add(r->h->replies_bytes, -r->reply_bytes);
  r->reply_bytes = 0;
  list_remove(&r->replying);
}

void reply_free(struct http_request *r) {
  uncount(r);
  for (struct extra *x = r->extras, *next; x; x = next) {
    next = x->next;
    free(x);
  }
  r->extras = NULL;
}

static bool has_extra(const struct http_request *r, const char *name) {
  for (const struct extra *x = r->extras; x; x = x->next) {
    if (strcasecmp(x->name, name) == 0)
      return true;
  }
  return false;
}

void reply_headers(const struct http_request *r, const char *media_type, header_add *add,
                   void *arg) {
  if (media_type)
    add(arg, "Content-Type", media_type);
  add(arg, "X-Content-Type-Options", "nosniff");
  if (!has_extra(r, "Cache-Control"))
    add(arg, "Cache-Control", "no-store");
  cors_headers(r, add, arg);
  for (const struct extra *x = r->extras; x; x = x->next)
    add(arg, x->name, x->value);
}

static void add_to_response(void *arg, const char *name, const char *value) {
  MHD_add_response_header(arg, name, value);
}

/* Takes the response.  It goes out when libmicrohttpd calls in the next time, which for a request
 * that is just being handled is at once. */
void reply_queue(struct http_request *r, int status, const char *media_type,
                 struct MHD_Response *response) {
  if (r->response || r->replied) { /* a second reply is a mistake of the handler */
    log_error("http.reply", "%s %s was answered twice", r->method, r->uri.raw);
    MHD_destroy_response(response);
    return;
  }
  reply_headers(r, media_type, add_to_response, response);
  /* A client of a server that stops should not wait on this connection for the next one. */
  if ((r->h->stopping || r->conn->over) && !has_extra(r, "Connection"))
    MHD_add_response_header(response, "Connection", "close");
  r->response = response;
  r->status = status;
  reply_count(r, status);
  request_resume(r);
}

/* ---- the memory of all answers ---- */

/* Room for an answer of so many bytes: whose answer is on its way for long and not taken gives way.
 * Its connection ends when libmicrohttpd sees that it was shut. */
static bool reply_room(struct http_request *r, int64_t len) {
  struct http *h = r->h;
  int64_t now_us = clock_mono_us();
  while (h->reply_bytes + len > h->settings.streams_max) {
    if (list_empty(&h->replying))
      return false;
    struct http_request *oldest = container_of(h->replying.next, struct http_request, replying);
    if (now_us - oldest->replied_us < REPLY_GRACE_MS * 1000)
      return false;
    uncount(oldest);
    shutdown(oldest->conn->fd, SHUT_RDWR);
  }
  h->reply_bytes += len;
  metric_add(h->replies_bytes, len);
  r->reply_bytes = len;
  r->replied_us = now_us;
  list_push_back(&h->replying, &r->replying);
  return true;
}

void http_reply(struct http_request *r, int status, const char *media_type, struct buf *body) {
  size_t len = body ? body->len : 0;
  if (len > SMALL_REPLY && !r->replied && !reply_room(r, (int64_t)body->cap)) {
    buf_free(body);
    http_problem(r, 0, "too-many-answers", BODIES_RETRY_S,
                 "Answers that their clients have not read yet fill the memory that is for them; "
                 "send the request again later.");
    return;
  }
  struct MHD_Response *response =
      len ? MHD_create_response_from_buffer(len, buf_take(body), MHD_RESPMEM_MUST_FREE)
          : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  if (body)
    buf_free(body);
  reply_queue(r, status, media_type, response);
}
