/* SPDX-License-Identifier: MIT
 *
 * Which objects are there, and their content.
 */
#include "base/mem.h"
#include "storage/local/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- stat ---- */

struct stat_task {
  struct storage_task task;
  struct local *l;
  bool touch;
  char **keys;
  struct backend_object *objects;
  size_t count;
  backend_looked *done;
  void *arg;
};

static int stat_one(struct stat_task *t, const char *key, struct backend_object *o) {
  char path[PATH_MAX];
  struct stat st;
  int errnum = 0;
  if (local_path(t->l, key, path))
    return ERR_NOT_FOUND;
  pthread_mutex_lock(&t->l->blob_lock);
  if (lstat(path, &st) || (t->touch && local_stamp(-1, path)))
    errnum = errno;
  pthread_mutex_unlock(&t->l->blob_lock);
  if (errnum)
    return local_absent(t->l, errnum);
  o->bytes = (int64_t)st.st_size;
  /* One with more names is an input that was given back: its time tells when the input was used. */
  if (st.st_nlink == 1)
    o->changed_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
  return S_ISREG(st.st_mode) ? 0 : ERR_NOT_FOUND;
}

static void run_stat(struct storage_task *task) {
  struct stat_task *t = (struct stat_task *)task;
  for (size_t i = 0; i < t->count; i++)
    t->objects[i].code = stat_one(t, t->keys[i], &t->objects[i]);
}

static void after_stat(struct storage_task *task) {
  struct stat_task *t = (struct stat_task *)task;
  t->done(t->arg, t->objects, t->count);
  for (size_t i = 0; i < t->count; i++)
    free(t->keys[i]);
  free(t->keys);
  free(t->objects);
  free(t);
}

void local_stat(struct backend *b, const char *const *keys, size_t count, bool touch,
                backend_looked *done, void *arg) {
  struct stat_task *t = mem_alloc(sizeof *t);
  *t = (struct stat_task){.task = {.run = run_stat, .after = after_stat},
                          .l = (struct local *)b,
                          .touch = touch,
                          .count = count,
                          .done = done,
                          .arg = arg};
  t->keys = mem_array(count + 1, sizeof *t->keys);
  t->objects = mem_array(count + 1, sizeof *t->objects);
  for (size_t i = 0; i < count; i++)
    t->keys[i] = mem_dup(keys[i]);
  storage_queue(t->l->s, &t->task);
}

/* ---- get ---- */

int local_wait_get(struct backend *b, const char *key, int64_t *bytes, struct err *err) {
  struct local *l = (struct local *)b;
  char path[PATH_MAX];
  struct stat st;
  if (local_path(l, key, path))
    return err_set(err, ERR_NOT_FOUND, "there is no such artifact");
  /* It waits for nobody who has taken a lease: the threads are few. */
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == EWOULDBLOCK)
    return err_set(err, ERR_IO,
                   "another program on the server holds the file %s (a lease); ask again later",
                   key);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    return storage_fail(l->s, err, errno, path, "read the artifact");
  if (fd < 0)
    return storage_check(l->s, err)
               ? ERR_IO
               : err_set(err, ERR_NOT_FOUND, "the file %s is no longer there", key);
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return err_set(err, ERR_NOT_FOUND, "%s is not a file", key);
  }
  *bytes = (int64_t)st.st_size;
  return fd;
}

struct get_task {
  struct storage_task task;
  struct local *l;
  char *key;
  struct storage_content content;
  struct err err;
  backend_got *done;
  void *arg;
};

/* A small file is read whole, so that the loop has nothing more to do with the disk. */
static void read_small(struct get_task *g) {
  struct storage_content *c = &g->content;
  char *data = mem_alloc((size_t)c->bytes + 1);
  int64_t at = 0;
  ssize_t n = 1;
  while (at < c->bytes && n > 0) {
    n = pread(c->fd, data + at, (size_t)(c->bytes - at), at);
    at += n > 0 ? n : 0;
  }
  if (n < 0)
    storage_fail(g->l->s, &g->err, errno, g->key, "read the artifact");
  else if (at < c->bytes)
    err_set(&g->err, ERR_IO, "the file %s became shorter", g->key);
  close(c->fd);
  c->fd = -1;
  c->data = data;
  if (g->err.code) {
    free(data);
    c->data = NULL;
  }
}

static void run_get(struct storage_task *task) {
  struct get_task *g = (struct get_task *)task;
  g->content.fd = local_wait_get(&g->l->base, g->key, &g->content.bytes, &g->err);
  if (g->content.fd >= 0 && g->content.bytes <= STORAGE_SMALL_FILE)
    read_small(g);
}

static void after_get(struct storage_task *task) {
  struct get_task *g = (struct get_task *)task;
  bool failed = g->err.code != 0;
  g->done(g->arg, g->err.code, failed ? NULL : &g->content, failed ? &g->err : NULL);
  free(g->key);
  free(g);
}

void local_get(struct backend *b, const char *key, backend_got *done, void *arg) {
  struct get_task *g = mem_alloc(sizeof *g);
  *g = (struct get_task){.task = {.run = run_get, .after = after_get},
                         .l = (struct local *)b,
                         .key = mem_dup(key),
                         .done = done,
                         .arg = arg};
  storage_queue(g->l->s, &g->task);
}
