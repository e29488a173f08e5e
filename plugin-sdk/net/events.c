/* SPDX-License-Identifier: MIT
 *
 * A stream of events over one request.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>

struct listener {
  struct net_sse sse;
  lathe_net_on_event *on_event;
  void *user;
  bool ended; /* by on_event */
};

static int begin(struct net_transfer *t, void *arg) {
  struct lathe_net_answer *a = t->answer;
  char type[80] = "no Content-Type";
  (void)arg;
  long status = 0;
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status == 204 || net_is_type(t, "text/event-stream")) /* 204: there will be no more */
    return 0;
  const char *got = NULL;
  curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &got);
  if (got)
    snprintf(type, sizeof type, "%.70s", got);
  net_why(
      a, LATHE_RETRY_DOWN,
      "%s: HTTP %ld with %s is no stream of events; does a proxy answer in the service's place?",
      a->where, status, type);
  return -1;
}

static int take(struct net_transfer *t, void *arg, const char *data, size_t len) {
  struct listener *l = arg;
  struct lathe_net_answer *a = t->answer;
  int32_t rc = net_sse_feed(&l->sse, data, len, l->on_event, l->user);
  if (rc == LATHE_PENDING)
    return 0;
  if (rc == NET_SSE_TOO_LONG)
    net_why(a, LATHE_RETRY_DOWN, "%s: an event is longer than the %zu bytes that are taken",
            a->where, l->sse.most);
  else if (rc == NET_SSE_NO_MEMORY)
    net_why(a, LATHE_RETRY_MEM, "%s: no memory is left for an event", a->where);
  else
    a->result = rc;
  l->ended = true;
  return -1;
}

int32_t lathe_net_events(struct lathe_net *net, const struct lathe_net_request *request,
                         lathe_net_on_event *on_event, void *user,
                         struct lathe_net_answer *answer) {
  struct listener l = {.on_event = on_event, .user = user};
  struct net_sink sink = {.begin = begin,
                          .take = take,
                          .arg = &l,
                          .listen_ms = request->wait_ms > 0 ? request->wait_ms : 0};
  struct lathe_net_request own = *request;
  int64_t most = request->answer_max > 0 ? request->answer_max : NET_ANSWER_MAX;
  l.sse.most = (size_t)(most < 1 << 30 ? most : 1 << 30);
  own.wait_ms = 0; /* a stream says something now and then: silence is silence */
  net_run(net, &own, &sink, answer);
  if (answer->result == LATHE_OK && !l.ended) /* by the far side, in order */
    answer->result = LATHE_PENDING;
  snprintf(answer->last_id, sizeof answer->last_id, "%s",
           l.sse.last_id.len < sizeof answer->last_id && l.sse.last_id.len ? l.sse.last_id.data
                                                                           : "");
  net_sse_free(&l.sse);
  return answer->result;
}
