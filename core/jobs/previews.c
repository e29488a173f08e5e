/* SPDX-License-Identifier: MIT
 *
 * Provisional artifacts: what a running attempt shows of its work.  They are in memory alone, within bounds, and
 * go with the attempt: nothing has to be removed after a crash.
 *
 *   worker --preview--> replaces the one of its name --> GET, the job's artifacts[]
 *                                                    `-> event `artifact`
 */
#include "jobs/previews.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 8 }; /* of one job */
#define ALL_MAX                                                                                    \
  ((int64_t)64 << 20) /* bytes of all jobs together; what comes past that is not shown */

struct previews {
  struct preview {
    struct record_artifact artifact; /* strings owned */
    char *data;                      /* NULL: it is at the URL */
    size_t len;
  } all[NAMES_MAX];
  struct record_artifact view[NAMES_MAX];
  size_t count;
};

static void forget(struct job *job, struct preview *p) {
  job->j->preview_bytes -= (int64_t)p->len;
  free((char *)p->artifact.name);
  free((char *)p->artifact.media_type);
  free((char *)p->artifact.sha256);
  free((char *)p->artifact.url);
  free(p->data);
}

static void tell(struct job *job, const struct record_artifact *a) {
  struct buf *b = &job->j->scratch;
  buf_clear(b);
  buf_printf(b, "{\"job_id\":\"%s\",\"name\":", job->id);
  buf_put_json_str(b, a->name);
  buf_puts(b, ",\"media_type\":");
  buf_put_json_str(b, a->media_type);
  buf_printf(b, ",\"bytes\":");
  if (a->bytes < 0)
    buf_puts(b, "null");
  else
    buf_put_i64(b, a->bytes);
  buf_printf(b, ",\"url\":\"/api/jobs/%s/artifacts/", job->id);
  buf_put_segment(b, a->name);
  buf_puts(b, "\",\"provisional\":true}");
  struct store_event_in event = {EVENT_ARTIFACT, b->data};
  store_event(job->j->store, job->num, job->id, &event, NULL, NULL);
}

void previews_take(struct job *job, const struct step_artifact *a, const char *data, size_t len) {
  struct previews *all = job->previews;
  size_t i = 0;
  if (!all)
    all = job->previews = mem_alloc(sizeof *all);
  while (i < all->count && strcmp(all->all[i].artifact.name, a->name) != 0)
    i++;
  int64_t old = i < all->count ? (int64_t)all->all[i].len : 0;
  if (i == NAMES_MAX || job->j->preview_bytes - old + (int64_t)len > ALL_MAX)
    return;
  struct preview *p = &all->all[i];
  if (i < all->count)
    forget(job, p);
  else
    all->count++;
  *p = (struct preview){
      .artifact = {.name = mem_dup(a->name),
                   .media_type = mem_dup(a->media_type),
                   .sha256 = data ? NULL : mem_dup(a->sha256),
                   .url = mem_dup(a->url),
                   .bytes = data ? (int64_t)len : a->bytes,
                   .expires_us = a->expires_us,
                   .provisional = true},
      .data = data ? mem_dup_n(data, len) : NULL,
      .len = len,
  };
  job->j->preview_bytes += (int64_t)len;
  tell(job, &p->artifact);
}

const struct record_artifact *previews_view(struct job *job, size_t *count) {
  struct previews *all = job->previews;
  *count = all ? all->count : 0;
  for (size_t i = 0; i < *count; i++)
    all->view[i] = all->all[i].artifact;
  return all ? all->view : NULL;
}

void previews_drop(struct job *job) {
  struct previews *all = job->previews;
  for (size_t i = 0; all && i < all->count; i++)
    forget(job, &all->all[i]);
  free(all);
  job->previews = NULL;
}

const char *jobs_preview(struct jobs *j, const char *id, const char *name, size_t *len) {
  const struct job *job = map_get(&j->live, id);
  const struct previews *all = job ? job->previews : NULL;
  for (size_t i = 0; all && i < all->count; i++)
    if (strcmp(all->all[i].artifact.name, name) == 0) {
      *len = all->all[i].len;
      return all->all[i].data;
    }
  return NULL;
}
