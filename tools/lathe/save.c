/* SPDX-License-Identifier: MIT
 *
 * A file of ours, written as a whole or not at all.
 */
#include "save.h"

#include "base/mem.h"
#include "base/path.h"
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(fd, data, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

int save_file(const char *path, const char *data, size_t len) {
  char *temp = mem_printf("%s.XXXXXX", path);
  int fd = mkstemp(temp);
  mode_t mask = umask(0);
  umask(mask);
  bool failed = fd < 0 || write_all(fd, data, len) != 0 || fchmod(fd, 0666 & ~mask) != 0 ||
                rename(temp, path) != 0;
  int errnum = errno;
  if (fd >= 0)
    close(fd);
  if (fd >= 0 && failed)
    unlink(temp);
  free(temp);
  if (failed)
    return fail(CLI_USAGE, "cannot write %s: %s; choose another place with -o", path,
                strerror(errnum));
  return CLI_OK;
}

static int replace(const char *path, const char *temp, int fd, const char *data, size_t len) {
  struct stat was;
  if (stat(path, &was) != 0 || write_all(fd, data, len) != 0)
    return -1;
  struct stat is;
  if (fstat(fd, &is) != 0 || ((is.st_uid != was.st_uid || is.st_gid != was.st_gid) &&
                              fchown(fd, was.st_uid, was.st_gid) != 0))
    return -1;
  return fchmod(fd, was.st_mode & 07777) != 0 || fsync(fd) != 0 || rename(temp, path) != 0 ? -1 : 0;
}

int save_in_place(const char *path, const char *data, size_t len) {
  char *real = realpath(path, NULL), *temp = mem_printf("%s.XXXXXX", real ? real : path);
  int fd = real ? mkstemp(temp) : -1;
  bool failed = fd < 0 || replace(real, temp, fd, data, len) != 0;
  int errnum = errno;
  if (fd >= 0)
    close(fd);
  if (fd >= 0 && failed)
    unlink(temp);
  if (!failed)
    path_sync_parent(real, NULL);
  free(temp);
  free(real);
  if (failed)
    return fail(CLI_USAGE, "cannot write %s: %s", path, strerror(errnum));
  return CLI_OK;
}
