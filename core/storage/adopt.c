/* SPDX-License-Identifier: MIT
 *
 * Artifacts: from an attempt's work folder to the backend.
 *
 *   open below the work folder --> a plain file? --> the backend keeps it, and measures what it keeps
 *
 * Foreign code wrote the folder, and may write in it still: each file is opened below the folder and
 * by no link, and its descriptor goes on.
 */
#include "base/mem.h"
#include "base/path.h"
#include "storage/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct adopt {
  struct backend_put put;
  struct storage *s;
  char *folder;  /* of the attempt */
  int from;      /* its descriptor */
  int64_t total; /* bytes, as they were found */
  storage_adopted *done;
  void *arg;
};

int storage_open_below(int folder, const char *path, int flags) {
  struct open_how how = {
      .flags = (uint64_t)(flags | O_CLOEXEC),
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
  };
  return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/* The attempt's folder must be one right below the work root. */
static int open_folder(struct adopt *a) {
  const char *work = a->s->work;
  size_t len = strlen(work);
  bool fine = a->folder && strncmp(a->folder, work, len) == 0 && a->folder[len] == '/' &&
              path_is_plain_name(a->folder + len + 1);
  if (fine)
    a->from = open(a->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (a->from < 0 && storage_check(a->s, &a->put.err))
    return a->put.err.code;
  return a->from >= 0 ? 0
                      : err_set(&a->put.err, ERR_DENIED, "the attempt's work folder is not there");
}

/* Opens the file and makes sure that it is a plain one: first without touching what it may be, a
 * device or a pipe, then for reading. */
static int check_output(struct adopt *a, struct backend_file *f) {
  struct err *err = &a->put.err;
  char again[40];
  struct stat st;
  if (!path_is_plain_name(f->name))
    return err_set(err, ERR_INVAL, "the plugin gave an artifact a name that is not a file name");
  int fd = f->path ? storage_open_below(a->from, f->path, O_PATH | O_NOFOLLOW) : -1;
  if (!f->path || (fd < 0 && (errno == EXDEV || errno == ELOOP)))
    return err_set(err, ERR_DENIED,
                   "the artifact %s lies outside the attempt's work folder, or a link leads to it",
                   f->name);
  if (fd < 0)
    return err_sys(err, errno, "cannot open the artifact %s", f->name);
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return err_set(err, ERR_INVAL, "the artifact %s is not a regular file", f->name);
  }
  snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
  if (__builtin_add_overflow(a->total, (int64_t)st.st_size, &a->total))
    a->total = INT64_MAX;
  f->folder = a->from;
  f->fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  int why = errno;
  close(fd);
  if (f->fd < 0 && why == EWOULDBLOCK)
    return err_set(err, ERR_DENIED,
                   "the artifact %s is held by a process of the plugin (a lease), and nobody else "
                   "can read it",
                   f->name);
  return f->fd >= 0 ? 0 : err_sys(err, why, "cannot open the artifact %s", f->name);
}

static int stage(struct backend_put *p) {
  struct adopt *a = (struct adopt *)p;
  if (open_folder(a))
    return p->err.code;
  for (size_t i = 0; i < p->count; i++)
    if (check_output(a, &p->files[i]))
      return p->err.code;
  if (p->max_bytes && a->total > p->max_bytes) /* before the first is read */
    return err_set(
        &p->err, ERR_LIMIT,
        "the job's artifacts have more than the allowed %lld bytes together (job_output)",
        (long long)p->max_bytes);
  return 0;
}

static void unstage(struct backend_put *p) {
  struct adopt *a = (struct adopt *)p;
  for (size_t i = 0; i < p->count; i++)
    if (p->files[i].fd >= 0)
      close(p->files[i].fd);
  if (a->from >= 0)
    close(a->from);
}

static void on_put(struct backend_put *p) {
  struct adopt *a = (struct adopt *)p;
  bool failed = p->err.code != 0;
  struct storage_kept *kept = mem_array(p->count + 1, sizeof *kept);
  for (size_t i = 0; i < p->count; i++)
    kept[i] = p->files[i].kept;
  a->done(a->arg, p->err.code, failed ? NULL : kept, failed ? &p->err : NULL);
  for (size_t i = 0; i < p->count; i++) {
    free((char *)p->files[i].name);
    free((char *)p->files[i].path);
  }
  free(kept);
  free(p->files);
  free(a->folder);
  free(a);
}

/* What follows the folder; NULL: it does not begin with it. */
static char *below(const char *folder, const char *path) {
  size_t len = folder ? strlen(folder) : 0;
  return len && strncmp(path, folder, len) == 0 && path[len] == '/' ? mem_dup(path + len + 1)
                                                                    : NULL;
}

void storage_adopt(struct storage *s, const char *job_id, const char *workdir,
                   const struct storage_output *outputs, size_t count, int64_t max_bytes,
                   storage_adopted *done, void *arg) {
  struct adopt *a = mem_alloc(sizeof *a);
  *a = (struct adopt){.s = s, .folder = mem_dup(workdir), .from = -1, .done = done, .arg = arg};
  a->put = (struct backend_put){.files = mem_array(count + 1, sizeof *a->put.files),
                                .count = count,
                                .max_bytes = max_bytes > 0 ? max_bytes : 0,
                                .sync = s->sync,
                                .stage = stage,
                                .unstage = unstage,
                                .done = on_put};
  snprintf(a->put.key, sizeof a->put.key, "output/%s/", job_id);
  for (size_t i = 0; i < count; i++)
    a->put.files[i] = (struct backend_file){
        .name = mem_dup(outputs[i].name), .path = below(workdir, outputs[i].path), .fd = -1};
  s->backend->ops->put(s->backend, &a->put);
}
