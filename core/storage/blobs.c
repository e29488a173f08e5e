/* SPDX-License-Identifier: MIT
 *
 * Blobs that are there: where they lie, which are old, how they go.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "storage/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHARDS = 256 };

void storage_blob_path(const struct storage *s, const char *sha256, char *out) {
  snprintf(out, PATH_MAX, "%s/%.2s/%s", s->blobs, sha256, sha256);
}

/* Of a blob that is not to be seen: it is gone, or nobody knows. */
static int absent(struct storage *s, int errnum) {
  return errnum == ENOENT && storage_check(s, NULL) == 0 ? ERR_NOT_FOUND : ERR_IO;
}

/* Not by the clock of the file system: one that is set back must not make a blob look unused.  Only
 * the owner may choose the time. */
int storage_stamp(int fd, const char *path) {
  int64_t us = clock_stamp_us();
  struct timespec now = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
  struct timespec times[] = {now, now};
  int rc = path ? utimensat(AT_FDCWD, path, times, 0) : futimens(fd, times);
  if (rc == 0 || errno != EPERM)
    return rc;
  return path ? utimensat(AT_FDCWD, path, NULL, 0) : futimens(fd, NULL);
}

static int64_t mtime_us(const struct stat *st) {
  return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* ---- are they there? ---- */

struct find_task {
  struct storage_task task;
  bool touch;
  char (*names)[SHA256_HEX_SIZE];
  struct storage_found *found;
  size_t count;
  bool whole; /* the data folder, too: `examined` is called */
  struct err err;
  storage_looked *done;
  void (*examined)(void *arg, int code, const struct err *err, const struct storage_found *found,
                   size_t count);
  void *arg;
};

static int find_one(struct find_task *f, const char *sha256, int64_t *bytes) {
  struct storage *s = f->task.s;
  char path[PATH_MAX];
  struct stat st;
  int errnum = 0;
  if (!sha256_is_hex(sha256))
    return ERR_NOT_FOUND;
  storage_blob_path(s, sha256, path);
  pthread_mutex_lock(&s->blob_lock);
  if (stat(path, &st) || (f->touch && storage_stamp(-1, path)))
    errnum = errno;
  pthread_mutex_unlock(&s->blob_lock);
  if (errnum)
    return absent(s, errnum);
  *bytes = (int64_t)st.st_size;
  return S_ISREG(st.st_mode) ? 0 : ERR_NOT_FOUND;
}

static void run_find(struct storage_task *t) {
  struct find_task *f = (struct find_task *)t;
  if (f->whole)
    storage_check(t->s, &f->err);
  for (size_t i = 0; i < f->count; i++)
    f->found[i].code = find_one(f, f->names[i], &f->found[i].bytes);
}

static void after_find(struct storage_task *t) {
  struct find_task *f = (struct find_task *)t;
  if (f->whole)
    f->examined(f->arg, f->err.code, f->err.code ? &f->err : NULL, f->found, f->count);
  else
    f->done(f->arg, f->found, f->count);
  free(f->names);
  free(f->found);
  free(f);
}

static struct find_task *find_new(const char *const *sha256s, size_t count, void *arg) {
  struct find_task *f = mem_alloc(sizeof *f);
  f->task.run = run_find;
  f->task.after = after_find;
  f->names = mem_array(count + 1, sizeof *f->names);
  f->found = mem_array(count + 1, sizeof *f->found);
  f->count = count;
  for (size_t i = 0; i < count; i++)
    snprintf(f->names[i], sizeof f->names[i], "%s", sha256s[i]);
  f->arg = arg;
  return f;
}

void storage_find_blobs(struct storage *s, const char *const *sha256s, size_t count, bool touch,
                        storage_looked *done, void *arg) {
  struct find_task *f = find_new(sha256s, count, arg);
  f->touch = touch;
  f->done = done;
  storage_queue(s, &f->task);
}

void storage_examine(struct storage *s, const char *const *sha256s, size_t count,
                     void (*done)(void *arg, int code, const struct err *err,
                                  const struct storage_found *found, size_t count),
                     void *arg) {
  struct find_task *f = find_new(sha256s, count, arg);
  f->whole = true;
  f->examined = done;
  storage_queue(s, &f->task);
}

/* ---- which are old ---- */

struct old_task {
  struct storage_task task;
  int64_t before_us;
  int shard; /* the next to look at */
  char (*names)[SHA256_HEX_SIZE];
  size_t count, cap;
  void (*done)(void *arg, const char *const *sha256s, size_t count);
  void *arg;
};

static void old_add(struct old_task *o, const char *name) {
  if (o->count == o->cap) {
    o->cap = o->cap ? o->cap * 2 : 256;
    o->names = mem_grow(o->names, o->cap * sizeof *o->names);
  }
  memcpy(o->names[o->count++], name, SHA256_HEX_SIZE);
}

static void scan_shard(struct old_task *o) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%02x", o->task.s->blobs, (unsigned)o->shard);
  DIR *dir = opendir(path);
  if (!dir)
    return;
  for (struct dirent *e; (e = readdir(dir));) {
    struct stat st;
    if (sha256_is_hex(e->d_name) && !fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
        mtime_us(&st) < o->before_us)
      old_add(o, e->d_name);
  }
  closedir(dir);
}

static void run_old(struct storage_task *t) {
  struct old_task *o = (struct old_task *)t;
  for (; o->shard < SHARDS && o->count < STORAGE_OLD_BLOBS_BATCH; o->shard++)
    scan_shard(o);
}

static void after_old(struct storage_task *t) {
  struct old_task *o = (struct old_task *)t;
  t->s->scan_shard = o->shard % SHARDS;
  const char **list = mem_array(o->count + 1, sizeof *list);
  for (size_t i = 0; i < o->count; i++)
    list[i] = o->names[i];
  o->done(o->arg, list, o->count);
  free(list);
  free(o->names);
  free(o);
}

void storage_old_blobs(struct storage *s, int64_t before_us,
                       void (*done)(void *arg, const char *const *sha256s, size_t count),
                       void *arg) {
  struct old_task *o = mem_alloc(sizeof *o);
  o->task.run = run_old;
  o->task.after = after_old;
  o->before_us = before_us;
  o->shard = s->scan_shard;
  o->done = done;
  o->arg = arg;
  storage_queue(s, &o->task);
}

/* ---- away with them ---- */

struct remove_task {
  struct storage_task task;
  char (*names)[SHA256_HEX_SIZE];
  size_t count;
  int64_t before_us;
  struct err err;
  storage_wrote *done;
  void *arg;
};

static void remove_blob(struct remove_task *r, const char *sha256) {
  char path[PATH_MAX];
  struct stat st;
  storage_blob_path(r->task.s, sha256, path);
  pthread_mutex_lock(&r->task.s->blob_lock);
  if (stat(path, &st) == 0 && mtime_us(&st) < r->before_us && unlink(path) && errno != ENOENT)
    err_sys(&r->err, errno, "cannot remove the blob %s", path);
  pthread_mutex_unlock(&r->task.s->blob_lock);
}

static void run_remove(struct storage_task *t) {
  struct remove_task *r = (struct remove_task *)t;
  for (size_t i = 0; i < r->count; i++)
    remove_blob(r, r->names[i]);
}

static void after_remove(struct storage_task *t) {
  struct remove_task *r = (struct remove_task *)t;
  if (r->done)
    r->done(r->arg, r->err.code, r->err.code ? &r->err : NULL);
  free(r->names);
  free(r);
}

void storage_on_remove(struct storage *s, bool (*is_held)(void *ctx, const char *sha256),
                       void *ctx) {
  s->is_held = is_held;
  s->held_ctx = ctx;
}

void storage_remove_blobs(struct storage *s, const char *const *sha256s, size_t count,
                          int64_t before_us, storage_wrote *done, void *arg) {
  struct remove_task *r = mem_alloc(sizeof *r);
  r->task.run = run_remove;
  r->task.after = after_remove;
  r->before_us = before_us;
  r->done = done;
  r->arg = arg;
  r->names = mem_array(count + 1, sizeof *r->names);
  for (size_t i = 0; i < count; i++)
    if (sha256_is_hex(sha256s[i]) && !(s->is_held && s->is_held(s->held_ctx, sha256s[i])))
      memcpy(r->names[r->count++], sha256s[i], SHA256_HEX_SIZE);
  storage_queue(s, &r->task);
}
