/* SPDX-License-Identifier: MIT */
#include "worker/fork/orphans.h"

#include "base/proc.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

void orphans_adopt(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool reap(const struct orphans_care *care, pid_t pid, pid_t group) {
  int64_t cpu_us = 0;
  bool ended = proc_reap(pid, &cpu_us);
  if (ended)
    care->ended(care->arg, group, cpu_us);
  return ended;
}

/* True: it was killed and has yet to end. */
static bool see_to(const struct orphans_care *care, pid_t pid) {
  pid_t group = getpgid(pid);
  if (care->is_ours(care->arg, pid) || reap(care, pid, group) || care->may_live(care->arg, group))
    return false;
  kill(pid, SIGKILL);
  return !reap(care, pid, group);
}

bool orphans_reap(const struct orphans_care *care) {
  struct proc_children children;
  bool more = false;
  proc_own_children(&children);
  for (size_t i = 0; i < children.count; i++)
    more |= see_to(care, children.pids[i]);
  free(children.pids);
  return more;
}
