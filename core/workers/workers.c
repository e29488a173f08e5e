/* SPDX-License-Identifier: MIT */
#include "workers/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/string_list.h"

#include <stdlib.h>

_Static_assert((int)STEP_OK == (int)WIRE_OK && (int)STEP_BAD_INPUT == (int)WIRE_BAD_INPUT &&
                   (int)STEP_CANCELLED == (int)WIRE_CANCELLED &&
                   (int)STEP_RETRY == (int)WIRE_RETRY &&
                   (int)STEP_PERMANENT == (int)WIRE_PERMANENT && (int)STEP_AUTH == (int)WIRE_AUTH &&
                   (int)STEP_CRASHED == (int)WIRE_CRASHED &&
                   (int)STEP_TIMEOUT == (int)WIRE_TIMEOUT && (int)STEP_LIMIT == (int)WIRE_LIMIT &&
                   (int)STEP_LOST == (int)WIRE_LOST && (int)STEP_QUOTA == (int)WIRE_QUOTA &&
                   (int)STEP_RUN == (int)WIRE_RUN && (int)STEP_SUBMIT == (int)WIRE_SUBMIT &&
                   (int)STEP_FIND == (int)WIRE_FIND && (int)STEP_POLL == (int)WIRE_POLL,
               "words mean the same on the wire");

/* The end of a loop's turn: what was asked in it leaves now, each worker's share in one write. */
static void turn_ends(uv_prepare_t *handle) {
  struct workers *w = handle->data;
  bool again = true;
  declared_tell(w);
  while (again && !w->freeing) {
    again = false;
    list_for_each_safe(it, &w->backends) {
      struct backend *b = container_of(it, struct backend, ring);
      bool notify = b->notify;
      b->notify = false;
      if (!list_empty(&b->doomed)) {
        steps_tell_doomed(b);
        again = true;
      }
      if (notify && !b->closing) {
        again = true;
        w->events.changed(w->events.ctx, b);
      }
    }
    list_for_each_safe(it, &w->backends) {
      again |= steps_dispatch(container_of(it, struct backend, ring));
    }
  }
  uv_idle_stop(&w->idle);
  list_for_each_safe(it, &w->dirty) {
    struct worker *k = container_of(it, struct worker, dirty);
    list_remove(&k->dirty);
    worker_write(k);
  }
}

struct workers *workers_new(uv_loop_t *loop, const struct workers_options *options) {
  struct workers *w = mem_alloc(sizeof *w);
  w->loop = loop;
  w->hooks = &worker_hooks;
  w->program = mem_dup(options->worker_program);
  w->work_root = mem_dup(options->work_root);
  w->env = string_list_copy(options->env, string_list_count(options->env));
  w->events = options->events;
  w->metrics = options->metrics;
  w->return_ms = options->return_ms;
  w->declared = options->declared;
  w->declared_ctx = options->declared_ctx;
  /* Work folders are named by tokens, so that none of an earlier life may come again. */
  w->next_token = (uint64_t)clock_wall_us();
  list_init(&w->backends);
  list_init(&w->dirty);
  list_init(&w->to_remove);
  uv_prepare_init(loop, &w->prepare);
  uv_idle_init(loop, &w->idle);
  w->prepare.data = w->idle.data = w;
  uv_prepare_start(&w->prepare, turn_ends);
  uv_unref((uv_handle_t *)&w->prepare);
  uv_timer_init(loop, &w->declared_pause);
  w->declared_pause.data = w;
  uv_unref((uv_handle_t *)&w->declared_pause);
  orphans_adopt(w);
  return w;
}

void workers_free(struct workers *w, void (*stopped)(void *arg), void *arg) {
  w->freeing = true;
  w->stopped = stopped;
  w->stopped_arg = arg;
  list_for_each_safe(it, &w->backends) {
    struct backend *b = container_of(it, struct backend, ring);
    steps_drop_all(b);
    workers_remove(b);
  }
  workers_maybe_stopped(w);
}
