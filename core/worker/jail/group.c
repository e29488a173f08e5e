/* SPDX-License-Identifier: MIT
 *
 * Where this process adopts orphans, all of a job's processes hang below it: the
 * job's first process is its child, and what a job's process leaves behind becomes
 * one.  So it is enough to go down from here, and into the group only.  Elsewhere,
 * and where the kernel has no lists of children (CONFIG_PROC_CHILDREN), all of
 * /proc is read; on a machine with many processes that takes milliseconds.
 *
 * Neither is a snapshot: a process that begins meanwhile may be seen the next time.
 *
 * One that has ended and that the job has not waited for still takes a number, and its CPU time is
 * in no other process's: it counts.  One that has ended after its parent waits for somebody else,
 * and is reaped here where that is this process, its CPU time told.
 */
#include "worker/jail/group.h"

#include "base/mem.h"
#include "base/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bool group_read_file(pid_t pid, const char *name, char *out, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  return proc_read(path, out, size);
}

/* A thread of the process that has not ended.  The first one may end before the others: /proc/PID
 * then shows no memory and no files, and the process looks like one that is over. */
static bool find_thread(struct group_process *p) {
  char path[40], text[1024];
  snprintf(path, sizeof path, "/proc/%d/task", (int)p->pid);
  DIR *threads = opendir(path);
  bool found = false;
  for (struct dirent *e; threads && !found && (e = readdir(threads)) != NULL;) {
    pid_t thread = atoi(e->d_name);
    const char *rest = thread > 0 && group_read_file(thread, "stat", text, sizeof text)
                           ? strrchr(text, ')')
                           : NULL;
    found = rest && strlen(rest) > 2 && !strchr("ZX", rest[2]);
    if (found) {
      p->seen = thread;
      p->state = rest[2];
    }
  }
  if (threads)
    closedir(threads);
  return found;
}

bool group_read_process(pid_t pid, struct group_process *p) {
  char text[1024];
  unsigned long long user, system, child_user, child_system;
  if (!group_read_file(pid, "stat", text, sizeof text))
    return false;
  const char *rest = strrchr(text, ')'); /* the name before may hold anything */
  *p = (struct group_process){.pid = pid, .seen = pid};
  if (!rest || sscanf(rest,
                      ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d "
                      "%" SCNd64,
                      &p->state, &p->parent, &p->group, &user, &system, &child_user, &child_system,
                      &p->threads) != 8)
    return false;
  p->cpu_ms = (int64_t)(user + system + child_user + child_system) * 1000 / sysconf(_SC_CLK_TCK);
  if (p->state == 'Z' && p->threads > 1)
    find_thread(p);
  return true;
}

/* Of "WORD:   123 kB" at the beginning of a line; -1: there is none. */
static int64_t bytes_of(const char *text, const char *word) {
  const char *at = strstr(text, word);
  return at ? atoll(at + strlen(word)) * 1024 : -1;
}

static int64_t sum_of(const char *text, const char *const words[3]) {
  int64_t sum = 0;
  for (int i = 0; i < 3; i++) {
    int64_t bytes = bytes_of(text, words[i]);
    sum += bytes > 0 ? bytes : 0;
  }
  return sum;
}

int64_t group_memory(pid_t pid) {
  static const char *const words[] = {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"};
  char text[4096];
  return group_read_file(pid, "status", text, sizeof text) ? sum_of(text, words) : 0;
}

int64_t group_share(pid_t pid) {
  static const char *const words[] = {"\nPss_Anon:", "\nPss_Shmem:", "\nSwapPss:"};
  char text[4096];
  if (!group_read_file(pid, "smaps_rollup", text, sizeof text))
    return -1;
  return strstr(text, words[0]) ? sum_of(text, words) : bytes_of(text, "\nPss:"); /* Linux < 5.9 */
}

struct walk {
  pid_t group, also;
  void (*each)(const struct group_process *, void *);
  void *arg;
  int64_t *reaped_us;
  pid_t *found; /* whose children are looked at too */
  size_t count, cap;
};

static bool is_of(const struct walk *w, pid_t group) {
  return group == w->group || (w->also > 0 && group == w->also);
}

static void walk_take(struct walk *w, pid_t pid) {
  struct group_process p;
  if (!group_read_process(pid, &p) || !is_of(w, p.group) || p.state == 'X')
    return;
  if (p.state == 'Z' && !is_of(w, getpgid(p.parent))) { /* left to who adopts it */
    if (p.parent == getpid() && pid != w->group)
      proc_reap(pid, w->reaped_us);
    return;
  }
  w->each(&p, w->arg);
  if (w->count == w->cap)
    w->found = mem_grow(w->found, (w->cap = w->cap ? w->cap * 2 : 16) * sizeof *w->found);
  w->found[w->count++] = pid;
}

/* ---- down from here ---- */

static void take_all(struct walk *w, struct proc_children *children) {
  for (size_t i = 0; i < children->count; i++)
    walk_take(w, children->pids[i]);
  free(children->pids);
}

static void take_children_of(struct walk *w, pid_t pid) {
  char path[80];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *threads = opendir(path);
  if (!threads)
    return;
  for (struct dirent *e; (e = readdir(threads)) != NULL;) {
    struct proc_children children;
    if (isdigit((unsigned char)e->d_name[0]) && proc_children_of(pid, e->d_name, &children))
      take_all(w, &children);
  }
  closedir(threads);
}

/* ---- all of /proc ---- */

static void look_everywhere(struct walk *w) {
  DIR *proc = opendir("/proc");
  if (!proc)
    return;
  for (struct dirent *e; (e = readdir(proc)) != NULL;)
    if (isdigit((unsigned char)e->d_name[0]))
      walk_take(w, atoi(e->d_name));
  closedir(proc);
}

void group_each(pid_t group, pid_t also, void (*each)(const struct group_process *, void *),
                void *arg, int64_t *reaped_us) {
  struct walk w = {.group = group, .also = also, .each = each, .arg = arg, .reaped_us = reaped_us};
  struct proc_children own;
  int adopts = 0;
  prctl(PR_GET_CHILD_SUBREAPER, &adopts, 0, 0, 0);
  if (adopts && proc_own_children(&own)) {
    take_all(&w, &own);
    for (size_t i = 0; i < w.count; i++)
      take_children_of(&w, w.found[i]);
  } else {
    look_everywhere(&w);
  }
  free(w.found);
}
