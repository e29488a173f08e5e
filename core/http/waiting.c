/* SPDX-License-Identifier: MIT
 *
 * A request that waits: suspended, resumed, or its client gone.
 */
#include "http/private.h"

#include "base/clock.h"

void request_half_closed(struct http_request *r) {
  if (!list_empty(&r->half_link))
    return;
  r->half_until_ms = clock_mono_ms() + HALF_CLOSED_GRACE_MS;
  list_push_back(&r->h->half_closed, &r->half_link);
  turn_wake(r->h);
}

void request_suspend(struct http_request *r) {
  r->suspended = true;
  MHD_suspend_connection(r->mhd);
  if (r->conn->half_closed && !r->stream.open)
    request_half_closed(r);
}

void request_resume(struct http_request *r) {
  if (!r->suspended)
    return;
  r->suspended = false;
  list_remove(&r->half_link);
  MHD_resume_connection(r->mhd);
  turn_wake(r->h);
}

void request_tell_gone(struct http_request *r) {
  void (*gone)(void *) = r->on_gone;
  r->on_gone = NULL;
  r->gone = true;
  if (gone)
    gone(r->gone_arg);
  if (r->stream.open)
    stream_over(r);
}

void request_gone(struct http_request *r) {
  if (r->gone)
    return;
  request_tell_gone(r);
  request_resume(r);
}

int64_t request_drop_half_closed(struct http *h, int64_t now_ms) {
  while (!list_empty(&h->half_closed)) {
    struct http_request *r = container_of(h->half_closed.next, struct http_request, half_link);
    if (r->half_until_ms > now_ms)
      return r->half_until_ms;
    list_remove(&r->half_link);
    request_gone(r);
  }
  return 0;
}
