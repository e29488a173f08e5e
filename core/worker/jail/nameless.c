/* SPDX-License-Identifier: MIT */
#include "worker/jail/nameless.h"

#include "base/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 16384  /* no honest job has as many, and a look shall be over soon */
#define LINES_MAX 200000 /* of mappings of all processes */

/* ---- open ones ---- */

static void add_open(struct nameless *n, const struct stat *st) {
  if (n->open_count == FILES_MAX) {
    n->lost = true;
    return;
  }
  if ((n->open_count & (n->open_count - 1)) == 0)
    n->open = mem_grow(n->open, (n->open_count ? 2 * n->open_count : 1) * sizeof *n->open);
  n->open[n->open_count++] = (struct nameless_file){
      .device = st->st_dev, .inode = st->st_ino, .bytes = st->st_blocks * 512};
}

static void look_at_open(struct nameless *n, pid_t pid) {
  char path[40];
  struct stat st;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  DIR *fds = opendir(path);
  if (!fds)
    return;
  for (struct dirent *e; !n->lost && (e = readdir(fds)) != NULL;)
    if (fstatat(dirfd(fds), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
      add_open(n, &st);
  closedir(fds);
}

/* ---- mapped ones ---- */

static void add_mapped(struct nameless *n, ino_t inode) {
  if (n->mapped_count > 0 && n->mapped[n->mapped_count - 1] == inode)
    return; /* another part of it */
  if (n->mapped_count == FILES_MAX) {
    n->lost = true;
    return;
  }
  if ((n->mapped_count & (n->mapped_count - 1)) == 0)
    n->mapped = mem_grow(n->mapped, (n->mapped_count ? 2 * n->mapped_count : 1) * sizeof(ino_t));
  n->mapped[n->mapped_count++] = inode;
}

/* "7f..-7f.. rw-s 00000000 fd:01 1234    /path/to/it (deleted)" */
static void take_line(struct nameless *n, const char *line, size_t len, const char *below) {
  static const char gone[] = " (deleted)\n";
  const char *path = strchr(line, '/');
  uintmax_t inode;
  if (len < sizeof gone || strcmp(line + len - (sizeof gone - 1), gone) != 0 || !path ||
      strncmp(path, below, strlen(below)) != 0)
    return;
  if (sscanf(line, "%*s %*s %*s %*s %" SCNuMAX, &inode) == 1)
    add_mapped(n, (ino_t)inode);
}

static void look_at_mapped(struct nameless *n, pid_t pid, const char *below) {
  char path[40], *line = NULL;
  size_t size = 0;
  ssize_t len;
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  FILE *maps = fopen(path, "re");
  if (!maps)
    return;
  while (!n->lost && (len = getline(&line, &size, maps)) > 0) {
    n->lost |= ++n->lines > LINES_MAX;
    take_line(n, line, (size_t)len, below);
  }
  free(line);
  fclose(maps);
}

void nameless_add(struct nameless *n, pid_t pid, const char *below) {
  look_at_open(n, pid);
  look_at_mapped(n, pid, below);
}

/* ---- the sum ---- */

static int by_file(const void *a, const void *b) {
  const struct nameless_file *x = a, *y = b;
  if (x->inode != y->inode)
    return x->inode < y->inode ? -1 : 1;
  return x->device < y->device ? -1 : x->device > y->device;
}

static int by_inode(const void *inode, const void *file) {
  ino_t x = *(const ino_t *)inode, y = ((const struct nameless_file *)file)->inode;
  return x < y ? -1 : x > y;
}

int64_t nameless_bytes(struct nameless *n) {
  int64_t bytes = 0;
  if (n->open_count > 0)
    qsort(n->open, n->open_count, sizeof *n->open, by_file);
  for (size_t i = 0; i < n->open_count; i++)
    if (i == 0 || by_file(&n->open[i - 1], &n->open[i]) != 0)
      bytes += n->open[i].bytes;
  for (size_t i = 0; i < n->mapped_count && !n->lost; i++)
    n->lost = n->open_count == 0 ||
              !bsearch(&n->mapped[i], n->open, n->open_count, sizeof *n->open, by_inode);
  if (n->lost)
    bytes = INT64_MAX;
  free(n->open);
  free(n->mapped);
  *n = (struct nameless){0};
  return bytes;
}
