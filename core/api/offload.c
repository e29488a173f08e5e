/* SPDX-License-Identifier: MIT */
#include "api/offload.h"

#include "base/mem.h"

#include <stdlib.h>

struct piece {
  uv_work_t work;
  struct list link; /* api->heavy; the first one runs */
  struct api *api;
  void (*run)(void *arg), (*done)(void *arg);
  void *arg;
};

static void start(struct piece *p);

static void on_thread(uv_work_t *work) {
  struct piece *p = container_of(work, struct piece, work);
  if (p->run)
    p->run(p->arg);
}

static void on_done(uv_work_t *work, int status) {
  (void)status; /* nothing cancels it */
  struct piece *p = container_of(work, struct piece, work);
  struct api *a = p->api;
  bool in_line = !list_empty(&p->link);
  list_remove(&p->link);
  if (in_line && !list_empty(&a->heavy))
    start(container_of(a->heavy.next, struct piece, link));
  p->done(p->arg);
  free(p);
  a->pieces--;
}

static void start(struct piece *p) {
  uv_queue_work(p->api->at.loop, &p->work, on_thread, on_done);
}

static struct piece *piece_new(struct api *a, void (*run)(void *arg), void (*done)(void *arg),
                               void *arg) {
  struct piece *p = mem_alloc(sizeof *p);
  *p = (struct piece){.api = a, .run = run, .done = done, .arg = arg};
  list_init(&p->link);
  a->pieces++;
  return p;
}

void offload(struct api *a, size_t bytes, void (*work)(void *arg), void (*done)(void *arg),
             void *arg) {
  if (bytes < OFFLOAD_HEAVY) {
    work(arg);
    done(arg);
    return;
  }
  struct piece *p = piece_new(a, work, done, arg);
  bool idle = list_empty(&a->heavy);
  list_push_back(&a->heavy, &p->link);
  if (idle)
    start(p);
}

bool api_is_busy(const struct api *a) {
  return a->pieces > 0;
}

void offload_yield(struct api *a, void (*done)(void *arg), void *arg) {
  start(piece_new(a, NULL, done, arg));
}
