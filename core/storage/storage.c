/* SPDX-License-Identifier: MIT
 *
 * The data folder's layout, and the way onto the thread pool.
 *
 *   queue ---> run (pool thread) ---> after (loop thread) ---> gone
 *
 * A task is never cancelled: what it does to the disk is finished or not begun.
 */
#include "storage/private.h"

#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void task_run(uv_work_t *req) {
  struct storage_task *t = (struct storage_task *)req->data;
  t->run(t);
}

static void storage_free(struct storage *s) {
  if (s->backend)
    s->backend->ops->close(s->backend);
  pthread_mutex_destroy(&s->folder_lock);
  free(s->root);
  free(s->blobs);
  free(s->uploads);
  free(s->work);
  free(s->output);
  free(s);
}

static void task_after(uv_work_t *req, int status) {
  (void)status;
  struct storage_task *t = (struct storage_task *)req->data;
  struct storage *s = t->s;
  t->after(t);
  s->busy--;
  if (s->closing && s->busy == 0)
    storage_free(s);
}

void storage_queue(struct storage *s, struct storage_task *t) {
  t->s = s;
  s->busy++;
  t->req.data = t;
  uv_queue_work(s->loop, &t->req, task_run, task_after);
}

struct foreign_task {
  struct storage_task task;
  void (*run)(void *arg);
  void (*after)(void *arg);
  void *arg;
};

static void run_foreign(struct storage_task *t) {
  struct foreign_task *f = (struct foreign_task *)t;
  f->run(f->arg);
}

static void after_foreign(struct storage_task *t) {
  struct foreign_task *f = (struct foreign_task *)t;
  f->after(f->arg);
  free(f);
}

void storage_work(struct storage *s, void (*run)(void *arg), void (*after)(void *arg), void *arg) {
  struct foreign_task *f = mem_alloc(sizeof *f);
  *f = (struct foreign_task){.run = run, .after = after, .arg = arg};
  f->task.run = run_foreign;
  f->task.after = after_foreign;
  storage_queue(s, &f->task);
}

int storage_sync_dir(const char *path, struct err *err) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return err_sys(err, errno, "cannot open the folder %s", path);
  int rc = fsync(fd) == 0 ? 0 : err_sys(err, errno, "cannot sync the folder %s", path);
  int errnum = errno;
  close(fd);
  errno = errnum;
  return rc;
}

/* All folders of blobs exist from the start, so that storing one never has to
 * sync a folder's folder. */
int storage_make_shards(struct storage *s, struct err *err) {
  bool fresh = false;
  char path[PATH_MAX];
  for (int i = 0; i < STORAGE_SHARDS; i++) {
    snprintf(path, sizeof path, "%s/%02x", s->blobs, (unsigned)i);
    if (mkdir(path, 0700) == 0)
      fresh = true;
    else if (errno != EEXIST)
      return err_sys(err, errno, "cannot make the folder %s", path);
  }
  return fresh ? storage_sync_dir(s->blobs, err) : 0;
}

static int make_folder(char **out, const char *root, const char *name, struct err *err) {
  *out = path_join(root, name);
  return path_make_dirs(*out, err);
}

int storage_open(struct storage **out, uv_loop_t *loop, const struct storage_options *options,
                 struct err *err) {
  struct storage *s = mem_alloc(sizeof *s);
  s->loop = loop;
  s->sync = options->sync;
  pthread_mutex_init(&s->folder_lock, NULL);
  int rc = path_make_dirs(options->data_dir, err);
  if (rc)
    goto out;
  s->root = realpath(options->data_dir, NULL);
  if (!s->root) {
    rc = err_sys(err, errno, "cannot resolve the data folder %s", options->data_dir);
    goto out;
  }
  if ((rc = make_folder(&s->blobs, s->root, "blobs", err)) ||
      (rc = make_folder(&s->uploads, s->root, "uploads", err)) ||
      (rc = storage_empty_folder(s, s->uploads, err)) ||
      (rc = make_folder(&s->work, s->root, "work", err)) ||
      (rc = storage_empty_folder(s, s->work, err)) ||
      (rc = make_folder(&s->output, s->root, "output", err)) ||
      (rc = storage_make_shards(s, err)) || (rc = storage_sync_dir(s->root, err)) ||
      (rc = storage_folders_init(s, err)))
    goto out;
  s->backend = backend_local_open(s);
  storage_discard_removed(s);
  *out = s;
  return 0;
out:
  storage_free(s);
  return rc;
}

void storage_close(struct storage *s) {
  if (!s)
    return;
  s->closing = true;
  if (s->busy == 0)
    storage_free(s);
}

const char *storage_work_root(const struct storage *s) {
  return s->work;
}

int64_t storage_free_bytes(const struct storage *s) {
  struct statvfs v;
  if (statvfs(s->root, &v))
    return 0;
  return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}
