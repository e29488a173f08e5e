/* SPDX-License-Identifier: MIT */
#include "worker/backend.h"

#include "worker/class.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A forked child that is locked in has no service to speak of, and is not believed. */
static bool is_believed(const struct host *h) {
  bool is_child = h->zygote && getpid() != h->zygote;
  return !is_child || h->plugin.d.rights & LATHE_NEEDS_NETWORK;
}

static void send(struct host *h, const struct wire_backend *m) {
  wire_put_backend(link_begin(h->link), m);
  link_end(h->link, true);
}

void backend_tell_state(const struct lathe_host *table, int32_t state, int64_t for_ms,
                        const char *why) {
  struct host *h = (struct host *)table;
  if (state >= LATHE_BACKEND_WELL && state <= LATHE_BACKEND_PAUSED && is_believed(h))
    send(h, &(struct wire_backend){
                .state = state, .cause = WIRE_BY_PLUGIN, .for_ms = for_ms, .why = why});
}

void backend_tell_capacity(const struct lathe_host *table, uint32_t jobs) {
  struct host *h = (struct host *)table;
  if (!is_believed(h))
    return;
  wire_put_value(link_begin(h->link), WIRE_CAPACITY, 0, jobs);
  link_end(h->link, true);
}

/* WIRE_AUTH or WIRE_QUOTA, else WIRE_OK. */
static enum wire_class pausing(int32_t code) {
  enum wire_class class = code == LATHE_OK ? WIRE_OK : class_of(code);
  return class == WIRE_AUTH || class == WIRE_QUOTA ? class : WIRE_OK;
}

bool backend_tell_start(struct host *h, int32_t code) {
  struct wire_backend m = {.state = WIRE_PAUSED,
                           .cause = WIRE_BY_START,
                           .class = pausing(code),
                           .for_ms = h->retry_after_ms,
                           .why = h->message};
  if (is_rate(code))
    m.state = WIRE_SLOWED;
  if (m.class || m.state == WIRE_SLOWED)
    send(h, &m);
  return m.class != WIRE_OK;
}

void backend_tell_health(struct host *h, int32_t code) {
  enum wire_class class = pausing(code);
  const char *why = h->message[0] ? h->message : "health() gave no reason";
  send(h, &(struct wire_backend){.state = code == LATHE_OK ? WIRE_WELL : WIRE_PAUSED,
                                 .cause = WIRE_BY_HEALTH,
                                 .class = class,
                                 .for_ms = class ? h->retry_after_ms : 0, /* else asked again */
                                 .why = code == LATHE_OK ? "" : why});
}

void backend_ask_health(struct host *h) {
  h->message[0] = '\0';
  h->retry_after_ms = 0;
  backend_tell_health(h, h->plugin.d.health(h->self));
}

static void *ask(void *arg) {
  struct host *h = arg;
  backend_ask_health(h);
  atomic_store(&h->in_health, false);
  return NULL;
}

void backend_ask_health_aside(struct host *h) {
  pthread_t thread;
  if (atomic_exchange(&h->in_health, true))
    return; /* one at a time */
  if (pthread_create(&thread, NULL, ask, h) == 0) {
    pthread_detach(thread);
    return;
  }
  atomic_store(&h->in_health, false);
}

void backend_await_health(struct host *h) {
  while (atomic_load(&h->in_health))
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}
