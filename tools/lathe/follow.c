/* SPDX-License-Identifier: MIT
 *
 * Reads a stream of events to its end, over as many connections as that takes.
 */
#include "follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http_client.h"
#include "sse.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 30000, PAUSE_MAX_MS = 4000 };

struct follow {
  struct sse sse;
  follow_event *on_event;
  void *arg;
  bool alive; /* something came on this connection */
  bool done;
};

bool follow_is_final(const char *event) {
  return !strcmp(event, "completed") || !strcmp(event, "failed") || !strcmp(event, "cancelled");
}

static int on_sse(void *arg, const char *event, const char *id, const char *data) {
  struct follow *f = arg;
  json_t *value = json_loads(data, JSON_DECODE_ANY, NULL);
  int answer = f->on_event(f->arg, event, id, value);
  json_decref(value);
  return answer;
}

static int on_bytes(void *arg, const char *data, size_t len) {
  struct follow *f = arg;
  f->alive = true;
  if (sse_feed(&f->sse, data, len, on_sse, f))
    f->done = true;
  return f->done;
}

/* Sleeps, or less when Ctrl-C comes. */
static void pause_ms(int ms) {
  for (; ms > 0 && !cli_interrupted(); ms -= 50)
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
}

/* One connection. */
static int connect_once(struct cli *c, const char *path, struct follow *f,
                        struct http_answer *answer) {
  const char *last = sse_last_id(&f->sse);
  char *header = *last ? mem_printf("Last-Event-ID: %s", last) : NULL;
  struct http_call call = {.path = path,
                           .headers = {"Accept: text/event-stream", header},
                           .endless = true,
                           .sink = on_bytes,
                           .arg = f};
  f->alive = false;
  int code = http_do(c, &call, answer);
  free(header);
  sse_reconnect(&f->sse);
  return code;
}

int follow_events(struct cli *c, const char *path, const char *after, follow_event *on_event,
                  void *arg) {
  struct follow f = {.on_event = on_event, .arg = arg};
  if (after)
    buf_puts(&f.sse.last_id, after);
  int64_t heard = clock_mono_ms();
  bool connected = false;
  int pause = 250, code;
  for (;;) {
    struct http_answer answer;
    code = connect_once(c, path, &f, &answer);
    /* A stream that ended by itself without a final event (a server that stops) is taken up again.
     */
    if (f.done)
      code = CLI_OK;
    connected = connected || f.alive;
    if (f.alive) {
      heard = clock_mono_ms();
      pause = 250;
    }
    bool final = f.done || code == CLI_INTERRUPTED || code == CLI_REFUSED ||
                 (!connected && code == CLI_UNREACHABLE) || clock_mono_ms() - heard > PATIENCE_MS;
    if (final && !f.done)
      code = http_report(c, &answer, code == CLI_OK ? CLI_UNREACHABLE : code);
    http_answer_free(&answer);
    if (final)
      break;
    pause_ms(f.sse.retry_ms > 0 && f.sse.retry_ms < pause ? f.sse.retry_ms : pause);
    pause = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
  }
  sse_free(&f.sse);
  return code;
}
