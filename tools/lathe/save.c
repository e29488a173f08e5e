/* SPDX-License-Identifier: MIT
 *
 * A file of ours, written as a whole or not at all.
 */
#include "save.h"

#include "base/mem.h"
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
