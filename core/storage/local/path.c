/* SPDX-License-Identifier: MIT
 *
 * Where an object of the local folder lies, by its key:
 *
 *   blobs/<sha256>         blobs/ab/abcdef...     all 256 folders are there from the start
 *   output/<job>/<name>    output/<job>/<name>
 */
#include "base/path.h"

#include "base/clock.h"
#include "storage/local/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int local_path(const struct local *l, const char *key, char *out) {
  char job[ID_SIZE];
  int n = -1;
  if (strncmp(key, "blobs/", 6) == 0 && sha256_is_hex(key + 6)) {
    storage_blob_path(l->s, key + 6, out);
    return 0;
  }
  if (strncmp(key, "output/", 7) == 0 && strlen(key) >= 7 + ID_SIZE && key[6 + ID_SIZE] == '/') {
    const char *name = key + 7 + ID_SIZE;
    snprintf(job, sizeof job, "%s", key + 7);
    if (id_is_valid(job) && !*name)
      n = snprintf(out, PATH_MAX, "%s/%s", l->s->output, job);
    else if (id_is_valid(job) && path_is_plain_name(name))
      n = snprintf(out, PATH_MAX, "%s/%s/%s", l->s->output, job, name);
  }
  return n >= 0 && n < PATH_MAX ? 0 : ERR_NOT_FOUND;
}

int local_absent(struct local *l, int errnum) {
  return errnum == ENOENT && storage_check(l->s, NULL) == 0 ? ERR_NOT_FOUND : ERR_IO;
}

/* Not by the clock of the file system: one that is set back must not make a blob look unused.  Only
 * the owner may choose the time. */
int local_stamp(int fd, const char *path) {
  int64_t us = clock_stamp_us();
  struct timespec now = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
  struct timespec times[] = {now, now};
  int rc = path ? utimensat(AT_FDCWD, path, times, 0) : futimens(fd, times);
  if (rc == 0 || errno != EPERM)
    return rc;
  return path ? utimensat(AT_FDCWD, path, NULL, 0) : futimens(fd, NULL);
}
