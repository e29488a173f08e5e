/* SPDX-License-Identifier: MIT
 *
 * The life of a connection to a far daemon.
 */
#include "private.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 60000 };

static void set_up(struct far *f) {
  pthread_condattr_t attr;
  pthread_mutex_init(&f->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&f->changed, &attr);
  pthread_condattr_destroy(&attr);
}

static void release(struct far *f) {
  lathe_net_close(f->t.net);
  if (f->t.close)
    f->t.close(f->t.ctx);
  far_jobs_free(f);
  json_decref(f->kinds);
  pthread_cond_destroy(&f->changed);
  pthread_mutex_destroy(&f->lock);
  free(f->where);
  free(f);
}

/* Signals are the host's. */
static bool start(pthread_t *thread, void *(*run)(void *), struct far *f) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(thread, NULL, run, f) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

static int32_t ask_who(struct far *f, struct lathe_net_answer *a) {
  if (far_hello(f, a) != LATHE_OK || far_kinds(f, a) != LATHE_OK)
    return a->result;
  if (json_object_size(f->kinds) == 0)
    return far_say(
        f, a, LATHE_RETRY_DOWN,
        "does none of the kinds that are wanted: no backend there is ready for one%s%.200s",
        *f->wanted ? "; kinds = " : "", f->wanted);
  return far_room(f, a);
}

/* Only an option that is wrong here lasts until somebody changes it; the far side may be mended at any time. */
static int32_t class_of_start(const struct far *f, int32_t result) {
  if (result / 1000 == LATHE_RETRY / 1000)
    return result;
  if (result != LATHE_AUTH && result != LATHE_QUOTA)
    return LATHE_RETRY_DOWN;
  f->host->retry_after(NULL, AGAIN_MS); /* a credential may be renewed while nobody looks */
  return result;
}

static int32_t begin(struct far *f) {
  struct lathe_net_answer a = {.result = LATHE_OK};
  int32_t result = ask_who(f, &a);
  if (result != LATHE_OK) {
    f->host->error(NULL, a.why);
    result = class_of_start(f, result);
  }
  lathe_net_free(&a);
  if (result != LATHE_OK)
    return result;
  f->has_keeper = start(&f->keeper, far_keeper, f);
  f->has_listener = f->has_keeper && start(&f->listener, far_listener, f);
  if (f->has_listener)
    return LATHE_OK;
  f->host->error(NULL, "the threads that listen to the far daemon cannot be started");
  return LATHE_RETRY;
}

int32_t far_open(const struct lathe_host *host, const struct far_transport *t, void **far) {
  struct far *f = calloc(1, sizeof *f);
  if (!f || !(f->where = strdup(t->where))) {
    free(f);
    lathe_net_close(t->net);
    if (t->close)
      t->close(t->ctx);
    return LATHE_RETRY_MEM;
  }
  f->host = host;
  f->t = *t;
  f->kinds = json_object();
  f->wanted = host->config(host, "kinds");
  f->request_ms = atoll(host->config(host, "request_timeout"));
  f->declaring = LATHE_CAN(host, extension) ? host->extension(host, LATHE_KINDS_1) : NULL;
  set_up(f);
  int32_t result = LATHE_PERMANENT;
  if (f->declaring)
    result = begin(f);
  else
    host->error(NULL, "this lathe takes no kinds from a plugin; upgrade it");
  if (result == LATHE_OK)
    *far = f;
  else
    far_close(f);
  return result;
}

void far_close(void *far) {
  struct far *f = far;
  pthread_mutex_lock(&f->lock);
  __atomic_store_n(&f->closing, 1, __ATOMIC_RELAXED);
  pthread_cond_broadcast(&f->changed);
  pthread_mutex_unlock(&f->lock);
  if (f->has_keeper)
    pthread_join(f->keeper, NULL);
  if (f->has_listener)
    pthread_join(f->listener, NULL);
  release(f);
}

int32_t far_health(void *far) {
  struct far *f = far;
  struct lathe_net_answer a = {.result = LATHE_OK};
  json_t *backends = far_get(f, NULL, NULL, "/api/backends", FAR_JOB_MAX, &a);
  int32_t result = a.result;
  if (backends && !json_is_array(json_object_get(backends, "backends")))
    result = far_say(f, &a, LATHE_RETRY_DOWN, "answers /api/backends with something else");
  if (result != LATHE_OK)
    f->host->error(NULL, a.why);
  json_decref(backends);
  lathe_net_free(&a);
  return result == LATHE_OK || result == LATHE_AUTH || result == LATHE_QUOTA ? result
                                                                             : LATHE_RETRY_DOWN;
}

const struct lathe_remote far_remote = {
    .struct_size = sizeof far_remote,
    .poll_many_max = 100,
    .submit = far_submit,
    .find = far_find,
    .poll = far_poll,
    .fetch = far_fetch,
    .cancel = far_cancel,
    .poll_many = far_poll_many,
};
