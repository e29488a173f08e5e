/* SPDX-License-Identifier: MIT
 *
 * Which jobs of ours are at the far daemon, and what its stream of events told of any job lately.
 *
 * The stream may tell of a job before the answer to its submission is here.  So what it told is kept for
 * a while for jobs that nobody here knows, in a table that does not grow.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum {
  LIES_MOST = 4,
  WAKE_MS = 200,
  LOOK_MS = 5000
}; /* for output: no oftener; without a stream: that often */

/* ---- ids ---- */

/* Crockford's digits. */
bool far_is_id(const void *text, size_t len) {
  const char *at = text;
  for (size_t i = 0; i < len; i++)
    if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'A' && at[i] <= 'Z')))
      return false;
  return len == FAR_ID;
}

bool far_id_of(const void *ref, size_t len, char id[FAR_ID + 1]) {
  if (!far_is_id(ref, len))
    return false;
  memcpy(id, ref, FAR_ID);
  id[FAR_ID] = '\0';
  return true;
}

static uint32_t mark_of(const char *id) {
  uint32_t mark = 0x811c9dc5u;
  for (; *id; id++)
    mark = (mark ^ (unsigned char)*id) * 0x01000193u;
  return mark;
}

/* ---- ours ---- */

static struct live **find_live(struct far *f, const char *id) {
  struct live **at = &f->live[mark_of(id) % LIVE_PLACES];
  while (*at && strcmp((*at)->id, id) != 0)
    at = &(*at)->next;
  return at;
}

void far_jobs_add(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  bool idle = lathe_net_now() - f->active_ms > 1000;
  f->active_ms = lathe_net_now();
  struct live **at = find_live(f, id);
  if (!*at && (*at = calloc(1, sizeof **at))) {
    memcpy((*at)->id, id, FAR_ID + 1);
    f->live_count++;
  }
  if (idle)
    pthread_cond_broadcast(&f->changed); /* the keeper looks oftener now */
  pthread_mutex_unlock(&f->lock);
}

void far_jobs_drop(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  struct live **at = find_live(f, id), *gone = *at;
  if (gone) {
    *at = gone->next;
    f->live_count--;
    free(gone);
  }
  pthread_mutex_unlock(&f->lock);
}

int64_t far_jobs_count(struct far *f) {
  pthread_mutex_lock(&f->lock);
  int64_t count = f->live_count;
  pthread_mutex_unlock(&f->lock);
  return count;
}

bool far_jobs_lied(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  struct live *at = *find_live(f, id);
  bool often = !at || ++at->lies >= LIES_MOST;
  pthread_mutex_unlock(&f->lock);
  return often;
}

void far_jobs_free(struct far *f) {
  for (size_t i = 0; i < LIVE_PLACES; i++)
    for (struct live *at; (at = f->live[i]);) {
      f->live[i] = at->next;
      free(at);
    }
}

/* ---- what the stream told ---- */

/* Under the lock: its place, or NULL where another job has it. */
static struct seen *find_seen(struct far *f, const char *id) {
  struct seen *s = &f->seen[mark_of(id) % FAR_SEEN];
  return strcmp(s->id, id) == 0 ? s : NULL;
}

static struct seen *make_seen(struct far *f, const char *id) {
  struct seen *s = &f->seen[mark_of(id) % FAR_SEEN];
  if (strcmp(s->id, id) != 0) {
    *s = (struct seen){.ended = false};
    memcpy(s->id, id, FAR_ID + 1);
  }
  return s;
}

bool far_jobs_told(struct far *f, const char *id, enum far_news what) {
  int64_t now = lathe_net_now();
  pthread_mutex_lock(&f->lock);
  struct seen *s = make_seen(f, id);
  bool end = what == FAR_NEWS_END || what == FAR_NEWS_DONE;
  s->begun = what == FAR_NEWS_BEGIN || (s->begun && s->stream == f->stream);
  s->stream = f->stream;
  s->ended = end;
  s->completed = what == FAR_NEWS_DONE;
  s->news |= what == FAR_NEWS_OUTPUT;
  bool wake = end || (what == FAR_NEWS_OUTPUT && now - s->woken_ms >= WAKE_MS);
  if (wake)
    s->woken_ms = now;
  pthread_mutex_unlock(&f->lock);
  return wake;
}

bool far_jobs_ended(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  const struct seen *s = find_seen(f, id);
  bool ended = s && s->ended;
  pthread_mutex_unlock(&f->lock);
  return ended;
}

bool far_jobs_done(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  const struct seen *s = find_seen(f, id);
  bool done = s && s->begun && s->completed && !s->news && f->stream && s->stream == f->stream;
  pthread_mutex_unlock(&f->lock);
  return done;
}

void far_jobs_more(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  make_seen(f, id)->news = true;
  pthread_mutex_unlock(&f->lock);
}

bool far_jobs_heard(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  const struct seen *s = find_seen(f, id);
  bool heard = s && f->stream && s->stream == f->stream;
  pthread_mutex_unlock(&f->lock);
  return heard;
}

bool far_jobs_look(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  const struct seen *s = find_seen(f, id);
  bool heard = s && f->stream && s->stream == f->stream;
  bool look = !s || s->news || (!heard && lathe_net_now() - s->read_ms >= LOOK_MS);
  pthread_mutex_unlock(&f->lock);
  return look;
}

void far_jobs_looked(struct far *f, const char *id) {
  pthread_mutex_lock(&f->lock);
  struct seen *s = make_seen(f, id);
  s->news = false;
  s->read_ms = lathe_net_now();
  f->active_ms = s->read_ms;
  pthread_mutex_unlock(&f->lock);
}

void far_jobs_wake_all(struct far *f) {
  size_t count = 0;
  pthread_mutex_lock(&f->lock);
  char(*ids)[FAR_ID + 1] = calloc((size_t)f->live_count + 1, sizeof *ids);
  for (size_t i = 0; ids && i < LIVE_PLACES; i++)
    for (const struct live *at = f->live[i]; at; at = at->next)
      memcpy(ids[count++], at->id, sizeof *ids);
  pthread_mutex_unlock(&f->lock);
  for (size_t i = 0; i < count && LATHE_CAN(f->host, wake); i++)
    f->host->wake(f->host, ids[i], FAR_ID);
  free(ids);
}
