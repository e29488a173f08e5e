/* SPDX-License-Identifier: MIT
 *
 * What a worker says of a step.  Its word counts for a step that it has, in the state that the step
 * is in, and for no more of the daemon's time, memory and disk than the bounds here give it.
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "observe/log.h"
#include "wire/fact.h"
#include "wire/preview.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A worker of ours sends a progress every 20 ms past a burst of 256: these are for others. */
#define PROGRESS_MS 10
/* Likewise of previews: a burst of 16, then one in 200 ms. */
#define PREVIEW_MS 100
/* A log is cut by the worker, which says so; past so much more it is cut here. */
#define LOG_SLACK (64 << 10)
/* Lines that belong to no step go into the daemon's own log. */
#define OWN_LOG_BURST  (256 << 10)
#define OWN_LOG_PER_MS 16 /* bytes */
#define OWN_LINE       (16u << 10)
/* That a worker does not read, while it asks for answers. */
#define OUT_MAX (8u << 20)

static struct workers_step *find(struct worker *k, uint64_t token) {
  struct table_node *n = token ? table_get(&k->by_token, token) : NULL;
  return n ? container_of(n, struct workers_step, by_token) : NULL;
}

static uint64_t now_of(const struct worker *k) {
  return uv_now(k->b->w->loop);
}

/* ---- the end of a step ---- */

/* The worker says how long it took; it was not longer than the daemon waited. */
static void learn(const struct workers_step *s, int64_t run_us) {
  struct backend *b = s->b;
  int64_t most = (int64_t)(uv_now(b->w->loop) - s->began_at) * 1000 + 2000;
  if (s->began_at && run_us > most)
    run_us = most;
  if (run_us > WIRE_DAY_MS * 1000)
    run_us = WIRE_DAY_MS * 1000;
  if (run_us < 1)
    run_us = 1;
  if (b->ewma_us == 0 || run_us > 4 * b->ewma_us)
    b->ewma_us = run_us; /* to be wrong upwards costs little */
  else
    b->ewma_us += (run_us - b->ewma_us) / 8;
  if (b->ewma_us < 1)
    b->ewma_us = 1;
}

/* Without its path. */
static struct step_artifact artifact_of(const struct wire_artifact *a) {
  return (struct step_artifact){.name = a->name,
                                .media_type = a->media_type,
                                .url = a->url,
                                .sha256 = a->sha256,
                                .bytes = a->bytes,
                                .expires_us = a->expires_s * 1000000};
}

/* The artifacts of the result, with their paths in the step's folder; one block, the caller frees.
 */
static struct step_artifact *artifacts_of(const struct wire_done *m, const char *folder) {
  size_t dir = strlen(folder), size = m->artifact_count * sizeof(struct step_artifact);
  if (m->artifact_count == 0)
    return NULL;
  for (size_t i = 0; i < m->artifact_count; i++)
    size += m->artifacts[i].path ? dir + 1 + strlen(m->artifacts[i].path) + 1 : 0;
  struct step_artifact *all = mem_alloc(size);
  char *at = (char *)(all + m->artifact_count);
  for (size_t i = 0; i < m->artifact_count; i++) {
    const struct wire_artifact *a = &m->artifacts[i];
    all[i] = artifact_of(a);
    if (!a->path)
      continue;
    all[i].path = at;
    at += sprintf(at, "%s/%s", folder, a->path) + 1;
  }
  return all;
}

/* A PROCESS worker does its steps in their order, so another one is over only if it was cancelled.
 */
static bool may_be_over(const struct worker *k, const struct workers_step *s,
                        const struct wire_done *m) {
  return k->isolation != WIRE_PROCESS || k->steps.next == &s->ring ||
         (s->cancel_class && m->class == s->cancel_class);
}

/* A forked job that is locked in speaks to no service: what it says of one is its own failure, and
 * stops nobody else. */
static void keep_to_itself(const struct worker *k, struct wire_done *m) {
  if (k->isolation != WIRE_FORK || k->b->rights & WIRE_NEEDS_NETWORK)
    return;
  if (m->class == WIRE_AUTH || m->class == WIRE_QUOTA)
    m->class = WIRE_PERMANENT;
  if (m->class == WIRE_RETRY && m->code == STEP_CODE_RATE)
    m->code = STEP_CODE_RETRY;
}

static void end_step(struct worker *k, struct workers_step *s, const struct wire_done *m) {
  char folder[PATH_MAX];
  steps_folder(k, s->token, folder);
  if (m->class == WIRE_OK) {
    learn(s, m->run_us);
    k->b->failures = 0;
    k->b->died_idle = false;
  }
  struct step_artifact *artifacts = artifacts_of(m, folder);
  struct step_result r = {
      .class = (enum step_class)m->class,
      .code = m->code,
      .message = m->message,
      .retry_after_ms = m->retry_after_ms,
      .result_json = m->result_json,
      .artifacts = artifacts,
      .artifact_count = m->artifact_count,
      .workdir = m->folder ? folder : NULL,
      .open = m->open && k->remote,
      .cancel = k->remote ? m->cancel : WIRE_CANCEL_END_NONE,
      .error_code = m->class == WIRE_OK ? NULL : m->error_code,
      .request_id = m->class == WIRE_OK ? NULL : m->request_id,
  };
  steps_unlink(s);
  pause_heard(k, s, m);
  if (k->isolation == WIRE_PROCESS)
    steps_head(k);
  steps_tell(s, &r);
  free(artifacts);
}

int steps_take_done(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct wire_done m;
  struct workers_step *s = find(k, f->token);
  if (!s)
    return 0; /* it was given up and told already */
  if (wire_get_done(f, &m, err) < 0)
    return err->code;
  if (!may_be_over(k, s, &m)) {
    free(m.artifacts);
    return err_set(err, ERR_PROTOCOL, "a DONE of a step whose turn it is not");
  }
  keep_to_itself(k, &m);
  end_step(k, s, &m);
  free(m.artifacts);
  if (k->retiring)
    backend_retire(k);
  return 0;
}

int steps_take_recalled(struct worker *k, const struct wire_frame *f, struct err *err) {
  uint64_t *tokens;
  size_t count;
  if (!k->recalled)
    return err_set(err, ERR_PROTOCOL, "a RECALLED that nobody asked for");
  if (wire_get_recalled(f, &tokens, &count, err) < 0)
    return err->code;
  k->recalled = false;
  for (size_t i = count; i-- > 0;) { /* the oldest gets to the front at last */
    struct workers_step *s = find(k, tokens[i]);
    if (!s)
      continue;
    list_remove(&s->ring);
    table_remove(&k->by_token, &s->by_token);
    k->count--;
    s->worker = NULL;
    s->began_at = s->kill_at = 0;
    list_push_front(&k->b->pending, &s->ring);
    k->b->pending_count++;
    workers_touch(k->b->w);
    if (s->cancel_class)
      steps_doom(s, (enum step_class)s->cancel_class, "cancelled before it began");
  }
  free(tokens);
  if (k->retiring)
    backend_retire(k);
  return 0;
}

/* ---- while it runs ---- */

int steps_take_began(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct workers_step *s = find(k, f->token);
  struct wire_reader r = wire_reader(f);
  if (s)
    s->begun = true;
  return wire_reader_end(&r, "BEGAN", err);
}

int steps_take_progress(struct worker *k, const struct wire_frame *f, struct err *err) {
  const struct workers_events *e = &k->b->w->events;
  struct workers_step *s = find(k, f->token);
  struct wire_progress m;
  if (wire_get_progress(f, &m, err) < 0)
    return err->code;
  if (s && allowance_take(&s->progress, now_of(k), PROGRESS_BURST, PROGRESS_MS)) {
    char *what = client_text(k->b->w, m.what);
    e->progress(e->ctx, s->owner, m.permille, what, m.current, m.total);
    free(what);
  }
  return 0;
}

/* Without the paths of this machine; NULL: what is left is not JSON any more.  The caller frees. */
static char *told_fact(const struct workers *w, const struct wire_fact *m) {
  char *value = client_text(w, m->value);
  if (!wire_fact_wrong(m->key, value))
    return value;
  free(value);
  return NULL;
}

int steps_take_fact(struct worker *k, const struct wire_frame *f, struct err *err) {
  const struct workers_events *e = &k->b->w->events;
  struct workers_step *s = find(k, f->token);
  struct wire_fact m;
  if (wire_get_fact(f, &m, err) < 0)
    return err->code;
  if (s && (m.weak || allowance_take(&s->facts, now_of(k), PROGRESS_BURST, PROGRESS_MS))) {
    char *value = told_fact(k->b->w, &m);
    if (value)
      e->fact(e->ctx, s->owner, m.key, value, m.weak);
    free(value);
  }
  return 0;
}

int steps_take_note(struct worker *k, const struct wire_frame *f, struct err *err) {
  const struct workers_events *e = &k->b->w->events;
  struct workers_step *s = find(k, f->token);
  const char *note;
  if (wire_get_note(f, &note, err) < 0)
    return err->code;
  if (!k->remote)
    return err_set(err, ERR_PROTOCOL, "a NOTE of a plugin that is not remote");
  if (s)
    e->note(e->ctx, s->owner, note,
            !allowance_take(&s->notes, now_of(k), PROGRESS_BURST, PROGRESS_MS));
  return 0;
}

int steps_take_preview(struct worker *k, const struct wire_frame *f, struct err *err) {
  const struct workers_events *e = &k->b->w->events;
  struct workers_step *s = find(k, f->token);
  struct wire_preview m;
  if (wire_get_preview(f, &m, err) < 0)
    return err->code;
  if (s && allowance_take(&s->previews, now_of(k), PREVIEW_BURST, PREVIEW_MS)) {
    struct step_artifact a = artifact_of(&m.artifact);
    e->preview(e->ctx, s->owner, &a, m.data, m.len);
  }
  return 0;
}

static void take_checkpoint(struct worker *k, struct workers_step *s, const char *ref) {
  const struct workers_events *e = &k->b->w->events;
  s->asking = true;
  pause_served(s);
  e->checkpoint(e->ctx, s->owner, ref);
}

int steps_take_checkpoint(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct workers_step *s = find(k, f->token);
  const char *ref;
  if (wire_get_checkpoint(f, &ref, err) < 0)
    return err->code;
  if (!k->remote || (s && s->asking) || k->out.len > OUT_MAX)
    return err_set(err, ERR_PROTOCOL, "a CHECKPOINT %s",
                   !k->remote             ? "of a plugin that is not remote"
                   : k->out.len > OUT_MAX ? "though it does not read the answers"
                                          : "before the last one was answered");
  if (s)
    take_checkpoint(k, s, ref);
  else /* its call waits for an answer */
    wire_put_value(worker_out(k), WIRE_CHECKPOINTED, f->token, ERR_NOT_FOUND);
  return 0;
}

void workers_checkpointed(struct workers_step *s, int code) {
  s->asking = false;
  if (s->worker)
    wire_put_value(worker_out(s->worker), WIRE_CHECKPOINTED, s->token, code);
}

/* ---- logs ---- */

/* True: so many bytes may go into the daemon's own log now. */
static bool may_log(struct worker *k, size_t len) {
  uint64_t now = now_of(k);
  int64_t more = k->log_at ? (int64_t)(now - k->log_at) * OWN_LOG_PER_MS : OWN_LOG_BURST;
  k->log_at = now;
  k->log_left = k->log_left + more < OWN_LOG_BURST ? k->log_left + more : OWN_LOG_BURST;
  if ((int64_t)len > k->log_left) {
    k->log_lost += (int64_t)len;
    return false;
  }
  k->log_left -= (int64_t)len;
  return true;
}

void steps_tell_lost(struct worker *k) {
  if (k->log_lost)
    log_warn("backend.log", "backend %s: %" PRId64 " bytes of its log are left out: it floods",
             k->b->o.name, k->log_lost);
  k->log_lost = 0;
}

static void log_of_backend(struct worker *k, const char *text, size_t len) {
  const char *name = k->b->o.name;
  const struct log_field who[] = {{.key = "backend", .text = name},
                                  {.key = "worker", .number = k->pid}};
  if (!may_log(k, len))
    return;
  steps_tell_lost(k);
  while (len) {
    const char *end = memchr(text, '\n', len);
    size_t n = end ? (size_t)(end - text) : len;
    char *line = mem_printf("backend %s: %.*s", name, (int)(n < OWN_LINE ? n : OWN_LINE), text);
    log_fields(LOG_INFO, "backend.log", who, sizeof who / sizeof *who, line);
    free(line);
    n += end != NULL;
    text += n;
    len -= n;
  }
}

static void log_of_step(const struct worker *k, struct workers_step *s, const char *text,
                        size_t len) {
  const struct workers_events *e = &k->b->w->events;
  static const char cut[] = "[lathe: the log is cut here: it is far over its limit (log_bytes)]\n";
  if (s->log_cut)
    return;
  s->log_bytes += (int64_t)len;
  s->log_cut = s->limits.log_bytes > 0 && s->log_bytes - LOG_SLACK > s->limits.log_bytes;
  if (s->log_cut) {
    e->log(e->ctx, s->owner, cut, sizeof cut - 1);
  } else if (!memchr(text, '/', len)) {
    e->log(e->ctx, s->owner, text, len);
  } else {
    char *copy = mem_dup_n(text, len), *lines = client_text(k->b->w, copy);
    e->log(e->ctx, s->owner, lines, strlen(lines));
    free(lines);
    free(copy);
  }
}

void steps_log(struct worker *k, uint64_t token, const char *text, size_t len) {
  struct workers_step *s = find(k, token);
  if (token == 0)
    log_of_backend(k, text, len);
  else if (s)
    log_of_step(k, s, text, len);
}

int steps_take_log(struct worker *k, const struct wire_frame *f, struct err *err) {
  int32_t level;
  const char *text;
  size_t len;
  if (wire_get_log(f, &level, &text, &len, err) < 0)
    return err->code;
  steps_log(k, f->token, text, len);
  return 0;
}
