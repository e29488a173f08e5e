/* SPDX-License-Identifier: MIT
 *
 * rm -rf for folders that a job wrote: they may hold links, folders without permissions, or be
 * nested deeper than this process may have files open.
 */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_DEPTH = 32 };

struct removal {
  int top;              /* fd of the folder that goes */
  unsigned long raised; /* folders moved up into it */
  char where[256];      /* the name that failed */
  int errnum;           /* of the first failure */
};

static void removal_fail(struct removal *r, const char *name) {
  if (r->errnum)
    return;
  r->errnum = errno;
  snprintf(r->where, sizeof(r->where), "%s", name);
}

/* A folder that lies too deep goes to the top, under a name that is free there, and is met again.
 */
static void removal_raise(struct removal *r, int parent, const char *name) {
  char fresh[40];
  int failed;
  do {
    snprintf(fresh, sizeof(fresh), ".raised-%lu", r->raised++);
    failed = renameat2(parent, name, r->top, fresh, RENAME_NOREPLACE);
  } while (failed && errno == EEXIST);
  if (failed)
    removal_fail(r, name);
}

/* A folder that its owner may not read is made readable; by its descriptor, as who made it so may
 * put a link in its place meanwhile. */
static int removal_open(int parent, const char *name) {
  char self[40];
  int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(parent, name, O_RDONLY | flags);
  if (fd >= 0 || errno != EACCES)
    return fd;
  int closed = openat(parent, name, O_PATH | flags);
  if (closed < 0)
    return -1;
  snprintf(self, sizeof self, "/proc/self/fd/%d", closed);
  if (chmod(self, 0700) == 0)
    fd = openat(closed, ".", O_RDONLY | flags);
  int why = errno;
  close(closed);
  errno = why;
  return fd;
}

static void removal_empty(struct removal *r, int fd, int depth);

static void removal_entry(struct removal *r, int parent, const char *name, int depth) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
    return;
  if (errno == EACCES && fchmod(parent, 0700) == 0 && unlinkat(parent, name, 0) == 0)
    return;
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
    return;
  if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES) {
    removal_fail(r, name);
    return;
  }
  if (depth >= OPEN_DEPTH) {
    removal_raise(r, parent, name);
    return;
  }
  int fd = removal_open(parent, name);
  if (fd < 0) {
    removal_fail(r, name);
    return;
  }
  removal_empty(r, fd, depth + 1);
  if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
    removal_fail(r, name);
}

/* Closes fd. */
static void removal_empty(struct removal *r, int fd, int depth) {
  DIR *dir = fdopendir(fd);
  if (!dir) {
    removal_fail(r, "");
    close(fd);
    return;
  }
  for (struct dirent *e; (e = readdir(dir));)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      removal_entry(r, fd, e->d_name, depth);
  closedir(dir);
}

int path_remove_tree(const char *path, struct err *err) {
  if (unlink(path) == 0 || errno == ENOENT)
    return 0;
  if (rmdir(path) == 0)
    return 0;
  struct removal r = {.top = removal_open(AT_FDCWD, path)};
  if (r.top < 0)
    return errno == ENOENT ? 0 : err_sys(err, errno, "cannot remove %s", path);
  for (unsigned long before = 0;; before = r.raised) {
    int fd = openat(r.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      removal_fail(&r, ".");
      break;
    }
    removal_empty(&r, fd, 1);
    if (r.errnum || r.raised == before)
      break;
  }
  close(r.top);
  if (!r.errnum && rmdir(path) != 0 && errno != ENOENT)
    removal_fail(&r, "");
  if (r.errnum)
    return err_sys(err, r.errnum, "cannot remove %s/%s", path, r.where);
  return 0;
}
