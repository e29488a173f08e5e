/* SPDX-License-Identifier: MIT */
#include "worker/folder/tally.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct way { /* the folders that are open, from the root down to the one that is read */
  DIR *open[TALLY_DEPTH + 1];
  size_t root_len;
};

void tally_begin(struct tally *t, int64_t enough) {
  t->total = 0;
  t->enough = enough;
  t->over = false;
  t->depth = 0;
  t->at[0] = 0;
  t->path[0] = '\0';
}

static bool is_gone(int errnum) {
  return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP;
}

static void add(struct tally *t, int64_t bytes) {
  if (bytes < FOLDER_ENTRY)
    bytes = FOLDER_ENTRY;
  t->total = bytes > INT64_MAX - t->total ? INT64_MAX : t->total + bytes;
}

/* NULL: it is gone, or cannot be read, and then nothing can be said. */
static DIR *open_folder(struct tally *t, int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir && (fd >= 0 || !is_gone(errno)))
    t->total = INT64_MAX;
  if (!dir && fd >= 0)
    close(fd);
  return dir;
}

/* Into a folder of the one that is read. */
static void go_down(struct tally *t, struct way *w, const char *name) {
  size_t len = strlen(t->path), more = strlen(name) + 1;
  if (t->depth == TALLY_DEPTH || w->root_len + len + more >= PATH_MAX) {
    t->total = INT64_MAX;
    return;
  }
  DIR *dir = open_folder(t, dirfd(w->open[t->depth]), name);
  if (!dir)
    return;
  t->path[len] = '/';
  memcpy(t->path + len + 1, name, more);
  w->open[++t->depth] = dir;
}

static void go_up(struct tally *t, struct way *w) {
  closedir(w->open[t->depth--]);
  if (t->depth < 0)
    t->over = true;
  else
    *strrchr(t->path, '/') = '\0';
}

/* To where the last piece ended, or as far as that is still there. */
static bool go_back(struct tally *t, struct way *w, const char *root) {
  int depth = t->depth;
  char path[PATH_MAX], *rest = path;
  snprintf(path, sizeof path, "%s", t->path);
  t->path[0] = '\0';
  t->depth = 0;
  if ((w->open[0] = open_folder(t, AT_FDCWD, root)) == NULL)
    return false;
  seekdir(w->open[0], t->at[0]);
  strsep(&rest, "/");
  while (t->depth < depth) {
    int before = t->depth;
    go_down(t, w, strsep(&rest, "/"));
    if (t->depth == before)
      break;
    seekdir(w->open[t->depth], t->at[t->depth]);
  }
  return true;
}

static void look_at(struct tally *t, struct way *w, const char *name) {
  struct stat st;
  if (fstatat(dirfd(w->open[t->depth]), name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (!is_gone(errno))
      t->total = INT64_MAX;
    return;
  }
  add(t, S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0);
  if (S_ISDIR(st.st_mode))
    go_down(t, w, name);
}

void tally_go_on(struct tally *t, const char *root, size_t entries) {
  struct way w = {.root_len = strlen(root)};
  if (t->over)
    return;
  if (!go_back(t, &w, root)) {
    t->over = true;
    return;
  }
  while (!t->over && entries-- > 0) {
    const struct dirent *e = readdir(w.open[t->depth]);
    if (!e)
      go_up(t, &w);
    else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      look_at(t, &w, e->d_name);
    if (t->total > t->enough || t->total == INT64_MAX)
      t->over = true;
  }
  for (int i = 0; i <= t->depth; i++) {
    t->at[i] = telldir(w.open[i]);
    closedir(w.open[i]);
  }
}
