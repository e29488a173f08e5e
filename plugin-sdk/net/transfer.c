/* SPDX-License-Identifier: MIT
 *
 * One request from its beginning to its end.  libcurl works and we look at the clocks between: the
 * job's cancellation, the deadline, the silence.
 */
#include "private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int net_put(struct net_buf *b, const void *data, size_t len) {
  if (!b->data || b->len + len + 1 > b->room) {
    size_t room = b->room ? b->room : 256;
    while (room < b->len + len + 1)
      room *= 2;
    char *grown = realloc(b->data, room);
    if (!grown)
      return -1;
    b->data = grown;
    b->room = room;
  }
  if (len)
    memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
  return 0;
}

int net_puts(struct net_buf *b, const char *text) {
  return net_put(b, text, strlen(text));
}

/* ---- what libcurl brings ---- */

static long status_of(const struct net_transfer *t) {
  long status = 0;
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

static bool is_good(long status) {
  return status >= 200 && status < 300;
}

bool net_is_type(struct net_transfer *t, const char *type) {
  const char *got = NULL;
  size_t len = strlen(type);
  curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &got);
  return got && !strncasecmp(got, type, len) && (!got[len] || got[len] == ';' || got[len] == ' ');
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
  struct net_transfer *t = user;
  size_t len = size * count;
  t->head_total += len;
  if (len >= 5 && !memcmp(data, "HTTP/", 5))
    t->head.len = 0; /* of an interim answer, or of a redirect */
  if (t->head_total > NET_HEAD_MAX)
    t->stop = NET_HEAD_TOO_LONG;
  else if (net_put(&t->head, data, len) != 0)
    t->stop = NET_NO_ROOM;
  return t->stop == NET_WENT_ON ? len : 0;
}

static bool begin(struct net_transfer *t) {
  t->began = true;
  if (t->sink && t->sink->begin && t->sink->begin(t, t->sink->arg) != 0)
    t->stop = NET_SINK;
  return t->stop == NET_WENT_ON;
}

static size_t gather(struct net_transfer *t, const char *data, size_t len, bool good) {
  int64_t asked = t->request->answer_max;
  size_t most = !good ? NET_FAILURE_MAX : asked <= 0 ? NET_ANSWER_MAX : (size_t)asked;
  if (most > 1u << 30)
    most = 1u << 30;
  bool over = t->body.len + len > most;
  if (over)
    t->stop = good ? NET_TOO_LONG : NET_ENOUGH;
  else if (net_put(&t->body, data, len) != 0)
    t->stop = NET_NO_ROOM;
  return t->stop == NET_WENT_ON ? len : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
  struct net_transfer *t = user;
  size_t len = size * count;
  bool good = is_good(status_of(t));
  if (!t->sink || !good)
    return gather(t, data, len, good);
  if (!t->began && !begin(t))
    return 0;
  if (t->sink->take(t, t->sink->arg, data, len) != 0 && t->stop == NET_WENT_ON)
    t->stop = NET_SINK;
  return t->stop == NET_WENT_ON ? len : 0;
}

/* The connection stands, TLS too: from here on silence counts. */
static int on_connected(void *user, char *there, char *here, int port, int own_port) {
  struct net_transfer *t = user;
  (void)there, (void)here, (void)port, (void)own_port;
  t->connected = true;
  t->last = lathe_net_now();
  return CURL_PREREQFUNC_OK;
}

static void listen_to(struct net_transfer *t) {
  CURL *curl = t->curl;
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, t);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
  if (t->sink && !t->sink->listen_ms)
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
}

/* ---- the wait ---- */

static void tell_moved(struct net_transfer *t, int64_t up, int64_t down, bool end) {
  const struct lathe_net_request *r = t->request;
  curl_off_t of = -1;
  int64_t now = lathe_net_now();
  if (!r->moved || !t->connected || (!end && now - t->told < 100))
    return;
  t->told = now;
  if (r->file || r->form || r->body || r->json) {
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_UPLOAD_T, &of);
    r->moved(r->user, up, of);
    return;
  }
  curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &of);
  r->moved(r->user, t->down_from + down, t->down_total ? t->down_total : (int64_t)of);
}

static void look(struct net_transfer *t, bool end) {
  curl_off_t up = 0, down = 0;
  curl_easy_getinfo(t->curl, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(t->curl, CURLINFO_SIZE_DOWNLOAD_T, &down);
  int64_t seen = up + down + (int64_t)t->head_total;
  if (seen != t->seen) {
    t->seen = seen;
    t->last = lathe_net_now();
  } else if (!end) {
    return;
  }
  tell_moved(t, up, down, end);
}

static void least(int64_t *wait, int64_t left) {
  if (left < *wait)
    *wait = left > 0 ? left : 0;
}

static bool is_stopped(const struct lathe_net *net, const struct lathe_net_request *r) {
  return (r->job && net->host->cancelled(r->job)) ||
         (r->stop && __atomic_load_n(r->stop, __ATOMIC_RELAXED));
}

/* How long we may sleep; 0 or less, with t->stop set: it is over. */
static int64_t time_left(struct net_transfer *t, int64_t now) {
  const struct lathe_net_request *r = t->request;
  const struct lathe_net *net = t->net;
  struct {
    enum net_stop stop;
    int64_t end;
  } const ends[] = {
      {NET_DEADLINE, r->deadline_ms > 0 ? r->deadline_ms : INT64_MAX},
      {NET_LISTENED, t->sink && t->sink->listen_ms ? t->started + t->sink->listen_ms : INT64_MAX},
      {NET_MOST, r->most_ms > 0 ? t->started + r->most_ms : INT64_MAX},
      {NET_STALLED, t->connected && net->stall_ms > 0
                        ? t->last + net->stall_ms + (r->wait_ms > 0 ? r->wait_ms : 0)
                        : INT64_MAX},
  };
  int64_t wait = r->job ? 50 : r->stop ? 250 : 1000;
  if (is_stopped(net, r)) {
    t->stop = NET_CANCELLED;
    return 0;
  }
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    if (ends[i].end <= now) {
      t->stop = ends[i].stop;
      return 0;
    }
    least(&wait, ends[i].end - now);
  }
  return wait;
}

static void drive(struct net_transfer *t, struct net_line *line) {
  int running = 1, messages;
  if (time_left(t, t->started) <= 0)
    return;
  if (curl_multi_add_handle(line->multi, t->curl) != CURLM_OK) {
    t->stop = NET_NO_ROOM;
    return;
  }
  while (curl_multi_perform(line->multi, &running) == CURLM_OK && running) {
    look(t, false);
    int64_t wait = time_left(t, lathe_net_now());
    if (t->stop != NET_WENT_ON)
      break;
    curl_multi_poll(line->multi, NULL, 0, (int)wait, NULL);
  }
  t->code = CURLE_FAILED_INIT;
  for (CURLMsg *m; (m = curl_multi_info_read(line->multi, &messages));)
    if (m->msg == CURLMSG_DONE)
      t->code = m->data.result;
  look(t, true);
  long sent = 0;
  curl_easy_getinfo(t->curl, CURLINFO_REQUEST_SIZE, &sent);
  t->answer->sent = sent > 0;
  t->answer->status = (int32_t)status_of(t);
}

/* libcurl may write to a connection that is closed; the signal of that is not the process's. */
static void drive_quietly(struct net_transfer *t, struct net_line *line) {
  static const struct timespec at_once = {0};
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  bool had = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  drive(t, line);
  if (!had)
    sigtimedwait(&pipe, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void hand_over(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  if (!t->body.data)
    net_put(&t->body, "", 0);
  a->body = t->body.data;
  a->len = t->body.len;
  a->head = t->head.data;
  a->head_len = t->head.len;
}

int32_t net_run(struct lathe_net *net, const struct lathe_net_request *request,
                const struct net_sink *sink, struct lathe_net_answer *answer) {
  struct net_transfer t = {
      .net = net, .request = request, .sink = sink, .answer = answer, .fd = -1};
  lathe_net_free(answer);
  answer->retry_after_ms = -1;
  t.started = t.last = lathe_net_now();
  struct net_line *line = net_take_line(net);
  if (!line)
    return net_why(answer, LATHE_RETRY_MEM, "no memory is left for a connection");
  if (net_prepare(&t, line) == LATHE_OK) {
    listen_to(&t);
    drive_quietly(&t, line);
    if (t.stop == NET_WENT_ON && t.code == CURLE_OK && is_good(answer->status) && sink && !t.began)
      begin(&t);
    hand_over(&t);
    net_judge(&t);
    curl_multi_remove_handle(line->multi, t.curl);
  } else {
    hand_over(&t);
  }
  curl_easy_reset(t.curl); /* it forgets what this request points to, and keeps its connections */
  net_drop_request(&t);
  net_give_line(net, line);
  return answer->result;
}

int32_t lathe_net_call(struct lathe_net *net, const struct lathe_net_request *request,
                       struct lathe_net_answer *answer) {
  return net_run(net, request, NULL, answer);
}

int32_t net_pause(struct lathe_net *net, const struct lathe_net_request *r, int64_t ms,
                  struct lathe_net_answer *answer) {
  for (int64_t end = lathe_net_now() + ms, now; (now = lathe_net_now()) < end;) {
    if (is_stopped(net, r))
      return net_why(answer, LATHE_CANCELLED, "%s: the job was cancelled", answer->where);
    if (r->deadline_ms > 0 && now >= r->deadline_ms)
      return net_why(answer, LATHE_TIMEOUT, "%s: no time is left", answer->where);
    int64_t nap = end - now < 50 ? end - now : 50;
    nanosleep(&(struct timespec){.tv_nsec = nap * 1000000}, NULL);
  }
  return LATHE_OK;
}
