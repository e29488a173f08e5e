/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pipe_io.h"

#include <errno.h>
#include <unistd.h>

bool pipe_write(int fd, const void *data, size_t len) {
  const char *p = data;
  while (len) {
    ssize_t n = write(fd, p, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

bool pipe_read(int fd, void *data, size_t len) {
  char *p = data;
  while (len) {
    ssize_t n = read(fd, p, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}
