/* SPDX-License-Identifier: MIT
 *
 * The end of a backend, whose last worker is gone, and of the room, whose last backend is.
 */
#include "workers/internal.h"

#include "base/string_list.h"

#include <stdlib.h>

static void handle_closed(uv_handle_t *handle) {
  struct workers *w = handle->data;
  if (++w->handles_closed < 5)
    return;
  void (*stopped)(void *) = w->stopped;
  void *arg = w->stopped_arg;
  free(w->program);
  free(w->work_root);
  free(w->strangers);
  departed_free(w);
  string_list_free(w->env);
  free(w);
  if (stopped)
    stopped(arg);
}

void workers_maybe_stopped(struct workers *w) {
  if (w->freeing && w->backend_count == 0 && w->removals == 0 &&
      !uv_is_closing((uv_handle_t *)&w->prepare)) {
    uv_close((uv_handle_t *)&w->prepare, handle_closed);
    uv_close((uv_handle_t *)&w->idle, handle_closed);
    uv_close((uv_handle_t *)&w->declared_pause, handle_closed);
    uv_close((uv_handle_t *)&w->orphans, handle_closed);
    uv_close((uv_handle_t *)&w->child_ended, handle_closed);
  }
}

static void free_declared(struct backend *b) {
  size_t at = 0;
  for (size_t i = 0; i < b->declared_count; i++) {
    free(b->declared[i].name);
    free(b->declared[i].json);
  }
  free(b->declared);
  for (char *text; (text = map_next(&b->declared_texts, &at)) != NULL;)
    free(text);
  map_free(&b->declared_texts);
}

static void backend_free(struct backend *b) {
  backend_free_options(&b->o);
  string_list_free(b->kinds);
  string_list_free(b->offered);
  free_declared(b);
  free(b->version);
  free(b->device);
  free(b->told);
  free(b->word.why);
  free(b);
}

static void timer_closed(uv_handle_t *handle) {
  struct backend *b = handle->data;
  struct workers *w = b->w;
  if (--b->open_handles)
    return;
  list_remove(&b->ring);
  backend_free(b);
  w->backend_count--;
  workers_maybe_stopped(w);
}

void backend_close(struct backend *b) {
  if (b->closing)
    return;
  b->closing = true;
  uv_close((uv_handle_t *)&b->restart, timer_closed);
  uv_close((uv_handle_t *)&b->tick, timer_closed);
  uv_close((uv_handle_t *)&b->open, timer_closed);
  uv_close((uv_handle_t *)&b->health, timer_closed);
  uv_close((uv_handle_t *)&b->word.timer, timer_closed);
}
