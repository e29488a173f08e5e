/* SPDX-License-Identifier: MIT
 *
 * Artifacts: from an attempt's work folder into output/<job>/, from there to
 * whoever reads them, and away with the job.
 *
 * A plugin's word is not taken for where a file lies: links are refused, and the
 * resolved path must be inside the work root.
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

struct output {
  char *name, *path;
  int fd; /* open from the check to the sync; -1 otherwise */
};

struct adopt_task {
  struct storage_task task;
  char job_id[ID_SIZE];
  char *folder; /* of the attempt; without links once it was checked */
  struct output *outputs;
  size_t count;
  struct err err;
  storage_wrote *done;
  void *arg;
};

/* The attempt's folder must be one right below the work root. */
static int check_folder(struct adopt_task *a) {
  const char *work = a->task.s->work;
  size_t len = strlen(work);
  char *real = a->folder ? realpath(a->folder, NULL) : NULL;
  bool fine = real && strncmp(real, work, len) == 0 && real[len] == '/' &&
              path_is_plain_name(real + len + 1);
  free(a->folder);
  a->folder = real;
  return fine ? 0 : err_set(&a->err, ERR_DENIED, "the attempt's work folder is not there");
}

/* Opens the file and makes sure that it is a plain one inside the attempt's folder: a plugin could
 * name another job's by way of a link. */
static int check_output(struct adopt_task *a, struct output *o) {
  size_t len = strlen(a->folder);
  char real[PATH_MAX];
  struct stat st;
  if (!path_is_plain_name(o->name))
    return err_set(&a->err, ERR_INVAL, "the plugin gave an artifact a name that is no file name");
  o->fd = open(o->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (o->fd < 0)
    return err_sys(&a->err, errno, "cannot open the artifact %s", o->name);
  if (fstat(o->fd, &st) || !S_ISREG(st.st_mode))
    return err_set(&a->err, ERR_INVAL, "the artifact %s is no regular file", o->name);
  if (!realpath(o->path, real) || strncmp(real, a->folder, len) != 0 || real[len] != '/')
    return err_set(&a->err, ERR_DENIED, "the artifact %s lies outside the attempt's work folder",
                   o->name);
  return 0;
}

static int move_output(struct adopt_task *a, struct output *o, const char *dir) {
  char to[PATH_MAX];
  int n = snprintf(to, sizeof to, "%s/%s", dir, o->name);
  if (n < 0 || (size_t)n >= sizeof to)
    return err_set(&a->err, ERR_INVAL, "the path of the artifact %s is too long", o->name);
  if (fchmod(o->fd, 0444) || rename(o->path, to))
    return err_sys(&a->err, errno, "cannot move the artifact %s to %s", o->name, to);
  struct stat checked, moved;
  if (fstat(o->fd, &checked) || lstat(to, &moved) || checked.st_dev != moved.st_dev ||
      checked.st_ino != moved.st_ino)
    return err_set(&a->err, ERR_DENIED, "the artifact %s was exchanged while it was taken",
                   o->name);
  return 0;
}

/* Writing starts for all files before the first is waited for; the names were
 * changed before, so that one journal commit serves most of it. */
static int sync_outputs(struct adopt_task *a, const char *dir) {
  for (size_t i = 0; i < a->count; i++)
    sync_file_range(a->outputs[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  for (size_t i = 0; i < a->count; i++)
    if (fsync(a->outputs[i].fd))
      return err_sys(&a->err, errno, "cannot sync the artifact %s", a->outputs[i].name);
  int rc = storage_sync_dir(dir, &a->err);
  return rc ? rc : storage_sync_dir(a->task.s->output, &a->err);
}

/* An empty folder for the job's results: what an earlier attempt left in it is named by no row. */
static int make_output_dir(struct adopt_task *a, const char *dir) {
  if (mkdir(dir, 0700) == 0)
    return 0;
  int rc = errno == EEXIST ? path_remove_tree(dir, &a->err) : 0;
  if (rc == 0 && mkdir(dir, 0700))
    rc = err_sys(&a->err, errno, "cannot make the folder %s", dir);
  return rc;
}

static int move_outputs(struct adopt_task *a, const char *dir) {
  int rc = 0;
  for (size_t i = 0; i < a->count && rc == 0; i++)
    rc = move_output(a, &a->outputs[i], dir);
  return rc == 0 && a->task.s->sync ? sync_outputs(a, dir) : rc;
}

static void run_adopt(struct storage_task *t) {
  struct adopt_task *a = (struct adopt_task *)t;
  char dir[PATH_MAX];
  if (check_folder(a))
    return;
  for (size_t i = 0; i < a->count; i++)
    if (check_output(a, &a->outputs[i]))
      return;
  snprintf(dir, sizeof dir, "%s/%s", t->s->output, a->job_id);
  if (make_output_dir(a, dir) == 0 && move_outputs(a, dir))
    path_remove_tree(dir, NULL); /* the job ends without them */
}

static void after_adopt(struct storage_task *t) {
  struct adopt_task *a = (struct adopt_task *)t;
  a->done(a->arg, a->err.code, a->err.code ? &a->err : NULL);
  for (size_t i = 0; i < a->count; i++) {
    free(a->outputs[i].name);
    free(a->outputs[i].path);
    if (a->outputs[i].fd >= 0)
      close(a->outputs[i].fd);
  }
  free(a->outputs);
  free(a->folder);
  free(a);
}

void storage_adopt(struct storage *s, const char *job_id, const char *workdir,
                   const struct storage_output *outputs, size_t count, storage_wrote *done,
                   void *arg) {
  struct adopt_task *a = mem_alloc(sizeof *a);
  a->task.run = run_adopt;
  a->task.after = after_adopt;
  snprintf(a->job_id, sizeof a->job_id, "%s", job_id);
  a->folder = mem_dup(workdir);
  a->outputs = mem_array(count + 1, sizeof *a->outputs);
  a->count = count;
  for (size_t i = 0; i < count; i++)
    a->outputs[i] = (struct output){
        .name = mem_dup(outputs[i].name), .path = mem_dup(outputs[i].path), .fd = -1};
  a->done = done;
  a->arg = arg;
  storage_queue(s, &a->task);
}

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

int storage_open_artifact(const struct storage *s, const char *job_id, const char *name,
                          int64_t *bytes, struct err *err) {
  char path[PATH_MAX];
  struct stat st;
  if (!id_is_valid(job_id) || !path_is_plain_name(name))
    return err_set(err, ERR_NOT_FOUND, "there is no such artifact");
  int n = snprintf(path, sizeof path, "%s/%s/%s", s->output, job_id, name);
  if (n < 0 || (size_t)n >= sizeof path)
    return err_set(err, ERR_NOT_FOUND, "there is no such artifact");
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return err_sys(err, errno, "cannot open the artifact %s of job %s", name, job_id);
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s is no file", name, job_id);
  }
  *bytes = (int64_t)st.st_size;
  return fd;
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
