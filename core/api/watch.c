/* SPDX-License-Identifier: MIT
 *
 * Who listens to which job.  An event of a job that nobody listens to costs one comparison.
 */
#include "api/internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct watch *watch_get(struct api *a, const char *id) {
  struct watch *w = map_get(&a->watches, id);
  if (w)
    return w;
  w = mem_alloc(sizeof *w);
  memcpy(w->id, id, ID_LEN);
  list_init(&w->streams);
  list_init(&w->waiters);
  map_put(&a->watches, w->id, w);
  return w;
}

void watch_drop(struct api *a, struct watch *w) {
  if (w->busy || !list_empty(&w->streams) || !list_empty(&w->waiters))
    return;
  map_remove(&a->watches, w->id);
  free(w);
}

void api_on_event(void *api, const struct record_event *event) {
  struct api *a = api;
  frames_saw(&a->frames, event->seq);
  if (a->watches.count == 0 && list_empty(&a->everything))
    return;
  struct watch *w = map_get(&a->watches, event->job_id);
  if (w)
    w->busy = true; /* its last listener may leave below */
  if (a->frames.ring)
    stream_on_event(a, w, frames_add(&a->frames, event));
  if (!w)
    return;
  w->busy = false;
  watch_drop(a, w);
}
