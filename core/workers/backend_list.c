/* SPDX-License-Identifier: MIT
 *
 * What the files of this room ask of the whole: which backends there are, and a look at them at the
 * end of the loop's turn.
 */
#include "workers/internal.h"

#include <string.h>

static void stay_awake(uv_idle_t *handle) {
  (void)handle;
}

void workers_touch(struct workers *w) {
  if (!w->freeing && !uv_is_active((uv_handle_t *)&w->idle))
    uv_idle_start(&w->idle, stay_awake);
}

struct backend *workers_next(const struct workers *w, const struct backend *previous) {
  const struct list *it = previous ? previous->ring.next : w->backends.next;
  for (; it != &w->backends; it = it->next) {
    struct backend *b = container_of(it, struct backend, ring);
    if (!b->removed)
      return b;
  }
  return NULL;
}

struct backend *workers_find(const struct workers *w, const char *name) {
  for (struct backend *b = NULL; (b = workers_next(w, b)) != NULL;)
    if (strcmp(b->o.name, name) == 0)
      return b;
  return NULL;
}
