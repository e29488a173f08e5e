/* SPDX-License-Identifier: MIT
 *
 * What a backend is and has, for those who ask.
 */
#include "workers/internal.h"

#include "base/string_list.h"

#define BATCH_TARGET_US 2000  /* so much work is sent ahead to a PROCESS worker */
#define THREADS_MOST    65536 /* of one job, whatever its plugin says; as for the admin's keys */

const char *backend_state_word(enum backend_state s) {
  static const char *const words[] = {"starting", "ready",  "restarting",
                                      "failed",   "paused", "stopping"};
  return words[s];
}

int backend_depth(const struct backend *b) {
  if (b->isolation != WIRE_PROCESS)
    return b->o.slots;
  if (b->ewma_us == 0)
    return 1; /* nothing is known yet */
  int64_t depth = BATCH_TARGET_US / b->ewma_us;
  return depth < 1 ? 1 : depth > BATCH_MAX ? BATCH_MAX : (int)depth;
}

bool backend_is_ready(const struct worker *k) {
  return k->state == WORKER_READY && !k->retiring && !k->killed &&
         k->generation == k->b->generation;
}

int backend_ready_workers(const struct backend *b) {
  int n = 0;
  list_for_each(it, &b->workers) {
    n += backend_is_ready(container_of(it, struct worker, ring));
  }
  return n;
}

void backend_want_tick(struct backend *b, uint64_t at) {
  if (b->closing || (b->tick_at && b->tick_at <= at))
    return;
  uint64_t now = uv_now(b->w->loop);
  b->tick_at = at;
  uv_timer_start(&b->tick, b->tick.timer_cb, at > now ? at - now : 0, 0);
}

uint32_t backend_rights(const struct backend *b) {
  return b->rights;
}

int backend_threads(const struct backend *b) {
  return b->threads < THREADS_MOST ? (int)b->threads : THREADS_MOST;
}

const char *backend_jail(const struct backend *b) {
  static const char *const words[] = {NULL, "none", "partial", "whole"};
  return words[b->jail];
}

const char *backend_jail_lacks(const struct backend *b) {
  return b->jail_lacks[0] ? b->jail_lacks : NULL;
}

const char *backend_name(const struct backend *b) {
  return b->o.name;
}

enum backend_state backend_state(const struct backend *b) {
  return b->state;
}

const char *backend_message(const struct backend *b) {
  if (b->state == BACKEND_READY)
    return NULL;
  if (b->has_message)
    return b->told;
  return b->state == BACKEND_STOPPING ? "it was removed from the configuration"
                                      : "its worker is starting";
}

const char *backend_plugin(const struct backend *b) {
  return b->o.plugin_path;
}

const char *backend_plugin_version(const struct backend *b) {
  return b->version;
}

const char *backend_device(const struct backend *b) {
  return b->device;
}

bool backend_is_repeatable(const struct backend *b) {
  return b->flags & WIRE_REPEATABLE;
}

bool backend_parks(const struct backend *b, enum backend_park_share *share) {
  *share = b->o.park_share;
  return b->isolation == WIRE_FORK && b->o.park_memory > 0 && b->o.park_ms > 0;
}

bool backend_is_remote(const struct backend *b) {
  return b->remote;
}

const char *backend_isolation(const struct backend *b) {
  return b->isolation == WIRE_FORK      ? "fork"
         : b->isolation == WIRE_PROCESS ? "process"
         : b->isolation == WIRE_SHARED  ? "shared"
                                        : NULL;
}

const char *const *backend_kinds(const struct backend *b) {
  static const char *const none[] = {NULL};
  return b->kinds ? (const char *const *)b->kinds : none;
}

bool backend_does(const struct backend *b, const char *kind) {
  return string_list_has(backend_kinds(b), kind);
}

/* What the admin allows, or what the service takes, where that is less. */
int backend_slots(const struct backend *b) {
  bool less = b->capacity && b->capacity < (uint32_t)b->o.slots;
  return less ? (int)b->capacity : b->o.slots;
}

bool backend_goes_on(const struct backend *b) {
  return !b->removed && !b->stopped && backend_ready_workers(b) > 0;
}

int backend_running(const struct backend *b) {
  return (int)b->running;
}

int backend_restarts(const struct backend *b) {
  return b->restarts;
}
