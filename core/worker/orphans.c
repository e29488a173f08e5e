/* SPDX-License-Identifier: MIT */
#include "worker/orphans.h"

#include "base/children.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void orphans_adopt(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

bool orphans_reap(bool (*is_ours)(void *arg, pid_t pid), bool (*may_live)(void *arg, pid_t group),
                  void *arg) {
  enum { MOST = 512 };
  pid_t pids[MOST];
  bool more = false;
  size_t count = children_list(pids, MOST);
  for (size_t i = 0; i < count; i++) {
    pid_t pid = pids[i];
    if (is_ours(arg, pid) || waitpid(pid, NULL, WNOHANG) == pid)
      continue;
    if (may_live(arg, getpgid(pid)))
      continue;
    kill(pid, SIGKILL);
    more |= waitpid(pid, NULL, WNOHANG) == 0;
  }
  return more;
}
