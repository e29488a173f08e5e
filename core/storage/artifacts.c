/* SPDX-License-Identifier: MIT
 *
 * Artifacts in output/<job>/: from there to whoever reads them, and away with the job.  How they
 * came there is in adopt.c.
 */
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- are they as they were? ---- */

struct check_task {
  struct storage_task task;
  char job_id[ID_SIZE];
  struct storage_file *files; /* names owned */
  size_t count;
  int64_t since_us;
  struct err err;
  storage_wrote *done;
  void *arg;
};

static int check_file(struct check_task *c, const struct storage_file *f) {
  char path[PATH_MAX];
  struct stat st;
  int n = snprintf(path, sizeof path, "%s/%s/%s", c->task.s->output, c->job_id, f->name);
  if (n < 0 || (size_t)n >= sizeof path || lstat(path, &st) || !S_ISREG(st.st_mode))
    return err_set(&c->err, ERR_NOT_FOUND, "the artifact %s of job %s is no longer there", f->name,
                   c->job_id);
  if (st.st_size != f->bytes)
    return err_set(&c->err, ERR_NOT_FOUND, "the artifact %s of job %s has %lld bytes, not %lld",
                   f->name, c->job_id, (long long)st.st_size, (long long)f->bytes);
  int64_t written_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
  /* One with more names is an input that was given back: its time tells when the input was used. */
  if (st.st_nlink == 1 && written_us > c->since_us)
    return err_set(&c->err, ERR_NOT_FOUND, "the artifact %s of job %s was changed", f->name,
                   c->job_id);
  return 0;
}

static void run_check(struct storage_task *t) {
  struct check_task *c = (struct check_task *)t;
  for (size_t i = 0; i < c->count && c->err.code == 0; i++)
    check_file(c, &c->files[i]);
}

static void after_check(struct storage_task *t) {
  struct check_task *c = (struct check_task *)t;
  c->done(c->arg, c->err.code, c->err.code ? &c->err : NULL);
  for (size_t i = 0; i < c->count; i++)
    free((char *)c->files[i].name);
  free(c->files);
  free(c);
}

void storage_check_artifacts(struct storage *s, const char *job_id,
                             const struct storage_file *files, size_t count, int64_t since_us,
                             storage_wrote *done, void *arg) {
  struct check_task *c = mem_alloc(sizeof *c);
  c->task.run = run_check;
  c->task.after = after_check;
  snprintf(c->job_id, sizeof c->job_id, "%s", job_id);
  c->files = mem_array(count + 1, sizeof *c->files);
  c->count = count;
  for (size_t i = 0; i < count; i++)
    c->files[i] = (struct storage_file){.name = mem_dup(files[i].name), .bytes = files[i].bytes};
  c->since_us = since_us;
  c->done = done;
  c->arg = arg;
  storage_queue(s, &c->task);
}

int storage_open_artifact(struct storage *s, const char *job_id, const char *name, int64_t *bytes,
                          struct err *err) {
  char path[PATH_MAX];
  struct stat st;
  if (!id_is_valid(job_id) || !path_is_plain_name(name))
    return err_set(err, ERR_NOT_FOUND, "there is no such artifact");
  int n = snprintf(path, sizeof path, "%s/%s/%s", s->output, job_id, name);
  if (n < 0 || (size_t)n >= sizeof path)
    return err_set(err, ERR_NOT_FOUND, "there is no such artifact");
  /* It waits for nobody who has taken a lease: the threads are few. */
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == EWOULDBLOCK)
    return err_set(err, ERR_IO,
                   "another program on the server holds the artifact %s of job %s (a lease); "
                   "ask again later",
                   name, job_id);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    return storage_fail(s, err, errno, path, "read the artifact");
  if (fd < 0)
    return storage_check(s, err)
               ? ERR_IO
               : err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s is no longer there", name,
                         job_id);
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s is not a file", name, job_id);
  }
  *bytes = (int64_t)st.st_size;
  return fd;
}

struct get_task {
  struct storage_task task;
  char *job_id, *name;
  struct storage_content content;
  struct err err;
  void (*done)(void *arg, int code, const struct storage_content *content, const struct err *err);
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
    storage_fail(g->task.s, &g->err, errno, g->name, "read the artifact");
  else if (at < c->bytes)
    err_set(&g->err, ERR_IO, "the artifact %s of job %s became shorter", g->name, g->job_id);
  close(c->fd);
  c->fd = -1;
  c->data = data;
  if (g->err.code) {
    free(data);
    c->data = NULL;
  }
}

static void run_get(struct storage_task *t) {
  struct get_task *g = (struct get_task *)t;
  g->content.fd = storage_open_artifact(t->s, g->job_id, g->name, &g->content.bytes, &g->err);
  if (g->content.fd >= 0 && g->content.bytes <= STORAGE_SMALL_FILE)
    read_small(g);
}

static void after_get(struct storage_task *t) {
  struct get_task *g = (struct get_task *)t;
  bool failed = g->err.code != 0;
  g->done(g->arg, g->err.code, failed ? NULL : &g->content, failed ? &g->err : NULL);
  free(g->job_id);
  free(g->name);
  free(g);
}

void storage_get_artifact(struct storage *s, const char *job_id, const char *name,
                          void (*done)(void *arg, int code, const struct storage_content *content,
                                       const struct err *err),
                          void *arg) {
  struct get_task *g = mem_alloc(sizeof *g);
  g->task.run = run_get;
  g->task.after = after_get;
  g->job_id = mem_dup(job_id);
  g->name = mem_dup(name);
  g->done = done;
  g->arg = arg;
  storage_queue(s, &g->task);
}

struct close_task {
  struct storage_task task;
  int fd;
};

static void run_close(struct storage_task *t) {
  close(((struct close_task *)t)->fd);
}

static void after_close(struct storage_task *t) {
  free(t);
}

void storage_drop_content(struct storage *s, const struct storage_content *content) {
  free(content->data);
  if (content->fd < 0)
    return;
  struct close_task *c = mem_alloc(sizeof *c);
  *c = (struct close_task){.task = {.run = run_close, .after = after_close}, .fd = content->fd};
  storage_queue(s, &c->task);
}

/* ---- folders that go ---- */

struct tree_task {
  struct storage_task task;
  char **paths;
  size_t count;
  struct err err;
  storage_wrote *done;
  void *arg;
};

static void run_trees(struct storage_task *t) {
  struct tree_task *r = (struct tree_task *)t;
  for (size_t i = 0; i < r->count; i++)
    path_remove_tree(r->paths[i], &r->err);
}

static void after_trees(struct storage_task *t) {
  struct tree_task *r = (struct tree_task *)t;
  if (r->done)
    r->done(r->arg, r->err.code, r->err.code ? &r->err : NULL);
  for (size_t i = 0; i < r->count; i++)
    free(r->paths[i]);
  free(r->paths);
  free(r);
}

static struct tree_task *trees_new(size_t count, storage_wrote *done, void *arg) {
  struct tree_task *r = mem_alloc(sizeof *r);
  r->task.run = run_trees;
  r->task.after = after_trees;
  r->paths = mem_array(count + 1, sizeof *r->paths);
  r->done = done;
  r->arg = arg;
  return r;
}

void storage_remove_jobs(struct storage *s, const char *const *job_ids, size_t count,
                         storage_wrote *done, void *arg) {
  struct tree_task *r = trees_new(count, done, arg);
  for (size_t i = 0; i < count; i++)
    if (id_is_valid(job_ids[i]))
      r->paths[r->count++] = path_join(s->output, job_ids[i]);
  storage_queue(s, &r->task);
}

void storage_remove_work(struct storage *s, const char *name) {
  if (!path_is_plain_name(name))
    return;
  struct tree_task *r = trees_new(1, NULL, NULL);
  r->paths[r->count++] = path_join(s->work, name);
  storage_queue(s, &r->task);
}
