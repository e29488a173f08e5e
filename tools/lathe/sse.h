/* SPDX-License-Identifier: MIT
 *
 * A parser of server-sent events (WHATWG HTML, 9.2.6), fed in pieces of any size.  It holds at most
 * SSE_EVENT_MAX bytes of an event.
 */
#ifndef SSE_H
#define SSE_H

#include "base/buf.h"

enum { SSE_EVENT_MAX = 16 << 20, SSE_TOO_LONG = -1000 };

struct sse { /* zeroed: ready; sse_free at the end */
  struct buf line, data, event, id, last_id;
  int retry_ms; /* of the last `retry:`; 0: none came */
  bool skip_lf; /* the last line ended with CR: a LF that follows belongs to it */
};

/* `id` is the last id of the stream, also of events without one; returns 0 to go on. */
typedef int sse_event(void *arg, const char *event, const char *id, const char *data);

/* Returns the first non-zero answer of `on_event`, SSE_TOO_LONG where an event is longer than it
 * may be (then the stream is of no use any more), else 0. */
int sse_feed(struct sse *s, const char *data, size_t len, sse_event *on_event, void *arg);
/* Forgets a half-read event (the connection is gone), keeps the last id. */
void sse_reconnect(struct sse *s);
const char *sse_last_id(const struct sse *s); /* "" for none */
void sse_free(struct sse *s);

#endif
