/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 200, EXTENSION_BYTES = 20 };

/* Bytes of the UTF-8 sequence at p when a plain name may hold it, else 0. */
static size_t path_plain_char(const char *p, size_t len) {
  unsigned char c = (unsigned char)p[0];
  if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
    return 0;
  if (c == 0xc2 && len > 1 && (unsigned char)p[1] < 0xa0) /* U+0080 to U+009F: control characters */
    return 0;
  return utf8_sequence(p, len);
}

bool path_is_plain_name(const char *name) {
  size_t len = strnlen(name, NAME_BYTES + 1);
  if (len == 0 || len > NAME_BYTES || name[0] == '.' || name[0] == '-')
    return false;
  for (size_t i = 0; i < len;) {
    size_t n = path_plain_char(name + i, len - i);
    if (n == 0)
      return false;
    i += n;
  }
  return true;
}

/* Appends text made plain to out while it has at most `max` bytes. Returns the new length. */
static size_t path_put_plain(char *out, size_t at, size_t max, const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t n = path_plain_char(text + i, len - i);
    bool fits = n > 0 && !(at == 0 && (text[i] == '.' || text[i] == '-'));
    size_t bytes = fits ? n : 1;
    if (at + bytes > max)
      break;
    if (fits)
      memcpy(out + at, text + i, n);
    else
      out[at] = '_';
    at += bytes;
    i += n > 0 ? n : 1;
  }
  return at;
}

void path_plain_name(const char *untrusted, char *out, size_t size) {
  const char *name = untrusted + strlen(untrusted);
  while (name > untrusted && name[-1] != '/' && name[-1] != '\\')
    name--;
  size_t len = strlen(name), max = size - 1 < NAME_BYTES ? size - 1 : NAME_BYTES;
  if (len == 0)
    name = "input", len = 5;
  /* A name that is too long keeps its extension, because that tells the format. */
  const char *dot = memrchr(name, '.', len);
  size_t extension = dot ? len - (size_t)(dot - name) : 0;
  if (len <= max || extension > EXTENSION_BYTES || extension >= max)
    extension = 0;
  size_t at = path_put_plain(out, 0, max - extension, name, len - extension);
  at = path_put_plain(out, at, max, name + len - extension, extension);
  out[at] = '\0';
}

char *path_join(const char *dir, const char *name) {
  size_t len = strlen(dir);
  while (len > 1 && dir[len - 1] == '/')
    len--;
  while (*name == '/')
    name++;
  if (len == 0)
    return mem_dup(name);
  return mem_printf("%.*s%s%s", (int)len, dir, dir[len - 1] == '/' ? "" : "/", name);
}

int path_make_dirs(const char *path, struct err *err) {
  char *copy = mem_dup(path);
  int code = 0;
  for (char *p = copy + 1; code == 0 && copy[0] != '\0'; p++) {
    if (*p != '/' && *p != '\0')
      continue;
    char end = *p;
    *p = '\0';
    if (mkdir(copy, 0700) != 0 && errno != EEXIST)
      code = err_sys(err, errno, "cannot make the folder %s", copy);
    *p = end;
    if (end == '\0')
      break;
  }
  struct stat st;
  if (code == 0 && stat(path, &st) != 0)
    code = err_sys(err, errno, "cannot make the folder %s", path);
  else if (code == 0 && !S_ISDIR(st.st_mode))
    code = err_sys(err, ENOTDIR, "cannot make the folder %s", path);
  free(copy);
  return code;
}

int path_sync_parent(const char *path, struct err *err) {
  const char *slash = strrchr(path, '/');
  char *dir = slash ? mem_dup_n(path, slash == path ? 1 : (size_t)(slash - path)) : mem_dup(".");
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
  if (fd < 0 || fsync(fd))
    rc = err_sys(err, errno, "cannot sync the folder %s", dir);
  if (fd >= 0)
    close(fd);
  free(dir);
  return rc;
}

char *path_program_dir(void) {
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (n <= 0)
    return mem_dup(".");
  path[n] = '\0';
  char *slash = strrchr(path, '/');
  if (slash)
    slash[slash == path] = '\0';
  return mem_dup(path);
}

/* Reads until the end of the file or one byte past `max`.  Returns 0 or an errno. */
static int path_read_fd(int fd, size_t max, char **data, size_t *len) {
  size_t cap = 0;
  struct stat st;
  if (fstat(fd, &st) == 0 && st.st_size > 0)
    cap = (size_t)st.st_size < max ? (size_t)st.st_size + 1 : max + 1;
  if (cap < 4096)
    cap = max + 1 < 4096 ? max + 1 : 4096;
  *data = mem_alloc(cap + 1);
  *len = 0;
  for (;;) {
    ssize_t n = read(fd, *data + *len, cap - *len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    *len += (size_t)n;
    if (n == 0 || *len > max)
      return 0;
    if (*len == cap) {
      cap = cap < max / 2 ? cap * 2 : max + 1;
      *data = mem_grow(*data, cap + 1);
    }
  }
}

int path_read_file(const char *path, size_t max, char **data, size_t *len, struct err *err) {
  size_t size = 0;
  *data = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return err_sys(err, errno, "cannot read %s", path);
  int errnum = path_read_fd(fd, max, data, &size), code = 0;
  close(fd);
  if (errnum)
    code = err_sys(err, errnum, "cannot read %s", path);
  else if (size > max)
    code = err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
  if (code) {
    free(*data);
    *data = NULL;
    return code;
  }
  (*data)[size] = '\0';
  if (len)
    *len = size;
  return 0;
}
