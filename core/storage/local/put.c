/* SPDX-License-Identifier: MIT
 *
 * Files become objects.
 *
 *   stage (whose files they are) -> kept -> unstage -> done (loop)
 *
 * A blob that is there already is not written again, only touched.
 */
#include "base/mem.h"
#include "storage/local/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct put_task {
  struct storage_task task;
  struct local *l;
  struct backend_put *p;
};

/* ---- one blob ---- */

/* True when the blob was there: it is touched, so retention leaves it. */
static bool blob_exists(struct local *l, const char *path, int64_t bytes) {
  struct stat st;
  pthread_mutex_lock(&l->blob_lock);
  bool there = stat(path, &st) == 0 && st.st_size == bytes && local_stamp(-1, path) == 0;
  pthread_mutex_unlock(&l->blob_lock);
  return there;
}

/* The file becomes the blob: content, then name, then the name's folder, each on disk before the
 * next. */
static int publish(struct local *l, struct backend_put *p, const char *path) {
  struct backend_file *f = &p->files[0];
  struct storage *s = l->s;
  if (local_stamp(f->fd, NULL) || fsync(f->fd))
    return storage_fail(s, &p->err, errno, f->path, "store the upload");
  if (renameat(f->folder, f->path, AT_FDCWD, path) == 0)
    return 0;
  if (errno == ENOENT && storage_check(s, &p->err) == 0 && storage_make_shards(s, &p->err) == 0 &&
      renameat(f->folder, f->path, AT_FDCWD, path) == 0)
    return 0;
  return p->err.code ? p->err.code : storage_fail(s, &p->err, errno, path, "store the upload");
}

static void keep_blob(struct local *l, struct backend_put *p) {
  struct backend_file *f = &p->files[0];
  char path[PATH_MAX], shard[PATH_MAX];
  struct err why = {0};
  if (local_path(l, p->key, path)) {
    err_set(&p->err, ERR_INVAL, "%s is not the key of a blob", p->key);
    return;
  }
  f->existed = blob_exists(l, path, f->kept.bytes);
  if (!f->existed && (p->write(p) || publish(l, p, path)))
    return;
  /* Also when it existed: the one who stored it may not have come so far. */
  snprintf(shard, sizeof shard, "%.*s", (int)(strrchr(path, '/') - path), path);
  if (storage_sync_dir(shard, &why))
    storage_fail(l->s, &p->err, errno, shard, "store the upload");
}

/* ---- both sorts ---- */

static void run_put(struct storage_task *task) {
  struct put_task *t = (struct put_task *)task;
  struct backend_put *p = t->p;
  if (p->stage(p) == 0) {
    if (strncmp(p->key, "blobs/", 6) == 0)
      keep_blob(t->l, p);
    else
      local_keep_artifacts(t->l, p);
  }
  p->unstage(p);
}

static void after_put(struct storage_task *task) {
  struct put_task *t = (struct put_task *)task;
  t->p->done(t->p);
  free(t);
}

void local_put(struct backend *b, struct backend_put *p) {
  struct put_task *t = mem_alloc(sizeof *t);
  *t = (struct put_task){
      .task = {.run = run_put, .after = after_put}, .l = (struct local *)b, .p = p};
  storage_queue(t->l->s, &t->task);
}
