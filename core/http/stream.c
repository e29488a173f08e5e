/* SPDX-License-Identifier: MIT
 *
 * Bodies without a known end.
 *
 *   begin -> [idle: suspended] <-> [sending] -> end -> closed()
 *                   |                  |
 *                   +--- client gone --+-> closed()
 *
 * An idle stream costs its connection's memory and nothing else: no timer, no buffer.  A client
 * that does not read runs into the connection's time-out, because then the connection is not
 * suspended.
 */
#include "http/private.h"

#include <assert.h>
#include <string.h>

enum {
  BLOCK_AT = 64 << 10,
  DRAINED_BELOW = 16 << 10,
  KEPT_MAX = 4 << 10, /* of a stream that is ended for its memory */
  BLOCK_SIZE = 1024,
  WHOLE_BLOCK_SIZE = 32 << 10
};

static size_t waiting(const struct http_stream *s) {
  return s->out.len - s->sent;
}

static struct http_request *request_of(struct http_stream *s) {
  return container_of(s, struct http_request, stream);
}

/* The memory of the buffer is counted, not only what it holds. */
static void count(struct http_stream *s) {
  struct http *h = request_of(s)->h;
  int64_t more = (int64_t)s->out.cap - (int64_t)s->counted;
  h->stream_bytes += more;
  assert(h->stream_bytes >= 0);
  metric_add(h->streams_bytes, more);
  s->counted = s->out.cap;
}

static void moved(struct http_stream *s) {
  list_remove(&s->slow);
  if (waiting(s) > 0 && !s->ended)
    list_push_back(&request_of(s)->h->slow_streams, &s->slow);
}

static void stream_take(struct http_stream *s, char *to, size_t n) {
  assert(n <= waiting(s));
  memcpy(to, s->out.data + s->sent, n);
  s->sent += n;
  if (s->sent == s->out.len) {
    buf_free(&s->out);
    s->sent = 0;
  } else if (s->sent >= BLOCK_AT) {
    buf_consume(&s->out, s->sent);
    s->sent = 0;
  }
  count(s);
  moved(s);
}

/* Called by libmicrohttpd when it can send. */
static ssize_t on_read(void *cls, uint64_t pos, char *to, size_t max) {
  (void)pos;
  struct http_stream *s = cls;
  struct http_request *r = request_of(s);
  if (r->gone)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  size_t n = waiting(s) < max ? waiting(s) : max;
  if (n > 0) {
    stream_take(s, to, n);
    if (s->blocked && waiting(s) < DRAINED_BELOW) {
      s->blocked = false;
      if (s->events.drained && !s->ended)
        s->events.drained(s->events.arg);
    }
    return (ssize_t)n;
  }
  if (s->ended)
    return s->broken ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
  if (r->conn->half_closed) {
    request_gone(r);
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  s->idle = true;
  request_suspend(r);
  return 0;
}

static void wake(struct http_stream *s) {
  if (!s->idle)
    return;
  s->idle = false;
  request_resume(request_of(s));
}

/* ---- the bound for all ---- */

static void shed(struct http_stream *s) {
  struct buf words = {0}, rest = {0};
  size_t keep = 0;
  bool whole = s->events.last_words && s->events.last_words(s->events.arg, s->out.data + s->sent,
                                                            waiting(s), &keep, &words);
  if (whole && keep <= waiting(s) && keep <= KEPT_MAX) {
    buf_put(&rest, s->out.data + s->sent, keep);
    buf_put(&rest, words.data ? words.data : "", words.len);
  } else {
    s->broken = true;
  }
  buf_free(&words);
  buf_free(&s->out);
  s->out = rest;
  s->sent = 0;
  s->ended = true;
  count(s);
  list_remove(&s->slow);
  metric_add(request_of(s)->h->streams_shed, 1);
  wake(s);
}

static void keep_bound(struct http *h) {
  while (h->stream_bytes > h->settings.streams_max && !list_empty(&h->slow_streams))
    shed(container_of(h->slow_streams.next, struct http_stream, slow));
}

struct http_stream *http_stream_begin(struct http_request *r, int status, const char *media_type,
                                      const struct http_stream_events *events) {
  struct http_stream *s = &r->stream;
  assert(!s->open);
  *s = (struct http_stream){.events = *events, .open = true};
  list_init(&s->slow);
  metric_add(r->h->open_streams, 1);
  reply_queue(r, status, media_type,
              MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
                                                events->whole ? WHOLE_BLOCK_SIZE : BLOCK_SIZE,
                                                on_read, s, NULL));
  if (r->h->stopping) {
    s->ended = true;
    s->broken = events->whole;
  }
  return s;
}

bool http_stream_write(struct http_stream *s, const void *data, size_t len) {
  if (s->ended || request_of(s)->gone || len == 0)
    return true;
  bool first = waiting(s) == 0;
  buf_put(&s->out, data, len);
  count(s);
  if (first)
    moved(s);
  wake(s);
  keep_bound(request_of(s)->h);
  if (waiting(s) <= BLOCK_AT)
    return true;
  s->blocked = true;
  return false;
}

void http_stream_end(struct http_stream *s) {
  if (s->ended)
    return;
  s->ended = true;
  list_remove(&s->slow);
  wake(s);
}

void http_stream_break(struct http_stream *s) {
  s->broken = true;
  http_stream_end(s);
}

/* The last word about a stream: its owner forgets it. */
void stream_over(struct http_request *r) {
  struct http_stream *s = &r->stream;
  if (!s->open)
    return;
  s->open = false;
  metric_add(r->h->open_streams, -1);
  buf_free(&s->out);
  s->sent = 0;
  count(s);
  list_remove(&s->slow);
  if (s->events.closed)
    s->events.closed(s->events.arg);
}

void stream_finish_all(struct http *h) {
  list_for_each_safe(it, &h->requests) {
    struct http_request *r = container_of(it, struct http_request, link);
    if (!r->stream.open || r->stream.ended)
      continue;
    if (r->stream.events.whole)
      http_stream_break(&r->stream);
    else
      http_stream_end(&r->stream);
  }
}
