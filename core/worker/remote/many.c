/* SPDX-License-Identifier: MIT
 *
 * Polls that share a call: poll_many() of the plugin, for those that are due now.
 *
 * Nobody knows which of them ended the process when it dies in here: the first one is a suspect (the
 * board has room for one job of each caller), and none pays.
 */
#include "worker/remote/many.h"

#include "base/clock.h"
#include "base/mem.h"
#include "worker/remote/callers.h"
#include "worker/remote/due.h"

#include <stdlib.h>
#include <string.h>

enum { MANY_DEFAULT = 100 }; /* as lathe/plugin.h says */

struct polls { /* what the plugin sees */
  struct lathe_poll *all, **pointers;
  struct lathe_request *requests;
};

/* How many, and the first of them, which is in no queue any more. */
static size_t collect(struct caller *h, struct remote_job *first) {
  struct remote *c = h->c;
  uint32_t own = c->host->plugin.remote.poll_many_max;
  size_t most = own ? own : MANY_DEFAULT, count = 0, cap = 0;
  int64_t now = clock_mono_ms();
  for (struct remote_job *j = first; j && count < most; j = remote_first(c, QUEUE_POLL)) {
    if (j != first && j->due_ms > now)
      break;
    if (j != first)
      remote_take_out(c, j);
    if (count == cap) {
      cap = cap ? cap * 2 : 4;
      h->many = mem_grow(h->many, cap * sizeof *h->many);
    }
    h->many[count++].j = j;
  }
  /* Only now: a job in here is found by its address. */
  for (size_t i = 0; i < count; i++)
    remote_visit_begin(c, &h->many[i], h->many[i].j);
  return count;
}

static void show(const struct caller *h, struct polls *p) {
  p->all = mem_array(h->many_count, sizeof *p->all);
  p->pointers = mem_array(h->many_count, sizeof *p->pointers);
  p->requests = mem_array(h->many_count, sizeof *p->requests);
  for (size_t i = 0; i < h->many_count; i++) {
    struct visit *v = &h->many[i];
    p->requests[i] = remote_request(v, v->j->deadline_ms);
    p->all[i] = (struct lathe_poll){.struct_size = sizeof *p->all,
                                    .result = LATHE_PENDING,
                                    .job = &v->job,
                                    .request = &p->requests[i],
                                    .ref = v->j->ref,
                                    .len = v->j->ref_len};
    p->pointers[i] = &p->all[i];
  }
}

static void hide(struct polls *p) {
  free(p->all);
  free(p->pointers);
  free(p->requests);
}

/* What it returned is the result of all, unless it is LATHE_OK: then the words of the first are those
 * of all that have none. */
static int32_t result_of(struct caller *h, const struct polls *p, int32_t code, size_t i) {
  struct lathe_job *job = &h->many[i].job, *first = &h->many[0].job;
  if (code == LATHE_OK)
    return p->all[i].result;
  if (!job->message[0])
    memcpy(job->message, first->message, sizeof job->message);
  if (!job->retry_after_ms)
    job->retry_after_ms = first->retry_after_ms;
  return code;
}

void remote_poll_many(struct caller *h, struct remote_job *j) {
  struct remote *c = h->c;
  struct polls p;
  h->call = CALL_POLL;
  h->v.j = NULL;
  h->many_count = collect(h, j);
  remote_wake(c); /* the next one may be due, too */
  show(h, &p);
  pthread_mutex_unlock(&c->lock);
  int32_t code = c->host->plugin.remote.poll_many(c->host->self, p.pointers, h->many_count);
  for (size_t i = 0; i < h->many_count; i++) {
    p.all[i].result = result_of(h, &p, code, i);
    remote_say_failure(&h->many[i], CALL_POLL, p.all[i].result);
    job_flush(&h->many[i].job);
    logger_end(&h->many[i].log);
  }
  pthread_mutex_lock(&c->lock);
  for (size_t i = 0; i < h->many_count; i++) {
    struct visit *v = &h->many[i];
    remote_visit_leave(v);
    remote_follow(c, v, h->since_ms, p.all[i].result);
    remote_visit_free(v);
  }
  hide(&p);
  free(h->many);
  h->many = NULL;
  h->many_count = 0;
}
