/* SPDX-License-Identifier: MIT
 *
 * Reads the events of a job to its end, over as many connections as that takes.
 */
#include "follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http_client.h"
#include "sse.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 30000, PAUSE_MIN_MS = 250, PAUSE_MAX_MS = 4000 };

struct follow {
  struct sse sse;
  follow_event *on_event;
  void *arg;
  bool alive;     /* something came on this connection */
  int events;     /* and so many events */
  bool final;     /* the last of them ends a job */
  bool connected; /* at least once */
  bool done;
  bool too_long; /* an event is */
  int64_t heard_ms;
  int pause_ms; /* before the next connection */
};

bool follow_is_final(const char *event) {
  return !strcmp(event, "completed") || !strcmp(event, "failed") || !strcmp(event, "cancelled");
}

static int on_sse(void *arg, const char *event, const char *id, const char *data) {
  struct follow *f = arg;
  size_t values;
  json_t *value = http_json(data, strlen(data), &values);
  if (values > HTTP_VALUES_MAX)
    return SSE_TOO_LONG;
  f->events++;
  f->final = follow_is_final(event);
  int answer = f->on_event(f->arg, event, id, value);
  json_decref(value);
  return answer;
}

static int on_bytes(void *arg, const char *data, size_t len) {
  struct follow *f = arg;
  f->alive = true;
  int answer = sse_feed(&f->sse, data, len, on_sse, f);
  f->too_long = answer == SSE_TOO_LONG;
  f->done = answer != 0 && !f->too_long;
  return answer;
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
                           .type = "text/event-stream",
                           .headers = {"Accept: text/event-stream", header},
                           .endless = true,
                           .sink = on_bytes,
                           .arg = f};
  f->alive = false;
  f->events = 0;
  f->final = false;
  int code = http_do(c, &call, answer);
  free(header);
  sse_reconnect(&f->sse);
  return code;
}

/* The stream ended without an event, or with the end of a job: is the job, or the batch, over?
 * *code becomes CLI_SERVER where the answer is not one of lathe's; the answer then says why. */
static bool is_over(struct cli *c, const char *path, struct http_answer *answer, int *code) {
  struct http_call call = {.path = path, .type = "json"};
  http_answer_free(answer);
  int got = http_do(c, &call, answer);
  if (got == CLI_SERVER || got == CLI_REFUSED)
    *code = got;
  return got == CLI_OK && follow_is_final(json_text(answer->json, "status"));
}

/* Is there no point in another connection?  *code becomes what to return. */
static bool is_end(struct cli *c, const char *resource, struct follow *f,
                   struct http_answer *answer, int *code) {
  if (f->done || (*code == CLI_OK && !f->too_long && (f->events == 0 || f->final) &&
                  is_over(c, resource, answer, code))) {
    *code = CLI_OK;
    return true;
  }
  if (f->too_long)
    *code = CLI_SERVER;
  if (f->alive) {
    f->connected = true;
    f->heard_ms = clock_mono_ms();
  }
  if (f->events > 0)
    f->pause_ms = PAUSE_MIN_MS;
  bool may_pass = *code == CLI_OK || (*code == CLI_UNREACHABLE && f->connected);
  if (!may_pass)
    return true;
  bool lost = clock_mono_ms() - f->heard_ms > PATIENCE_MS;
  if (lost && *code == CLI_OK)
    *code = CLI_UNREACHABLE;
  return lost;
}

static void report(struct cli *c, const struct follow *f, const struct http_answer *answer,
                   int code) {
  if (f->too_long)
    fail(code, "%s sent an event of more than %d MB or %d values; is it a lathe server?", c->server,
         SSE_EVENT_MAX >> 20, HTTP_VALUES_MAX);
  else if (code == CLI_UNREACHABLE && answer->status == 200 && !answer->text[0])
    fail(code, "%s ended its event streams for %d s without a word; try again", c->server,
         PATIENCE_MS / 1000);
  else
    http_report(answer, code);
}

/* resource: the path of the job or batch. */
static int follow_resource(struct cli *c, const char *resource, const char *after,
                           follow_event *on_event, void *arg) {
  struct follow f = {
      .on_event = on_event, .arg = arg, .heard_ms = clock_mono_ms(), .pause_ms = PAUSE_MIN_MS};
  char *path = mem_printf("%s/events", resource);
  int code;
  if (after)
    buf_puts(&f.sse.last_id, after);
  for (;;) {
    struct http_answer answer;
    code = connect_once(c, path, &f, &answer);
    bool end = is_end(c, resource, &f, &answer, &code);
    if (end)
      report(c, &f, &answer, code);
    http_answer_free(&answer);
    if (end)
      break;
    pause_ms(f.sse.retry_ms > 0 && f.sse.retry_ms < f.pause_ms ? f.sse.retry_ms : f.pause_ms);
    f.pause_ms = f.pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : f.pause_ms * 2;
  }
  sse_free(&f.sse);
  free(path);
  return code;
}

int follow_job(struct cli *c, const char *id, const char *after, follow_event *on_event,
               void *arg) {
  char *resource = http_path(c, "/api/jobs/%s", id);
  int code = follow_resource(c, resource, after, on_event, arg);
  free(resource);
  return code;
}

int follow_batch(struct cli *c, const char *id, follow_event *on_event, void *arg) {
  char *resource = http_path(c, "/api/batches/%s", id);
  int code = follow_resource(c, resource, NULL, on_event, arg);
  free(resource);
  return code;
}
