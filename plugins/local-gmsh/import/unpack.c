/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An input that is packed with gzip (.stpz, .step.gz) is unpacked before anyone looks at it.  Its
 * content decides, not its name.  What comes out has a bound, as what a client sends has.
 */
#include "import/unpack.h"

#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define UNPACKED     "unpacked" /* in the work folder */
#define UNPACKED_MAX (500 << 20)
#define SUSPECT      (32 << 20) /* bytes, from which on the share counts */
#define SHARE_MAX    200        /* times the packed size: STEP has 5 to 20, text of STL up to 50 */
#define PIECE        (256 << 10)

static int32_t write_all(struct task *t, int fd, const char *piece, size_t len) {
  while (len) {
    ssize_t n = write(fd, piece, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return task_fail(t, LATHE_RETRY, "%s cannot be unpacked: %s", t->name,
                       strerror(n < 0 ? errno : EIO));
    piece += n;
    len -= (size_t)n;
  }
  return LATHE_OK;
}

static int32_t check_size(struct task *t, size_t total, size_t packed) {
  if (total > UNPACKED_MAX)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is packed with gzip and holds over %d MB, more than is taken; send a "
                     "smaller file",
                     t->name, UNPACKED_MAX >> 20);
  if (total > SUSPECT && total / SHARE_MAX > packed)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is packed with gzip and holds over %d times its size, which no CAD file "
                     "does; unpack it first",
                     t->name, SHARE_MAX);
  return LATHE_OK;
}

static int32_t inflate_all(struct task *t, gzFile in, int out) {
  static char piece[PIECE];
  size_t total = 0;
  int32_t rc = LATHE_OK;
  int n, why;
  while (rc == LATHE_OK && (n = gzread(in, piece, sizeof piece)) > 0) {
    total += (size_t)n;
    rc = check_size(t, total, (size_t)gzoffset(in));
    if (rc == LATHE_OK)
      rc = write_all(t, out, piece, (size_t)n);
  }
  gzerror(in, &why);
  if (rc == LATHE_OK && why != Z_OK)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is a gzip archive that is %s; send the whole file, or unpack it first",
                     t->name, why == Z_BUF_ERROR ? "cut off" : "damaged");
  if (rc == LATHE_OK && total == 0)
    return task_fail(t, LATHE_BAD_INPUT, "%s is a gzip archive with nothing in it", t->name);
  return rc;
}

int32_t unpack_input(struct task *t) {
  char path[PATH_MAX], to[PATH_MAX];
  unsigned char magic[2] = {0};
  snprintf(t->input, sizeof t->input, "in/%s", t->name);
  task_path(t, path, t->input);
  int in = open(path, O_RDONLY | O_CLOEXEC);
  if (in < 0)
    return task_fail(t, LATHE_RETRY, "the input %s cannot be opened: %s", t->name, strerror(errno));
  bool packed = pread(in, magic, sizeof magic, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  if (!packed) {
    close(in);
    return LATHE_OK;
  }
  task_path(t, to, UNPACKED);
  int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  gzFile archive = gzdopen(in, "rb");
  int32_t rc = out < 0 || !archive ? task_fail(t, LATHE_RETRY, "%s cannot be unpacked: %s", t->name,
                                               strerror(errno))
                                   : inflate_all(t, archive, out);
  if (archive)
    gzclose(archive);
  else
    close(in);
  if (out >= 0)
    close(out);
  snprintf(t->input, sizeof t->input, UNPACKED);
  return rc;
}
