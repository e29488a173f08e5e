/* SPDX-License-Identifier: MIT
 *
 * One client that listens to events, of a job or of all.
 *
 *            job found        store read to its end, ring replayed
 *   opening -----------> reading -----------------------------> live --final event--> ended
 *                           ^                                    |
 *                           |    drained: ring or store from     | the client is slow
 *                           +---------- the cursor ------------ blocked
 *
 * `cursor` is the seq up to which everything was written.  A live stream is handed frames as they
 * are published.  One that is not live ignores them and catches up from its cursor: from the ring
 * of frames when that still reaches back so far, else from the store.  So nothing is lost, nothing
 * comes twice, and a slow client costs no more than the 64 KiB that http buffers for it.
 */
#include "api/stream.h"

#include "api/render.h"
#include "base/mem.h"
#include "observe/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define READ_LIMIT  200
#define BEAT_MS     15000
#define FINAL_TYPES (1 << EVENT_COMPLETED | 1 << EVENT_FAILED | 1 << EVENT_CANCELLED)

struct stream {
  struct list all_link; /* api->streams */
  struct list link;     /* watch->streams or api->everything */
  struct api *api;
  struct watch *watch;    /* NULL: over all jobs */
  struct http_request *r; /* until the answer has begun */
  struct http_stream *out;
  int64_t job_num, cursor, asof;
  int64_t job_count; /* of a batch, which begins with job_num; else 0 */
  int types;
  bool as_log, once;
  bool resumed;   /* the client named the last event it saw */
  bool was_final; /* the job was, when the stream was opened */
  bool sent_any, last_final;
  bool resync_sent; /* in this catching up */
  bool live, blocked, asking, ended, closed;
  char job_id[ID_SIZE]; /* or that of the batch */
  struct buf resync;    /* the job as it was found, for a client that resumes */
};

static void catch_up(struct stream *s);

/* ---- the beat: one timer for all ---- */

static bool write_text(struct stream *s, const void *data, size_t len) {
  if (http_stream_write(s->out, data, len))
    return true;
  s->blocked = true;
  s->live = false;
  return false;
}

static void on_beat(uv_timer_t *timer) {
  struct api *a = timer->data;
  list_for_each_safe(it, &a->streams) {
    struct stream *s = container_of(it, struct stream, all_link);
    if (s->out && !s->blocked && !s->ended && !s->as_log)
      write_text(s, ":\n\n", 3);
  }
}

static void enlist(struct stream *s) {
  struct api *a = s->api;
  if (list_empty(&a->streams)) {
    frames_open(&a->frames);
    if (a->beat_open)
      uv_timer_start(&a->beat, on_beat, BEAT_MS, BEAT_MS);
  }
  list_push_back(&a->streams, &s->all_link);
  list_push_back(s->watch ? &s->watch->streams : &a->everything, &s->link);
}

/* ---- the end ---- */

static void stream_release(struct stream *s) {
  if (s->asking) { /* its answer comes here yet */
    s->closed = true;
    return;
  }
  buf_free(&s->resync);
  free(s);
}

/* The client is gone, or the stream was ended: called once. */
static void on_closed(void *arg) {
  struct stream *s = arg;
  struct api *a = s->api;
  s->out = NULL;
  s->r = NULL;
  s->live = false;
  list_remove(&s->all_link);
  list_remove(&s->link);
  if (s->watch)
    watch_drop(a, s->watch);
  s->watch = NULL;
  if (list_empty(&a->streams)) {
    frames_close(&a->frames);
    if (a->beat_open)
      uv_timer_stop(&a->beat);
  }
  stream_release(s);
}

/* After it `s` must not be touched. */
static void end(struct stream *s) {
  if (s->ended)
    return;
  s->live = false;
  s->ended = true;
  http_stream_end(s->out);
}

/* ---- writing ---- */

static void write_log(struct stream *s, const struct frame *f) {
  json_t *data = json_loadb(f->text.data + f->data_at, f->data_len, 0, NULL);
  const json_t *text = json_object_get(data, "text");
  if (json_is_string(text))
    write_text(s, json_string_value(text), json_string_length(text));
  json_decref(data);
}

static void write_frame(struct stream *s, const struct frame *f) {
  s->cursor = f->seq;
  s->sent_any = true;
  s->last_final = event_is_final(f->type);
  if (!(s->types & 1 << f->type))
    return;
  if (s->as_log)
    write_log(s, f);
  else
    write_text(s, f->text.data, f->text.len);
}

static void put_resync(const struct stream *s, struct buf *b) {
  buf_puts(b, "event: resync\ndata: ");
  if (s->resync.len)
    buf_put(b, s->resync.data, s->resync.len);
  else if (s->job_count)
    buf_printf(b, "{\"batch_id\":\"%s\"}", s->job_id);
  else if (s->job_num)
    buf_printf(b, "{\"job_id\":\"%s\"}", s->job_id);
  else
    buf_puts(b, "{}");
  buf_puts(b, "\n\n");
}

static void write_resync(struct stream *s) {
  struct buf b = {0};
  put_resync(s, &b);
  write_text(s, b.data, b.len);
  buf_free(&b);
  buf_free(&s->resync);
  s->resync_sent = true;
}

static void on_drained(void *arg) {
  struct stream *s = arg;
  if (!s->blocked || !s->out || s->ended)
    return;
  s->blocked = false;
  if (!s->asking)
    catch_up(s);
}

/* The memory of all streams is full, and this client is the slowest: after the event that is under
 * way it is told to look for itself, and may come back with the id of the last one it got. */
static bool last_words(void *arg, const char *unsent, size_t len, size_t *keep, struct buf *words) {
  struct stream *s = arg;
  s->ended = true;
  s->live = false;
  const char *end_of_event = memmem(unsent, len, "\n\n", 2);
  if (s->as_log || !end_of_event)
    return false;
  *keep = (size_t)(end_of_event - unsent) + 2;
  put_resync(s, words);
  return true;
}

static void stream_begin(struct stream *s) {
  struct http_request *r = s->r;
  s->r = NULL;
  http_add_header(r, "Cache-Control", "no-store");
  http_add_header(r, "X-Accel-Buffering", "no");
  s->out = http_stream_begin(
      r, 200, s->as_log ? "text/plain; charset=utf-8" : "text/event-stream",
      &(struct http_stream_events){
          .drained = on_drained, .closed = on_closed, .last_words = last_words, .arg = s});
  if (!s->as_log)
    write_text(s, "retry: 2000\n\n", 13);
}

/* ---- catching up ---- */

/* Everything that was published is written: hand over to the live side, or end. */
static void reached_now(struct stream *s) {
  bool over = s->job_num && (s->sent_any ? s->last_final : s->was_final);
  if (s->job_count)
    over = jobs_batch_open(s->api->at.jobs, s->job_id) == 0;
  if (over || s->once) {
    end(s);
    return;
  }
  s->live = true;
  s->resync_sent = false;
}

static bool concerns(const struct stream *s, const struct frame *f) {
  if (s->job_count)
    return f->job_num >= s->job_num && f->job_num - s->job_num < s->job_count;
  return !s->job_num || f->job_num == s->job_num;
}

static void replay(struct stream *s) {
  const struct frames *fs = &s->api->frames;
  for (size_t i = frames_after(fs, s->cursor); i < fs->count && !s->blocked && !s->ended; i++) {
    const struct frame *f = frames_at(fs, i);
    if (concerns(s, f))
      write_frame(s, f);
  }
  if (s->blocked || s->ended)
    return;
  if (s->cursor < fs->published)
    s->cursor = fs->published;
  reached_now(s);
}

/* Nothing new for a client that resumes at a finished job: 204 tells EventSource to stay away. */
static bool nothing_to_say(const struct stream *s, const struct store_events *e) {
  return s->resumed && s->was_final && !s->as_log && e->count == 0 && !e->gap;
}

static void stream_fail(struct stream *s, int code) {
  log_warn("events.read", "events cannot be read (%s)", err_slug(code));
  if (s->out) {
    end(s);
    return;
  }
  struct http_request *r = s->r;
  on_closed(s);
  api_refuse(r, code, NULL);
}

static void write_events(struct stream *s, const struct store_events *e) {
  struct frame f = {0};
  if (e->gap && !s->resync_sent && (s->resumed || s->sent_any) && !s->as_log)
    write_resync(s);
  buf_free(&s->resync);
  for (size_t i = 0; i < e->count && !s->blocked && !s->ended; i++) {
    frame_render(&f, &e->events[i]);
    write_frame(s, &f);
  }
  buf_free(&f.text);
}

static void on_events(void *arg, int code, const struct store_events *e) {
  struct stream *s = arg;
  s->asking = false;
  if (s->closed) {
    stream_release(s);
    return;
  }
  if (s->ended)
    return;
  if (code < 0) {
    stream_fail(s, code);
    return;
  }
  if (!s->out && nothing_to_say(s, e)) {
    struct http_request *r = s->r;
    on_closed(s);
    http_reply(r, 204, NULL, NULL);
    return;
  }
  if (!s->out)
    stream_begin(s);
  write_events(s, e);
  bool whole = e->count == 0 || s->cursor == e->events[e->count - 1].seq;
  if (whole && !e->more && s->cursor < s->asof)
    s->cursor = s->asof;
  if (!s->blocked)
    catch_up(s);
}

static void catch_up(struct stream *s) {
  if (s->out && frames_cover(&s->api->frames, s->cursor)) {
    replay(s);
    return;
  }
  s->asking = true;
  s->asof = s->api->frames.published;
  store_events(s->api->at.store,
               &(struct store_event_query){
                   .job_num = s->job_num,
                   .job_count = s->job_count,
                   .after_seq = s->cursor,
                   .types = s->types == EVENT_ALL ? 0 : s->types | FINAL_TYPES,
                   .limit = READ_LIMIT,
               },
               on_events, s);
}

/* ---- opening ---- */

static void on_gone(void *arg) { /* before the answer had begun */
  struct stream *s = arg;
  on_closed(s);
}

/* The store has answered.  False: there is nothing to stream, and `s` is gone. */
static bool is_there(struct stream *s, int code,
                     void (*answer_unknown)(struct http_request *r, const char *id)) {
  s->asking = false;
  if (s->closed) {
    stream_release(s);
    return false;
  }
  if (code >= 0)
    return true;
  list_init(&s->all_link);
  if (code == ERR_NOT_FOUND)
    answer_unknown(s->r, s->job_id);
  else
    api_refuse(s->r, code, NULL);
  stream_release(s);
  return false;
}

static void begin_reading(struct stream *s) {
  enlist(s);
  if (s->cursor > s->api->frames.published) { /* an id that this store never gave */
    s->cursor = s->api->frames.published;
    stream_begin(s);
    write_resync(s);
  }
  if (!s->blocked)
    catch_up(s);
}

static void stream_on_job(void *arg, int code, const struct record_job *job) {
  struct stream *s = arg;
  if (!is_there(s, code, api_unknown_job))
    return;
  s->job_num = job->num;
  s->was_final = job_state_is_final(job->state);
  if (s->resumed)
    render_job(&s->resync, job, http_base(s->r));
  s->watch = watch_get(s->api, job->id);
  begin_reading(s);
}

static void on_batch(void *arg, int code, const struct record_batch *batch, size_t count,
                     bool more) {
  struct stream *s = arg;
  (void)count, (void)more;
  if (!is_there(s, code, api_unknown_batch))
    return;
  s->job_num = batch->num;
  s->job_count = batch->count;
  s->was_final = jobs_batch_open(s->api->at.jobs, s->job_id) == 0;
  begin_reading(s);
}

static void open_over_all(struct stream *s, int64_t after) {
  enlist(s);
  int64_t now = s->api->frames.published;
  s->cursor = after < 0 || after > now ? now : after;
  stream_begin(s);
  if (after > now)
    write_resync(s);
  if (!s->blocked)
    catch_up(s);
}

void stream_open(struct api *a, struct http_request *r, const struct stream_request *q) {
  struct stream *s = mem_alloc(sizeof *s);
  *s = (struct stream){
      .api = a,
      .r = r,
      .types = q->types ? q->types : EVENT_ALL,
      .as_log = q->as_log,
      .once = q->once,
      .resumed = q->after >= 0,
      .cursor = q->after < 0 ? 0 : q->after,
  };
  list_init(&s->all_link);
  list_init(&s->link);
  http_on_abort(r, on_gone, s);
  if (q->batch_id) {
    memcpy(s->job_id, q->batch_id, sizeof s->job_id);
    s->asking = true;
    store_batch_get(a->at.store, s->job_id, on_batch, s);
    return;
  }
  if (!q->job_id) {
    open_over_all(s, q->after);
    return;
  }
  memcpy(s->job_id, q->job_id, sizeof s->job_id);
  s->asking = true;
  jobs_get(a->at.jobs, s->job_id, stream_on_job, s);
}

/* ---- what the store publishes ---- */

static void streams_tell(struct list *streams, const struct frame *f, bool of_one_job) {
  list_for_each_safe(it, streams) {
    struct stream *s = container_of(it, struct stream, link);
    if (!s->live || !concerns(s, f))
      continue;
    write_frame(s, f);
    if (of_one_job && s->last_final && !s->blocked)
      end(s);
  }
}

void stream_on_event(struct api *a, struct watch *w, const struct frame *f) {
  streams_tell(&a->everything, f, false);
  if (!w)
    return;
  streams_tell(&w->streams, f, true);
}

/* The last event of the last job was told before this. */
void stream_on_batch_ended(void *api, const char *id) {
  struct api *a = api;
  list_for_each_safe(it, &a->everything) {
    struct stream *s = container_of(it, struct stream, link);
    if (s->live && s->job_count && strcmp(s->job_id, id) == 0)
      end(s);
  }
}

void stream_end_all(struct api *a) {
  list_for_each_safe(it, &a->streams) {
    struct stream *s = container_of(it, struct stream, all_link);
    if (s->out)
      end(s);
  }
}
