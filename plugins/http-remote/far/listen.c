/* SPDX-License-Identifier: MIT
 *
 * The listener: one stream of the events of all jobs at the far daemon.  It decides nothing; it says which
 * job is worth a poll, so that the end of one is known at once.  Where no stream comes through (a proxy
 * that cuts or buffers it), jobs are polled as if it were not there.
 *
 *   connect --first event--> telling --cut, silent--> pause (jitter) --> connect, from the last event on
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum { LISTEN_MS = 30000, PAUSE_FIRST_MS = 250, PAUSE_LAST_MS = 15000 };

static enum far_news news_of(const char *name) {
  static const struct {
    const char *name;
    enum far_news news;
  } all[] = {{"log", FAR_NEWS_OUTPUT}, {"progress", FAR_NEWS_OUTPUT}, {"completed", FAR_NEWS_DONE},
             {"failed", FAR_NEWS_END}, {"cancelled", FAR_NEWS_END},   {"queued", FAR_NEWS_BEGIN}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, name) == 0)
      return all[i].news;
  return FAR_NEWS_LIFE;
}

static void begin_stream(struct far *f) {
  pthread_mutex_lock(&f->lock);
  if (!f->stream)
    f->stream = ++f->streams;
  pthread_mutex_unlock(&f->lock);
}

/* True: something was told meanwhile, so jobs may have relied on it. */
static bool end_stream(struct far *f) {
  pthread_mutex_lock(&f->lock);
  bool told = f->stream != 0;
  f->stream = 0;
  pthread_mutex_unlock(&f->lock);
  return told;
}

/* The data is not read as JSON: it is a hint, and each event of every job there passes here. */
static int32_t on_event(void *user, const struct lathe_net_event *e) {
  static const char lead[] = "{\"job_id\":\"";
  struct far *f = user;
  char id[FAR_ID + 1];
  size_t lead_len = sizeof lead - 1;
  begin_stream(f);
  if (strcmp(e->name, "resync") == 0) { /* events are missing: from here on it is another stream */
    end_stream(f);
    begin_stream(f);
    far_jobs_wake_all(f);
  } else if (e->data_len > lead_len + FAR_ID && memcmp(e->data, lead, lead_len) == 0 &&
             far_id_of(e->data + lead_len, FAR_ID, id) && far_jobs_told(f, id, news_of(e->name)) &&
             LATHE_CAN(f->host, wake)) {
    f->host->wake(f->host, id, FAR_ID);
  }
  return LATHE_PENDING;
}

static int64_t pause_after(int tries) {
  int64_t ms = PAUSE_FIRST_MS;
  while (tries-- > 1 && ms < PAUSE_LAST_MS)
    ms *= 2;
  ms = ms < PAUSE_LAST_MS ? ms : PAUSE_LAST_MS;
  return ms / 2 + lathe_net_now() % (ms / 2 + 1);
}

void *far_listener(void *far) {
  struct far *f = far;
  struct lathe_net_answer a = {.result = LATHE_OK};
  char last[sizeof a.last_id] = "";
  for (int tries = 0;;) {
    struct lathe_net_header headers[] = {{"Last-Event-ID", last, NULL}, {NULL, NULL, NULL}};
    struct lathe_net_request r = {.path = "/api/events",
                                  .headers = *last ? headers : NULL,
                                  .wait_ms = LISTEN_MS,
                                  .answer_max = FAR_EVENT_MAX,
                                  .stop = &f->closing};
    if (far_ready(f, &a) == LATHE_OK) {
      lathe_net_events(f->t.net, &r, on_event, f, &a);
      far_failed(f, &a);
    }
    if (*a.last_id)
      memcpy(last, a.last_id, sizeof last);
    tries = a.result == LATHE_PENDING ? 0 : tries + 1;
    if (tries > 0 && end_stream(f))
      far_jobs_wake_all(f);
    if (tries > 0 ? far_rest(f, pause_after(tries)) : far_rest(f, 0))
      break;
  }
  lathe_net_free(&a);
  return NULL;
}
