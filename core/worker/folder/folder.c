/* SPDX-License-Identifier: MIT */
#include "worker/folder/folder.h"

#include "base/mem.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void folder_path(char *out, size_t size, const char *root, const char *stem, uint64_t token) {
  snprintf(out, size, "%s/%s.%" PRIu64, root, stem, token);
}

/* A job may write in the folders that lie around the one that is made (its own cell), and exchange
 * them for links meanwhile; who fills it is not jailed.  So each step goes by the descriptor of the
 * one before, and by no path. */

static int copy_input(const char *from, int dir, const char *name, struct err *err) {
  int rc = 0;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
  if (in < 0)
    return err_sys(err, errno, "the input %s cannot be read", from);
  out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
  if (out < 0) {
    rc = err_sys(err, errno, "the input cannot be copied to %s", name);
    goto done;
  }
  ssize_t n;
  while ((n = sendfile(out, in, NULL, 64 << 20)) > 0)
    ;
  if (n < 0)
    rc = err_sys(err, errno, "the input cannot be copied to %s", name);
done:
  if (out >= 0)
    close(out);
  close(in);
  return rc;
}

static int put_input(int dir, const struct wire_input_file *input, struct err *err) {
  if (!path_is_plain_name(input->name))
    return err_set(err, ERR_INVAL, "the name of an input is not a plain file name");
  if (linkat(AT_FDCWD, input->path, dir, input->name, 0) == 0)
    return 0;
  if (errno == ENOENT)
    return err_sys(err, errno, "the input %s is gone", input->path);
  return copy_input(input->path, dir, input->name, err);
}

/* `made`: in/ is there. */
static int put_inputs(const struct folder *f, bool made, const struct wire_input_file *inputs,
                      size_t count, struct err *err) {
  int rc = 0, dir = made || mkdirat(f->fd, "in", 0700) == 0 ? openat(f->fd, "in", OPEN_FOLDER) : -1;
  if (dir < 0)
    return err_sys(err, errno, "the folder %s/in cannot be made", f->path);
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = put_input(dir, &inputs[i], err);
  close(dir);
  return rc;
}

void folder_ahead(char *out, size_t size, const char *work_root, const char *stem, pid_t pid) {
  snprintf(out, size, "%s/%s/ahead-%d", work_root, stem, (int)pid);
}

void folder_make_ahead(const char *work_root, const char *stem, pid_t pid) {
  char path[PATH_MAX], in[PATH_MAX + 3];
  snprintf(path, sizeof path, "%s/%s", work_root, stem);
  mkdir(path, 0700); /* it may be there */
  folder_ahead(path, sizeof path, work_root, stem, pid);
  snprintf(in, sizeof in, "%s/in", path);
  path_remove_tree(path, NULL); /* of an earlier process of this number */
  if (mkdir(path, 0700) == 0 && mkdir(in, 0700) < 0)
    rmdir(path);
}

void folder_drop_ahead(const char *work_root, const char *stem, pid_t pid) {
  char path[PATH_MAX];
  folder_ahead(path, sizeof path, work_root, stem, pid);
  path_remove_tree(path, NULL);
}

static int make_empty(const char *path, struct err *err) {
  if (mkdir(path, 0700) == 0)
    return 0;
  int rc = errno == EEXIST ? path_remove_tree(path, err) : 0;
  if (rc < 0)
    return rc;
  return mkdir(path, 0700) == 0 ? 0
                                : err_sys(err, errno, "the work folder %s cannot be made", path);
}

int folder_make_of(struct folder *f, const char *ahead, const char *root, const char *stem,
                   uint64_t token, const struct wire_input_file *inputs, size_t count,
                   struct err *err) {
  f->fd = -1;
  f->token = token;
  f->input_bytes = folder_input_bytes(inputs, count);
  folder_path(f->path, sizeof f->path, root, stem, token);
  bool made = ahead && rename(ahead, f->path) == 0;
  int rc = made ? 0 : make_empty(f->path, err);
  if (rc < 0)
    return rc;
  f->fd = open(f->path, OPEN_FOLDER);
  if (f->fd < 0)
    return err_sys(err, errno, "the work folder %s cannot be opened", f->path);
  if (made && count == 0)
    unlinkat(f->fd, "in", AT_REMOVEDIR);
  return count == 0 ? 0 : put_inputs(f, made, inputs, count, err);
}

int folder_make(struct folder *f, const char *root, const char *stem, uint64_t token,
                const struct wire_input_file *inputs, size_t count, struct err *err) {
  return folder_make_of(f, NULL, root, stem, token, inputs, count, err);
}

char *folder_cell(const char *work_root, const char *stem) {
  return mem_printf("%s/%s", work_root, stem);
}

char *folder_cell_of(const char *work_root, const char *stem, uint64_t token) {
  return mem_printf("%s/%s/%" PRIu64, work_root, stem, token);
}

int folder_finish(const char *cell, const char *work_root, const char *stem, uint64_t token,
                  uint64_t as, struct err *err) {
  char from[PATH_MAX], to[PATH_MAX];
  struct stat st;
  folder_path(from, sizeof from, cell, stem, token);
  folder_path(to, sizeof to, work_root, stem, as);
  if (lstat(from, &st) < 0 || (S_ISDIR(st.st_mode) && rename(from, to) < 0))
    return err_sys(err, errno, "the work folder %s cannot be moved to %s", from, to);
  return S_ISDIR(st.st_mode)
             ? 0
             : err_set(err, ERR_DENIED, "the work folder %s is not a folder any more", from);
}

int folder_take(struct folder *f, const char *root, const char *stem, uint64_t token,
                struct err *err) {
  folder_path(f->path, sizeof f->path, root, stem, token);
  f->token = token;
  f->input_bytes = 0;
  f->fd = open(f->path, OPEN_FOLDER);
  if (f->fd < 0)
    return err_sys(err, errno, "the work folder %s cannot be opened", f->path);
  f->input_bytes = folder_bytes(f, INT64_MAX) - FOLDER_ENTRY; /* in/ itself */
  return 0;
}

bool folder_is_empty(struct folder *f) {
  char entries[512] __attribute__((aligned(8)));
  if (lseek(f->fd, 0, SEEK_SET) < 0)
    return false;
  long n = syscall(SYS_getdents64, f->fd, entries, sizeof entries);
  if (n < 0)
    return false;
  for (long at = 0; at < n;) {
    const struct dirent64 *d = (const struct dirent64 *)(entries + at);
    if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
      return false;
    at += d->d_reclen;
  }
  return true;
}

int64_t folder_input_bytes(const struct wire_input_file *inputs, size_t count) {
  int64_t total = 0;
  struct stat st;
  for (size_t i = 0; i < count; i++)
    if (stat(inputs[i].path, &st) == 0)
      total += st.st_size > FOLDER_ENTRY ? st.st_size : FOLDER_ENTRY;
  return total;
}

void folder_measure(struct tally *t, const struct folder *f, int64_t enough) {
  int64_t inputs = f->input_bytes + (f->input_bytes ? FOLDER_ENTRY : 0); /* in/ itself */
  tally_begin(t, enough > INT64_MAX - inputs ? INT64_MAX : enough + inputs);
}

int64_t folder_measured(const struct tally *t, const struct folder *f) {
  int64_t inputs = f->input_bytes + (f->input_bytes ? FOLDER_ENTRY : 0);
  if (t->total == INT64_MAX)
    return INT64_MAX;
  return t->total > inputs ? t->total - inputs : 0;
}

int64_t folder_bytes(const struct folder *f, int64_t enough) {
  struct tally t;
  folder_measure(&t, f, enough);
  tally_go_on(&t, f->path, SIZE_MAX);
  return folder_measured(&t, f);
}

void folder_close(struct folder *f, bool remove) {
  if (f->fd < 0)
    return;
  close(f->fd);
  f->fd = -1;
  if (remove)
    path_remove_tree(f->path, NULL);
}

int folder_open(const struct folder *f, const char *relpath, struct err *err) {
  struct open_how how = {
      .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, /* a FIFO shall not stop us */
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  };
  int fd = (int)syscall(SYS_openat2, f->fd, relpath, &how, sizeof how);
  if (fd < 0 && (errno == ELOOP || errno == EXDEV))
    err_set(err, ERR_DENIED, "%s leads out of the work folder or is a symbolic link", relpath);
  else if (fd < 0)
    err_sys(err, errno, "the file %s cannot be opened", relpath);
  return fd;
}
