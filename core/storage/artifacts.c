/* SPDX-License-Identifier: MIT
 *
 * Artifacts: to whoever reads them, and away with their job.  How they came there is in adopt.c.
 */
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- are they as they were? ---- */

struct check {
  char job_id[ID_SIZE];
  struct storage_file *files; /* names owned */
  size_t count;
  int64_t since_us;
  storage_wrote *done;
  void *arg;
};

static int check_file(const struct check *c, const struct storage_file *f,
                      const struct backend_object *o, struct err *err) {
  if (o->code < 0)
    return err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s is no longer there", f->name,
                   c->job_id);
  if (o->bytes != f->bytes)
    return err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s has %lld bytes, not %lld",
                   f->name, c->job_id, (long long)o->bytes, (long long)f->bytes);
  if (o->changed_us > c->since_us)
    return err_set(err, ERR_NOT_FOUND, "the artifact %s of job %s was changed", f->name, c->job_id);
  return 0;
}

static void on_checked(void *arg, const struct backend_object *objects, size_t count) {
  struct check *c = arg;
  struct err err = {0};
  for (size_t i = 0; i < count && err.code == 0; i++)
    check_file(c, &c->files[i], &objects[i], &err);
  c->done(c->arg, err.code, err.code ? &err : NULL);
  for (size_t i = 0; i < c->count; i++)
    free((char *)c->files[i].name);
  free(c->files);
  free(c);
}

void storage_check_artifacts(struct storage *s, const char *job_id,
                             const struct storage_file *files, size_t count, int64_t since_us,
                             storage_wrote *done, void *arg) {
  struct check *c = mem_alloc(sizeof *c);
  char **keys = mem_array(count + 1, sizeof *keys);
  *c = (struct check){.count = count, .since_us = since_us, .done = done, .arg = arg};
  snprintf(c->job_id, sizeof c->job_id, "%s", job_id);
  c->files = mem_array(count + 1, sizeof *c->files);
  for (size_t i = 0; i < count; i++) {
    c->files[i] = (struct storage_file){.name = mem_dup(files[i].name), .bytes = files[i].bytes};
    keys[i] = mem_printf("output/%s/%s", job_id, files[i].name);
  }
  s->backend->ops->stat(s->backend, (const char *const *)keys, count, false, on_checked, c);
  for (size_t i = 0; i < count; i++)
    free(keys[i]);
  free(keys);
}

/* ---- their content ---- */

int storage_open_artifact(struct storage *s, const char *job_id, const char *name, int64_t *bytes,
                          struct err *err) {
  char *key = mem_printf("output/%s/%s", job_id, name);
  int fd = s->backend->ops->wait_get(s->backend, key, bytes, err);
  free(key);
  return fd;
}

void storage_get_artifact(struct storage *s, const char *job_id, const char *name,
                          void (*done)(void *arg, int code, const struct storage_content *content,
                                       const struct err *err),
                          void *arg) {
  char *key = mem_printf("output/%s/%s", job_id, name);
  s->backend->ops->get(s->backend, key, done, arg);
  free(key);
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

void storage_remove_jobs(struct storage *s, const char *const *job_ids, size_t count,
                         storage_wrote *done, void *arg) {
  char **keys = mem_array(count + 1, sizeof *keys);
  for (size_t i = 0; i < count; i++)
    keys[i] = mem_printf("output/%s/", job_ids[i]);
  s->backend->ops->remove(s->backend, (const char *const *)keys, count, INT64_MAX, done, arg);
  for (size_t i = 0; i < count; i++)
    free(keys[i]);
  free(keys);
}

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

void storage_remove_work(struct storage *s, const char *name) {
  if (!path_is_plain_name(name))
    return;
  struct tree_task *r = trees_new(1, NULL, NULL);
  r->paths[r->count++] = path_join(s->work, name);
  storage_queue(s, &r->task);
}
