/* SPDX-License-Identifier: MIT
 *
 * Work folders that are removed, on the thread pool.
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

/* A job may leave millions of files.  Their removal shall not keep all threads of the pool from
 * what other jobs and clients wait for. */
enum { REMOVALS_AT_ONCE = 2 };

struct removal {
  uv_work_t work;
  struct workers *w;
  struct list ring;
  char path[];
};

static void remove_now(uv_work_t *work) {
  path_remove_tree(container_of(work, struct removal, work)->path, NULL);
}

static void remove_next(struct workers *w);

static void removed_now(uv_work_t *work, int status) {
  (void)status;
  struct removal *r = container_of(work, struct removal, work);
  struct workers *w = r->w;
  free(r);
  w->removals--;
  remove_next(w);
  workers_maybe_stopped(w);
}

static void remove_next(struct workers *w) {
  while (w->removals < REMOVALS_AT_ONCE && !list_empty(&w->to_remove)) {
    struct removal *r = container_of(list_pop_front(&w->to_remove), struct removal, ring);
    if (uv_queue_work(w->loop, &r->work, remove_now, removed_now) == 0)
      w->removals++;
    else
      free(r);
  }
}

void workers_release_workdir(struct workers *w, const char *workdir) {
  size_t root = strlen(w->work_root);
  if (!workdir || strncmp(workdir, w->work_root, root) != 0 || workdir[root] != '/' ||
      !path_is_plain_name(workdir + root + 1))
    return; /* nothing but a folder of ours is ever removed */
  size_t size = strlen(workdir) + 1;
  struct removal *r = mem_alloc(sizeof *r + size);
  r->w = w;
  memcpy(r->path, workdir, size);
  list_push_back(&w->to_remove, &r->ring);
  remove_next(w);
}
