/* SPDX-License-Identifier: MIT
 *
 * What is kept, piece by piece, and how it goes.
 */
#include "base/mem.h"
#include "base/path.h"
#include "storage/local/private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t mtime_us(const struct stat *st) {
  return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* ---- list ---- */

struct list_task {
  struct storage_task task;
  struct local *l;
  bool blobs;
  int64_t before_us;
  int shard; /* of the blobs: the next to look at */
  char **names;
  size_t count, cap;
  bool more;
  backend_listed *done;
  void *arg;
};

static void list_add(struct list_task *t, const char *name) {
  if (t->count == t->cap) {
    t->cap = t->cap ? t->cap * 2 : 256;
    t->names = mem_grow(t->names, t->cap * sizeof *t->names);
  }
  t->names[t->count++] = mem_dup(name);
}

static void list_shard(struct list_task *t) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%02x", t->l->s->blobs, (unsigned)t->shard);
  DIR *dir = opendir(path);
  if (!dir)
    return;
  for (struct dirent *e; (e = readdir(dir));) {
    struct stat st;
    if (sha256_is_hex(e->d_name) && !fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
        mtime_us(&st) < t->before_us)
      list_add(t, e->d_name);
  }
  closedir(dir);
}

static void run_list_blobs(struct storage_task *task) {
  struct list_task *t = (struct list_task *)task;
  for (; t->shard < STORAGE_SHARDS && t->count < STORAGE_OLD_BLOBS_BATCH; t->shard++)
    list_shard(t);
  t->more = t->shard < STORAGE_SHARDS;
}

static void run_list_outputs(struct storage_task *task) {
  struct list_task *t = (struct list_task *)task;
  struct local *l = t->l;
  if (!l->outputs)
    l->outputs = opendir(l->s->output);
  struct dirent *e = NULL;
  while (l->outputs && t->count < STORAGE_OUTPUTS_BATCH && (e = readdir(l->outputs)))
    if (id_is_valid(e->d_name))
      list_add(t, e->d_name);
  t->more = e != NULL;
  if (!t->more && l->outputs) {
    closedir(l->outputs);
    l->outputs = NULL;
  }
}

static void after_list(struct storage_task *task) {
  struct list_task *t = (struct list_task *)task;
  if (t->blobs)
    t->l->scan_shard = t->shard % STORAGE_SHARDS;
  t->done(t->arg, (const char *const *)t->names, t->count, t->more);
  for (size_t i = 0; i < t->count; i++)
    free(t->names[i]);
  free(t->names);
  free(t);
}

void local_list(struct backend *b, const char *prefix, int64_t before_us, backend_listed *done,
                void *arg) {
  struct list_task *t = mem_alloc(sizeof *t);
  bool blobs = strcmp(prefix, "blobs/") == 0;
  *t = (struct list_task){
      .task = {.run = blobs ? run_list_blobs : run_list_outputs, .after = after_list},
      .l = (struct local *)b,
      .blobs = blobs,
      .before_us = before_us,
      .done = done,
      .arg = arg};
  t->shard = t->l->scan_shard;
  storage_queue(t->l->s, &t->task);
}

/* ---- remove ---- */

struct remove_task {
  struct storage_task task;
  struct local *l;
  char **keys;
  size_t count;
  int64_t before_us;
  struct err err;
  storage_wrote *done;
  void *arg;
};

static void remove_file(struct remove_task *t, const char *path) {
  struct stat st;
  pthread_mutex_lock(&t->l->blob_lock);
  if (lstat(path, &st) == 0 && mtime_us(&st) < t->before_us && unlink(path) && errno != ENOENT)
    err_sys(&t->err, errno, "cannot remove %s", path);
  pthread_mutex_unlock(&t->l->blob_lock);
}

static void run_remove(struct storage_task *task) {
  struct remove_task *t = (struct remove_task *)task;
  char path[PATH_MAX];
  for (size_t i = 0; i < t->count; i++) {
    if (local_path(t->l, t->keys[i], path))
      continue;
    if (t->keys[i][strlen(t->keys[i]) - 1] == '/')
      path_remove_tree(path, &t->err);
    else
      remove_file(t, path);
  }
}

static void after_remove(struct storage_task *task) {
  struct remove_task *t = (struct remove_task *)task;
  if (t->done)
    t->done(t->arg, t->err.code, t->err.code ? &t->err : NULL);
  for (size_t i = 0; i < t->count; i++)
    free(t->keys[i]);
  free(t->keys);
  free(t);
}

void local_remove(struct backend *b, const char *const *keys, size_t count, int64_t before_us,
                  storage_wrote *done, void *arg) {
  struct remove_task *t = mem_alloc(sizeof *t);
  *t = (struct remove_task){.task = {.run = run_remove, .after = after_remove},
                            .l = (struct local *)b,
                            .count = count,
                            .before_us = before_us,
                            .done = done,
                            .arg = arg};
  t->keys = mem_array(count + 1, sizeof *t->keys);
  for (size_t i = 0; i < count; i++)
    t->keys[i] = mem_dup(keys[i]);
  storage_queue(t->l->s, &t->task);
}
