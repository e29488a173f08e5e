/* SPDX-License-Identifier: MIT
 *
 * The private folder of a tunnel: its configuration and its socket.
 *
 *   BASE/lathe-ssh-XXXXXX/   0700; BASE: TMPDIR, or /tmp where that is too long for a socket's path or
 *     lock                   has letters that mean something in ssh's configuration
 *     config  jump.log       of the run
 *     PID-NUMBER             the socket
 *     far                    a link to the socket of the session that is up
 *
 * A process that is killed leaves its folder (lathed ends its workers so when it ends itself); the next
 * one that makes one there removes it.  The lock tells which is in use, also to processes that do not
 * see each other's numbers.
 */
#include "ssh_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "lathe-ssh-"

static void remove_all(const char *path) {
  int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *folder = at >= 0 ? fdopendir(at) : NULL;
  if (!folder)
    return;
  for (struct dirent *e; (e = readdir(folder));)
    unlinkat(at, e->d_name, 0);
  closedir(folder);
  rmdir(path);
}

/* -1: it is in use, or not ours. */
static int take_lock(const char *path) {
  char name[TUNNEL_PATH];
  struct stat st;
  if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
    return -1;
  snprintf(name, sizeof name, "%s/lock", path);
  int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  if (fd >= 0)
    close(fd);
  return -1;
}

static void clear_up(const char *base) {
  DIR *folder = opendir(base);
  if (!folder)
    return;
  for (struct dirent *e; (e = readdir(folder));) {
    char path[TUNNEL_PATH - 24];
    if (strncmp(e->d_name, NAME, strlen(NAME)) != 0 ||
        snprintf(path, sizeof path, "%s/%s", base, e->d_name) >= (int)sizeof path)
      continue;
    int lock = take_lock(path);
    if (lock < 0)
      continue;
    remove_all(path);
    close(lock);
  }
  closedir(folder);
}

static const char *choose_base(void) {
  const char *base = getenv("TMPDIR");
  size_t most = TUNNEL_PATH - 24 - sizeof "/" NAME "XXXXXX";
  return base && ssh_is_plain_path(base) && strlen(base) <= most && access(base, W_OK | X_OK) == 0
             ? base
             : "/tmp";
}

bool ssh_folder_make(struct ssh_folder *f, char *why, size_t size) {
  const char *base = choose_base();
  clear_up(base);
  snprintf(f->path, sizeof f->path, "%s/" NAME "XXXXXX", base);
  f->lock = mkdtemp(f->path) ? take_lock(f->path) : -1;
  if (f->lock >= 0)
    return true;
  snprintf(why, size, "a private folder for ssh cannot be made in %s: %s", base, strerror(errno));
  return false;
}

void ssh_folder_remove(struct ssh_folder *f) {
  remove_all(f->path);
  close(f->lock);
}
