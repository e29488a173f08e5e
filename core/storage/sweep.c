/* SPDX-License-Identifier: MIT
 *
 * What lies there and may be of no use: which folders of results there are, and what an earlier
 * life left of uploads and attempts.
 *
 *   uploads/, work/ --rename--> removed/ --(pool, while jobs run)--> gone
 *   output/<job>    --rename--> set-aside/output/<job>               kept for the admin
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "observe/log.h"
#include "storage/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- an earlier life ---- */

int storage_empty_folder(struct storage *s, const char *path, struct err *err) {
  if (rmdir(path) == 0 || errno == ENOENT)
    return path_make_dirs(path, err);
  char *bin = path_join(s->root, "removed");
  char *to = mem_printf("%s/%s-%lld", bin, strrchr(path, '/') + 1, (long long)clock_wall_us());
  int rc = path_make_dirs(bin, err);
  if (rc == 0 && rename(path, to))
    rc = err_sys(err, errno, "cannot move %s to %s", path, to);
  free(to);
  free(bin);
  return rc ? rc : path_make_dirs(path, err);
}

struct discard_task {
  struct storage_task task;
  struct err err;
};

static void run_discard(struct storage_task *t) {
  struct discard_task *d = (struct discard_task *)t;
  char *bin = path_join(t->s->root, "removed");
  path_remove_tree(bin, &d->err);
  free(bin);
}

static void after_discard(struct storage_task *t) {
  struct discard_task *d = (struct discard_task *)t;
  if (d->err.code)
    log_warn("storage.sweep", "leftovers of an earlier run stay: %s", d->err.text);
  free(d);
}

void storage_discard_removed(struct storage *s) {
  char *bin = path_join(s->root, "removed");
  bool there = access(bin, F_OK) == 0;
  free(bin);
  if (!there)
    return;
  struct discard_task *d = mem_alloc(sizeof *d);
  d->task.run = run_discard;
  d->task.after = after_discard;
  storage_queue(s, &d->task);
}

/* ---- is there anything? ---- */

static bool has_entries(const char *path) {
  DIR *dir = opendir(path);
  bool found = false;
  for (struct dirent *e; dir && !found && (e = readdir(dir));)
    found = e->d_name[0] != '.';
  if (dir)
    closedir(dir);
  return found;
}

bool storage_has_files(const char *data_dir) {
  char *output = path_join(data_dir, "output"), *blobs = path_join(data_dir, "blobs");
  bool found = has_entries(output);
  DIR *dir = found ? NULL : opendir(blobs);
  for (struct dirent *e; dir && !found && (e = readdir(dir));) {
    char *shard = path_join(blobs, e->d_name);
    found = e->d_name[0] != '.' && has_entries(shard);
    free(shard);
  }
  if (dir)
    closedir(dir);
  free(blobs);
  free(output);
  return found;
}

/* ---- folders of results ---- */

void storage_list_outputs(struct storage *s,
                          void (*done)(void *arg, const char *const *job_ids, size_t count,
                                       bool more),
                          void *arg) {
  s->backend->ops->list(s->backend, "output/", INT64_MAX, done, arg);
}

/* ---- kept for the admin ---- */

struct aside_task {
  struct storage_task task;
  char (*ids)[ID_SIZE];
  size_t count;
  struct err err;
  storage_wrote *done;
  void *arg;
};

static void run_aside(struct storage_task *t) {
  struct aside_task *a = (struct aside_task *)t;
  char *dir = path_join(t->s->root, "set-aside/output");
  int rc = path_make_dirs(dir, &a->err);
  for (size_t i = 0; rc == 0 && i < a->count; i++) {
    char *from = path_join(t->s->output, a->ids[i]), *to = path_join(dir, a->ids[i]);
    if (rename(from, to) && errno != ENOENT)
      err_sys(&a->err, errno, "cannot move %s to %s", from, to);
    free(from);
    free(to);
  }
  free(dir);
}

static void after_aside(struct storage_task *t) {
  struct aside_task *a = (struct aside_task *)t;
  if (a->done)
    a->done(a->arg, a->err.code, a->err.code ? &a->err : NULL);
  free(a->ids);
  free(a);
}

void storage_set_jobs_aside(struct storage *s, const char *const *job_ids, size_t count,
                            storage_wrote *done, void *arg) {
  struct aside_task *a = mem_alloc(sizeof *a);
  a->task.run = run_aside;
  a->task.after = after_aside;
  a->ids = mem_array(count + 1, sizeof *a->ids);
  for (size_t i = 0; i < count; i++)
    if (id_is_valid(job_ids[i]))
      memcpy(a->ids[a->count++], job_ids[i], ID_SIZE);
  a->done = done;
  a->arg = arg;
  storage_queue(s, &a->task);
}
