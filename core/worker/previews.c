/* SPDX-License-Identifier: MIT
 *
 * Provisional artifacts on their way to the daemon.  A flood is thinned: of each name the last one is kept, and
 * sent when its time has come and the plugin calls its host, or with the end of the call.
 */
#include "worker/artifacts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/preview.h"
#include "worker/host.h"

#include <stdlib.h>
#include <string.h>

#define BURST    16
#define EVERY_US 200000 /* past the burst, one in so long */

struct previews {
  struct {
    char *name;
    struct buf frame; /* the message */
    bool waits;
  } all[WIRE_PREVIEWS_MAX];
  size_t count;
  int sent; /* of the burst */
  int64_t sent_us;
};

static bool may_send(struct previews *p) {
  int64_t now = clock_mono_us();
  if (p->sent >= BURST && now - p->sent_us < EVERY_US)
    return false;
  p->sent += p->sent < BURST;
  p->sent_us = now;
  return true;
}

void previews_send(struct lathe_job *job, bool all) {
  struct previews *p = job->previews;
  for (size_t i = 0; p && i < p->count; i++) {
    if (!p->all[i].waits || !(all || may_send(p)))
      continue;
    struct buf *out = link_begin(job->link);
    buf_put(out, p->all[i].frame.data, p->all[i].frame.len);
    link_end(job->link, true);
    buf_free(&p->all[i].frame); /* megabytes, perhaps */
    p->all[i].waits = false;
  }
  bool waits = false;
  for (size_t i = 0; p && i < p->count; i++)
    waits |= p->all[i].waits;
  atomic_store(&job->preview_waits, waits);
}

int32_t previews_put(struct lathe_job *job, const struct lathe_artifact *a, const char *data,
                     size_t len) {
  struct previews *p = job->previews;
  size_t i = 0;
  if (!p)
    p = job->previews = mem_alloc(sizeof *p);
  while (i < p->count && strcmp(p->all[i].name, a->name) != 0)
    i++;
  if (i == WIRE_PREVIEWS_MAX)
    return LATHE_PERMANENT;
  if (i == p->count)
    p->all[p->count++].name = mem_dup(a->name);
  struct wire_preview m = {
      .artifact = {.name = a->name,
                   .media_type = a->media_type,
                   .url = a->url,
                   .bytes = a->url ? a->bytes : (int64_t)len,
                   .expires_s = a->expires_s,
                   .sha256 = a->sha256},
      .data = a->url ? NULL : data,
      .len = len,
  };
  pthread_mutex_lock(&job->lock);
  buf_clear(&p->all[i].frame);
  wire_put_preview(&p->all[i].frame, job->token, &m);
  p->all[i].waits = true;
  previews_send(job, false);
  pthread_mutex_unlock(&job->lock);
  return LATHE_OK;
}

void previews_free(struct previews *p) {
  for (size_t i = 0; p && i < p->count; i++) {
    free(p->all[i].name);
    buf_free(&p->all[i].frame);
  }
  free(p);
}
