/* SPDX-License-Identifier: MIT */
#include "workers/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

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

const char *backend_state_word(enum backend_state s) {
  static const char *const words[] = {"starting", "ready",  "restarting",
                                      "failed",   "paused", "stopping"};
  return words[s];
}

static void stay_awake(uv_idle_t *handle) {
  (void)handle;
}

void workers_touch(struct workers *w) {
  if (!w->freeing && !uv_is_active((uv_handle_t *)&w->idle))
    uv_idle_start(&w->idle, stay_awake);
}

/* The end of a loop's turn: what was asked in it leaves now, each worker's share in one write. */
static void turn_ends(uv_prepare_t *handle) {
  struct workers *w = handle->data;
  bool again = true;
  if (w->declared_changed && !w->freeing) {
    w->declared_changed = false;
    if (w->declared)
      w->declared(w->declared_ctx);
  }
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
  w->program = mem_dup(options->worker_program);
  w->work_root = mem_dup(options->work_root);
  size_t names = 0;
  while (options->env && options->env[names])
    names++;
  w->env = mem_array(names + 1, sizeof *w->env);
  for (size_t i = 0; i < names; i++)
    w->env[i] = mem_dup(options->env[i]);
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
  orphans_adopt(w);
  return w;
}

static void handle_closed(uv_handle_t *handle) {
  struct workers *w = handle->data;
  if (++w->handles_closed < 4)
    return;
  void (*stopped)(void *) = w->stopped;
  void *arg = w->stopped_arg;
  free(w->program);
  free(w->work_root);
  free(w->strangers);
  gone_free(w);
  for (size_t i = 0; w->env[i]; i++)
    free(w->env[i]);
  free(w->env);
  free(w);
  if (stopped)
    stopped(arg);
}

/* Called whenever something that is waited for is gone. */
static void maybe_stopped(struct workers *w) {
  if (w->freeing && w->backend_count == 0 && w->removals == 0 &&
      !uv_is_closing((uv_handle_t *)&w->prepare)) {
    uv_close((uv_handle_t *)&w->prepare, handle_closed);
    uv_close((uv_handle_t *)&w->idle, handle_closed);
    uv_close((uv_handle_t *)&w->orphans, handle_closed);
    uv_close((uv_handle_t *)&w->child_ended, handle_closed);
  }
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
  maybe_stopped(w);
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

/* ---- work folders ---- */

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
  maybe_stopped(w);
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

/* ---- the end of a backend ---- */

static void backend_free(struct backend *b) {
  for (size_t i = 0; i < b->o.option_count; i++) {
    free((char *)(uintptr_t)b->o.options[i].key);
    free((char *)(uintptr_t)b->o.options[i].value);
    free((char *)(uintptr_t)b->o.options[i].where);
  }
  free((void *)(uintptr_t)b->o.options);
  free((char *)(uintptr_t)b->o.name);
  free((char *)(uintptr_t)b->o.plugin_path);
  free((char *)(uintptr_t)b->o.missing);
  for (size_t i = 0; b->kinds && b->kinds[i]; i++)
    free(b->kinds[i]);
  free(b->kinds);
  declared_free(b);
  free(b->version);
  free(b->device);
  free(b->told);
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
  maybe_stopped(w);
}

void backend_close(struct backend *b) {
  if (b->closing)
    return;
  b->closing = true;
  uv_close((uv_handle_t *)&b->restart, timer_closed);
  uv_close((uv_handle_t *)&b->tick, timer_closed);
  uv_close((uv_handle_t *)&b->open, timer_closed);
  uv_close((uv_handle_t *)&b->health, timer_closed);
}
