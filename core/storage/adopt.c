/* SPDX-License-Identifier: MIT
 *
 * Artifacts: from an attempt's work folder into output/<job>/.
 *
 *   open below the work folder --> plain file? --> read-only --> rename --> is it what was opened?
 *       --> has somebody still got it? then a copy takes its place --> weigh --> hash
 *                                                                         `--> sync meanwhile
 *
 * Foreign code wrote the folder, and may write in it still.  So a file is looked at by its
 * descriptor alone, and what is hashed is what stays: a file that another process has open, or that
 * has more names (an input given back is one), is copied.
 */
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)
#define COPY_NAME ".copy" /* no artifact is called so */

struct output {
  char *name;
  char *path; /* below the attempt's folder */
  int fd;     /* open from the check to the sync; -1 otherwise */
};

struct adopt_task {
  struct storage_task task;
  char job_id[ID_SIZE];
  char *folder; /* of the attempt */
  int from, to; /* descriptors: of the attempt's folder, of output/<job>; -1: not open */
  struct output *outputs;
  struct storage_kept *kept;
  size_t count;
  int64_t total;           /* bytes, as they were found */
  int64_t left, max_bytes; /* left: what the next ones may have; max_bytes 0: no limit */
  struct err err;
  storage_adopted *done;
  void *arg;
};

static int open_below(int folder, const char *path, int flags) {
  struct open_how how = {
      .flags = (uint64_t)(flags | O_CLOEXEC),
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
  };
  return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/* The attempt's folder must be one right below the work root. */
static int open_folder(struct adopt_task *a) {
  const char *work = a->task.s->work;
  size_t len = strlen(work);
  bool fine = a->folder && strncmp(a->folder, work, len) == 0 && a->folder[len] == '/' &&
              path_is_plain_name(a->folder + len + 1);
  if (fine)
    a->from = open(a->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (a->from < 0 && storage_check(a->task.s, &a->err))
    return a->err.code;
  return a->from >= 0 ? 0 : err_set(&a->err, ERR_DENIED, "the attempt's work folder is not there");
}

/* Opens the file and makes sure that it is a plain one: first without touching what it may be, a
 * device or a pipe, then for reading. */
static int check_output(struct adopt_task *a, struct output *o) {
  char again[40];
  struct stat st;
  if (!path_is_plain_name(o->name))
    return err_set(&a->err, ERR_INVAL,
                   "the plugin gave an artifact a name that is not a file name");
  int fd = o->path ? open_below(a->from, o->path, O_PATH | O_NOFOLLOW) : -1;
  if (!o->path || (fd < 0 && (errno == EXDEV || errno == ELOOP)))
    return err_set(&a->err, ERR_DENIED,
                   "the artifact %s lies outside the attempt's work folder, or a link leads to it",
                   o->name);
  if (fd < 0)
    return err_sys(&a->err, errno, "cannot open the artifact %s", o->name);
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return err_set(&a->err, ERR_INVAL, "the artifact %s is not a regular file", o->name);
  }
  snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
  if (__builtin_add_overflow(a->total, (int64_t)st.st_size, &a->total))
    a->total = INT64_MAX;
  o->fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  int why = errno;
  close(fd);
  if (o->fd < 0 && why == EWOULDBLOCK)
    return err_set(&a->err, ERR_DENIED,
                   "the artifact %s is held by a process of the plugin (a lease), and nobody else "
                   "can read it",
                   o->name);
  return o->fd >= 0 ? 0 : err_sys(&a->err, why, "cannot open the artifact %s", o->name);
}

/* ---- into the job's folder ---- */

/* Our disk failed, not what the job left. */
static int disk_failed(struct adopt_task *a, int errnum, const char *name) {
  return storage_fail(a->task.s, &a->err, errnum, name, "keep the artifacts");
}

static int rename_output(struct adopt_task *a, const struct output *o) {
  const char *slash = strrchr(o->path, '/'), *base = slash ? slash + 1 : o->path;
  char *parent = slash ? mem_printf("%.*s", (int)(slash - o->path), o->path) : NULL;
  int dir = parent ? open_below(a->from, parent, O_RDONLY | O_DIRECTORY) : a->from;
  int rc = 0;
  if (dir < 0 || renameat(dir, base, a->to, o->name) < 0)
    rc = errno == ENOENT || errno == EXDEV || errno == ELOOP
             ? err_sys(&a->err, errno, "cannot move the artifact %s to the job's outputs", o->name)
             : disk_failed(a, errno, o->name);
  if (parent && dir >= 0)
    close(dir);
  free(parent);
  return rc;
}

static int move_output(struct adopt_task *a, struct output *o) {
  struct stat checked, moved;
  /* From now on no job opens it for writing; a set-user bit goes too. */
  if (fchmod(o->fd, 0444))
    return err_sys(&a->err, errno, "cannot make the artifact %s read-only", o->name);
  if (rename_output(a, o))
    return a->err.code;
  if (fstat(o->fd, &checked) || fstatat(a->to, o->name, &moved, AT_SYMLINK_NOFOLLOW))
    return err_sys(&a->err, errno, "cannot look at the artifact %s", o->name);
  if (checked.st_dev != moved.st_dev || checked.st_ino != moved.st_ino) {
    unlinkat(a->to, o->name, 0);
    return err_set(&a->err, ERR_DENIED, "the artifact %s was exchanged while it was taken",
                   o->name);
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

/* A file of our own with what the other holds now takes its name, and its place in `o`. */
static int copy_output(struct adopt_task *a, struct output *o) {
  char *piece = mem_alloc(READ_SIZE);
  int out = openat(a->to, COPY_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0444);
  int64_t at = 0;
  ssize_t n = out < 0 ? -1 : 0;
  while (out >= 0 && (n = pread(o->fd, piece, READ_SIZE, at)) > 0) {
    at += n;
    if (a->max_bytes && at > a->left)
      break; /* it grows; measured below */
    if (write(out, piece, (size_t)n) != n) {
      n = -1;
      break;
    }
  }
  if (n < 0 || renameat(a->to, COPY_NAME, a->to, o->name) < 0)
    disk_failed(a, errno, o->name);
  if (a->err.code && out >= 0) {
    unlinkat(a->to, COPY_NAME, 0);
    close(out);
  } else if (out >= 0) {
    close(o->fd);
    o->fd = out;
  }
  free(piece);
  return a->err.code;
}

static int too_much(struct adopt_task *a) {
  return err_set(&a->err, ERR_LIMIT,
                 "the job's artifacts have more than the allowed %lld bytes together (job_output)",
                 (long long)a->max_bytes);
}

static int weigh(struct adopt_task *a, const struct output *o, struct storage_kept *kept) {
  struct stat st;
  if (fstat(o->fd, &st))
    return err_sys(&a->err, errno, "cannot look at the artifact %s", o->name);
  kept->bytes = st.st_size;
  if (a->max_bytes && kept->bytes > a->left)
    return too_much(a);
  a->left -= kept->bytes;
  return 0;
}

/* More than was there when it was weighed is not read. */
static int hash(struct adopt_task *a, const struct output *o, struct storage_kept *kept) {
  char *piece = mem_alloc(READ_SIZE);
  struct sha256 *sum = sha256_begin();
  int64_t at = 0;
  ssize_t n;
  while (at <= kept->bytes && (n = pread(o->fd, piece, READ_SIZE, at)) > 0) {
    sha256_add(sum, piece, (size_t)n);
    at += n;
  }
  sha256_end(sum, kept->sha256);
  free(piece);
  return at == kept->bytes ? 0
                           : err_set(&a->err, ERR_DENIED,
                                     "the artifact %s was changed while it was taken", o->name);
}

static int take_output(struct adopt_task *a, size_t i) {
  struct output *o = &a->outputs[i];
  struct stat st;
  if (fstat(o->fd, &st))
    return err_sys(&a->err, errno, "cannot look at the artifact %s", o->name);
  if (a->max_bytes && st.st_size > a->left)
    return too_much(a);
  bool shared = st.st_nlink > 1;
  int rc = shared ? copy_output(a, o) : move_output(a, o);
  if (rc == 0 && !shared && is_held(o->fd))
    rc = copy_output(a, o);
  if (rc == 0)
    rc = weigh(a, o, &a->kept[i]);
  if (rc == 0 && a->task.s->sync) /* writing starts now, and is waited for when all are taken */
    sync_file_range(o->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  return rc;
}

static int hash_outputs(struct adopt_task *a) {
  int rc = 0;
  for (size_t i = 0; i < a->count && rc == 0; i++)
    rc = hash(a, &a->outputs[i], &a->kept[i]);
  return rc;
}

/* The files, their folder and its name.  All names were changed before, so that one commit of the
 * file system's journal serves most of it. */
static int sync_and_hash(struct adopt_task *a) {
  struct storage *s = a->task.s;
  int output = open(s->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (output < 0)
    return disk_failed(a, errno, s->output);
  int *fds = mem_array(a->count + 2, sizeof *fds);
  struct storage_group group = {.fds = fds, .count = a->count + 2};
  for (size_t i = 0; i < a->count; i++)
    fds[i] = a->outputs[i].fd;
  fds[a->count] = a->to;
  fds[a->count + 1] = output;
  storage_sync_begin(&s->syncers, &group);
  int rc = hash_outputs(a);
  int errnum = storage_sync_end(&s->syncers, &group);
  if (rc == 0 && errnum)
    rc = disk_failed(a, errnum, a->job_id);
  close(output);
  free(fds);
  return rc;
}

/* An empty folder for the job's results: what an earlier attempt left in it is named by no row. */
static int open_target(struct adopt_task *a, const char *dir) {
  bool made = mkdir(dir, 0700) == 0;
  if (!made && errno == ENOENT && storage_check(a->task.s, &a->err))
    return a->err.code;
  if (!made && errno == EEXIST && path_remove_tree(dir, NULL))
    return disk_failed(a, errno, dir);
  if (!made && mkdir(dir, 0700))
    return disk_failed(a, errno, dir);
  a->to = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return a->to >= 0 ? 0 : disk_failed(a, errno, dir);
}

static int take_outputs(struct adopt_task *a) {
  int rc = 0;
  for (size_t i = 0; i < a->count && rc == 0; i++)
    rc = take_output(a, i);
  if (rc)
    return rc;
  return a->task.s->sync ? sync_and_hash(a) : hash_outputs(a);
}

static void adopt(struct adopt_task *a) {
  char dir[PATH_MAX];
  if (open_folder(a))
    return;
  for (size_t i = 0; i < a->count; i++)
    if (check_output(a, &a->outputs[i]))
      return;
  if (a->max_bytes && a->total > a->max_bytes) { /* before the first is read */
    too_much(a);
    return;
  }
  snprintf(dir, sizeof dir, "%s/%s", a->task.s->output, a->job_id);
  if (open_target(a, dir) == 0 && take_outputs(a))
    path_remove_tree(dir, NULL); /* the job ends without them */
}

static void run_adopt(struct storage_task *t) {
  struct adopt_task *a = (struct adopt_task *)t;
  adopt(a);
  for (size_t i = 0; i < a->count; i++)
    if (a->outputs[i].fd >= 0)
      close(a->outputs[i].fd);
  if (a->from >= 0)
    close(a->from);
  if (a->to >= 0)
    close(a->to);
}

static void after_adopt(struct storage_task *t) {
  struct adopt_task *a = (struct adopt_task *)t;
  bool failed = a->err.code != 0;
  a->done(a->arg, a->err.code, failed ? NULL : a->kept, failed ? &a->err : NULL);
  for (size_t i = 0; i < a->count; i++) {
    free(a->outputs[i].name);
    free(a->outputs[i].path);
  }
  free(a->outputs);
  free(a->kept);
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
  struct adopt_task *a = mem_alloc(sizeof *a);
  a->task.run = run_adopt;
  a->task.after = after_adopt;
  snprintf(a->job_id, sizeof a->job_id, "%s", job_id);
  a->folder = mem_dup(workdir);
  a->from = a->to = -1;
  a->outputs = mem_array(count + 1, sizeof *a->outputs);
  a->kept = mem_array(count + 1, sizeof *a->kept);
  a->count = count;
  a->left = a->max_bytes = max_bytes > 0 ? max_bytes : 0;
  for (size_t i = 0; i < count; i++)
    a->outputs[i] = (struct output){
        .name = mem_dup(outputs[i].name), .path = below(workdir, outputs[i].path), .fd = -1};
  a->done = done;
  a->arg = arg;
  storage_queue(s, &a->task);
}
