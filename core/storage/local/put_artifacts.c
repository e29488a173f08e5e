/* SPDX-License-Identifier: MIT
 *
 * Artifacts: from where they were found into output/<job>/.
 *
 *   read-only --> rename --> is it what was opened? --> has somebody still got it? then a copy takes
 *       its place --> weigh --> hash
 *                          `--> sync meanwhile
 *
 * Foreign code wrote them, and may write in them still.  So a file is looked at by its descriptor
 * alone, and what is hashed is what stays: a file that another process has open, or that has more
 * names (an input given back is one), is copied.
 */
#include "base/mem.h"
#include "base/path.h"
#include "storage/local/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)
#define COPY_NAME ".copy" /* no artifact is called so */

struct keep {
  struct local *l;
  struct backend_put *p;
  int to;       /* output/<job> */
  int64_t left; /* bytes that the next ones may have */
};

/* Our disk failed, not what the job left. */
static int disk_failed(struct keep *k, int errnum, const char *name) {
  return storage_fail(k->l->s, &k->p->err, errnum, name, "keep the artifacts");
}

static int rename_output(struct keep *k, const struct backend_file *f) {
  const char *slash = strrchr(f->path, '/'), *base = slash ? slash + 1 : f->path;
  char *parent = slash ? mem_printf("%.*s", (int)(slash - f->path), f->path) : NULL;
  int dir = parent ? storage_open_below(f->folder, parent, O_RDONLY | O_DIRECTORY) : f->folder;
  int rc = 0;
  if (dir < 0 || renameat(dir, base, k->to, f->name) < 0)
    rc = errno == ENOENT || errno == EXDEV || errno == ELOOP
             ? err_sys(&k->p->err, errno, "cannot move the artifact %s to the job's outputs",
                       f->name)
             : disk_failed(k, errno, f->name);
  if (parent && dir >= 0)
    close(dir);
  free(parent);
  return rc;
}

static int move_output(struct keep *k, struct backend_file *f) {
  struct stat checked, moved;
  /* From now on no job opens it for writing; a set-user bit goes too. */
  if (fchmod(f->fd, 0444))
    return err_sys(&k->p->err, errno, "cannot make the artifact %s read-only", f->name);
  if (rename_output(k, f))
    return k->p->err.code;
  if (fstat(f->fd, &checked) || fstatat(k->to, f->name, &moved, AT_SYMLINK_NOFOLLOW))
    return err_sys(&k->p->err, errno, "cannot look at the artifact %s", f->name);
  if (checked.st_dev != moved.st_dev || checked.st_ino != moved.st_ino) {
    unlinkat(k->to, f->name, 0);
    return err_set(&k->p->err, ERR_DENIED, "the artifact %s was exchanged while it was taken",
                   f->name);
  }
  return 0;
}

/* Has another process it open or mapped?  One that may write changes it; one that may only read
 * can take a lease, and whoever opens it waits.  Where the file system cannot tell: yes. */
static bool is_held(int fd) {
  fcntl(fd, F_SETSIG, SIGURG); /* which is ignored; the lease lives for two system calls */
  if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
    return true;
  fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

/* A file of our own with what the other holds now takes its name, and its place in `f`. */
static int copy_output(struct keep *k, struct backend_file *f) {
  char *piece = mem_alloc(READ_SIZE);
  int out = openat(k->to, COPY_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0444);
  int64_t at = 0;
  ssize_t n = out < 0 ? -1 : 0;
  while (out >= 0 && (n = pread(f->fd, piece, READ_SIZE, at)) > 0) {
    at += n;
    if (k->p->max_bytes && at > k->left)
      break; /* it grows; measured below */
    if (write(out, piece, (size_t)n) != n) {
      n = -1;
      break;
    }
  }
  if (n < 0 || renameat(k->to, COPY_NAME, k->to, f->name) < 0)
    disk_failed(k, errno, f->name);
  if (k->p->err.code && out >= 0) {
    unlinkat(k->to, COPY_NAME, 0);
    close(out);
  } else if (out >= 0) {
    close(f->fd);
    f->fd = out;
  }
  free(piece);
  return k->p->err.code;
}

static int too_much(struct keep *k) {
  return err_set(&k->p->err, ERR_LIMIT,
                 "the job's artifacts have more than the allowed %lld bytes together (job_output)",
                 (long long)k->p->max_bytes);
}

static int weigh(struct keep *k, const struct backend_file *f, struct storage_kept *kept) {
  struct stat st;
  if (fstat(f->fd, &st))
    return err_sys(&k->p->err, errno, "cannot look at the artifact %s", f->name);
  kept->bytes = st.st_size;
  if (k->p->max_bytes && kept->bytes > k->left)
    return too_much(k);
  k->left -= kept->bytes;
  return 0;
}

/* More than was there when it was weighed is not read. */
static int hash(struct keep *k, const struct backend_file *f, struct storage_kept *kept) {
  char *piece = mem_alloc(READ_SIZE);
  struct sha256 *sum = sha256_begin();
  int64_t at = 0;
  ssize_t n;
  while (at <= kept->bytes && (n = pread(f->fd, piece, READ_SIZE, at)) > 0) {
    sha256_add(sum, piece, (size_t)n);
    at += n;
  }
  sha256_end(sum, kept->sha256);
  free(piece);
  return at == kept->bytes ? 0
                           : err_set(&k->p->err, ERR_DENIED,
                                     "the artifact %s was changed while it was taken", f->name);
}

static int take_output(struct keep *k, size_t i) {
  struct backend_file *f = &k->p->files[i];
  struct stat st;
  if (fstat(f->fd, &st))
    return err_sys(&k->p->err, errno, "cannot look at the artifact %s", f->name);
  if (k->p->max_bytes && st.st_size > k->left)
    return too_much(k);
  bool shared = st.st_nlink > 1;
  int rc = shared ? copy_output(k, f) : move_output(k, f);
  if (rc == 0 && !shared && is_held(f->fd))
    rc = copy_output(k, f);
  if (rc == 0)
    rc = weigh(k, f, &k->p->files[i].kept);
  if (rc == 0 && k->p->sync) /* writing starts now, and is waited for when all are taken */
    sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  return rc;
}

static int hash_outputs(struct keep *k) {
  int rc = 0;
  for (size_t i = 0; i < k->p->count && rc == 0; i++)
    rc = hash(k, &k->p->files[i], &k->p->files[i].kept);
  return rc;
}

/* The files, their folder and its name.  All names were changed before, so that one commit of the
 * file system's journal serves most of it. */
static int sync_and_hash(struct keep *k) {
  struct storage *s = k->l->s;
  int output = open(s->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (output < 0)
    return disk_failed(k, errno, s->output);
  int *fds = mem_array(k->p->count + 2, sizeof *fds);
  struct sync_group group = {.fds = fds, .count = k->p->count + 2};
  for (size_t i = 0; i < k->p->count; i++)
    fds[i] = k->p->files[i].fd;
  fds[k->p->count] = k->to;
  fds[k->p->count + 1] = output;
  sync_begin(&k->l->syncers, &group);
  int rc = hash_outputs(k);
  int errnum = sync_end(&k->l->syncers, &group);
  if (rc == 0 && errnum)
    rc = disk_failed(k, errnum, k->p->key);
  close(output);
  free(fds);
  return rc;
}

/* An empty folder for the job's results: what an earlier attempt left in it is named by no row. */
static int open_target(struct keep *k, const char *dir) {
  bool made = mkdir(dir, 0700) == 0;
  if (!made && errno == ENOENT && storage_check(k->l->s, &k->p->err))
    return k->p->err.code;
  if (!made && errno == EEXIST && path_remove_tree(dir, NULL))
    return disk_failed(k, errno, dir);
  if (!made && mkdir(dir, 0700))
    return disk_failed(k, errno, dir);
  k->to = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return k->to >= 0 ? 0 : disk_failed(k, errno, dir);
}

static int take_outputs(struct keep *k) {
  int rc = 0;
  for (size_t i = 0; i < k->p->count && rc == 0; i++)
    rc = take_output(k, i);
  if (rc)
    return rc;
  return k->p->sync ? sync_and_hash(k) : hash_outputs(k);
}

void local_keep_artifacts(struct local *l, struct backend_put *p) {
  struct keep k = {.l = l, .p = p, .to = -1, .left = p->max_bytes};
  char dir[PATH_MAX];
  if (local_path(l, p->key, dir)) {
    err_set(&p->err, ERR_INVAL, "%s is not a job's key", p->key);
    return;
  }
  if (open_target(&k, dir) == 0 && take_outputs(&k))
    path_remove_tree(dir, NULL); /* the job ends without them */
  if (k.to >= 0)
    close(k.to);
}
