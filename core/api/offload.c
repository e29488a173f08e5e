/* SPDX-License-Identifier: MIT */
#include "api/offload.h"

#include "base/mem.h"

#include <stdlib.h>

struct piece {
  uv_work_t work;
  struct list link; /* api->heavy */
  const struct call *call;
  struct api *api;
  void (*run)(void *arg), (*done)(void *arg);
  void *arg;
};

static void on_thread(uv_work_t *work) {
  struct piece *p = container_of(work, struct piece, work);
  p->run(p->arg);
}

static void next(struct api *a);

static void on_done(uv_work_t *work, int status) {
  (void)status; /* nothing cancels it */
  struct piece *p = container_of(work, struct piece, work);
  struct api *a = p->api;
  a->heavy_runs = false;
  p->done(p->arg);
  free(p);
  a->pieces--;
  next(a);
}

/* What nobody waits for any more is not worth its time. */
static void next(struct api *a) {
  while (!a->heavy_runs && !list_empty(&a->heavy)) {
    struct piece *p = container_of(list_pop_front(&a->heavy), struct piece, link);
    if (p->call->r) {
      a->heavy_runs = true;
      uv_queue_work(a->at.loop, &p->work, on_thread, on_done);
      return;
    }
    p->done(p->arg);
    free(p);
    a->pieces--;
  }
}

void offload(const struct call *call, size_t bytes, void (*work)(void *arg),
             void (*done)(void *arg), void *arg) {
  if (bytes < OFFLOAD_HEAVY) {
    work(arg);
    done(arg);
    return;
  }
  struct piece *p = mem_alloc(sizeof *p);
  *p = (struct piece){.call = call, .api = call->api, .run = work, .done = done, .arg = arg};
  p->api->pieces++;
  list_push_back(&p->api->heavy, &p->link);
  next(p->api);
}

bool api_is_busy(const struct api *a) {
  return a->pieces > 0;
}

/* ---- later ---- */

struct pause {
  uv_timer_t timer;
  struct api *api;
  void (*done)(void *arg);
  void *arg;
};

static void on_timer_closed(uv_handle_t *handle) {
  free(container_of((uv_timer_t *)handle, struct pause, timer));
}

static void on_turn(uv_timer_t *timer) {
  struct pause *p = container_of(timer, struct pause, timer);
  void (*done)(void *) = p->done;
  void *arg = p->arg;
  p->api->pieces--;
  uv_close((uv_handle_t *)timer, on_timer_closed);
  done(arg);
}

void offload_yield(const struct call *call, void (*done)(void *arg), void *arg) {
  struct pause *p = mem_alloc(sizeof *p);
  *p = (struct pause){.api = call->api, .done = done, .arg = arg};
  call->api->pieces++;
  uv_timer_init(call->api->at.loop, &p->timer);
  uv_timer_start(&p->timer, on_turn, 0, 0);
}
