/* SPDX-License-Identifier: MIT
 *
 * A disk that failed: what could not be written is written again after a pause, and nothing starts
 * before that.
 *
 *   failed -> pause (100 ms, doubled up to 5 s) -> all that waits is written again
 */
#include "jobs/disk_retry.h"

#include "base/mem.h"
#include "jobs/life.h"
#include "jobs/release.h"

#include <stdlib.h>

enum { RETRY_FIRST_MS = 100, RETRY_LAST_MS = 5000 };

bool disk_is_failure(int code) {
  return code == ERR_IO || code == ERR_NO_SPACE || code == ERR_BUSY || code == ERR_SYSTEM;
}

/* ---- the data folder, looked at beside the loop ---- */

struct folder_look {
  struct jobs *j;
  void (*seen)(struct jobs *j, int code);
};

static void on_folder(void *arg, int code, const struct err *err, const struct storage_found *found,
                      size_t count) {
  struct folder_look *l = arg;
  struct jobs *j = l->j;
  void (*seen)(struct jobs *, int) = l->seen;
  (void)err, (void)found, (void)count; /* what was found is in the log */
  free(l);
  j->requests--;
  if (j->closing)
    jobs_release(j);
  else
    seen(j, code);
}

void disk_look(struct jobs *j, void (*seen)(struct jobs *j, int code)) {
  struct folder_look *l = mem_alloc(sizeof *l);
  *l = (struct folder_look){.j = j, .seen = seen};
  j->requests++;
  storage_examine(j->storage, NULL, 0, on_folder, l);
}

/* ---- once more ---- */

static void on_folder_seen(struct jobs *j, int code) {
  if (code < 0) {
    disk_pause(j);
    return;
  }
  j->paused = false;
  life_wake(j);
}

void disk_retry(struct jobs *j) {
  uv_timer_stop(&j->retry_timer);
  for (struct list *it; (it = list_pop_front(&j->unsaved));)
    life_post(container_of(it, struct job, link), LIFE_AGAIN);
  disk_look(j, on_folder_seen);
}

static void on_retry(uv_timer_t *t) {
  disk_retry(t->data);
}

void disk_later(struct jobs *j) {
  if (uv_is_active((uv_handle_t *)&j->retry_timer))
    return;
  j->retry_ms = j->retry_ms == 0 ? RETRY_FIRST_MS : j->retry_ms * 2;
  if (j->retry_ms > RETRY_LAST_MS)
    j->retry_ms = RETRY_LAST_MS;
  uv_timer_start(&j->retry_timer, on_retry, (uint64_t)j->retry_ms, 0);
}

void disk_pause(struct jobs *j) {
  j->paused = true;
  disk_later(j);
}

void jobs_store_health(struct jobs *j, int code, const char *text) {
  (void)text; /* the store wrote it to the log */
  j->store_code = code;
  if (code == 0 && !j->closing && (j->paused || !list_empty(&j->unsaved)))
    disk_retry(j);
}
