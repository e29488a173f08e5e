/* SPDX-License-Identifier: MIT
 *
 * Kinds that the plugin of a backend declares with their text, and what its workers say of them.
 *
 *   KIND in create()  the text is kept --READY names it--> it counts
 *   KIND later        declared: it counts at once; withdrawn: it goes
 *
 * All workers of a backend have one plugin; what the last of them said counts.  The texts are not
 * looked at here: who loads kinds does that (workers_options.declared).
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "base/string_list.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

/* Whoever loads kinds may have 32 MiB of each backend to read: after a call that took so long or
 * longer there is a pause, or a plugin whose kinds come and go would hold all that the daemon does. */
enum { TELLING_MS = 20, PAUSE_TIMES = 10 };

/* Of one backend, of all different texts that it ever declared: jobs may hold each of them. */
enum { DECLARED_BYTES_MAX = 32 << 20 };

static struct declared_kind *find(const struct backend *b, const char *kind) {
  for (size_t i = 0; i < b->declared_count; i++)
    if (strcmp(b->declared[i].name, kind) == 0)
      return &b->declared[i];
  return NULL;
}

static void drop(struct backend *b, struct declared_kind *d) {
  free(d->name);
  free(d->json);
  *d = b->declared[--b->declared_count];
  b->w->declared_changed = true;
}

/* A text counts once, however often it comes and goes: a command that starts again tells of its
 * kinds anew. */
static bool has_room(struct backend *b, const char *json) {
  char hex[SHA256_HEX_SIZE];
  size_t len = strlen(json);
  sha256_of(json, len, hex);
  if (map_get(&b->declared_texts, hex))
    return true;
  if (b->declared_bytes + len > DECLARED_BYTES_MAX) {
    if (!b->declared_full)
      log_warn("backend.kinds",
               "backend %s: its plugin has declared more than 32 MiB of different "
               "kinds since it was configured; further ones are not taken",
               b->o.name);
    b->declared_full = true;
    return false;
  }
  char *key = mem_dup(hex);
  map_put(&b->declared_texts, key, key);
  b->declared_bytes += len;
  return true;
}

bool backend_kinds_full(const struct backend *b) {
  return b->declared_full;
}

static void keep(struct backend *b, const char *kind, const char *json) {
  struct declared_kind *d = find(b, kind);
  if (d && strcmp(d->json, json) == 0)
    return;
  if (!has_room(b, json))
    return;
  if (!d) {
    b->declared = mem_grow(b->declared, (b->declared_count + 1) * sizeof *b->declared);
    d = &b->declared[b->declared_count++];
    *d = (struct declared_kind){.name = mem_dup(kind)};
  }
  free(d->json);
  d->json = mem_dup(json);
  b->w->declared_changed = true;
}

/* The list of what it does without this kind, or with it. */
static void set_done(struct backend *b, const char *kind, bool does) {
  const char *const *kinds = backend_kinds(b);
  size_t count = 0;
  if (backend_does(b, kind) == does)
    return;
  const char **list = mem_array(string_list_count(kinds) + 2, sizeof *list);
  for (; *kinds; kinds++)
    if (strcmp(*kinds, kind) != 0)
      list[count++] = *kinds;
  if (does)
    list[count++] = kind;
  backend_set_kinds(b, list, count);
  free(list);
  b->w->declared_changed = true;
  b->notify = true;
}

int declared_take(struct worker *k, const struct wire_frame *f, struct err *err) {
  struct wire_kind m;
  struct backend *b = k->b;
  if (wire_get_kind(f, &m, err) < 0)
    return err->code;
  if (k->generation != b->generation)
    return 0;
  struct declared_kind *d = find(b, m.name);
  if (m.json)
    keep(b, m.name, m.json);
  else if (d && (m.withdrawn || k->state == WORKER_READY))
    drop(b, d); /* without a text it is the admin's from here on */
  if (k->state == WORKER_READY)
    set_done(b, m.name, !m.withdrawn);
  return 0;
}

void declared_ready(struct backend *b) {
  for (size_t i = b->declared_count; i-- > 0;)
    if (!backend_does(b, b->declared[i].name))
      drop(b, &b->declared[i]);
  b->w->declared_changed |= b->declared_count > 0;
}

const char *backend_declares(const struct backend *b, const char *kind) {
  const struct declared_kind *d = backend_does(b, kind) ? find(b, kind) : NULL;
  return d ? d->json : NULL;
}

/* The turn that it wakes does the rest. */
static void pause_ends(uv_timer_t *timer) {
  (void)timer;
}

void declared_tell(struct workers *w) {
  if (!w->declared_changed || w->freeing || uv_is_active((uv_handle_t *)&w->declared_pause))
    return;
  uint64_t begun = uv_hrtime();
  w->declared_changed = false;
  if (w->declared)
    w->declared(w->declared_ctx);
  uint64_t took_ms = (uv_hrtime() - begun) / 1000000;
  if (took_ms < TELLING_MS)
    return;
  uv_update_time(w->loop);
  uv_timer_start(&w->declared_pause, pause_ends, took_ms * PAUSE_TIMES, 0);
}
