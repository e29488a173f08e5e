/* SPDX-License-Identifier: MIT
 *
 * Prefer: wait=N (RFC 7240): the answer to a submit is held back until the job has ended.
 *
 *   submit answered --> waiting --jobs tells of the end--------------------> 200
 *                          |
 *                          +---- time is up, draining ---> job read -------> 202
 *                          +---- client gone ------------> forgotten
 */
#include "api/internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct waiter {
  struct list all_link; /* api->waiters */
  struct list link;     /* watch->waiters */
  struct api *api;
  struct watch *watch;
  struct http_request *r;
  uv_timer_t timer;
  int late_status;
  bool reading; /* the answer is on its way: the client's going away only clears r */
};

static void on_timer_closed(uv_handle_t *handle) {
  free(container_of((uv_timer_t *)handle, struct waiter, timer));
}

static void waiter_release(struct waiter *w) {
  uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

static void leave(struct waiter *w) {
  list_remove(&w->all_link);
  list_remove(&w->link);
  watch_drop(w->api, w->watch);
  w->watch = NULL;
}

static void waiter_on_job(void *arg, int code, const struct record_job *job) {
  struct waiter *w = arg;
  if (w->r && code < 0)
    api_refuse(w->r, code, NULL);
  else if (w->r)
    api_reply_job(w->r, job_state_is_final(job->state) ? 200 : w->late_status, job);
  w->r = NULL;
  waiter_release(w);
}

/* With the job as it is now. */
static void answer(struct waiter *w) {
  char id[ID_SIZE];
  memcpy(id, w->watch->id, sizeof id);
  leave(w);
  w->reading = true;
  uv_timer_stop(&w->timer);
  jobs_get(w->api->at.jobs, id, waiter_on_job, w);
}

static void on_time(uv_timer_t *timer) {
  answer(container_of(timer, struct waiter, timer));
}

static void on_gone(void *arg) {
  struct waiter *w = arg;
  w->r = NULL;
  if (w->reading)
    return;
  leave(w);
  waiter_release(w);
}

void wait_for_job(struct api *a, struct http_request *r, const char *id, bool fresh, int wait_s,
                  int late_status) {
  struct waiter *w = mem_alloc(sizeof *w);
  *w = (struct waiter){.api = a, .watch = watch_get(a, id), .r = r, .late_status = late_status};
  list_push_back(&a->waiters, &w->all_link);
  list_push_back(&w->watch->waiters, &w->link);
  uv_timer_init(a->at.loop, &w->timer);
  http_on_abort(r, on_gone, w);
  /* A fresh job cannot have ended: its end is committed, and so published, after this. */
  if (a->draining || (!fresh && !jobs_live(a->at.jobs, id)))
    answer(w);
  else
    uv_timer_start(&w->timer, on_time, (uint64_t)wait_s * 1000, 0);
}

void wait_on_ended(void *api, const struct record_job *job) {
  struct api *a = api;
  struct watch *watch = map_get(&a->watches, job->id);
  if (!watch)
    return;
  watch->busy = true; /* its last listener leaves below */
  list_for_each_safe(it, &watch->waiters) {
    struct waiter *w = container_of(it, struct waiter, link);
    leave(w);
    waiter_on_job(w, 0, job);
  }
  watch->busy = false;
  watch_drop(a, watch);
}

void wait_end_all(struct api *a) {
  list_for_each_safe(it, &a->waiters) answer(container_of(it, struct waiter, all_link));
}

int prefer_wait(const char *header, int max) {
  while (header && *header) {
    header += strspn(header, " \t,;");
    size_t len = strcspn(header, ",;");
    if (len > 5 && strncasecmp(header, "wait=", 5) == 0) {
      long v = 0;
      const char *p = header + 5;
      for (; *p >= '0' && *p <= '9'; p++)
        v = v < 100000 ? v * 10 + (*p - '0') : v;
      size_t rest = strspn(p, " \t");
      if (p > header + 5 && (!p[rest] || strchr(",;", p[rest])))
        return v < max ? (int)v : max;
    }
    header += len;
  }
  return 0;
}
