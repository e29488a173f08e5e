/* SPDX-License-Identifier: MIT
 *
 * Progress and log of running jobs become events, but not more of them than a
 * person can follow: a new stage goes out at once, the rest every 100 ms, log
 * lines together.
 */
#include "jobs/output.h"

#include "base/mem.h"
#include "jobs/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY_MS = 100, LOG_AT = 16 << 10 };

/* ---- the JSON ---- */

static void put_progress(struct buf *b, int permille, const char *stage, int64_t current,
                         int64_t total) {
  buf_printf(b, "\"percent\":%d.%d,\"stage\":", permille / 10, permille % 10);
  buf_put_json_str(b, stage);
  buf_puts(b, ",\"current\":");
  buf_put_i64(b, current);
  buf_puts(b, ",\"total\":");
  buf_put_i64(b, total);
}

void progress_put(const struct output *o, struct buf *b) {
  put_progress(b, o->permille, o->stage, o->current, o->total);
}

const char *progress_done(const struct job *job, struct buf *b) {
  static const char plain[] = "{\"percent\":100.0,\"stage\":\"\",\"current\":0,\"total\":0}";
  const struct output *o = job->output;
  if (!o)
    return plain;
  buf_clear(b);
  buf_putc(b, '{');
  put_progress(b, 1000, o->stage, o->total, o->total);
  buf_putc(b, '}');
  return b->data;
}

/* ---- the turns ---- */

static struct output *get(struct job *job) {
  if (!job->output)
    job->output = mem_alloc(sizeof *job->output);
  return job->output;
}

static void put_event(struct job *job, enum event_type type, const char *json) {
  struct jobs *j = job->j;
  struct store_event_in event = {.type = type, .data_json = json};
  store_event(j->store, job->num, job->id, &event, NULL, NULL);
}

static void begin(const struct job *job, struct buf *b) {
  buf_clear(b);
  buf_puts(b, "{\"job_id\":\"");
  buf_put(b, job->id, ID_LEN);
  buf_puts(b, "\",");
}

static void send_progress(struct job *job) {
  struct buf *b = &job->j->scratch;
  begin(job, b);
  progress_put(job->output, b);
  buf_putc(b, '}');
  job->output->dirty = false;
  job->output->sent_ms = uv_now(job->j->loop);
  put_event(job, EVENT_PROGRESS, b->data);
}

static void send_log(struct job *job) {
  struct buf *b = &job->j->scratch;
  begin(job, b);
  buf_puts(b, "\"text\":");
  buf_put_json_strn(b, job->output->log.data, job->output->log.len);
  buf_putc(b, '}');
  buf_clear(&job->output->log);
  put_event(job, EVENT_LOG, b->data);
}

static void on_flush(uv_timer_t *t) {
  struct jobs *j = t->data;
  while (!list_empty(&j->dirty))
    output_flush(container_of(j->dirty.next, struct job, link));
}

void output_later(struct job *job) {
  struct jobs *j = job->j;
  if (job->link.next != &job->link)
    return;
  if (list_empty(&j->dirty))
    uv_timer_start(&j->flush_timer, on_flush, EVERY_MS, 0);
  list_push_back(&j->dirty, &job->link);
}

void output_progress(struct job *job, int permille, const char *what, int64_t current,
                     int64_t total) {
  struct output *o = get(job);
  if (!what)
    what = o->stage;
  bool news = strncmp(o->stage, what, sizeof o->stage - 1) != 0;
  if (news)
    snprintf(o->stage, sizeof o->stage, "%s", what);
  o->permille = permille < 0 ? 0 : permille > 1000 ? 1000 : permille;
  o->current = current;
  o->total = total;
  if (news || o->permille == 1000 || uv_now(job->j->loop) - o->sent_ms >= EVERY_MS) {
    send_progress(job);
    return;
  }
  o->dirty = true;
  output_later(job);
}

void output_log(struct job *job, const char *text, size_t len) {
  struct output *o = get(job);
  buf_put(&o->log, text, len);
  if (o->log.len >= LOG_AT)
    send_log(job);
  else if (o->log.len > 0)
    output_later(job);
}

void output_flush(struct job *job) {
  if (job->output && job->output->log.len > 0)
    send_log(job);
  if (job->output && job->output->dirty)
    send_progress(job);
  reported_flush(job);
  list_remove(&job->link);
}

void output_drop(struct job *job) {
  if (!job->output)
    return;
  buf_free(&job->output->log);
  free(job->output);
  job->output = NULL;
}
