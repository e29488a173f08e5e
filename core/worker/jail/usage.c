/* SPDX-License-Identifier: MIT */
#include "worker/jail/usage.h"

#include "base/proc.h"
#include "worker/jail/group.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEPTH_MOST 32

/* Its own and of the children that it reaped. */
static int64_t cpu_ms_of(pid_t pid) {
  struct group_process p;
  return group_read_process(pid, &p) ? p.cpu_ms : 0;
}

/* Pages that others hold too in part. */
static int64_t share_of(pid_t pid) {
  int64_t share = group_share(pid);
  return share >= 0 ? share : group_memory(pid);
}

typedef int64_t measure(pid_t pid);

static int64_t sum_below(pid_t pid, int depth, measure *of);

/* Those that one thread started. */
static int64_t sum_below_thread(pid_t pid, const char *thread, int depth, measure *of) {
  struct proc_children children;
  int64_t sum = 0;
  proc_children_of(pid, thread, &children);
  for (size_t i = 0; i < children.count; i++)
    sum += of(children.pids[i]) + sum_below(children.pids[i], depth + 1, of);
  free(children.pids);
  return sum;
}

static int64_t sum_below(pid_t pid, int depth, measure *of) {
  char path[64];
  int64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *threads = depth < DEPTH_MOST ? opendir(path) : NULL;
  for (const struct dirent *d; threads && (d = readdir(threads)) != NULL;)
    if (isdigit((unsigned char)d->d_name[0]))
      sum += sum_below_thread(pid, d->d_name, depth, of);
  if (threads)
    closedir(threads);
  return sum;
}

/* Those whose parents have gone, which made them children of the daemon, our parent: they are of
 * our group still. */
static int64_t sum_left(measure *of) {
  struct proc_children children;
  struct group_process p;
  char thread[16];
  int64_t sum = 0;
  snprintf(thread, sizeof thread, "%d", (int)getppid()); /* the kernel gives them to the first */
  proc_children_of(getppid(), thread, &children);
  for (size_t i = 0; i < children.count; i++)
    if (children.pids[i] != getpid() && group_read_process(children.pids[i], &p) &&
        p.group == getpgrp())
      sum += of(p.pid) + sum_below(p.pid, 0, of);
  free(children.pids);
  return sum;
}

int64_t usage_below_us(void) {
  struct rusage reaped;
  int64_t us = (sum_below(getpid(), 0, cpu_ms_of) + sum_left(cpu_ms_of)) * 1000;
  if (getrusage(RUSAGE_CHILDREN, &reaped) == 0)
    us += proc_cpu_us(&reaped);
  return us;
}

int64_t usage_memory(int64_t enough) {
  int64_t sum = group_memory(getpid());
  sum += sum_below(getpid(), 0, group_memory) + sum_left(group_memory);
  if (sum <= enough)
    return sum;
  return share_of(getpid()) + sum_below(getpid(), 0, share_of) + sum_left(share_of);
}
