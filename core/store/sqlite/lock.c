/* SPDX-License-Identifier: MIT
 *
 * Keeps a second daemon off the data folder: a lock on `<database>.lock`, with
 * the number of the process inside.  The kernel drops the lock with the process,
 * so a file left behind by a crash does no harm; it is never unlinked, as another
 * process may have it open already.
 */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(int fd, const char *path, struct err *err) {
  char pid[24] = {0};
  ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
  long holder = n > 0 ? strtol(pid, NULL, 10) : 0;
  if (holder <= 0)
    return err_set(err, ERR_CONFLICT,
                   "%s is locked by another process; stop the other lathed, or choose another data "
                   "folder",
                   path);
  return err_set(err, ERR_CONFLICT,
                 "another lathed (pid %ld) uses this data folder (%s is locked); stop it with "
                 "'kill %ld', or choose another data folder",
                 holder, path, holder);
}

static int write_pid(int fd, const char *path, struct err *err) {
  char pid[24];
  int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
    return err_sys(err, errno != 0 ? errno : EIO, "cannot write the lock file %s", path);
  return 0;
}

int lock_take(const char *database, int *fd, struct err *err) {
  char *path = mem_printf("%s.lock", database);
  /* Bound to the open file, not to the process: closing another descriptor does not drop it. */
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int code = 0;
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (*fd < 0)
    code = err_sys(err, errno, "cannot open the lock file %s", path);
  else if (fcntl(*fd, F_OFD_SETLK, &whole) != 0)
    code = errno == EAGAIN || errno == EACCES
               ? refuse(*fd, path, err)
               : err_sys(err, errno, "cannot lock %s; is it on a file system with locks?", path);
  else
    code = write_pid(*fd, path, err);
  if (code < 0 && *fd >= 0) {
    close(*fd);
    *fd = -1;
  }
  free(path);
  return code;
}

void lock_release(int fd) {
  if (fd < 0)
    return;
  if (ftruncate(fd, 0) != 0) {
    /* The number in it is only for the message; the lock goes with the descriptor. */
  }
  close(fd);
}
