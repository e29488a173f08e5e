/* SPDX-License-Identifier: MIT
 *
 * An upload: bytes arrive on the loop, gather in `filling`, and go to disk and
 * through the hash on a pool thread while the next ones gather.
 *
 *   begin -> write* -> finish -> stored(blob)          the backend has it under its SHA-256
 *              \          \
 *               +-> abort  +-> abort                    nothing is left
 *
 * A small upload never gets a temporary file when its content is known already.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "storage/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  WRITE_AT = 128 << 10, /* so much is worth a turn on the pool */
  STOP_AT = 512 << 10,  /* so much waits at most: the sender is asked to pause */
  ROOM = 32 << 20, /* of all uploads together; past it each writes, and waits, piece by piece */
};

struct storage_upload {
  struct storage_task task; /* at most one at a time */
  struct storage *s;
  struct buf filling, writing;
  size_t counted; /* of their memory, to storage.upload_bytes */
  struct sha256 *hash;
  char *path; /* of the temporary file */
  int fd;     /* -1 before the first write */
  int64_t bytes, max_bytes;
  bool busy, finishing, aborted;
  struct err err; /* the first failure; code 0: none */
  storage_wrote *wrote;
  storage_stored *stored;
  void *arg;
  struct backend_put put;
  struct backend_file file;
};

struct storage_upload *storage_upload_begin(struct storage *s, int64_t max_bytes) {
  struct storage_upload *u = mem_alloc(sizeof *u);
  u->s = s;
  u->fd = -1;
  u->max_bytes = max_bytes;
  u->hash = sha256_begin();
  u->path = mem_printf("%s/%llu", s->uploads, (unsigned long long)s->next_upload++);
  return u;
}

static void count(struct storage_upload *u) {
  size_t now = u->filling.cap + u->writing.cap;
  u->s->upload_bytes += now - u->counted;
  u->counted = now;
}

/* Thousands of clients that stop in the middle of a file must not fill the memory with its pieces.
 */
static bool is_crowded(const struct storage_upload *u) {
  return u->s->upload_bytes > ROOM;
}

static void upload_free(struct storage_upload *u) {
  if (u->hash)
    sha256_end(u->hash, NULL);
  buf_free(&u->filling);
  buf_free(&u->writing);
  count(u);
  free(u->path);
  free(u);
}

/* Pool thread. */
static void drop_file(struct storage_upload *u) {
  if (u->fd < 0)
    return;
  close(u->fd);
  unlink(u->path);
  u->fd = -1;
}

static int make_file(struct storage_upload *u) {
  enum { HOW = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC };
  u->fd = open(u->path, HOW, 0400);
  if (u->fd < 0 && errno == ENOENT) {
    if (storage_check(u->s, &u->err))
      return u->err.code;
    u->fd = open(u->path, HOW, 0400);
  }
  return u->fd < 0 ? storage_fail(u->s, &u->err, errno, u->path, "store the upload") : 0;
}

static int write_all(struct storage_upload *u, const char *data, size_t len) {
  if (u->fd < 0 && make_file(u))
    return u->err.code;
  while (len > 0) {
    ssize_t n = write(u->fd, data, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return storage_fail(u->s, &u->err, errno, u->path, "store the upload");
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

static void run_write(struct storage_task *t) {
  struct storage_upload *u = (struct storage_upload *)t;
  sha256_add(u->hash, u->writing.data, u->writing.len);
  if (write_all(u, u->writing.data, u->writing.len))
    drop_file(u);
}

/* Its content is whole: what of it is in memory only is written where the blob is new. */
static int write_rest(struct backend_put *p) {
  struct storage_upload *u = container_of(p, struct storage_upload, put);
  if (write_all(u, u->filling.data, u->filling.len))
    return u->err.code;
  u->file.fd = u->fd;
  return 0;
}

static int stage(struct backend_put *p) {
  struct storage_upload *u = container_of(p, struct storage_upload, put);
  if (u->err.code)
    return u->err.code;
  sha256_add(u->hash, u->filling.data, u->filling.len);
  sha256_end(u->hash, u->file.kept.sha256);
  u->hash = NULL;
  u->file.kept.bytes = u->bytes;
  u->file.fd = u->fd;
  snprintf(p->key, sizeof p->key, "blobs/%s", u->file.kept.sha256);
  return 0;
}

/* Where it was kept, its old name is gone, and unlinking that is no failure. */
static void unstage(struct backend_put *p) {
  drop_file(container_of(p, struct storage_upload, put));
}

static void run_drop(struct storage_task *t) {
  drop_file((struct storage_upload *)t);
}

static void after_drop(struct storage_task *t) {
  upload_free((struct storage_upload *)t);
}

static void enqueue(struct storage_upload *u, void (*run)(struct storage_task *),
                    void (*after)(struct storage_task *)) {
  u->busy = true;
  u->task.run = run;
  u->task.after = after;
  storage_queue(u->s, &u->task);
}

static void start_drop(struct storage_upload *u) {
  if (u->fd < 0)
    upload_free(u);
  else
    enqueue(u, run_drop, after_drop);
}

static void on_put(struct backend_put *p) {
  struct storage_upload *u = container_of(p, struct storage_upload, put);
  const struct err *err = u->err.code ? &u->err : &p->err;
  struct storage_blob blob = {.bytes = u->bytes, .existed = u->file.existed};
  memcpy(blob.sha256, u->file.kept.sha256, sizeof blob.sha256);
  if (!u->aborted)
    u->stored(u->arg, err->code, err->code ? NULL : &blob, err->code ? err : NULL);
  upload_free(u);
}

static void keep(struct storage_upload *u) {
  struct backend *b = u->s->backend;
  u->busy = true;
  u->file = (struct backend_file){.fd = -1, .folder = AT_FDCWD, .path = u->path};
  u->put = (struct backend_put){.files = &u->file,
                                .count = 1,
                                .stage = stage,
                                .write = write_rest,
                                .unstage = unstage,
                                .done = on_put};
  b->ops->put(b, &u->put);
}

static void after_write(struct storage_task *t) {
  struct storage_upload *u = (struct storage_upload *)t;
  u->busy = false;
  if (is_crowded(u))
    buf_free(&u->writing);
  else
    buf_clear(&u->writing);
  count(u);
  if (u->aborted) {
    start_drop(u);
    return;
  }
  if (u->finishing) {
    keep(u);
    return;
  }
  storage_wrote *wrote = u->wrote;
  u->wrote = NULL;
  if (wrote)
    wrote(u->arg, u->err.code, u->err.code ? &u->err : NULL);
}

static void start_write(struct storage_upload *u) {
  struct buf swap = u->writing;
  u->writing = u->filling;
  u->filling = swap;
  enqueue(u, run_write, after_write);
}

int storage_upload_write(struct storage_upload *u, const void *data, size_t len,
                         storage_wrote *wrote, void *arg, struct err *err) {
  if (!u->busy && u->err.code)
    return err_set(err, u->err.code, "%s", u->err.text);
  if ((int64_t)len > u->max_bytes - u->bytes)
    return err_set(err, ERR_LIMIT, "the upload is larger than the allowed %lld bytes",
                   (long long)u->max_bytes);
  u->bytes += (int64_t)len;
  buf_put(&u->filling, data, len);
  count(u);
  bool crowded = is_crowded(u);
  if (!u->busy && (u->filling.len >= WRITE_AT || (crowded && len > 0)))
    start_write(u);
  if (!(crowded && u->busy) && u->filling.len < STOP_AT && !(u->busy && u->writing.len >= STOP_AT))
    return 0;
  u->wrote = wrote;
  u->arg = arg;
  return 1;
}

void storage_upload_finish(struct storage_upload *u, storage_stored *stored, void *arg) {
  u->finishing = true;
  u->wrote = NULL;
  u->stored = stored;
  u->arg = arg;
  if (!u->busy)
    keep(u);
}

void storage_upload_abort(struct storage_upload *u) {
  u->aborted = true;
  if (!u->busy)
    start_drop(u);
}
