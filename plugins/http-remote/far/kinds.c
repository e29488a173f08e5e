/* SPDX-License-Identifier: MIT
 *
 * Who the far daemon is, which kinds it does, and how many jobs it takes from us.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t far_hello(struct far *f, struct lathe_net_answer *a) {
  json_t *health = far_get(f, NULL, NULL, "/api/health", 0, a);
  if (!health && a->status == 404)
    return far_say(
        f, a, LATHE_RETRY_DOWN,
        "does not know /api/health: what answers there is no lathed, or `url` has a path "
        "too many");
  if (!health)
    return a->result;
  const char *instance = far_text(health, "instance"), *version = far_text(health, "version");
  if (!json_is_number(json_object_get(health, "uptime_s")) || !*far_text(health, "status"))
    far_say(f, a, LATHE_RETRY_DOWN,
            "is no lathed: its /api/health tells other things; is `url` right?");
  else if (!*instance || strlen(instance) >= sizeof f->instance)
    far_say(f, a, LATHE_RETRY_DOWN,
            "is a lathed %.40s, which is too old for this (it names no instance); upgrade it there",
            version);
  else
    snprintf(f->instance, sizeof f->instance, "%s", instance);
  json_decref(health);
  return a->result;
}

/* ---- kinds ---- */

static bool is_wanted(const struct far *f, const char *kind) {
  size_t len = strlen(kind);
  const char *at = f->wanted;
  if (!at[strspn(at, " ,\t")])
    return true;
  for (;;) {
    at += strspn(at, " ,\t");
    size_t word = strcspn(at, " ,\t");
    if (word == 0)
      return false;
    if (word == len && memcmp(at, kind, len) == 0)
      return true;
    at += word;
  }
}

static void log_line(const struct far *f, int32_t level, const char *kind, const char *what) {
  char text[700];
  snprintf(text, sizeof text, "the far daemon at %.200s %.350s the kind %.64s", f->where, what,
           kind);
  f->host->log(f->host, NULL, level, text);
}

/* The kind as a file has it: without what the daemon there adds. */
static char *text_of(json_t *kind) {
  json_object_del(kind, "declared_by");
  json_object_del(kind, "backends");
  return json_dumps(kind, JSON_COMPACT | JSON_REAL_PRECISION(17));
}

static void declare(struct far *f, const char *name, json_t *kind, bool again) {
  char *text = text_of(kind);
  const char *before = json_string_value(json_object_get(f->kinds, name));
  if (text && (!before || strcmp(before, text) != 0)) {
    if (f->declaring->declare(f->host, name, text) != LATHE_OK)
      log_line(f, 2, name, "tells something that is no kind, and gets no jobs of it:");
    else if (again)
      log_line(f, 1, name, before ? "has changed" : "does now");
    json_object_set_new(f->kinds, name, json_string(text));
  }
  free(text);
}

static void withdraw_missing(struct far *f, const json_t *there) {
  const char *name;
  json_t *text;
  void *next;
  json_object_foreach_safe(f->kinds, next, name, text) {
    if (json_object_get(there, name))
      continue;
    f->declaring->withdraw(f->host, name);
    log_line(f, 2, name, "no longer does");
    json_object_del(f->kinds, name);
  }
}

/* Those that a backend there does. */
static void take(struct far *f, const json_t *list) {
  bool again = json_object_size(f->kinds) > 0;
  json_t *there = json_object(), *kind;
  size_t i;
  json_array_foreach(list, i, kind) {
    const char *name = far_text(kind, "kind");
    if (!*name || strlen(name) > 64 || !is_wanted(f, name) ||
        json_array_size(json_object_get(kind, "backends")) == 0)
      continue;
    json_object_set_new(there, name, json_true());
    declare(f, name, kind, again);
  }
  withdraw_missing(f, there);
  json_decref(there);
}

int32_t far_kinds(struct far *f, struct lathe_net_answer *a) {
  json_t *answer = far_get(f, NULL, NULL, "/api/kinds", FAR_KINDS_MAX, a);
  if (!answer)
    return a->result;
  const json_t *list = json_object_get(answer, "kinds");
  if (!json_is_array(list))
    far_say(f, a, LATHE_RETRY_DOWN, "tells no kinds at /api/kinds");
  else
    take(f, list);
  json_decref(answer);
  return a->result;
}

/* ---- room ---- */

/* Slots of the backends there that are ready and do one of the kinds. */
static int64_t slots_of(const struct far *f, const json_t *backends) {
  const json_t *backend, *kind;
  size_t i, k;
  int64_t slots = 0;
  json_array_foreach(backends, i, backend) {
    bool useful = false;
    json_array_foreach(json_object_get(backend, "kinds"), k, kind) {
      const char *name = json_string_value(kind);
      useful |= name && json_object_get(f->kinds, name);
    }
    json_int_t own = json_integer_value(json_object_get(backend, "slots"));
    if (useful && strcmp(far_text(backend, "state"), "ready") == 0 && own > 0 && own < 1000000)
      slots += own;
  }
  return slots;
}

static int64_t number_of(const json_t *object, const char *name) {
  json_int_t n = json_integer_value(json_object_get(object, name));
  return n > 0 && n < 1000000000 ? n : 0;
}

/* What others have there is not ours; as many jobs as there are slots wait there, so that no slot is
 * idle while the next job is on its way. */
int32_t far_room(struct far *f, struct lathe_net_answer *a) {
  json_t *backends = far_get(f, NULL, NULL, "/api/backends", FAR_JOB_MAX, a);
  if (!backends)
    return a->result;
  int64_t slots = slots_of(f, json_object_get(backends, "backends"));
  json_decref(backends);
  json_t *health = far_get(f, NULL, NULL, "/api/health", 0, a);
  if (!health)
    return a->result;
  int64_t others = number_of(health, "running") + number_of(health, "queued") - far_jobs_count(f);
  json_decref(health);
  int64_t room = 2 * slots - (others > 0 ? others : 0);
  if (slots > 0 && LATHE_CAN(f->host, capacity))
    f->host->capacity(f->host, (uint32_t)(room > 1 ? room : 1));
  return a->result;
}
