/* SPDX-License-Identifier: MIT
 *
 * Blobs that are there: which are, which are old, how they go.
 */
#include "base/mem.h"
#include "storage/private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void storage_blob_path(const struct storage *s, const char *sha256, char *out) {
  snprintf(out, PATH_MAX, "%s/%.2s/%s", s->blobs, sha256, sha256);
}

/* ---- are they there? ---- */

struct find {
  struct storage *s;
  bool whole; /* the data folder is looked at, too: `examined` is called */
  struct err err;
  char **keys;
  size_t count;
  storage_looked *done;
  void (*examined)(void *arg, int code, const struct err *err, const struct storage_found *found,
                   size_t count);
  void *arg;
};

static void on_found(void *arg, const struct backend_object *objects, size_t count) {
  struct find *f = arg;
  struct storage_found *found = mem_array(count + 1, sizeof *found);
  for (size_t i = 0; i < count; i++)
    found[i] = (struct storage_found){.code = objects[i].code, .bytes = objects[i].bytes};
  if (f->whole)
    f->examined(f->arg, f->err.code, f->err.code ? &f->err : NULL, found, count);
  else
    f->done(f->arg, found, count);
  for (size_t i = 0; i < f->count; i++)
    free(f->keys[i]);
  free(f->keys);
  free(found);
  free(f);
}

static struct find *find_new(struct storage *s, const char *const *sha256s, size_t count,
                             void *arg) {
  struct find *f = mem_alloc(sizeof *f);
  *f = (struct find){.s = s, .count = count, .arg = arg};
  f->keys = mem_array(count + 1, sizeof *f->keys);
  for (size_t i = 0; i < count; i++)
    f->keys[i] = mem_printf("blobs/%s", sha256s[i]);
  return f;
}

static void look(struct find *f, bool touch) {
  f->s->backend->ops->stat(f->s->backend, (const char *const *)f->keys, f->count, touch, on_found,
                           f);
}

void storage_find_blobs(struct storage *s, const char *const *sha256s, size_t count, bool touch,
                        storage_looked *done, void *arg) {
  struct find *f = find_new(s, sha256s, count, arg);
  f->done = done;
  look(f, touch);
}

static void check_folders(void *arg) {
  struct find *f = arg;
  storage_check(f->s, &f->err);
}

static void on_checked(void *arg) {
  look(arg, false);
}

void storage_examine(struct storage *s, const char *const *sha256s, size_t count,
                     void (*done)(void *arg, int code, const struct err *err,
                                  const struct storage_found *found, size_t count),
                     void *arg) {
  struct find *f = find_new(s, sha256s, count, arg);
  f->whole = true;
  f->examined = done;
  storage_work(s, check_folders, on_checked, f);
}

/* ---- which are old, and away with them ---- */

struct old_list {
  void (*done)(void *arg, const char *const *sha256s, size_t count, bool more);
  void *arg;
};

static void on_listed(void *arg, const char *const *names, size_t count, bool more) {
  struct old_list *o = arg;
  o->done(o->arg, names, count, more);
  free(o);
}

void storage_old_blobs(struct storage *s, int64_t before_us,
                       void (*done)(void *arg, const char *const *sha256s, size_t count, bool more),
                       void *arg) {
  struct old_list *o = mem_alloc(sizeof *o);
  *o = (struct old_list){.done = done, .arg = arg};
  s->backend->ops->list(s->backend, "blobs/", before_us, on_listed, o);
}

void storage_on_remove(struct storage *s, bool (*is_held)(void *ctx, const char *sha256),
                       void *ctx) {
  s->is_held = is_held;
  s->held_ctx = ctx;
}

void storage_remove_blobs(struct storage *s, const char *const *sha256s, size_t count,
                          int64_t before_us, storage_wrote *done, void *arg) {
  char **keys = mem_array(count + 1, sizeof *keys);
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!(s->is_held && s->is_held(s->held_ctx, sha256s[i])))
      keys[n++] = mem_printf("blobs/%s", sha256s[i]);
  s->backend->ops->remove(s->backend, (const char *const *)keys, n, before_us, done, arg);
  for (size_t i = 0; i < n; i++)
    free(keys[i]);
  free(keys);
}
