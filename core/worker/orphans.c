/* SPDX-License-Identifier: MIT */
#include "worker/orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void orphans_adopt(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* One piece of the list of children, as numbers with spaces; the rest comes with the next call. */
static ssize_t list_children(char *out, size_t size) {
  int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  ssize_t n = read(fd, out, size - 1);
  close(fd);
  out[n > 0 ? n : 0] = '\0';
  char *last = strrchr(out, ' '); /* a number may be cut */
  if (last)
    *last = '\0';
  return n;
}

bool orphans_reap(bool (*is_ours)(void *arg, pid_t pid), bool (*may_live)(void *arg, pid_t group),
                  void *arg) {
  char list[4096], *rest = list;
  bool more = false;
  if (list_children(list, sizeof list) <= 0)
    return false;
  for (char *word; (word = strsep(&rest, " ")) != NULL;) {
    pid_t pid = atoi(word);
    if (pid <= 0 || is_ours(arg, pid) || waitpid(pid, NULL, WNOHANG) == pid)
      continue;
    if (may_live(arg, getpgid(pid)))
      continue;
    kill(pid, SIGKILL);
    more |= waitpid(pid, NULL, WNOHANG) == 0;
  }
  return more;
}
