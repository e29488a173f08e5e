/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file_view.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct view view_map(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  void *map = MAP_FAILED;
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (fd >= 0)
    close(fd);
  return map == MAP_FAILED ? (struct view){0} : (struct view){map, (size_t)st.st_size};
}

void view_unmap(struct view v) {
  if (v.data)
    munmap((void *)(uintptr_t)v.data, v.size);
}

bool view_begins(struct view v, const char *text, bool ignore_case) {
  size_t i = 0, len = strlen(text);
  if (v.size >= 3 && memcmp(v.data, "\xef\xbb\xbf", 3) == 0)
    i = 3;
  while (i < v.size && i < 4096 && isspace((unsigned char)v.data[i]))
    i++;
  if (v.size - i < len)
    return false;
  return ignore_case ? strncasecmp(v.data + i, text, len) == 0 : memcmp(v.data + i, text, len) == 0;
}

const char *view_find(const char *from, const char *end, const char *text) {
  return from < end ? memmem(from, (size_t)(end - from), text, strlen(text)) : NULL;
}

size_t view_line(struct view v, const char *at) {
  size_t line = 1;
  for (const char *p = v.data; (p = memchr(p, '\n', (size_t)(at - p))) != NULL; p++)
    line++;
  return line;
}
