/* SPDX-License-Identifier: MIT
 *
 * The life of a request.  libmicrohttpd calls in from MHD_run; handlers answer at
 * once or later, from any other place of the loop.
 *
 *   on_uri      the request line is there: target and connection noted
 *      |
 *   first call  head, Host, Origin, token, route, size of the body -- refused --> problem
 *      |
 *   data calls  the body is gathered, or goes through the form's parser to the sink
 *      |   \__ LATER: suspended until http_sink_continue
 *   last call   handler(request) -- replied --> sent
 *      |
 *   suspended   http_reply: resumed, called again, sent
 *      |   \__ client gone: on_gone, resumed, closed
 *   on_over     sent or not: what the handler left (files of the sink) is given up
 *
 * libmicrohttpd 0.9.75 does not call on_over where a second error meets a request that it refuses
 * already.  The end of the connection then ends the request too: request_lost.
 */
#include "http/private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

/* libmicrohttpd takes the query apart too, with a record for each parameter.  Where its memory has
 * no room for them, it neither answers nor goes on until the client leaves, and then forgets to say
 * so.  Nothing here asks it for the query, so it gets an empty one.  The text is its own buffer,
 * which it writes to itself after this call. */
static void hide_query(const char *uri) {
  char *question = strchr((char *)(uintptr_t)uri, '?');
  if (question)
    question[1] = 0;
}

void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd) {
  struct http_request *r = mem_alloc(sizeof *r);
  r->h = cls;
  r->mhd = mhd;
  r->conn = conn_of(mhd);
  r->started_us = clock_mono_us();
  r->method = "";
  list_init(&r->half_link);
  list_init(&r->body.growing);
  list_init(&r->replying);
  list_push_back(&r->h->requests, &r->link);
  metric_add(r->h->open_requests, 1);
  conn_has_head(r->conn, r);
  /* A wrong target is answered in the first call, which knows how to. */
  const char *wrong = uri_parse(&r->uri, uri ? uri : "");
  if (wrong)
    err_set(&r->body.err, ERR_INVAL, "%s", wrong);
  if (uri)
    hide_query(uri);
  return r;
}

/* ---- the calls of libmicrohttpd ---- */

static bool find_route(struct http_request *r) {
  struct http *h = r->h;
  const struct route_node *n = r->uri.asterisk
                                   ? NULL
                                   : route_match(h->routes, r->uri.segments, r->uri.segment_count,
                                                 r->params, &r->rest);
  r->route = n ? route_of_method(n, r->method) : NULL;
  bool options = !r->route && strcmp(r->method, "OPTIONS") == 0 && (n || r->uri.asterisk);
  /* Without a token nobody learns which paths there are. */
  if (!options && !(r->route && r->route->http->open) && !guard_token(r))
    return false;
  if (r->route)
    return guard_role(r) && query_check(r);
  struct buf allow = {0};
  route_allow(n, r->params[0], &allow);
  if (n || r->uri.asterisk)
    http_add_header(r, "Allow", allow.data);
  if (options)
    http_reply(r, 204, NULL, NULL);
  else if (n)
    http_problem(r, 0, "method-not-allowed", 0, "%s does not support %s; it supports %s.",
                 r->uri.raw, r->method, allow.data);
  else
    http_problem(r, 0, "not-found", 0,
                 "There is nothing at %s; GET /api/openapi.json lists all paths.", r->uri.raw);
  buf_free(&allow);
  return false;
}

/* True when the request may go on; false: a reply is queued. */
static bool request_begin(struct http_request *r) {
  if (!head_read(r))
    return false;
  if (r->body.err.code) { /* of the target */
    problem_of_err(r, &r->body.err);
    return false;
  }
  public_read(r);
  public_strip(r);
  if (!guard_host(r))
    return false;
  if (r->conn->over) {
    http_problem(r, 0, "too-many-connections", 1,
                 "The server has %d connections, the most that it takes; try again later.",
                 r->h->settings.connections_max);
    return false;
  }
  if (!guard_origin(r))
    return false;
  if (guard_is_preflight(r)) {
    guard_preflight(r);
    return false;
  }
  return find_route(r) && body_begin(r);
}

/* MHD_NO, when memory is out or the reply's head too long, ends the connection. */
static enum MHD_Result send_reply(struct http_request *r) {
  enum MHD_Result ok = MHD_queue_response(r->mhd, (unsigned)r->status, r->response);
  MHD_destroy_response(r->response);
  r->response = NULL;
  return ok;
}

static enum MHD_Result first_call(struct http_request *r, const char *method, const char *version) {
  r->begun = true;
  r->method = method;
  r->version = version;
  if (MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size >
      CONNECTION_MEMORY - REPLY_HEAD) {
    problem_send_now(r, "uri-too-long", 431, 0, "The request's target and headers are too long.");
    r->conn->linger = true;
    return MHD_NO;
  }
  if (request_begin(r))
    return MHD_YES;
  if (body_expected(r))
    r->conn->linger = true;
  return send_reply(r);
}

/* The rest of the body is not wanted: the problem goes out at once and the connection ends. */
static enum MHD_Result refuse_body(struct http_request *r) {
  int retry_after_s = 0;
  const char *slug = problem_slug(r->body.err.code, &retry_after_s);
  if (r->replied) /* it was given up */
    return MHD_NO;
  if (r->body.slug) {
    slug = r->body.slug;
    retry_after_s = BODIES_RETRY_S;
  }
  r->conn->linger = true;
  problem_send_now(r, slug, 0, retry_after_s, r->body.err.text);
  return MHD_NO;
}

static enum MHD_Result data_call(struct http_request *r, const char *data, size_t *size) {
  size_t used = 0;
  /* libmicrohttpd offers the next chunk of a chunked body also to a connection that the last one
   * suspended.  What is not taken is offered again. */
  if (r->suspended)
    return MHD_YES;
  int64_t slow_ms = (clock_mono_us() - r->started_us) / 1000 - BODY_GRACE_MS;
  r->body.received += (int64_t)*size;
  metric_add(r->h->received, (int64_t)*size);
  if (slow_ms > 0 && slow_ms * BODY_BYTES_PER_S / 1000 > r->body.received) {
    problem_send_now(r, "bad-request", 408, 0, "The body arrives too slowly.");
    return MHD_NO;
  }
  int rc = r->body.err.code ? r->body.err.code : body_feed(r, data, *size, &used);
  r->body.received -= (int64_t)(*size - used); /* it is offered again */
  if (rc < 0)
    return refuse_body(r);
  *size -= used;
  if (rc == HTTP_LATER)
    request_suspend(r);
  return MHD_YES;
}

static enum MHD_Result last_call(struct http_request *r) {
  if (r->replied && !r->response)
    return MHD_NO; /* its body was given up */
  if (!r->handled && !r->replied) {
    int rc = r->body.err.code ? r->body.err.code : body_end(r);
    if (rc == HTTP_LATER) {
      request_suspend(r);
      return MHD_YES;
    }
    if (rc < 0) {
      problem_of_err(r, &r->body.err);
    } else {
      r->handled = true;
      r->route->http->handler(r->h->ctx, r);
    }
  }
  if (r->replied)
    return send_reply(r);
  request_suspend(r);
  return MHD_YES;
}

enum MHD_Result request_on_call(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context) {
  (void)cls, (void)mhd, (void)url;
  struct http_request *r = *context;
  if (!r || r->gone)
    return MHD_NO;
  if (!r->begun)
    return first_call(r, method, version);
  return *size ? data_call(r, data, size) : last_call(r);
}

static void request_end(struct http_request *r) {
  if (!r->gone)
    request_tell_gone(r);
  body_free(r);
  conn_awaits_head(r->conn);
  list_remove(&r->half_link);
  list_remove(&r->link);
  if (r->response)
    MHD_destroy_response(r->response);
  reply_free(r);
  metric_add(r->h->open_requests, -1);
  uri_free(&r->uri);
  buf_free(&r->rest);
  free(r->client);
  public_url_free(&r->public);
  free(r);
}

void request_on_over(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode why) {
  (void)cls, (void)mhd;
  struct http_request *r = *context;
  if (!r)
    return;
  *context = NULL;
  if (!r->replied && !r->gone)
    log_debug("http.aborted", "%s %s ended before its reply (%d)", r->method, r->uri.raw, (int)why);
  request_end(r);
}

void request_lost(struct http_request *r) {
  r->method = r->version = ""; /* they and the headers lay in the connection's memory */
  r->head = (struct head){0};
  request_end(r);
}
